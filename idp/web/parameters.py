"""Parameters of a request that a browser brings, read strictly: form-encoded UTF-8, not too many (req 29)."""

from urllib.parse import parse_qsl

MAX_PARAMETERS = 100
FORM = "application/x-www-form-urlencoded"


class Unreadable(Exception):
    """Parameters that cannot be read, so that nobody can say who sent them or why; a page says so.

    Its message is what is expected instead, and nothing of what came.
    """


def query_pairs(query: str) -> list[tuple[str, str]]:
    """Return the name and value pairs of a query, as WSGI has it; raises Unreadable."""
    try:
        return parse_qsl(
            query, keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=MAX_PARAMETERS
        )
    except ValueError as error:
        raise Unreadable(f"form-encoded UTF-8, {MAX_PARAMETERS} parameters at most") from error


def body_pairs(query: str, media_type: str, body: bytes) -> list[tuple[str, str]]:
    """Return the pairs of a form-encoded body; raises Unreadable, also where the query has any."""
    if query:
        raise Unreadable("a POST with its parameters in the body, none in the address")
    if media_type != FORM:
        raise Unreadable(f"a body of the type {FORM}")
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError as error:
        raise Unreadable("a form-encoded body") from error
    return query_pairs(text)
