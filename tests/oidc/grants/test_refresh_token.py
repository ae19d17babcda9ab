"""Refreshing: rotation, families, scope and limits (RFC 6749 §6, RFC 9700 §4.14.2; req 21)."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from idp.audit.events import Event
from idp.audit.models import AuditEvent
from idp.oidc.models import Authorization, RefreshToken
from idp.throttling.throttle import NOTICES_A_DAY
from tests import cast
from tests.joining import mails
from tests.plain_browser import Portal
from tests.world import Desk, forget_snapshot, move_back, verified

INVALID = (400, "invalid_grant")


def _outcome(answer: Any) -> tuple[int, str]:
    return answer.status_code, (answer.get_json() or {}).get("error", "")


def _family(desk: Desk) -> list[RefreshToken]:
    with desk.services.database.session() as db:
        return list(db.scalars(select(RefreshToken).order_by(RefreshToken.issued_at, RefreshToken.id)))


def test_each_use_rotates(desk: Desk) -> None:
    """Parent and successor name one another, one unused token remains (req 21)."""
    token = desk.tokens()["refresh_token"]
    for _ in range(3):
        token = desk.portal.refresh(token).get_json()["refresh_token"]
    family = {row.id: row for row in _family(desk)}
    unused = [row for row in family.values() if row.used_at is None]
    assert len(family) == 4
    assert len(unused) == 1
    for row in family.values():
        if row.successor_id:
            assert family[row.successor_id].parent_id == row.id


def test_reuse_ends_the_family(desk: Desk) -> None:
    """A used token revokes everything, its access tokens too; log and person hear of it once (req 21)."""
    first = desk.tokens()
    second = desk.portal.refresh(first["refresh_token"]).get_json()
    for _ in range(2):
        assert _outcome(desk.portal.refresh(first["refresh_token"])) == INVALID
    assert _outcome(desk.portal.refresh(second["refresh_token"])) == INVALID
    assert desk.introspect(second["access_token"]) == {"active": False}
    with desk.services.database.session() as db:
        reused = select(AuditEvent).where(AuditEvent.event == Event.REFRESH_TOKEN_REUSED)
        assert len(db.scalars(reused).all()) == 1
    assert mails(desk.services) == [("access_ended", "paul@muster.example")]


def test_the_person_hears_of_reuse_some_times_a_day(desk: Desk) -> None:
    """Whoever has old tokens does not fill a mailbox with them."""
    for _ in range(NOTICES_A_DAY + 1):
        used = desk.tokens()["refresh_token"]
        desk.portal.refresh(used)
        assert _outcome(desk.portal.refresh(used)) == INVALID
    assert mails(desk.services) == [("access_ended", "paul@muster.example")] * NOTICES_A_DAY


def test_reuse_ends_no_other_family(desk: Desk) -> None:
    """The same person's other authorization lives."""
    first, other = desk.tokens(), desk.tokens()
    desk.portal.refresh(first["refresh_token"])
    desk.portal.refresh(first["refresh_token"])
    assert desk.portal.refresh(other["refresh_token"]).status_code == 200


def test_another_client_neither_uses_nor_ends_it(desk: Desk) -> None:
    """Not even a used one: only its owner's reuse is one (RFC 6749 §10.4)."""
    with desk.work() as ctx:
        thief = Portal(desk.gateway, cast.register(ctx, "thief"))
    forget_snapshot(desk.gateway)
    first = desk.tokens()
    assert _outcome(thief.refresh(first["refresh_token"])) == INVALID
    second = desk.portal.refresh(first["refresh_token"]).get_json()
    assert _outcome(thief.refresh(first["refresh_token"])) == INVALID
    assert desk.portal.refresh(second["refresh_token"]).status_code == 200


def test_a_narrower_scope_is_for_this_access_token_alone(desk: Desk) -> None:
    """Authlib narrows the new refresh token too; here the next use has the whole scope again."""
    first = desk.tokens(scope="openid profile email")
    narrow = desk.portal.refresh(first["refresh_token"], scope="email").get_json()
    assert narrow["scope"] == "email"
    assert "id_token" not in narrow
    assert verified(desk.gateway, narrow["access_token"])[1]["scope"] == "email"
    whole = desk.portal.refresh(narrow["refresh_token"]).get_json()
    assert whole["scope"] == "openid profile email"


def test_a_scope_of_spaces_is_none(desk: Desk) -> None:
    """It asks for no other than the granted one (RFC 6749 §6)."""
    first = desk.tokens(scope="openid profile email")
    again = desk.portal.refresh(first["refresh_token"], scope=" ").get_json()
    assert again["scope"] == "openid profile email"
    assert "id_token" in again


@pytest.mark.parametrize("scope", ["openid phone", "openid profile email phone", "made-up"])
def test_a_wider_scope_costs_no_token(desk: Desk, scope: str) -> None:
    """invalid_scope, and the token can still be used (scope only shrinks)."""
    first = desk.tokens(scope="openid profile email")
    assert _outcome(desk.portal.refresh(first["refresh_token"], scope=scope)) == (400, "invalid_scope")
    assert desk.portal.refresh(first["refresh_token"]).status_code == 200


def test_the_id_token_does_not_drift(desk: Desk) -> None:
    """auth_time, acr and amr are the authorization's (Authlib: auth_time is the time of the refresh)."""
    issued = desk.code(nonce="n")
    with desk.services.database.session() as db, db.begin():
        db.get_one(Authorization, issued.authorization_id).auth_time -= 500
    first = desk.redeem(issued.code).get_json()
    second = desk.portal.refresh(first["refresh_token"]).get_json()
    before, after = (verified(desk.gateway, found["id_token"])[1] for found in (first, second))
    assert after["iat"] - after["auth_time"] >= 500
    for name in ("auth_time", "acr", "amr", "sid", "sub", "iss", "aud"):
        assert after[name] == before[name], name
    assert "nonce" not in after


def test_idle_and_absolute_limits(desk: Desk) -> None:
    """Both apply; no successor outlives the authorization (req 21)."""
    settings = desk.services.settings.tokens
    idle = timedelta(days=settings.refresh_idle_days)
    token = desk.tokens()["refresh_token"]
    move_back(desk.services, (RefreshToken.expires_at,), idle)
    assert _outcome(desk.portal.refresh(token)) == INVALID
    token = desk.tokens()["refresh_token"]
    move_back(desk.services, (Authorization.expires_at,), timedelta(days=settings.refresh_days) - idle / 2)
    newest = desk.portal.refresh(token).get_json()["refresh_token"]
    assert desk.portal.refresh(newest).status_code == 200
    with desk.services.database.session() as db:
        for row in db.scalars(select(RefreshToken).where(RefreshToken.parent_id.is_not(None))):
            assert row.expires_at <= db.get_one(Authorization, row.authorization_id).expires_at


def test_an_expired_token_is_no_reuse(desk: Desk) -> None:
    """Nobody used it, so nothing ends."""
    tokens = desk.tokens()
    move_back(desk.services, (RefreshToken.expires_at,), timedelta(days=3650))
    assert _outcome(desk.portal.refresh(tokens["refresh_token"])) == INVALID
    assert desk.introspect(tokens["access_token"])["active"] is True


def test_missing_and_unknown_tokens(desk: Desk) -> None:
    """invalid_request and invalid_grant."""
    missing = desk.portal.call("/token", {"grant_type": "refresh_token"})
    assert _outcome(missing) == (400, "invalid_request")
    assert _outcome(desk.portal.refresh("x" * 43)) == INVALID


def test_a_client_without_the_grant(desk: Desk) -> None:
    """unauthorized_client."""
    with desk.work() as ctx:
        lone = Portal(desk.gateway, cast.register(ctx, "lone", grant_types=["authorization_code"]))
    forget_snapshot(desk.gateway)
    assert _outcome(lone.refresh("x" * 43)) == (400, "unauthorized_client")
