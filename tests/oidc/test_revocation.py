"""Revocation (RFC 7009; req 27)."""

from typing import Any

import pytest
from sqlalchemy import select

from idp.audit.events import Event
from idp.audit.models import AuditEvent
from idp.oidc.models import RevokedJti
from tests import cast
from tests.plain_browser import Portal
from tests.world import Desk, forget_snapshot, verified


def _revoke(desk: Desk, token: str | None, portal: Portal | None = None) -> tuple[int, Any]:
    answer = (portal or desk.portal).call("/revoke", {"token": token})
    return answer.status_code, answer.get_json()


def test_a_refresh_token_ends_its_family(desk: Desk) -> None:
    """Its access tokens too; a used one does the same (req 27)."""
    for used in (False, True):
        tokens = desk.tokens()
        newest = desk.portal.refresh(tokens["refresh_token"]).get_json() if used else tokens
        assert _revoke(desk, tokens["refresh_token"]) == (200, {})
        assert desk.portal.refresh(newest["refresh_token"]).status_code == 400
        assert desk.introspect(newest["access_token"]) == {"active": False}


def test_an_access_token_ends_alone(desk: Desk) -> None:
    """The refresh token gives another one; a second revocation is no error and no second event."""
    tokens = desk.tokens()
    for _ in range(2):
        assert _revoke(desk, tokens["access_token"]) == (200, {})
    assert desk.introspect(tokens["access_token"]) == {"active": False}
    assert desk.portal.userinfo(tokens["access_token"]).status_code == 401
    fresh = desk.portal.refresh(tokens["refresh_token"]).get_json()
    assert desk.introspect(fresh["access_token"])["active"] is True
    with desk.services.database.session() as db:
        events = select(AuditEvent).where(AuditEvent.event == Event.TOKEN_REVOKED)
        (event,) = db.scalars(events)
        assert (event.actor_kind, event.actor_id) == ("client", "portal")
        assert event.request_id
        ends = db.scalars(select(RevokedJti.expires_at)).one()
    claims = verified(desk.gateway, tokens["access_token"])[1]
    assert ends.timestamp() == claims["exp"]  # until then the row has to stand


def test_a_clients_own_token(desk: Desk) -> None:
    """It has no authorization; the list of single tokens does."""
    own = desk.portal.call("/token", {"grant_type": "client_credentials"}).get_json()["access_token"]
    assert desk.introspect(own)["active"] is True
    assert _revoke(desk, own) == (200, {})
    assert desk.introspect(own) == {"active": False}


@pytest.mark.parametrize("token", ["x" * 43, "a.b.c", "garbage"])
def test_an_unknown_token_is_no_error(desk: Desk, token: str) -> None:
    """RFC 7009 §2.2."""
    assert _revoke(desk, token) == (200, {})


def test_an_id_token_is_none_of_ours(desk: Desk) -> None:
    """Nothing ends (req 24)."""
    tokens = desk.tokens()
    assert _revoke(desk, tokens["id_token"]) == (200, {})
    assert desk.introspect(tokens["access_token"])["active"] is True


def test_another_clients_tokens(desk: Desk) -> None:
    """Refused, and they live on."""
    with desk.work() as ctx:
        other = Portal(desk.gateway, cast.register(ctx, "other"))
    forget_snapshot(desk.gateway)
    tokens = desk.tokens()
    for name in ("access_token", "refresh_token"):
        status, answer = _revoke(desk, tokens[name], other)
        assert (status, answer["error"]) == (400, "invalid_grant")
    assert desk.introspect(tokens["access_token"])["active"] is True


@pytest.mark.parametrize("form", [{}, {"token": ""}, {"token_type_hint": "access_token"}])
def test_without_a_token(desk: Desk, form: dict[str, str]) -> None:
    """invalid_request."""
    answer = desk.portal.call("/revoke", form)
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_request")


def test_a_public_client_revokes_its_own(desk: Desk) -> None:
    """It identifies itself by client_id alone (RFC 7009 §2.1)."""
    with desk.work() as ctx:
        app = cast.register_public(ctx)
    forget_snapshot(desk.gateway)
    public = Desk(desk.services, desk.gateway, app, desk.account_id)
    tokens = public.tokens()
    assert _revoke(public, tokens["refresh_token"]) == (200, {})
    assert public.portal.refresh(tokens["refresh_token"]).status_code == 400
