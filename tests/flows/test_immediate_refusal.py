"""A request refused before any page shows is answered at the portal, like any other (OIDC Core §3.1.2.6)."""

import json

import pytest

from idp.context import Services
from idp.web.gateway import Gateway
from tests import cast
from tests.installation import unit_of_work
from tests.plain_browser import Browser, Portal

ESSENTIAL = json.dumps({"id_token": {"acr": {"essential": True, "values": ["urn:lotse:acr:aal2"]}}})


@pytest.fixture
def portal(services: Services, gateway: Gateway) -> Portal:
    with unit_of_work(services) as ctx:
        registered = cast.register(ctx)
        cast.member(ctx)
    return Portal(gateway, registered)


@pytest.mark.parametrize(
    ("signed_in", "demand", "error"),
    [
        (True, {"claims": ESSENTIAL}, "unmet_authentication_requirements"),
        (False, {"prompt": "none"}, "login_required"),
    ],
    ids=["essential acr without a second factor", "prompt=none without a session"],
)
def test_refusal_without_a_page_reaches_the_portal(
    portal: Portal, signed_in: bool, demand: dict[str, str], error: str
) -> None:
    """The registered redirect URI gets error, state and iss."""
    browser = Browser(portal.gateway)
    if signed_in:
        portal.sign_in(browser)
    portal.authorize(browser, **demand)
    answer = portal.answer(browser)
    assert answer["error"] == error
    assert answer["state"] == "af0ifjsldkj"
    assert answer["iss"] == portal.gateway.server.provider.issuer
