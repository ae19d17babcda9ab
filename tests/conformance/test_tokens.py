"""Basic OP: codes used twice, and refresh tokens (conformance reference §3)."""

import time
from datetime import timedelta

import pytest

from idp.flows.models import OneTimeSecret
from tests import cast
from tests.conformance.conftest import IN_BOTH_PLANS, Op
from tests.installation import unit_of_work
from tests.world import ALL_SCOPES, forget_snapshot, later, machine, move_back, verified

pytestmark = [IN_BOTH_PLANS, pytest.mark.alone_on("postgresql")]


def test_oidcc_codereuse(op: Op) -> None:
    """The second use of a code, at once: 400, JSON, invalid_grant."""
    browser = op.browser()
    op.log_in(browser)
    again = op.client.exchange(op.client.answer(browser)["code"])
    assert again.status_code == 400
    assert again.mimetype == "application/json"
    assert again.get_json()["error"] == "invalid_grant"


def test_oidcc_codereuse_30seconds(op: Op) -> None:
    """The second use after 30 seconds: invalid_grant, and the access token is dead."""
    browser = op.browser()
    tokens = op.log_in(browser)
    assert op.client.userinfo(tokens["access_token"]).status_code == 200
    columns = (OneTimeSecret.created_at, OneTimeSecret.expires_at, OneTimeSecret.used_at)
    move_back(op.services, columns, timedelta(seconds=31))
    again = op.client.exchange(op.client.answer(browser)["code"])
    assert again.get_json()["error"] == "invalid_grant"
    assert op.client.userinfo(tokens["access_token"]).status_code == 401
    assert op.client.refresh(tokens["refresh_token"]).get_json()["error"] == "invalid_grant"


def test_oidcc_refresh_token(op: Op) -> None:
    """Refresh works with no-store and Bearer; a minute later the new ID token has the same iss, sub, aud and
    auth_time and the iat of that minute; another client cannot use the token.
    """
    browser = op.browser()
    first = op.log_in(browser, nonce="n" * 43)
    before = op.id_token(first, nonce="n" * 43)
    stolen = op.second.refresh(first["refresh_token"])
    assert (stolen.status_code, stolen.get_json()["error"]) == (400, "invalid_grant")
    with later(minutes=1):
        answer = op.client.refresh(first["refresh_token"])
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    tokens = answer.get_json()
    assert tokens["token_type"] == "Bearer"
    assert tokens["refresh_token"] != first["refresh_token"]
    assert tokens["access_token"] != first["access_token"]
    _, after = verified(op.gateway, tokens["id_token"])
    for claim in ("iss", "sub", "aud", "azp", "auth_time", "sid", "acr", "amr"):
        assert after[claim] == before[claim], claim
    assert before["iat"] + 60 <= after["iat"] <= time.time() + 60
    assert after["exp"] - after["iat"] == before["exp"] - before["iat"]
    with later(minutes=1):
        assert op.client.userinfo(tokens["access_token"]).status_code == 200


def test_oidcc_refresh_token_with_offline_access(op: Op) -> None:
    """offline_access with prompt=consent, as is sent where discovery announces it; the person is asked."""
    metadata = machine(op.gateway, "GET", "/.well-known/openid-configuration").get_json()
    assert metadata["scopes_supported"].count("offline_access") == 1
    assert len(set(metadata["scopes_supported"])) == len(metadata["scopes_supported"])
    assert "refresh_token" in metadata["grant_types_supported"]
    with unit_of_work(op.services) as ctx:
        op.client = op.portal(cast.register(ctx, "offline", scope=f"{ALL_SCOPES} offline_access"))
    forget_snapshot(op.gateway)
    browser = op.browser()
    op.client.authorize(browser, scope="openid offline_access", prompt="consent")
    browser.sign_in("paul")
    browser.submit(expect_action="/consent", choice="allow", **{"scope.offline_access": "y"})
    tokens = op.tokens(browser)
    assert tokens["scope"].split() == ["openid", "offline_access"]
    assert op.client.refresh(tokens["refresh_token"]).get_json()["id_token"]


def test_the_other_client_does_not_spoil_the_token(op: Op) -> None:
    """Another client's try leaves the token usable for its owner; reuse by the owner does not."""
    tokens = op.log_in(op.browser())
    assert op.second.refresh(tokens["refresh_token"]).status_code == 400
    assert op.client.refresh(tokens["refresh_token"]).status_code == 200
    assert op.client.refresh(tokens["refresh_token"]).status_code == 400
