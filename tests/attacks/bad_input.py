"""Bytes that no client of ours would send: in queries, bodies, headers, and where they are put."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, urlencode

from tests.attacks.live import FORM, Live

KIB = 1024
_Thing = TypeVar("_Thing")

#: a value as it stands in a query or body, encoded
VALUES = {
    "NUL": "%00",
    "NUL in a word": "an%00na",
    "broken UTF-8": "%ff%fe",
    "overlong UTF-8": "%c0%af",
    "a surrogate": "%ed%a0%80",
    "cut UTF-8": "%e2%82",
    "cut percent": "%",
    "percent without digits": "%zz",
    "control characters": "%01%02%1b%5b31m",
    "line ends": "a%0d%0aSet-Cookie:%20x=y",
    "a 10 kB word": "a" * 10_000,
    "many spaces": "+" * 5_000,
    "far planes": quote("\U0001f9ff\U000e0001" * 50),
    "right to left": quote("\u202eanna\u202c"),
    "combining marks": quote("e" + "\u0301" * 500),
    "a folding ligature": quote("\ufdfa" * 100),
    "JSON": quote('{"a":[{"b":null}]}'),
    "deep JSON": quote("[" * 2_500),
    "a number": "-1",
    "a huge number": "9" * 400,
    "a float": "1e309",
    "SQL": quote("' OR '1'='1'; DROP TABLE account;--"),
    "a path": quote("../../../../etc/passwd"),
    "a template": quote("{{7*7}}${7*7}%{7*7}"),
    "an idna word": quote("a@\u00ad" + "\u00e4" * 70 + ".example"),
    "an idna label that is empty": quote("a@..example"),
}

#: names that a parameter may have, for each path the ones it reads and some of others
NAMES = (
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "nonce",
    "prompt",
    "max_age",
    "login_hint",
    "id_token_hint",
    "ui_locales",
    "acr_values",
    "claims",
    "organization",
    "code_challenge",
    "code_challenge_method",
    "response_mode",
    "post_logout_redirect_uri",
    "flow",
    "username",
    "password",
    "code",
    "authenticator",
    "choice",
    "csrf_token",
    "lang",
    "theme",
    "grant_type",
    "refresh_token",
    "token",
    "token_type_hint",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "code_verifier",
    "access_token",
    "dpop_jkt",
    "request",
    "request_uri",
    "resource",
    "device_code",
    "user_code",
    "confirmation",
)


@dataclass(frozen=True, slots=True)
class Request:
    """One request and what it is called."""

    name: str
    method: str
    target: str
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


def places(live: Live, flow_id: str = "x") -> list[str]:
    """Return every path of the product, flows filled in."""
    machine = {path for _, path in live.gateway._dispatcher._routes}
    pages = {
        rule.rule.replace("<flow_id>", flow_id).replace("<version>/<path:name>", "x/css/app.css")
        for rule in live.flask.url_map.iter_rules()
    }
    return sorted(machine | pages)


def parsed_once(live: Live, path: str, things: Iterable[_Thing], at: int) -> list[_Thing]:
    """Return all *things* for a machine's path, which reads them itself; for pages as :func:`turn`."""
    machine = any(path == one for _, one in live.gateway._dispatcher._routes)
    return list(things) if machine else turn(things, at)


def turn(things: Iterable[_Thing], at: int) -> list[_Thing]:
    """Return a quarter of *things* for the path at this place: of four neighbours, each gets another one.

    For what one piece of code reads for all paths, such as headers (``docs/decisions/0057``).
    """
    return list(things)[at % 4 :: 4]


def queries() -> Iterator[tuple[str, str]]:
    """Yield name and text of queries and form bodies with the same broken value everywhere."""
    for what, value in VALUES.items():
        yield f"everywhere {what}", "&".join(f"{name}={value}" for name in NAMES if len(value) < 200)


def broken_queries() -> Iterator[tuple[str, str]]:
    """Yield name and text of queries and form bodies that are broken as a whole."""
    yield "1,000 parameters", "&".join(f"p{number}=x" for number in range(1000))
    yield "1,000 times one parameter", "&".join(["client_id=portal"] * 1000)
    yield "names without values", "&".join(NAMES)
    yield "values without names", "=x&=y&="
    yield "only separators", "&" * 3000
    yield "arrays", "client_id[]=portal&client_id[0]=portal&scope[a][b]=x"
    yield "semicolons", "client_id=portal;redirect_uri=x"
    yield "a broken name", "%ff=x&%00=y&client%00_id=portal"
    yield "each twice", "&".join(f"{name}=x&{name}=y" for name in NAMES)


def bodies() -> Iterator[tuple[str, bytes, tuple[tuple[str, str], ...]]]:
    """Yield name, bytes and headers of bodies of a wrong kind or size."""
    form = tuple(FORM.items())
    yield "no content type", b"a=b", ()
    for kind in (
        "application/json",
        "text/plain",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\xff",
        "application/x-www-form-urlencoded; charset=utf-16",
        "application/x-www-form-urlencoded, text/plain",
        "x" * 5000,
        "/",
        "",
    ):
        yield f"content type {kind[:60]!r}", b'{"grant_type":"x"}', (("Content-Type", kind),)
    part = b'--B\r\nContent-Disposition: form-data; name="username"\r\n\r\nanna\r\n'
    multipart = (("Content-Type", "multipart/form-data; boundary=B"),)
    yield "cut multipart", part, multipart
    yield "200 parts", part * 200 + b"--B--\r\n", multipart
    yield (
        "an uploaded file",
        part.replace(b'"username"', b'"username"; filename="x"') + b"--B--\r\n",
        multipart,
    )
    yield "a JSON array", b"[1,2]", (("Content-Type", "application/json"),)
    yield "no bytes", b"", form
    yield "raw bytes", bytes(range(256)) * 8, form
    yield "64 KiB", b"a=" + b"b" * (64 * KIB - 2), form
    yield "one byte more", b"a=" + b"b" * (64 * KIB - 1), form
    yield "1 MiB", b"a" * KIB * KIB, form


def headers() -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    """Yield name and value of headers that are broken, or too long."""
    long_kid = "eyJhbGciOiJFUzI1NiIsImtpZCI6Ii" + "A" * 10_000
    for name, value in {
        "Authorization": (
            "Basic",
            "Basic ",
            "Basic %%%",
            "Basic \xff\xfe",
            "Basic /////w==",
            "Basic OnBvcnRhbA==",
            "Basic cG9ydGFs",
            f"Basic {'A' * 9000}",
            "Bearer",
            "Bearer  ",
            "Bearer a b",
            "Bearer \xff",
            f"Bearer {long_kid}.e30.x",
            "Bearer ..",
            "Bearer .",
            "Bearer eyJhbGciOiJub25lIn0.e30.",
            "Digest username=x",
            "DPoP",
            "DPoP \xff",
            "DPoP ..",
            "\x0b",
        ),
        "DPoP": ("", "\xff", ",", "..", "x.y.z", "eyJ0eXAiOiJkcG9wK2p3dCJ9.e30.x", f"{long_kid}.e30.x"),
        "Cookie": (
            "__Host-sid=\xff",
            "__Host-sid=" + "A" * 43,
            "__Host-sid=" + "A" * 9000,
            "__Host-sid; __Host-flow; =; ;;",
            "__Host-form=eyJ4IjoxfQ.x.x",
            "__Host-form=.eJx.x.x",
            "__Host-dev=" + "A" * 43 + "." + "B" * 43,
            '__Host-sid="\\377\\000"',
            "__Host-lang=\xff; __Host-theme=<x>",
        ),
        "Accept-Language": ("\xff", "de;q=x, *;q=9", "x" * 9000, "-", "de-" * 500),
        "Accept": ("\xff", "a/b;q=\xff", ",,,"),
        "If-None-Match": ("\xff", "*", '"', "W/"),
        "User-Agent": ("\xff\x01", "x" * 9000),
        "X-Forwarded-For": ("\xff", "1.2.3.4, x", "::1%lo", ",".join(["1.1.1.1"] * 900)),
        "Origin": ("\xff", "https://", "x" * 9000),
        "Sec-Fetch-Site": ("\xff", ""),
        "Range": ("bytes=0-0,-1", "x"),
        "Transfer-Encoding": ("identity",),
        "Expect": ("x",),
        "X-Long": ("x" * 20 * KIB,),
    }.items():
        for one in value:
            yield f"{name}: {one[:30]!r}", ((name, one),)
    yield "100 headers of 200 bytes", tuple((f"X-{number}", "x" * 200) for number in range(90))


def encoded(name: str, value: str) -> str:
    """Return one parameter, its name encoded."""
    return f"{urlencode({name: ''})}{value}"
