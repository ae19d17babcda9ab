"""Authorization responses in each mode (RFC 6749 §4.1.2, RFC 9207; conformance redirect-uri-query-OK)."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from authlib.oauth2.rfc6749 import OAuth2Error

from idp.oidc.authorization_response import error_response, response_mode_problem, success_response

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


URIS = [
    "https://portal.example/cb",
    "https://portal.example/cb?x=1&y=%20",
    "http://127.0.0.1:4711/cb",
    "app:/cb",
]


@pytest.mark.parametrize("state", TEXTS)
@pytest.mark.parametrize("uri", URIS)
def test_success(uri: str, state: str) -> None:
    """The registered URI with its query kept byte for byte, then ours; state arrives as it was sent; iss."""
    location = success_response(uri, "query", ISSUER, code="c-_1", state=state).location
    assert location.startswith(uri + ("&" if "?" in uri else "?"))
    assert location.isascii()
    assert location.count("?") == 1
    assert "#" not in location
    added = parse_qsl(location[len(uri) + 1 :])
    assert added == [("code", "c-_1"), ("state", state), ("iss", ISSUER)]


@pytest.mark.parametrize("state", TEXTS)
@pytest.mark.parametrize("uri", URIS)
def test_fragment(uri: str, state: str) -> None:
    """Everything behind one #, iss too; Authlib's IssuerParameter puts that into the query (req 8)."""
    location = success_response(uri, "fragment", ISSUER, code="c-_1", state=state).location
    assert location.isascii()
    before, fragment = location.split("#")
    assert before == uri
    assert parse_qsl(fragment) == [("code", "c-_1"), ("state", state), ("iss", ISSUER)]


@pytest.mark.parametrize("state", [*TEXTS, "<b>'\"&amp;", "s" * 4096])
def test_form(state: str) -> None:
    """Values as they are: Authlib percent-encodes them, so that "a b" arrives as "a%20b" (stack §1.1)."""
    response = success_response("https://portal.example/cb", "form_post", ISSUER, code="c-_1", state=state)
    assert response.redirect_uri == "https://portal.example/cb"
    assert response.parameters == {"code": "c-_1", "state": state, "iss": ISSUER}


def test_without_state() -> None:
    """Nothing is made up."""
    location = success_response("https://portal.example/cb", "query", ISSUER, code="c", state=None).location
    assert dict(parse_qsl(urlsplit(location).query)) == {"code": "c", "iss": ISSUER}


@pytest.mark.parametrize("described", [True, False])
@pytest.mark.parametrize("mode", ["query", "fragment", "form_post"])
def test_errors_carry_iss_and_state(mode: str, described: bool) -> None:
    """Authlib's IssuerParameter leaves iss out of errors such as those of prompt=none (req 8)."""
    error = OAuth2Error("a b", error="login_required") if described else OAuth2Error(error="login_required")
    error.redirect_uri, error.state, error.response_mode = "https://portal.example/cb?x=1", "s", mode
    response = error_response(ISSUER, error)
    expected = [("error", "login_required"), ("state", "s"), ("iss", ISSUER)]
    if described:
        expected.insert(1, ("error_description", "a b"))
    assert (response.redirect_uri, response.mode) == ("https://portal.example/cb?x=1", mode)
    assert list(response.parameters.items()) == expected
    if described:
        assert "error_description=a%20b&" in response.location  # a plus is a plus to an app's own reader
    if mode == "query":
        assert parse_qsl(urlsplit(response.location).query) == [("x", "1"), *expected]


@pytest.mark.parametrize(
    ("mode", "uri", "fits"),
    [
        *((mode, uri, True) for mode in ("query", "fragment") for uri in URIS),
        *(("form_post", uri, uri.startswith("http")) for uri in URIS),
        ("Query", URIS[0], False),
        ("form_post ", URIS[0], False),
        ("query.jwt", URIS[0], False),
        ("web_message", URIS[0], False),
        ("", URIS[0], False),
    ],
)
def test_modes(mode: str, uri: str, fits: bool) -> None:
    """The three modes; an app's own scheme is opened with an address alone, so a form would arrive empty."""
    assert (response_mode_problem(mode, uri) is None) == fits
