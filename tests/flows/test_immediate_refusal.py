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
    ("value", "received"),
    [("urn:lotse:acr:aal-2", "urn:lotse:acr:aal-2"), ('"><b>\\ä', "???b???")],
)
def test_a_level_that_does_not_exist_is_named(portal: Portal, value: str, received: str) -> None:
    """A slip of the pen is no person without a factor: what came, in safe characters, and what there is."""
    browser = Browser(portal.gateway)
    portal.sign_in(browser)
    claims = json.dumps({"id_token": {"acr": {"essential": True, "values": [value]}}})
    portal.authorize(browser, claims=claims)
    answer = portal.answer(browser)
    assert answer["error"] == "unmet_authentication_requirements"
    levels = "urn:lotse:acr:aal1, urn:lotse:acr:aal2, urn:lotse:acr:aal2-phr"
    assert answer["error_description"] == f"acr must be one of {levels}; received {received}"
    portal.authorize(browser, claims=ESSENTIAL)
    assert portal.answer(browser)["error_description"] == "the person cannot reach the demanded acr"


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
