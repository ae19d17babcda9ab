"""The one way out: every server-side fetch of a URL somebody else chose (req 32, C9; OWASP SSRF prevention).

The name is resolved here, every address is judged, and the socket is opened to the judged address itself,
so a name that answers differently the second time gains nothing; the host name stays in SNI and ``Host``.
No redirects, no proxies from the environment, no compressed answers; time and size are bounded over all.
"""

import ssl
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from idp.egress.rules import EgressError, EgressFailed, EgressRefused, checked, is_loopback, is_public
from idp.settings import Settings

SECONDS = 3.0
"""Time for everything: name, connection, TLS, request, answer."""
MAX_BYTES = 256 * 1024
"""Largest body that is read."""

JSON = ("application/json",)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; header names are in lower case, *body* is empty where the caller accepts none."""

    status: int
    body: bytes
    headers: Mapping[str, str]


def fetch(
    url: str,
    *,
    settings: Settings,
    method: str = "GET",
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    accept: Sequence[str] | None = JSON,
) -> Response:
    """Fetch *url* and return the answer, whatever its status; a redirect is an answer like any other.

    :param accept: media types a successful answer may have; None: the body is of no interest and not read.
    :raises EgressRefused: not https, an address that is not public, a wrong type, more than 256 KiB.
    :raises EgressFailed: no name, no connection, no valid certificate, no answer within 3 seconds.
    """
    from idp.egress.connections import FAILURES, connections  # httpcore, for those who fetch

    loopback = settings.egress.allow_loopback
    parts = checked(url, loopback=loopback)
    deadline = time.monotonic() + SECONDS
    sent = {"Accept-Encoding": "identity", "User-Agent": "Lotse", "Connection": "close"}
    sent |= {"Accept": ", ".join(accept)} if accept else {}
    sent |= headers or {}
    pool = connections(trust(settings), deadline, plain=parts.scheme == "http", loopback=loopback)
    try:
        with pool, pool.stream(method, url, headers=_latin(sent), content=data) as answer:
            found = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers
            }
            body = b"" if accept is None else _body(answer.iter_stream(), answer.status, found, accept)
            return Response(answer.status, body, found)
    except EgressError as error:
        raise type(error)(f"{parts.hostname}: {error}") from None
    except FAILURES as error:
        raise EgressFailed(f"{parts.hostname}: {type(error).__name__}") from error


def _body(chunks: Iterable[bytes], status: int, headers: Mapping[str, str], accept: Sequence[str]) -> bytes:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if status < 300 and media_type not in accept:
        raise EgressRefused("the answer has another media type")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise EgressRefused("the answer is compressed")
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > MAX_BYTES:
            raise EgressRefused("the answer is too large")
    return bytes(body)


def _latin(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def trust(settings: Settings) -> ssl.SSLContext:
    """Return how certificates of other servers are judged: as usual, and by ``egress.trust_ca_file``."""
    path = settings.egress.trust_ca_file
    return _trust(None if path is None else str(path))


@lru_cache(maxsize=4)
def _trust(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


__all__ = [
    "JSON",
    "MAX_BYTES",
    "SECONDS",
    "EgressError",
    "EgressFailed",
    "EgressRefused",
    "Response",
    "fetch",
    "is_loopback",
    "is_public",
    "trust",
]
