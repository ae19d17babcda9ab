"""Redirect locations (RFC 6749 §4.1.2, RFC 9207; conformance redirect-uri-query-OK)."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from authlib.oauth2.rfc6749 import OAuth2Error

from idp.oidc.authorization_response import error_location, success_location

ISSUER = "https://login.example"
TEXTS = [
    "plain",
    "a b",
    "a+b",
    "ä ö",
    "50%",
    "x&iss=https://evil.example",
    "#top",
    '"quoted"',
    "s" * 128,
    "=?/",
]


@pytest.mark.parametrize("state", TEXTS)
@pytest.mark.parametrize(
    "uri",
    [
        "https://portal.example/cb",
        "https://portal.example/cb?x=1&y=%20",
        "http://127.0.0.1:4711/cb",
        "app:/cb",
    ],
)
def test_success(uri: str, state: str) -> None:
    """The registered URI with its query kept byte for byte, then ours; state arrives as it was sent; iss."""
    location = success_location(uri, ISSUER, code="c-_1", state=state)
    assert location.startswith(uri + ("&" if "?" in uri else "?"))
    assert location.isascii()
    assert location.count("?") == 1
    assert "#" not in location
    added = parse_qsl(location[len(uri) + 1 :])
    assert added == [("code", "c-_1"), ("state", state), ("iss", ISSUER)]


def test_without_state() -> None:
    """Nothing is made up."""
    location = success_location("https://portal.example/cb", ISSUER, code="c", state=None)
    assert dict(parse_qsl(urlsplit(location).query)) == {"code": "c", "iss": ISSUER}


@pytest.mark.parametrize("described", [True, False])
def test_errors_carry_iss_and_state(described: bool) -> None:
    """Authlib's IssuerParameter leaves iss out of errors such as those of prompt=none (req 8)."""
    error = OAuth2Error("a b", error="login_required") if described else OAuth2Error(error="login_required")
    error.redirect_uri, error.state = "https://portal.example/cb?x=1", "s"
    location = error_location(ISSUER, error)
    expected = [("x", "1"), ("error", "login_required"), ("state", "s"), ("iss", ISSUER)]
    if described:
        expected.insert(2, ("error_description", "a b"))
    assert parse_qsl(urlsplit(location).query) == expected
