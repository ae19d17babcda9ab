"""The authorization code flow from the portal's request to its tokens, as one person walks it."""

import pytest

from idp.context import Services
from idp.web.gateway import Gateway
from tests import cast
from tests.installation import unit_of_work
from tests.plain_browser import Browser, Portal, claims


@pytest.fixture
def portal(services: Services, gateway: Gateway) -> Portal:
    with unit_of_work(services) as ctx:
        registered = cast.register(ctx)
        cast.member(ctx)
    return Portal(gateway, registered)


def test_a_person_signs_in_and_the_portal_gets_its_tokens(portal: Portal) -> None:
    """The whole way (OIDC Core §3.1, req 8)."""
    browser = Browser(portal.gateway)
    portal.authorize(browser)
    browser.sign_in()
    answer = portal.answer(browser)
    assert answer["state"] == "af0ifjsldkj"
    assert answer["iss"] == portal.gateway.server.provider.issuer
    tokens = portal.tokens(browser)
    id_token = claims(tokens["id_token"])
    assert id_token["nonce"] == "n-0S6_WzA2Mj"
    assert id_token["aud"] == "portal"
    assert portal.userinfo(tokens["access_token"]).get_json()["sub"] == id_token["sub"]
