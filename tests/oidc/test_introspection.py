"""Introspection (RFC 7662; req 27)."""

import pytest

from idp.management import clients
from tests import cast
from tests.builders import OPERATOR
from tests.plain_browser import Portal
from tests.world import Desk, forget_snapshot

INACTIVE = {"active": False}


@pytest.fixture
def api(desk: Desk) -> Portal:
    """A resource server that the portal's tokens are for."""
    with desk.work() as ctx:
        made = cast.register_api(ctx)
        audience = cast.register(ctx, "shop", audiences=["orders-api"])
    forget_snapshot(desk.gateway)
    desk.registered = desk.portal.registered = audience
    return Portal(desk.gateway, made)


def test_what_the_resource_server_learns(desk: Desk, api: Portal) -> None:
    """Who, for whom, until when, how signed in; token type."""
    facts = desk.introspect(desk.tokens(scope="openid email")["access_token"], api)
    assert facts["active"] is True
    assert facts["token_type"] == "Bearer"
    assert (facts["client_id"], facts["aud"], facts["scope"]) == ("shop", "orders-api", "openid email")
    assert set(facts) == {
        *("active", "token_type", "scope", "client_id", "exp", "iat", "sub", "aud", "iss", "jti"),
        *("auth_time", "acr", "amr"),
    }


def test_whom_it_does_not_concern(desk: Desk, api: Portal) -> None:
    """Neither audience nor the client it was issued to: inactive, without any claim (req 27)."""
    with desk.work() as ctx:
        stranger = Portal(desk.gateway, cast.register(ctx, "stranger"))
    forget_snapshot(desk.gateway)
    token = desk.tokens()["access_token"]
    assert desk.introspect(token)["active"] is True
    assert desk.introspect(token, api)["active"] is True
    assert desk.introspect(token, stranger) == INACTIVE


@pytest.mark.parametrize(
    "kind", ["refresh_token", "id_token", "garbage", "three.dotted.parts", "long", "ümläut"]
)
def test_what_is_no_access_token(desk: Desk, kind: str) -> None:
    """Inactive (Authlib's RFC 9068 endpoint answers 500 to garbage)."""
    tokens = desk.tokens() | {"long": "x" * 9000}
    assert desk.introspect(tokens.get(kind, kind)) == INACTIVE


def test_a_token_without_a_scope(desk: Desk) -> None:
    """Authlib's RFC 9068 endpoint answers 500 (KeyError)."""
    own = desk.portal.call("/token", {"grant_type": "client_credentials"}).get_json()
    facts = desk.introspect(own["access_token"])
    assert facts["active"] is True
    assert "scope" not in facts


def test_revoked_and_ended(desk: Desk) -> None:
    """One token, or all of a session."""
    tokens, others = desk.tokens(), desk.tokens()
    desk.portal.call("/revoke", {"token": tokens["access_token"]})
    assert desk.introspect(tokens["access_token"]) == INACTIVE
    assert desk.introspect(others["access_token"])["active"] is True


def test_a_client_that_is_gone(desk: Desk, api: Portal) -> None:
    """Its tokens are worth nothing any more, its own ones neither."""
    own = desk.portal.call("/token", {"grant_type": "client_credentials"}).get_json()
    token = desk.tokens()["access_token"]
    with desk.work() as ctx:
        clients.disable(ctx.acting(OPERATOR), "shop")
    forget_snapshot(desk.gateway)
    for found in (token, own["access_token"]):
        assert desk.introspect(found, api) == INACTIVE


def test_who_may_not_ask(desk: Desk) -> None:
    """Public clients could scan for tokens (RFC 7662 §2.1); nobody asks without credentials or a token."""
    with desk.work() as ctx:
        public = Portal(desk.gateway, cast.register_public(ctx))
    forget_snapshot(desk.gateway)
    answer = public.call("/introspect", {"token": "x"})
    assert (answer.status_code, answer.get_json()["error"]) == (400, "unauthorized_client")
    for form in ({}, {"token": ""}, {"token_type_hint": "access_token"}):
        answer = desk.portal.call("/introspect", form)
        assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_request")


def test_part_of_an_audience_is_none(desk: Desk) -> None:
    """``orders`` learns nothing of a token for ``orders-api`` (req 27)."""
    with desk.work() as ctx:
        cast.register_api(ctx)
        shop = cast.register(ctx, "shop", audiences=["orders-api"])
        part = Portal(desk.gateway, cast.register_api(ctx, "orders"))
    forget_snapshot(desk.gateway)
    token = Desk(desk.services, desk.gateway, shop, desk.account_id).tokens()["access_token"]
    assert desk.introspect(token, part) == {"active": False}
