"""Which answers scripts of other origins may read (RFC 9700 §2.6; req 17)."""

import pytest
from sqlalchemy.exc import OperationalError
from werkzeug.test import Client, TestResponse

from idp.management import clients
from tests import cast
from tests.builders import OPERATOR
from tests.world import Desk, forget_snapshot, machine

APP = "https://app.example"
READABLE = {
    "/token": "POST",
    "/revoke": "POST",
    "/par": "POST",
    "/userinfo": "GET, POST",
    "/jwks": "GET",
    "/.well-known/openid-configuration": "GET",
    "/.well-known/oauth-authorization-server": "GET",
}
CLOSED = (
    "/introspect",
    "/device_authorization",
    "/health/live",
    "/health/ready",
    "/authorize",
    "/device",
    "/logout",
    "/login",
    "/",
    "/nowhere",
)
STRANGERS = (
    "https://evil.example",
    "https://app.example.evil.example",
    "https://app.example:443",
    "https://app.example/",
    "https://APP.example",
    "http://app.example",
    "https://portal.example",  # a web client's own server asks for it, no script
    "null",
    "*",
    "",
    "\xff",
)


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """Beside the portal, a spa whose scripts come from its redirect URI."""
    with desk.work() as ctx:
        cast.register_public(ctx, "spa", redirect_uris=[f"{APP}/callback"], post_logout_redirect_uris=[])
    forget_snapshot(desk.gateway)
    return desk


def _cors(answer: TestResponse) -> dict[str, str]:
    return {name: value for name, value in answer.headers if name.startswith("Access-Control")}


def _ask(desk: Desk, method: str, path: str, origin: str | None, **headers: str) -> TestResponse:
    sent = headers if origin is None else headers | {"Origin": origin}
    return machine(desk.gateway, method, path, headers=sent)


@pytest.mark.parametrize("path", READABLE)
def test_a_registered_origin_reads(desk: Desk, path: str) -> None:
    """Answers and errors alike; without credentials; no cache hands one origin's answer to another."""
    for method in READABLE[path].split(", "):
        answer = _ask(desk, method, path, APP)
        assert _cors(answer) == {
            "Access-Control-Allow-Origin": APP,
            "Access-Control-Expose-Headers": "WWW-Authenticate, DPoP-Nonce, Retry-After",
        }
        assert answer.headers.getlist("Vary") == ["Origin"]


@pytest.mark.parametrize("path", READABLE)
def test_a_preflight(desk: Desk, path: str) -> None:
    """What a script may send, to a registered origin alone; nothing about credentials."""
    wish = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,dpop"}
    answer = _ask(desk, "OPTIONS", path, APP, **wish)
    assert (answer.status_code, answer.data) == (204, b"")
    assert "Content-Length" not in answer.headers
    assert _cors(answer) == {
        "Access-Control-Allow-Origin": APP,
        "Access-Control-Allow-Methods": READABLE[path],
        "Access-Control-Allow-Headers": "authorization, content-type, dpop",
        "Access-Control-Max-Age": "3600",
    }
    assert answer.headers.getlist("Vary") == ["Origin"]
    for stranger in STRANGERS:
        refused = _ask(desk, "OPTIONS", path, stranger, **wish)
        assert (refused.status_code, _cors(refused)) == (403, {}), stranger
        assert refused.headers.getlist("Vary") == ["Origin"]


@pytest.mark.parametrize("path", READABLE)
def test_a_stranger_does_not_read(desk: Desk, path: str) -> None:
    """It is answered as if it were no browser."""
    for stranger in STRANGERS:
        answer = _ask(desk, READABLE[path].partition(",")[0], path, stranger)
        assert _cors(answer) == {}, stranger
        assert answer.headers.getlist("Vary") == ["Origin"]


@pytest.mark.parametrize("path", CLOSED)
def test_what_no_script_reads(desk: Desk, path: str) -> None:
    """The authorization endpoint and every page above all, whoever asks."""
    for method in ("GET", "POST", "OPTIONS"):
        assert _cors(_ask(desk, method, path, APP)) == {}


def test_without_an_origin_nothing_is_said(desk: Desk) -> None:
    """Only what caches keep says that it may differ."""
    for path, methods in READABLE.items():
        answer = _ask(desk, methods.partition(",")[0], path, None)
        assert _cors(answer) == {}
        public = "public" in answer.headers.get("Cache-Control", "")
        assert answer.headers.getlist("Vary") == (["Origin"] if public else [])
        assert _ask(desk, "OPTIONS", path, None).status_code == 405


def test_a_document_that_is_known(desk: Desk) -> None:
    """304 too; otherwise a browser could not use what it kept."""
    etag = _ask(desk, "GET", "/jwks", APP).headers["ETag"]
    again = _ask(desk, "GET", "/jwks", APP, **{"If-None-Match": etag})
    assert again.status_code == 304
    assert _cors(again)["Access-Control-Allow-Origin"] == APP


def test_a_script_signs_in(desk: Desk) -> None:
    """A code is redeemed and userinfo read by script; cookies are neither read nor set."""
    with desk.work() as ctx:
        clients.disable(ctx.acting(OPERATOR), "spa")
        registered = cast.register_public(ctx, "second")
    forget_snapshot(desk.gateway)
    origin = "https://portal.example"
    assert _cors(_ask(desk, "GET", "/jwks", APP)) == {}  # a disabled client has no scripts
    desk.registered = desk.portal.registered = registered
    form = {
        "grant_type": "authorization_code",
        "code": desk.code().code,
        "redirect_uri": registered.redirect_uri,
        "code_verifier": desk.portal.verifier,
        "client_id": "second",
    }
    browser = Client(desk.gateway)
    answer = browser.post("/token", base_url=desk.issuer, data=form, headers={"Origin": origin})
    assert answer.status_code == 200
    assert _cors(answer)["Access-Control-Allow-Origin"] == origin
    assert "Set-Cookie" not in answer.headers
    headers = {"Origin": origin, "Authorization": f"Bearer {answer.get_json()['access_token']}"}
    answer = browser.get("/userinfo", base_url=desk.issuer, headers=headers)
    assert (answer.status_code, _cors(answer)["Access-Control-Allow-Origin"]) == (200, origin)


def test_the_database_is_away(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was known of origins counts on; from the start on, nothing is known and nothing said."""

    def gone(*_: object) -> None:
        raise OperationalError("select", {}, Exception("away"))

    snapshots = desk.gateway.server.provider.snapshots
    snapshots.current()
    forget_snapshot(desk.gateway)
    monkeypatch.setattr(snapshots, "_refresh", gone)
    answer = _ask(desk, "GET", "/userinfo", APP, Authorization="Bearer x")
    assert answer.status_code == 503
    assert _cors(answer)["Access-Control-Allow-Origin"] == APP
    monkeypatch.setattr(snapshots, "_snapshot", None)
    answer = _ask(desk, "GET", "/userinfo", APP, Authorization="Bearer x")
    assert (answer.status_code, _cors(answer)) == (503, {})
