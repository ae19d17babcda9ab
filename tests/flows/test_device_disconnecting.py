"""A person ends the access of one device that was let in (K-09, K-10; RFC 8628; req 23, 44, 91)."""

import re

import pytest
from sqlalchemy import select

from idp.audit.log import tail
from idp.context import Services
from idp.oidc.models import Authorization
from idp.web.gateway import Gateway
from tests import cast
from tests.device_programs import Device, a_terminal, connect, registered_anew
from tests.installation import unit_of_work
from tests.plain_browser import Browser, Portal
from tests.world import forget_snapshot


@pytest.fixture
def device(services: Services, gateway: Gateway) -> Device:
    return a_terminal(services, gateway)


@pytest.fixture
def browser(gateway: Gateway) -> Browser:
    return Browser(gateway, address="203.0.113.80")


def _a_cash_desk(device: Device, services: Services) -> tuple[Device, Portal]:
    """Register a program of the operator's, whose tokens are for a resource server."""
    with unit_of_work(services) as ctx:
        api = cast.register_api(ctx)
    fields = {"first_party": True, "client_name": "Kasse", "audiences": [api.client_id]}
    return registered_anew(device, services, **fields), Portal(device.gateway, api)


def _way(device_id: str) -> str:
    return f"/account/sessions/connected/{device_id}/disconnect"


def _way_to_disconnect(page: str) -> list[str]:
    return re.findall(r'action="(/account/sessions/connected/\w+/disconnect)"', page)


def test_the_owner_disconnects_one_of_two(device: Device, browser: Browser, services: Services) -> None:
    """That one loses everything at once, the other goes on; the browser stays signed in (req 23, 44)."""
    kept, api = _a_cash_desk(device, services)
    lost = Device(device.gateway, kept.registered)
    tokens = []
    for program in (kept, lost):
        connect(browser, program.ask())
        tokens.append(program.poll().get_json())
    page = browser.get("/account/sessions").text
    assert page.count("<h3>Kasse</h3>") == len(_way_to_disconnect(page)) == 2
    assert "Verbunden seit" in page
    newest, oldest = _way_to_disconnect(page)
    page = browser.submit(expect_action=newest).text
    assert "Das Gerät ist getrennt." in page
    assert _way_to_disconnect(page) == [oldest]
    refused = lost.refresh(tokens[1]["refresh_token"])
    assert (refused.status_code, refused.get_json()["error"]) == (400, "invalid_grant")
    for made, active in zip(tokens, (True, False), strict=True):
        found = api.call("/introspect", {"token": made["access_token"]}).get_json()
        assert found["active"] is active
    assert kept.refresh(tokens[0]["refresh_token"]).status_code == 200
    assert "Ein verbundenes Gerät wurde getrennt. Portal: Kasse." in " ".join(
        re.sub(r"<[^>]+>", " ", browser.get("/account/activity").text).split()
    )


def test_a_second_click_is_answered_like_the_first(
    device: Device, browser: Browser, services: Services
) -> None:
    """Of two clicks the browser shows the second answer alone; one thing ended, and one row says so."""
    connect(browser, device.ask())
    device.poll()
    browser.get("/account/sessions")
    [way] = _way_to_disconnect(browser.page.text)  # type: ignore[union-attr]
    form = browser.form_for(way)
    assert form is not None
    for _ in range(2):
        page = browser.post(way, form["fields"])
        assert page.status_code == 200
        assert "Das Gerät ist getrennt." in page.text
    with unit_of_work(services) as ctx:
        events = [entry.event for entry in tail(ctx)]
    assert events.count("device_request.disconnected") == events.count("authorization.revoked") == 1


def test_nobody_else_disconnects_it(device: Device, browser: Browser, services: Services) -> None:
    """Another person's device, what a browser has at a portal and what is made up are not there (req 91)."""
    connect(browser, device.ask())
    tokens = device.poll().get_json()
    [way] = _way_to_disconnect(browser.get("/account/sessions").text)
    with unit_of_work(services) as ctx:
        portal = Portal(device.gateway, cast.register(ctx))
        cast.person(ctx, "ben")
    forget_snapshot(device.gateway)
    other = Browser(device.gateway, address="203.0.113.81")
    portal.sign_in(other, "ben")
    with services.database.session() as db:
        his = db.scalars(select(Authorization.id).where(Authorization.redirect_uri != "")).one()
    assert not _way_to_disconnect(other.get("/account/sessions").text)
    token = re.findall(r'name="csrf_token" value="([^"]+)"', other.page.text)[0]  # type: ignore[union-attr]
    for target in (way, way.replace("/connected/", "/connected/0"), _way(his)):
        assert other.post(target, {"csrf_token": token}).status_code == 404
    assert device.refresh(tokens["refresh_token"]).status_code == 200


def test_before_it_has_fetched_its_tokens(device: Device, browser: Browser) -> None:
    """A device that was let in by mistake gets nothing any more."""
    connect(browser, device.ask())
    browser.get("/account/sessions")
    browser.submit(expect_action="/disconnect")
    assert device.hears() == "invalid_grant"


def test_the_page_of_portals_shows_the_way_to_devices(
    device: Device, browser: Browser, services: Services
) -> None:
    """A device is no portal that was used without consent; a third party's consent stays where it is."""
    foreign = registered_anew(device, services, first_party=False, client_name="Wetterstation")
    connect(browser, device.ask())
    assert "Verbundene Geräte</dt><dd>Kassenterminal</dd>" in browser.get("/account").text
    page = browser.get("/account/portals").text
    assert "Kassenterminal" not in page
    assert "Ohne Zustimmung" not in page
    assert 'href="/account/sessions"' in page.partition("<main")[2]
    assert "Kassenterminal" in browser.get("/account/delete").text
    connect(browser, foreign.ask())
    assert "Wetterstation" in browser.get("/account/portals").text
    while _way_to_disconnect(browser.get("/account/sessions").text):
        browser.submit(expect_action="/disconnect")
    page = browser.get("/account/portals").text
    assert "Wetterstation" in page
    assert "mit einem Code verbunden" not in page
    assert "Verbundene Geräte" not in browser.get("/account").text
