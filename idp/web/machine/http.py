"""Reading a WSGI request strictly, and the answers that are no endpoint's own (RFC 6749 §3.2, req 29)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.context import Origin
from idp.oidc.authorization_request import Received, refuse_repeated
from idp.oidc.server import Answer
from idp.web.parameters import FORM, Unreadable, query_pairs

MAX_BODY = 65_536


@dataclass(frozen=True, slots=True)
class MachineRequest:
    """A request as the endpoints take it."""

    method: str
    environ: Mapping[str, Any]
    #: documents never ask
    find_origin: Callable[[], Origin]

    @property
    def origin(self) -> Origin:
        """Where it came from."""
        return self.find_origin()

    @property
    def authorization(self) -> str | None:
        """The Authorization header; bytes that are no text in any charset reach the reader as they came."""
        header: str | None = self.environ.get("HTTP_AUTHORIZATION")
        return header

    @property
    def path(self) -> str:
        """The path that was asked for."""
        return str(self.environ["PATH_INFO"])

    @property
    def dpop(self) -> str | None:
        """The DPoP header; servers join several by commas."""
        header: str | None = self.environ.get("HTTP_DPOP")
        return header

    def form(self) -> Mapping[str, str]:
        """Return the parameters of the body, each once; one without a value counts as left out.

        :raises InvalidRequestError: another content type, a query, not UTF-8, too much, or one sent twice.
        """
        if self.environ.get("QUERY_STRING"):
            raise InvalidRequestError("parameters belong into the body, not into the query")
        content_type = str(self.environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
        if content_type != FORM:
            raise InvalidRequestError(f"the Content-Type must be {FORM}")
        return _once(self._body())

    def _body(self) -> str:
        # PEP 3333: reading beyond a length that was named may wait for bytes that never come
        length = self.environ.get("CONTENT_LENGTH") or MAX_BODY + 1
        try:
            raw = self.environ["wsgi.input"].read(int(length))
        except OSError as error:  # the connection ended, or a chunk has no size
            raise InvalidRequestError("the body cannot be read to its end") from error
        if len(raw) > MAX_BODY:
            raise InvalidRequestError("the body is longer than 64 KiB")
        try:
            text: str = raw.decode("ascii")
        except UnicodeDecodeError as error:
            raise InvalidRequestError("the body is not form-encoded") from error
        return text


def _once(body: str) -> Mapping[str, str]:
    if "%00" in body or "\0" in body:
        raise InvalidRequestError("a parameter holds a NUL character")
    try:
        received = Received.of(query_pairs(body))
    except Unreadable as unreadable:
        raise InvalidRequestError(f"the body must be {unreadable}") from unreadable
    refuse_repeated(received)
    return received.parameters


def plain(status: int, text: str, headers: list[tuple[str, str]] | None = None) -> Answer:
    """Return a short text answer."""
    head = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store"), *(headers or [])]
    return Answer(status, text.encode(), head)
