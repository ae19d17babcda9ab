"""Which URIs a client may register, and whether a received one is among them (RFC 9700 §2.1, §4.1)."""

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

MAX_LENGTH: Final = 2048

# The characters of RFC 3986 without fragment ("#"), wildcard ("*") and what only browsers accept ("\").
_CHARACTERS: Final = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()+,;=%]+")
_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
#: encoded dots, slashes, backslashes, percent signs and control characters: servers decode paths differently
_HIDDEN: Final = re.compile(r"%(?:2[eEfF5]|5[cC]|[01][0-9A-Fa-f]|7[fF])")
_ENCODED_CONTROL: Final = re.compile(r"%(?:[01][0-9A-Fa-f]|7[fF])")
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_AUTHORITY: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\[\]:@]*)(?::([0-9]*))?")
_PRIVATE_SCHEME: Final = re.compile(r"[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)+")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
#: RFC 8252 §7.3: only the two addresses; the name "localhost" may resolve elsewhere
_LOOPBACK_ADDRESS: Final = re.compile(
    r"http://(127\.0\.0\.1|\[::1\])(?::([1-9][0-9]{0,4}))?((?:[/?].*)?)", re.S
)


def redirect_uri_matches(registered: str, received: str, *, kind: str) -> bool:
    """Tell whether a received redirect URI is the registered one, byte for byte (req 1).

    The one exception is the port of ``http://127.0.0.1`` and ``http://[::1]`` for native clients, which learn
    their port from the system (RFC 8252 §7.3); host, path and query stay equal.

    :param kind: the client's kind, ``web``, ``spa``, ``native``, ``machine`` or ``device``.
    """
    if received == registered:
        return True
    if kind != "native":
        return False
    known = _without_port(registered)
    return known is not None and known == _without_port(received)


def _without_port(uri: str) -> tuple[str, str] | None:
    """Return host and everything after the port of a loopback address, None for any other URI."""
    match = _LOOPBACK_ADDRESS.fullmatch(uri)
    if match is None or int(match[2] or 80) > 65535:
        return None
    return match[1], match[3]


def redirect_uri_problem(uri: str, kind: str) -> str | None:
    """Return what is wrong with a redirect URI that someone wants to register, or None (req 3)."""
    scheme = uri.partition(":")[0]
    if kind == "native" and scheme not in {"http", "https"} and _PRIVATE_SCHEME.fullmatch(scheme):
        return _private_use_problem(uri)
    return web_uri_problem(uri)


def web_uri_problem(uri: str, *, loopback: bool = True) -> str | None:
    """Return what is wrong with an https URI, or None.

    :param loopback: http is allowed where the host is ``localhost``, ``127.0.0.1`` or ``[::1]``.
    """
    common = _text_problem(uri)
    if common:
        return common
    try:
        parts = urlsplit(uri)
    except ValueError:
        return "is not a URI"
    if not uri.startswith(("https://", "http://")):
        return "must begin with https://, in small letters"
    authority = _authority_problem(parts.netloc)
    if authority:
        return authority
    if parts.scheme == "http" and not (loopback and is_loopback(uri)):
        return "must be https; http is for localhost, 127.0.0.1 and [::1]" if loopback else "must be https"
    return _path_problem(parts)


def origin_of(uri: str) -> str:
    """Return the origin of a well-formed web address as browsers write it, without a port they imply."""
    parts = urlsplit(uri)
    port = {"https": ":443", "http": ":80"}.get(parts.scheme, "")
    return f"{parts.scheme}://{parts.netloc.removesuffix(port)}"


def origin_problem(text: str) -> str | None:
    """Return what is wrong with the origin of a web page, or None (RFC 6454 §6.2)."""
    problem = web_uri_problem(text)
    if problem is None and text != origin_of(text):
        return f"must be an origin without path, as in {origin_of(text)}"
    return problem


def is_loopback(uri: str) -> bool:
    """Tell whether the host of a well-formed URI is this machine."""
    return _host(urlsplit(uri).netloc) in _LOOPBACK


def _host(authority: str) -> str:
    match = _AUTHORITY.fullmatch(authority)
    return match[1] if match else ""


def _text_problem(uri: str) -> str | None:
    if not uri or len(uri) > MAX_LENGTH:
        return f"must have 1 to {MAX_LENGTH} characters"
    if "#" in uri:
        return "must have no fragment"
    if "*" in uri:
        return "must have no wildcard"
    if not _CHARACTERS.fullmatch(uri):
        return "must have no spaces, backslashes, control characters or characters beyond ASCII"
    if _PERCENT.search(uri):
        return "must have two hexadecimal digits after each percent sign"
    return "must have no encoded control characters" if _ENCODED_CONTROL.search(uri) else None


def _authority_problem(authority: str) -> str | None:
    if "@" in authority:
        return "must have no user name or password before the host"
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        return "must have a host name or an address"
    host, port = match[1], match[2]
    if port is not None and not (port and port[0] != "0" and int(port[:6]) <= 65535):
        return "must have a port from 1 to 65535 after the colon"
    return _host_problem(host)


def _host_problem(host: str) -> str | None:
    try:
        if host.startswith("["):
            ipaddress.IPv6Address(host[1:-1])
            return None if host == host.lower() else "must have its host in small letters"
        if host.rpartition(".")[2][:1].isdigit():  # browsers read 127.1 and 0x7f.1 as addresses
            ipaddress.IPv4Address(host)
            return None
    except ValueError:
        return "must have a host name or an address"
    if host != host.lower():
        return "must have its host in small letters"
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        return "must have a host name or an address"
    return None


def _path_problem(parts: SplitResult) -> str | None:
    if _HIDDEN.search(parts.path):
        return "must have no encoded dots, slashes, backslashes or percent signs in its path"
    if any(segment.partition(";")[0] in {".", ".."} for segment in parts.path.split("/")):
        return "must have no . or .. in its path"
    return None


def _private_use_problem(uri: str) -> str | None:
    """Check ``com.example.app:/callback`` (RFC 8252 §7.1): a reversed domain name, one slash, a path."""
    common = _text_problem(uri)
    if common:
        return common
    rest = uri.partition(":")[2]
    if not rest.startswith("/") or rest.startswith("//"):
        return "must have one slash after its scheme, as in com.example.app:/callback"
    return _path_problem(urlsplit(rest))
