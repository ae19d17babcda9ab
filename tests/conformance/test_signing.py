"""Dynamic OP: what a client may have signed, and with which algorithm (conformance reference §5)."""

import pytest

from idp.context import Services
from idp.db import Database
from idp.oidc.signing import ALGORITHMS
from idp.settings import Settings
from tests import cast
from tests.conformance.conftest import Op
from tests.installation import install_signing_keys, make_services, unit_of_work
from tests.plain_browser import Portal
from tests.world import at_hash, forget_snapshot, machine, verified

pytestmark = pytest.mark.alone_on("postgresql")


@pytest.fixture
def services(settings: Settings, database: Database) -> Services:
    """An installation with keys of every algorithm, since making RSA keys takes seconds."""
    made = make_services(settings, database)
    install_signing_keys(made, algorithms=ALGORITHMS)
    return made


def _portal(op: Op, **fields: str) -> Portal:
    with unit_of_work(op.services) as ctx:
        made = cast.register(ctx, "signed", **fields)
    forget_snapshot(op.gateway)
    return Portal(op.gateway, made)


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_oidcc_idtoken_rs256(op: Op, alg: str) -> None:
    """id_token_signed_response_alg is honoured, at_hash fits it, and the token is a hint afterwards."""
    op.client = _portal(op, id_token_signed_response_alg=alg)
    browser = op.browser()
    tokens = op.log_in(browser)
    for found in (tokens, op.client.refresh(tokens["refresh_token"]).get_json()):
        header, claims = verified(op.gateway, found["id_token"])
        assert header["alg"] == alg
        assert claims["at_hash"] == at_hash(found["access_token"], alg)
    published = machine(op.gateway, "GET", "/jwks").get_json()["keys"]
    assert [key["alg"] for key in published if key["kid"] == header["kid"]] == [alg]
    op.silent(browser, prompt="none", id_token_hint=tokens["id_token"])


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_oidcc_userinfo_rs256(op: Op, alg: str, method: str) -> None:
    """application/jwt of the registered algorithm, with iss, aud and sub, without nonce; never stored."""
    op.client = _portal(op, userinfo_signed_response_alg=alg)
    tokens = op.log_in(op.browser(), scope="openid email")
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    answer = machine(op.gateway, method, "/userinfo", headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/jwt")
    assert answer.headers["Cache-Control"] == "no-store"
    header, claims = verified(op.gateway, answer.text)
    assert header["alg"] == alg
    assert claims == {
        "iss": op.issuer,
        "aud": "signed",
        "sub": verified(op.gateway, tokens["id_token"])[1]["sub"],
        "email": "paul@muster.example",
        "email_verified": True,
    }


def test_errors_of_signed_userinfo_stay_plain(op: Op) -> None:
    """RFC 6750 §3: a refusal is a challenge, not a JWT."""
    portal = _portal(op, userinfo_signed_response_alg="ES256")
    assert portal.userinfo("garbage").mimetype == "application/json"


def test_what_userinfo_signed_is_nothing_else(op: Op) -> None:
    """Neither a hint, nor an access token, here or at the end session endpoint (req 24)."""
    op.client = _portal(op, userinfo_signed_response_alg="ES256")
    browser = op.browser()
    signed = op.client.userinfo(op.log_in(browser)["access_token"]).text
    op.client.authorize(browser, prompt="none", id_token_hint=signed)
    assert op.client.answer(browser)["error"] == "invalid_request"
    assert browser.get("/logout", id_token_hint=signed).status_code == 400
    assert op.client.userinfo(signed).status_code == 401
    assert op.client.call("/introspect", {"token": signed}).get_json() == {"active": False}
