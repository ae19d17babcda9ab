"""Opaque access tokens and strict revocation (RFC 6749 §1.4, RFC 7662; req 20, 23, 27, C2, C16)."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from idp.audit.events import Event
from idp.audit.models import AuditEvent
from idp.crypto import sha256
from idp.management import accounts, clients
from idp.oidc.authorization import revoke
from idp.oidc.models import AccessToken, Authorization
from tests import cast
from tests.builders import OPERATOR
from tests.plain_browser import Portal
from tests.world import ALL_SCOPES, Desk, forget_snapshot, move_back, verified

INACTIVE = {"active": False}
OWN = {"grant_type": "client_credentials"}


@pytest.fixture
def opaque(desk: Desk) -> Desk:
    """A portal whose access tokens are opaque; they are for an API."""
    with desk.work() as ctx:
        cast.register_api(ctx)
        fields = {"access_token_format": "opaque", "audiences": ["orders-api"]}
        made = cast.register(ctx, "opaque", scope=ALL_SCOPES, **fields)
    forget_snapshot(desk.gateway)
    return Desk(desk.services, desk.gateway, made, desk.account_id)


def _own(portal: Portal) -> str:
    answer = portal.call("/token", OWN)
    assert answer.status_code == 200, answer.text
    token: str = answer.get_json()["access_token"]
    return token


def _rows(desk: Desk) -> int:
    with desk.work() as ctx:
        return int(ctx.db.scalar(select(func.count()).select_from(AccessToken)) or 0)


def test_the_token_says_nothing_and_its_hash_is_kept(opaque: Desk) -> None:
    """At least 256 bits, SHA-256 in the database, with the claims a JWT has (req 20)."""
    tokens = opaque.tokens(scope="openid email")
    token = tokens["access_token"]
    assert token.startswith("at_")
    assert len(token) == 46
    with opaque.work() as ctx:
        row = ctx.db.scalars(select(AccessToken)).one()
        lineage = ctx.db.scalars(select(Authorization)).one().id
    assert row.hash == sha256(token)
    assert row.authorization_id == lineage
    assert row.claims["aud"] == "orders-api"
    assert int(row.expires_at.timestamp()) == row.claims["exp"]
    assert verified(opaque.gateway, tokens["id_token"])[1]["sub"] == row.claims["sub"]


def test_it_works_like_a_jwt(desk: Desk, opaque: Desk) -> None:
    """Userinfo and introspection answer the same for both, but for what each token has of its own."""
    with desk.work() as ctx:
        plain = cast.register(ctx, "plain", scope=ALL_SCOPES, audiences=["orders-api"])
    forget_snapshot(desk.gateway)
    both = [Desk(desk.services, desk.gateway, plain, desk.account_id), opaque]
    answers: list[Any] = []
    for found in both:
        first = found.tokens(scope=ALL_SCOPES)
        for tokens in (first, found.portal.refresh(first["refresh_token"]).get_json()):
            token = tokens["access_token"]
            facts = found.introspect(token)
            own = {facts.pop(name) for name in ("jti", "client_id", "iat", "exp", "auth_time")}
            assert len(own) >= 4
            answers.append((found.portal.userinfo(token).get_json(), facts))
    assert all(answer == answers[0] for answer in answers)


def test_a_clients_own_token(opaque: Desk) -> None:
    """It has a row without an authorization, and is no token of a person."""
    token = _own(opaque.portal)
    facts = opaque.introspect(token)
    assert (facts["active"], facts["sub"], facts["aud"]) == (True, "opaque", "orders-api")
    assert opaque.portal.userinfo(token).status_code == 401


def test_whom_it_does_not_concern(desk: Desk, opaque: Desk) -> None:
    """Inactive without any claim for another audience (req 27); active for the one named."""
    with desk.work() as ctx:
        api = clients.rotate_secret(ctx.acting(OPERATOR), "orders-api")
    forget_snapshot(desk.gateway)
    named = Portal(desk.gateway, cast.Registered("orders-api", api.secret))
    for token in (opaque.tokens()["access_token"], _own(opaque.portal)):
        assert opaque.introspect(token, desk.portal) == INACTIVE
        assert opaque.introspect(token, named)["active"] is True
        answer = desk.portal.call("/revoke", {"token": token})
        assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_grant")
        assert opaque.introspect(token)["active"] is True


def test_a_token_that_never_was(opaque: Desk) -> None:
    """The right form alone opens nothing; revoking it is no error (RFC 7009 §2.2)."""
    token = "at_" + "x" * 43
    assert opaque.introspect(token) == INACTIVE
    assert opaque.portal.userinfo(token).status_code == 401
    assert opaque.portal.call("/revoke", {"token": token}).status_code == 200


def test_revoked_alone_and_once(opaque: Desk) -> None:
    """The refresh token lives on; one event, however often it is revoked."""
    tokens = opaque.tokens()
    for _ in range(2):
        assert opaque.portal.call("/revoke", {"token": tokens["access_token"]}).status_code == 200
    assert opaque.introspect(tokens["access_token"]) == INACTIVE
    assert opaque.portal.userinfo(tokens["access_token"]).status_code == 401
    assert opaque.portal.refresh(tokens["refresh_token"]).status_code == 200
    with opaque.work() as ctx:
        events = select(AuditEvent).where(AuditEvent.event == Event.TOKEN_REVOKED)
        assert len(ctx.db.scalars(events).all()) == 1


@pytest.mark.parametrize("end", ["blocked", "revoked", "expired", "refresh token revoked"])
def test_it_ends_with_what_it_came_of(opaque: Desk, end: str) -> None:
    """The authorization is read every time (req 23)."""
    tokens = opaque.tokens()
    token = tokens["access_token"]
    assert opaque.portal.userinfo(token).status_code == 200
    with opaque.work() as ctx:
        if end == "blocked":
            accounts.block(ctx.acting(OPERATOR), opaque.account_id)
        elif end == "revoked":
            revoke(ctx, "test", account_id=opaque.account_id)
    if end == "expired":
        move_back(opaque.services, (AccessToken.expires_at,), timedelta(minutes=5, seconds=1))
    if end == "refresh token revoked":
        opaque.portal.call("/revoke", {"token": tokens["refresh_token"]})
    assert opaque.introspect(token) == INACTIVE
    assert opaque.portal.userinfo(token).status_code == 401


def test_nothing_is_stored_for_a_refused_grant(opaque: Desk) -> None:
    """The row belongs to the grant's own transaction."""
    before = _rows(opaque)
    code = opaque.code().code
    assert opaque.redeem(code, code_verifier="x" * 43).status_code == 400
    assert opaque.portal.refresh("x" * 43).status_code == 400
    assert opaque.portal.call("/token", OWN | {"scope": "openid"}).status_code == 400
    assert _rows(opaque) == before


def test_a_code_used_twice_kills_it(opaque: Desk) -> None:
    """(req 6)"""
    code = opaque.code().code
    token = opaque.redeem(code).get_json()["access_token"]
    assert opaque.redeem(code).status_code == 400
    assert opaque.introspect(token) == INACTIVE


@pytest.mark.parametrize("strict", [{"access_token_format": "opaque"}, {"strict_revocation": True}])
def test_a_client_switched_off_and_on_has_no_old_tokens(desk: Desk, strict: dict[str, Any]) -> None:
    """What ended stays ended (req 23): that is what the row of a strict client's JWT is for."""
    with desk.work() as ctx:
        own = Portal(desk.gateway, cast.register(ctx, "own", **strict))
    forget_snapshot(desk.gateway)
    token = _own(own)
    assert desk.introspect(token, own)["active"] is True
    with desk.work() as ctx:
        clients.disable(ctx.acting(OPERATOR), "own")
    with desk.work() as ctx:
        clients.enable(ctx.acting(OPERATOR), "own")
    forget_snapshot(desk.gateway)
    assert desk.introspect(token, own) == INACTIVE
    assert desk.introspect(_own(own), own)["active"] is True


def test_a_strict_jwt_is_revoked_by_itself_too(desk: Desk) -> None:
    """Its row alone does not make it stand."""
    with desk.work() as ctx:
        own = Portal(desk.gateway, cast.register(ctx, "own", strict_revocation=True))
    forget_snapshot(desk.gateway)
    first, second = _own(own), _own(own)
    assert own.call("/revoke", {"token": first}).status_code == 200
    assert desk.introspect(first, own) == INACTIVE
    assert desk.introspect(second, own)["active"] is True
    with desk.work() as ctx:
        assert ctx.db.scalars(select(AccessToken.claims)).all() == [{}, {}]  # the token has them


def test_a_person_s_jwt_needs_no_row(desk: Desk) -> None:
    """Its authorization is read every time anyway, so strict revocation adds nothing there."""
    with desk.work() as ctx:
        made = cast.register(ctx, "own", strict_revocation=True)
    forget_snapshot(desk.gateway)
    own = Desk(desk.services, desk.gateway, made, desk.account_id)
    assert own.introspect(own.tokens()["access_token"])["active"] is True
    assert _rows(desk) == 0


def test_a_client_that_is_gone(desk: Desk, opaque: Desk) -> None:
    """Disabled: its tokens are worth nothing to the API either."""
    with desk.work() as ctx:
        api = clients.rotate_secret(ctx.acting(OPERATOR), "orders-api")
    forget_snapshot(desk.gateway)
    named = Portal(desk.gateway, cast.Registered("orders-api", api.secret))
    token = opaque.tokens()["access_token"]
    with desk.work() as ctx:
        clients.disable(ctx.acting(OPERATOR), "opaque")
        # as if only the list of clients told
        ctx.db.query(Authorization).update({"revoked_at": None})
    forget_snapshot(desk.gateway)
    assert desk.introspect(token, named) == INACTIVE
    assert desk.portal.userinfo(token).status_code == 401
