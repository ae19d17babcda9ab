"""oidcc-server-rotate-keys: keys change while portals and APIs go on (OIDC Core §10.1.1; req 34)."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from idp.context import Services
from idp.oidc import signing_keys
from idp.oidc.models import SigningKey
from idp.web.gateway import Gateway
from tests import cast
from tests.cast import SIGNED_OUT
from tests.installation import unit_of_work
from tests.plain_browser import Browser, Portal
from tests.world import machine, now, verified


@pytest.fixture
def portal(services: Services, gateway: Gateway) -> Portal:
    with unit_of_work(services) as ctx:
        registered = cast.register(ctx)
        cast.person(ctx)
    return Portal(gateway, registered)


def _published(portal: Portal) -> set[str]:
    return {key["kid"] for key in machine(portal.gateway, "GET", "/jwks").get_json()["keys"]}


def test_oidcc_server_rotate_keys(portal: Portal, services: Services) -> None:
    """The key that signs next was published before, old tokens stay good, new ones have the new key."""
    browser = Browser(portal.gateway)
    tokens = portal.sign_in(browser)
    before = _published(portal)
    old, _ = verified(portal.gateway, tokens["access_token"])
    with unit_of_work(services, now()) as ctx:
        signing_keys.rotate(ctx, force=True)
    portal.gateway.server.provider.snapshots.expire()
    fresh = portal.refresh(tokens["refresh_token"]).get_json()
    new, _ = verified(portal.gateway, fresh["access_token"])
    assert new["kid"] != old["kid"]
    assert new["kid"] in before
    after = _published(portal)
    assert before < after
    assert portal.userinfo(tokens["access_token"]).status_code == 200
    assert verified(portal.gateway, tokens["id_token"])[1]["sub"]
    portal.authorize(browser, prompt="none", id_token_hint=tokens["id_token"])
    assert portal.answer(browser)["code"]


def test_a_retired_key_can_be_compromised_too(portal: Portal, services: Services) -> None:
    """It signs no more, but what was signed with it still counts until it is taken out (req 34)."""
    tokens = portal.sign_in(Browser(portal.gateway))
    kid = verified(portal.gateway, tokens["access_token"])[0]["kid"]
    with unit_of_work(services, now()) as ctx:
        signing_keys.rotate(ctx, force=True)
    portal.gateway.server.provider.snapshots.expire()
    assert portal.userinfo(tokens["access_token"]).status_code == 200
    with unit_of_work(services, now()) as ctx:
        signing_keys.retire(ctx, kid)
    portal.gateway.server.provider.snapshots.expire()
    assert kid not in _published(portal)
    assert portal.userinfo(tokens["access_token"]).status_code == 401


def test_a_compromised_key_is_worth_nothing_at_once(portal: Portal, services: Services) -> None:
    """The emergency brake: its tokens are refused everywhere, and signing goes on."""
    browser = Browser(portal.gateway)
    tokens = portal.sign_in(browser)
    kid = verified(portal.gateway, tokens["access_token"])[0]["kid"]
    with unit_of_work(services, now() + timedelta(hours=2)) as ctx:
        assert ctx.db.scalar(select(SigningKey.kid).where(SigningKey.kid == kid))
        signing_keys.retire(ctx, kid)
    portal.gateway.server.provider.snapshots.expire()
    assert kid not in _published(portal)
    assert portal.userinfo(tokens["access_token"]).status_code == 401
    assert portal.call("/introspect", {"token": tokens["access_token"]}).get_json() == {"active": False}
    answer = browser.get("/logout", id_token_hint=tokens["id_token"], post_logout_redirect_uri=SIGNED_OUT)
    assert answer.status_code == 400
    fresh = portal.refresh(tokens["refresh_token"]).get_json()
    assert portal.userinfo(fresh["access_token"]).status_code == 200
