"""What a device that was let in may do, how long, and what ends it (L-14; design §2; req 44, 45)."""

import pytest

from idp.context import Services
from idp.management import accounts, consents
from idp.web.gateway import Gateway
from tests.builders import OPERATOR, PASSWORD
from tests.device_programs import Device, a_terminal, answer, at_the_question, connect, registered_anew
from tests.installation import unit_of_work
from tests.plain_browser import Browser
from tests.world import now

NEW_PASSWORD = "Leuchtturm vor der Insel 9"


@pytest.fixture
def device(services: Services, gateway: Gateway) -> Device:
    return a_terminal(services, gateway)


@pytest.fixture
def browser(gateway: Gateway) -> Browser:
    return Browser(gateway, address="203.0.113.80")


def test_access_beyond_the_session(device: Device, browser: Browser, services: Services) -> None:
    """The question says it, the click is the consent; the tokens outlive the sign-out (OIDC Core §11)."""
    lasting = registered_anew(device, services, scope="openid offline_access")
    page = at_the_question(browser, lasting.ask("openid offline_access"))
    assert "auch wenn Sie abgemeldet sind" in page.text
    answer(browser)
    tokens = lasting.poll().get_json()
    assert tokens["scope"] == "openid offline_access"
    browser.get("/logout")
    browser.submit(expect_action="/logout", choice="logout")
    assert lasting.refresh(tokens["refresh_token"]).status_code == 200


def test_without_it_the_device_ends_with_the_session(device: Device, browser: Browser) -> None:
    """As every portal's tokens do (design §2, refresh tokens)."""
    connect(browser, device.ask())
    tokens = device.poll().get_json()
    browser.get("/logout")
    browser.submit(expect_action="/logout", choice="logout")
    assert device.refresh(tokens["refresh_token"]).status_code == 400


@pytest.mark.parametrize("scope", ["openid profile", "openid offline_access"])
@pytest.mark.parametrize("by", ["signing out elsewhere", "another password"])
def test_the_session_that_let_it_in_ends_it(
    device: Device, browser: Browser, services: Services, scope: str, by: str
) -> None:
    """Whoever was had to let a stranger's device in gets rid of it there (req 44, 45)."""
    device = registered_anew(
        device, services, first_party=True, client_name="Kasse", scope="openid profile offline_access"
    )
    connect(browser, device.ask(scope))
    tokens = device.poll().get_json()
    if by == "another password":
        browser.get("/account/password")
        page = browser.submit(
            expect_action="/account/password",
            password=PASSWORD,
            new_password=NEW_PASSWORD,
            confirm_password=NEW_PASSWORD,
            end_elsewhere="y",
        )
        assert "Passwort geändert!" in page.text
    else:
        assert "<h3>Kasse</h3>" in browser.get("/account/sessions").text
        page = browser.submit(expect_action="/account/sessions/others")
        assert "Kasse" not in page.text
    assert device.refresh(tokens["refresh_token"]).status_code == 400
    assert device.userinfo(tokens["access_token"]).status_code == 401
    browser.get("/account")
    assert "/login" not in browser.url  # the session itself goes on


def test_the_consent_of_a_third_party_can_be_withdrawn(
    device: Device, browser: Browser, services: Services
) -> None:
    """What the click allowed stands as a consent; taken back before or after the tokens, nothing is left."""
    foreign = registered_anew(device, services, first_party=False)
    for fetched in (True, False):
        at_the_question(browser, foreign.ask())
        answer(browser)
        tokens = foreign.poll().get_json() if fetched else {}
        with unit_of_work(services, now()) as ctx:
            consents.withdraw(ctx.acting(OPERATOR), accounts.find(ctx, "anna"), "other")
        if fetched:
            assert foreign.refresh(tokens["refresh_token"]).status_code == 400
        else:
            assert foreign.hears() == "invalid_grant"
