"""Requests to sign out, and the end of sessions (OIDC RP-Initiated Logout §2-4; req 46, 47)."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from idp.accounts.models import Account
from idp.audit.events import Event
from idp.audit.models import AuditEvent
from idp.authentication import live_sessions, sessions
from idp.authentication.models import SessionClient
from idp.context import Origin
from idp.delivery import outbox
from idp.delivery.models import OutboxMessage
from idp.errors import Refusal
from idp.oidc import logout
from idp.oidc.authorization import issue, revoke, session_identifier
from idp.oidc.authorization_request import AuthorizationRequest, RelyingPartyMistake
from idp.oidc.logout import LogoutRequest
from idp.oidc.models import Authorization
from idp.oidc.request import Exchange
from tests import cast
from tests.world import Desk, code_for, forget_snapshot, now, verified


def _read(desk: Desk, *pairs: tuple[str, str]) -> LogoutRequest:
    exchange = Exchange(desk.gateway.server.provider.snapshots.current(), now(), Origin())
    return logout.read_logout_request(exchange, desk.issuer, pairs)


def _hint(desk: Desk, typ: str = "JWT", **changes: Any) -> tuple[str, str]:
    keys = desk.gateway.server.provider.snapshots.current().keys
    claims = {"iss": desk.issuer, "sub": "s", "aud": "portal", "sid": "i", "exp": 1, **changes}
    kept = {name: value for name, value in claims.items() if value is not None}
    return "id_token_hint", keys.sign(kept, alg="ES256", typ=typ)


URI = ("post_logout_redirect_uri", cast.SIGNED_OUT)


def test_what_is_read(desk: Desk) -> None:
    """Hint (its time may be over), address, state; a parameter without a value counts as left out."""
    assert _read(desk) == LogoutRequest()
    assert _read(desk, ("state", "x"), ("client_id", "")) == LogoutRequest(state="x")
    whole = LogoutRequest("portal", cast.SIGNED_OUT, "x", "s", "i")
    assert _read(desk, _hint(desk), URI, ("state", "x")) == whole
    assert _read(desk, _hint(desk), ("client_id", "portal"), URI, ("state", "x")) == whole
    assert _read(desk, ("client_id", "portal"), URI) == LogoutRequest("portal", cast.SIGNED_OUT)
    assert _read(desk, _hint(desk, sid=None)) == LogoutRequest("portal", hinted_sub="s")


def test_what_is_shown_as_a_mistake(desk: Desk) -> None:
    """No redirect (req 46).

    With Authlib an access token passes as a hint, iss is not compared, and a list as aud finds no client.
    """
    with desk.work() as ctx:
        cast.register_api(ctx)
    forget_snapshot(desk.gateway)
    hint = _hint(desk)
    cases = [
        ("state", [("state", "x"), ("state", "x")]),
        ("state", [("state", ""), ("state", "x")]),
        ("client_id", [("client_id", "unknown")]),
        ("id_token_hint", [_hint(desk, aud="gone")]),
        ("client_id", [URI]),
        ("post_logout_redirect_uri", [hint, (URI[0], URI[1] + "?x=1")]),
        ("post_logout_redirect_uri", [hint, (URI[0], cast.REDIRECT)]),
        ("id_token_hint", [hint, ("client_id", "orders-api")]),
        ("id_token_hint", [_hint(desk, typ="at+jwt")]),
        ("id_token_hint", [_hint(desk, typ="logout+jwt")]),
        ("id_token_hint", [_hint(desk, iss="https://other.example")]),
        ("id_token_hint", [_hint(desk, aud=["portal"])]),
        ("id_token_hint", [_hint(desk, aud=None)]),
        ("id_token_hint", [("id_token_hint", "garbage")]),
    ]
    for parameter, pairs in cases:
        with pytest.raises(RelyingPartyMistake) as caught:
            _read(desk, *pairs)
        assert caught.value.parameter == parameter, pairs


def test_a_hint_fits_its_own_session_alone(desk: Desk) -> None:
    """Another person's, or another session's of the same person, asks first."""
    sids = [verified(desk.gateway, desk.tokens()["id_token"])[1] for _ in range(2)]
    portal = desk.gateway.server.provider.snapshots.current().clients["portal"]
    with desk.work() as ctx:
        account = ctx.db.get_one(Account, desk.account_id)
        mine = LogoutRequest(hinted_sub=account.sub, hinted_sid=sids[0]["sid"])
        other, *_ = sessions.start(ctx, account, methods=[("pwd", None)])
        owner = ctx.db.get_one(SessionClient, sids[0]["sid"]).session_id
        same = replace(other, session=other.session._replace(id=owner))
        assert logout.hint_fits(ctx, mine, portal, same)
        assert not logout.hint_fits(ctx, mine, portal, other)
        assert not logout.hint_fits(ctx, mine, None, same)
        assert not logout.hint_fits(ctx, mine, replace(portal, sector="portal.example"), same)
        assert logout.hint_fits(ctx, replace(mine, hinted_sid=None), portal, other)
        assert not logout.hint_fits(ctx, replace(mine, hinted_sub="x"), portal, same)


def test_the_end_of_a_session(desk: Desk) -> None:
    """Authorizations in it end, offline ones stay; a message for each portal that wants one; only once."""
    with desk.work() as ctx:
        cast.register(ctx, "told", backchannel_logout_uri="https://told.example/logout")
    forget_snapshot(desk.gateway)
    issued = desk.code()
    with desk.work() as ctx:
        session = ctx.db.get_one(Authorization, issued.authorization_id).session_id or ""
        kept = code_for(ctx, "told", desk.account_id)
        offline = ctx.db.get_one(Authorization, kept.authorization_id)
        offline.session_id, offline.offline = session, True
        client = desk.gateway.server.provider.snapshots.current().clients["told"]
        sid = session_identifier(ctx, session, client)
    with desk.work() as ctx:
        assert logout.other_portals(ctx, session, "portal") == ["Told"]
        group = logout.end_session(ctx, session, "signed out")
        assert group is not None
        assert logout.end_session(ctx, session, "signed out") is None
    with desk.work() as ctx:
        assert ctx.db.get_one(Authorization, issued.authorization_id).revoked_at is not None
        assert ctx.db.get_one(Authorization, kept.authorization_id).revoked_at is None
        messages = list(ctx.db.scalars(select(OutboxMessage)))
        assert [message.reference for message in messages] == ["told"]
        assert ctx.db.get_one(SessionClient, sid).logout_outbox_id == messages[0].id
        ended = select(AuditEvent).where(AuditEvent.event == Event.SESSION_ENDED)
        assert [event.target_id for event in ctx.db.scalars(ended)] == [session]
        found = outbox.claim(ctx, [outbox.BACKCHANNEL_LOGOUT], limit=5)
        assert found[0].payload["sid"] == sid


def test_nothing_is_issued_in_a_session_that_ended_meanwhile(desk: Desk) -> None:
    """Held while the code is made."""
    wanted = AuthorizationRequest("portal", cast.REDIRECT, "openid")
    client = desk.gateway.server.provider.snapshots.current().clients["portal"]
    with desk.work() as ctx:
        live, *_ = sessions.start(ctx, ctx.db.get_one(Account, desk.account_id), methods=[("pwd", None)])
        held = live_sessions.hold(ctx, live.session.id, client.row_id)
        assert issue(ctx, wanted, client, held, None)
        with pytest.raises(Refusal, match=r"principal\.may_not_act"):
            issue(ctx, wanted, client, held, "a membership of nobody")
    with desk.work() as ctx:
        logout.end_session(ctx, live.session.id, "signed out")
    with desk.work() as ctx:
        assert live_sessions.hold(ctx, live.session.id, client.row_id) is None
        with pytest.raises(Refusal, match=r"principal\.may_not_act"):
            issue(ctx, wanted, client, None, None)


def test_a_token_for_a_client_that_is_gone(desk: Desk) -> None:
    """Nobody to send it to."""
    payload = {"client_id": "gone", "sub": "s", "sid": "i"}
    with pytest.raises(outbox.Undeliverable):
        logout.logout_token(desk.gateway.server.provider, payload, now=now(), jti="j")


def test_revoking_needs_a_name(desk: Desk) -> None:
    """Never everything by an oversight; by client or account all of theirs."""
    tokens = desk.tokens()
    with desk.work() as ctx, pytest.raises(ValueError, match="name what to revoke"):
        revoke(ctx, "test")
    with desk.work() as ctx:
        row = desk.gateway.server.provider.snapshots.current().clients["portal"].row_id
        assert revoke(ctx, "test", client_id="another") == []
        assert len(revoke(ctx, "test", client_id=row)) == 1
        assert revoke(ctx, "test", account_id=desk.account_id) == []
    assert desk.introspect(tokens["access_token"]) == {"active": False}
