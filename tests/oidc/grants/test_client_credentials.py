"""A client acts for itself (RFC 6749 §4.4)."""

from typing import Any

import pytest
from sqlalchemy import update

from idp.installation import snapshot_changed
from idp.oidc.models import Client
from tests import cast
from tests.cast import Registered
from tests.plain_browser import Portal
from tests.world import Desk, forget_snapshot, verified


def _ask(portal: Portal, **form: str) -> Any:
    return portal.call("/token", {"grant_type": "client_credentials", **form})


@pytest.fixture
def machine_client(desk: Desk) -> Portal:
    with desk.work() as ctx:
        cast.register_api(ctx)
        made = cast.register(
            ctx, "batch", scope="openid profile orders.read orders.write", audiences=["orders-api"]
        )
    forget_snapshot(desk.gateway)
    return Portal(desk.gateway, made)


def test_the_token_speaks_of_the_client(desk: Desk, machine_client: Portal) -> None:
    """RFC 9068 §2.2: sub is the client; nothing of a person; no refresh token (RFC 6749 §4.4.3)."""
    answer = _ask(machine_client).get_json()
    assert set(answer) == {"access_token", "token_type", "expires_in", "scope"}
    header, claims = verified(desk.gateway, answer["access_token"])
    assert header["typ"] == "at+jwt"
    assert (claims["sub"], claims["client_id"], claims["aud"]) == ("batch", "batch", "orders-api")
    assert claims["scope"] == answer["scope"] == "orders.read orders.write"
    assert not set(claims) & {"auth_time", "acr", "amr", "authorization_id", "sid"}
    # Authlib's generator gives ten days
    assert claims["exp"] - claims["iat"] == answer["expires_in"] == 300


def test_a_narrower_scope(desk: Desk, machine_client: Portal) -> None:
    """As asked, each word once."""
    assert _ask(machine_client, scope="orders.read orders.read").get_json()["scope"] == "orders.read"


@pytest.mark.parametrize("scope", ["orders.delete", "orders.read x", "openid", "profile", "offline_access"])
def test_too_much_scope_is_refused(machine_client: Portal, scope: str) -> None:
    """Authlib drops it in silence; scopes that speak of a person mean nothing here."""
    answer = _ask(machine_client, scope=scope)
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_scope")


def test_without_any_scope_none_is_said(desk: Desk) -> None:
    """Authlib writes an empty ``scope``; an absent one says the same."""
    answer = _ask(desk.portal).get_json()
    assert "scope" not in answer
    assert "scope" not in verified(desk.gateway, answer["access_token"])[1]


def test_public_clients_and_those_without_the_grant(desk: Desk) -> None:
    """unauthorized_client."""
    with desk.work() as ctx:
        public = cast.register_public(ctx)
        lone = cast.register(ctx, "lone", grant_types=["authorization_code"])
    forget_snapshot(desk.gateway)
    for registered in (public, lone):
        answer = _ask(Portal(desk.gateway, registered))
        assert (answer.status_code, answer.get_json()["error"]) == (400, "unauthorized_client")


def test_offline_access_is_no_scope_of_a_client(desk: Desk) -> None:
    """Not even where it is registered."""
    with desk.work() as ctx:
        cast.register_api(ctx)
        scope = "openid offline_access orders.read"
        made = cast.register(ctx, "offline", scope=scope, audiences=["orders-api"])
    forget_snapshot(desk.gateway)
    assert _ask(Portal(desk.gateway, made)).get_json()["scope"] == "orders.read"


def test_a_client_without_proof_never_acts_for_itself(desk: Desk, app: Registered) -> None:
    """Whatever its row says it may: anybody could be it (RFC 6749 §4.4)."""
    with desk.work() as ctx:
        ctx.db.execute(
            update(Client).where(Client.client_id == "app").values(grant_types=["client_credentials"])
        )
        snapshot_changed(ctx.db)
    forget_snapshot(desk.gateway)
    answer = Portal(desk.gateway, app).call("/token", {"grant_type": "client_credentials"})
    assert (answer.status_code, answer.get_json()["error"]) == (400, "unauthorized_client")
