"""Parameters of a protocol request, read strictly: form-encoded UTF-8, not too many (req 29)."""

from urllib.parse import parse_qsl

from flask import request
from werkzeug.exceptions import BadRequest

MAX_PARAMETERS = 100
FORM = "application/x-www-form-urlencoded"


def parse_pairs(text: str) -> list[tuple[str, str]]:
    """Return the name and value pairs of form-encoded text.

    :raises ValueError: not UTF-8, or more than 100 parameters (req 29).
    """
    return parse_qsl(
        text, keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=MAX_PARAMETERS
    )


def query_pairs() -> list[tuple[str, str]]:
    """Return the parameters of the query; a 400 page where they cannot be read."""
    return _pairs(request.query_string)


def body_pairs() -> list[tuple[str, str]]:
    """Return the parameters of a form-encoded body; a 400 page where they cannot be read."""
    if request.mimetype != FORM:
        raise BadRequest(f"the body must be {FORM}")
    return _pairs(request.get_data(cache=False))


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_pairs(raw.decode("ascii"))
    except ValueError as error:
        raise BadRequest("the parameters are not form-encoded UTF-8, or too many") from error
