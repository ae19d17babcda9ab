"""A device without a browser gets tokens because a person lets it in (RFC 8628; L-14; req 30, 95)."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from idp.audit.log import tail
from idp.context import Services
from idp.management import accounts, clients, memberships
from idp.oidc.models import Authorization, DeviceRequest
from idp.organizations.memberships import for_account
from idp.web.gateway import Gateway
from tests import cast
from tests.builders import OPERATOR, make_membership, make_organization
from tests.device_programs import (
    Device,
    a_terminal,
    answer,
    at_the_question,
    connect,
    enter,
    heading,
    registered_anew,
)
from tests.installation import unit_of_work
from tests.plain_browser import Browser
from tests.world import forget_snapshot, later, move_back, now, time_passes, verified

AAL2 = "urn:lotse:acr:aal2"


@pytest.fixture
def device(services: Services, gateway: Gateway) -> Device:
    return a_terminal(services, gateway)


@pytest.fixture
def browser(gateway: Gateway) -> Browser:
    return Browser(gateway, address="203.0.113.80")


def test_a_device_is_connected(device: Device, browser: Browser, services: Services) -> None:
    """Code, sign-in, question, click; then the tokens of the code flow, without a nonce."""
    shown = device.ask()
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", shown)
    assert device.hears() == "authorization_pending"
    question = at_the_question(browser, shown).text
    for words in (
        "Kassenterminal",
        shown,
        "Muster GmbH",
        "Profil",
        "203.0.113.0",
        "dasselbe Netz",
        "Betrug",
    ):
        assert words in question
    assert device.hears() == "slow_down"
    assert heading(answer(browser)) == "Gerät verbunden"
    tokens = device.poll().get_json()
    claims = verified(device.gateway, tokens["id_token"])[1]
    assert claims["aud"] == device.registered.client_id
    assert claims["organization"]["name"] == "Muster GmbH"
    assert claims["acr"] == "urn:lotse:acr:aal1"
    assert "nonce" not in claims
    assert tokens["scope"] == "openid profile organization"
    assert device.userinfo(tokens["access_token"]).get_json()["sub"] == claims["sub"]
    assert device.refresh(tokens["refresh_token"]).status_code == 200
    assert device.hears() == "invalid_grant"
    with services.database.session() as db:
        found = db.scalars(select(Authorization)).one()
        assert (found.redirect_uri, found.nonce, found.code_challenge) == ("", None, None)


def test_an_open_session_is_asked_all_the_same(device: Device, browser: Browser) -> None:
    """A click is demanded even with the whole address and an open session (req 30)."""
    connect(browser, device.ask())
    again = Device(device.gateway, device.registered)
    again.ask()
    browser.get(again.codes["verification_uri_complete"].removeprefix(browser.issuer))
    assert f'value="{again.codes["user_code"]}"' in browser.page.text  # type: ignore[union-attr]
    assert again.hears() == "authorization_pending"
    browser.submit(expect_action="/device", code=again.codes["user_code"])
    assert 'name="confirmation"' in browser.page.text  # type: ignore[union-attr]
    assert again.hears() == "slow_down"
    assert heading(answer(browser)) == "Gerät verbunden"
    assert again.poll().status_code == 200


def test_it_was_not_me(device: Device, browser: Browser, services: Services) -> None:
    """The device hears access_denied for good, and the log has it."""
    shown = device.ask()
    at_the_question(browser, shown)
    page = answer(browser, "deny")
    assert heading(page) == "Gerät nicht verbunden"
    assert device.hears() == "access_denied"
    assert "schon benutzt" in enter(Browser(device.gateway), shown).text
    with unit_of_work(services, now()) as ctx:
        newest = tail(ctx, limit=1)[0]
    assert (newest.event, newest.client) == ("device_request.denied", "terminal")
    assert newest.details == {"network": "203.0.113.0/24"}


def test_the_connection_is_in_the_log(device: Device, browser: Browser, services: Services) -> None:
    """Who, for what, how strong, from where; nothing that opens anything (req 105, 106)."""
    shown = device.ask()
    connect(browser, shown)
    with unit_of_work(services, now()) as ctx:
        entry = next(each for each in tail(ctx) if each.event == "device_request.connected")
        account_id = accounts.find(ctx, "anna")
    assert entry.target_id == entry.actor_id == account_id
    assert entry.new["scope"] == "openid profile organization"
    assert entry.organization is not None
    assert entry.details == {"network": "203.0.113.0/24"}
    assert device.codes["device_code"] not in entry.to_json()
    assert shown not in entry.to_json()


@pytest.mark.parametrize(
    ("choice", "title"), [("connect", "Gerät verbunden"), ("deny", "Gerät nicht verbunden")]
)
def test_the_second_of_two_clicks_is_answered_like_the_first(
    device: Device, browser: Browser, choice: str, title: str
) -> None:
    """It is the only one whose answer the browser shows."""
    page, question = at_the_question(browser, device.ask()), browser.url
    for _ in range(2):
        browser.page, browser.url = page, question
        assert heading(answer(browser, choice)) == title


def test_a_yes_in_the_last_moment_can_be_fetched(
    device: Device, browser: Browser, services: Services
) -> None:
    """For two of the device's intervals, which ``slow_down`` has made longer (RFC 8628 §3.5)."""
    at_the_question(browser, device.ask())
    assert [device.hears() for _ in range(4)] == ["authorization_pending", *["slow_down"] * 3]
    times = (DeviceRequest.created_at, DeviceRequest.polled_at, DeviceRequest.expires_at)
    move_back(services, times, timedelta(seconds=570))
    assert heading(answer(browser)) == "Gerät verbunden"
    with later(seconds=35):
        assert device.poll().status_code == 200


def test_giving_up_before_the_question(device: Device, browser: Browser) -> None:
    """Nobody has signed in, so nothing is decided for the device; the same code works again."""
    shown = device.ask()
    enter(browser, shown)
    page = browser.submit(expect_action="/decline")
    assert heading(page) == "Gerät nicht verbunden"
    assert device.hears() == "authorization_pending"
    connect(browser, shown)
    assert device.poll().status_code == 200


def test_a_second_factor_is_asked_as_anywhere(device: Device, browser: Browser, services: Services) -> None:
    """Whoever has one proves it before the question (design §3: one hub)."""
    enter(browser, device.ask())
    browser.sign_in("clara")
    assert "/login/totp" in browser.url
    with unit_of_work(services, now()) as ctx:
        code = cast.app_code(ctx)
    browser.submit(expect_action="/login/totp", code=code)
    answer(browser)
    assert verified(device.gateway, device.poll().get_json()["id_token"])[1]["acr"] == AAL2


def test_a_demanded_level_that_nobody_can_reach(device: Device, browser: Browser, services: Services) -> None:
    """The person reads why; the device is not told of who was there, and another account may come."""
    strict = registered_anew(device, services, default_acr_values=[AAL2])
    enter(browser, strict.ask())
    page = browser.sign_in("anna")
    assert heading(page) == "Zweistufige Anmeldung nötig"
    assert strict.hears() == "authorization_pending"
    browser.submit(expect_action="/choose-account/other")
    assert "/login?" in browser.url
    browser.sign_in("clara")
    assert "/login/totp" in browser.url


def test_a_client_s_age_of_sign_ins_counts(device: Device, browser: Browser, services: Services) -> None:
    """``default_max_age``: who signed in longer ago proves again who it is, before the question."""
    strict = registered_anew(device, services, default_max_age=600)
    connect(browser, device.ask())
    time_passes(services, minutes=11)
    enter(browser, strict.ask())
    assert "/login?" in browser.url
    browser.sign_in()
    assert heading(answer(browser)) == "Gerät verbunden"


def test_a_company_is_chosen_before_the_question(
    device: Device, browser: Browser, services: Services
) -> None:
    """The question names the company the device will act for."""
    with unit_of_work(services) as ctx:
        second = make_organization(ctx, "100200400", "Beispiel AG")
        make_membership(ctx, second, accounts.find(ctx, "anna"))
    enter(browser, device.ask())
    browser.sign_in()
    assert "/choose-organization" in browser.url
    chosen = re.search(r'value="(\w{32})"[^>]*>\s*<span><span class="name">Beispiel AG', browser.page.text)  # type: ignore[union-attr]
    assert chosen is not None
    page = browser.submit(expect_action="/choose-organization", choice=chosen[1])
    assert "Beispiel AG" in page.text
    answer(browser)
    claims = verified(device.gateway, device.poll().get_json()["id_token"])[1]
    assert claims["organization"]["name"] == "Beispiel AG"


def test_waiting_and_missing_memberships_have_their_pages(
    device: Device, browser: Browser, services: Services
) -> None:
    """As for a portal; the way out ends at the device's last page."""
    members = registered_anew(device, services, require_membership=True)
    with unit_of_work(services) as ctx:
        cast.person(ctx, "nora")
    enter(browser, members.ask())
    page = browser.sign_in("nora")
    assert heading(page) == "Willkommen im Other"
    assert heading(browser.submit(expect_action="/decline")) == "Gerät nicht verbunden"


def test_the_question_is_the_consent(device: Device, browser: Browser, services: Services) -> None:
    """A program of others is asked about on the same page, each device anew."""
    foreign = registered_anew(device, services, first_party=False)
    page = at_the_question(browser, foreign.ask("openid email orders"))
    assert "E-Mail-Adresse" in page.text
    answer(browser)
    assert foreign.poll().status_code == 200
    assert 'name="confirmation"' in enter(browser, foreign.ask()).text


def test_another_account_is_one_click_away(device: Device, browser: Browser, services: Services) -> None:
    """The wrong person was signed in: the question comes again for the right one."""
    with unit_of_work(services) as ctx:
        cast.person(ctx, "ben")
    at_the_question(browser, device.ask())
    browser.submit(expect_action="/choose-account/other")
    page = browser.sign_in("ben")
    assert "ben" in page.text
    assert "Muster GmbH" not in page.text
    answer(browser)
    claims = verified(device.gateway, device.poll().get_json()["id_token"])[1]
    assert "organization" not in claims


@pytest.mark.parametrize(
    "typed", ["{0}", "{1}", " {1} ", "{2}-{3}", "{2} {3}", "{2}\u2011{3}", "{2} \u2013 {3}"]
)
def test_codes_are_taken_as_people_type_them(device: Device, browser: Browser, typed: str) -> None:
    """Any case, with or without hyphen, pasted with blanks."""
    shown = device.ask()
    plain = shown.replace("-", "").lower()
    enter(browser, typed.format(shown, plain, plain[:4], plain[4:]))
    assert "/login" in browser.url


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "Geben Sie den Code ein"),
        ("BCDF", "Der Code hat 8 Buchstaben"),
        ("ABCD-EFGH", "Diesen Code kennen wir nicht"),
        ("1234-5678", "Der Code hat 8 Buchstaben"),
        ("BCDF-GHJKL", "Der Code hat 8 Buchstaben"),
        ("BCDF-GHJK", "Diesen Code kennen wir nicht"),
    ],
)
def test_what_is_wrong_with_a_code(device: Device, browser: Browser, typed: str, words: str) -> None:
    """What was typed stays, and the message says what to do."""
    page = enter(browser, typed)
    assert words in page.text
    assert f'value="{typed}"' in page.text
    assert browser.url.endswith("/device")


def test_a_page_that_stood_open_long(device: Device, browser: Browser) -> None:
    """An old form is shown again with what was typed, and nothing happens by it (WCAG 2.2.1)."""
    shown = device.ask()
    browser.get("/device")
    assert "länger offen" in browser.submit(expect_action="/device", code=shown, csrf_token="old").text
    at_the_question(browser, shown)
    page = browser.submit(expect_action="/device/", choice="connect", csrf_token="old")
    assert "länger offen" in page.text
    assert device.hears() == "authorization_pending"
    assert heading(answer(browser)) == "Gerät verbunden"


def test_a_browser_without_cookies_is_told_so(device: Device) -> None:
    """As at the sign-in; the way back holds the code that was typed (L-15.4)."""
    shown = device.ask()
    page = Browser(device.gateway).post("/device", {"code": shown})
    assert page.status_code == 400
    assert heading(page) == "Ihr Browser nimmt keine Cookies an"
    again = re.search(r'href="(/device[^"]*)"', page.text)
    assert again is not None
    assert f'value="{shown}"' in Browser(device.gateway).get(again[1]).text
    for typed in ("", "x", "BCDF"):
        assert 'href="/device"' in Browser(device.gateway).post("/device", {"code": typed}).text


def test_a_client_that_is_switched_off(device: Device, browser: Browser, services: Services) -> None:
    """At every step: its codes are worth nothing any more (req 23, 95)."""
    shown = device.ask()
    at_the_question(browser, shown)
    with unit_of_work(services) as ctx:
        clients.disable(ctx.acting(OPERATOR), "terminal")
    forget_snapshot(device.gateway)
    assert "noch einmal ein" in answer(browser).text
    assert "abgelaufen" in enter(browser, shown).text
    assert device.poll().status_code == 401


def test_a_block_between_question_and_answer(device: Device, browser: Browser, services: Services) -> None:
    """Nothing is connected for who may not act any more (req 23)."""
    at_the_question(browser, device.ask())
    with unit_of_work(services) as ctx:
        accounts.block(ctx.acting(OPERATOR), accounts.find(ctx, "anna"))
    answer(browser)
    assert "/login" in browser.url
    assert device.hears() == "authorization_pending"


def test_a_block_before_the_tokens(device: Device, browser: Browser, services: Services) -> None:
    """Who was let in and is blocked before the next poll: no token (req 23, 30)."""
    connect(browser, device.ask())
    with unit_of_work(services) as ctx:
        mine = for_account(ctx, accounts.find(ctx, "anna"))[0]
        memberships.block(ctx.acting(OPERATOR), mine.organization_id, mine.id)
    assert device.hears() == "invalid_grant"
    with services.database.session() as db:
        assert db.scalars(select(DeviceRequest)).one().used_at is None


def test_a_lost_sign_in_begins_again_with_the_code(device: Device, browser: Browser) -> None:
    """A device has no page of its own to go back to: the error page leads to ours (L-15)."""
    enter(browser, device.ask())
    stranger = Browser(device.gateway)
    lost = stranger.get(browser.url.removeprefix(browser.issuer))
    assert lost.status_code == 400
    assert 'href="/device"' in lost.text


def test_the_last_page_is_the_device_s_alone(device: Device, browser: Browser) -> None:
    """A finished flow of another kind is not shown as one (C2)."""
    connect(browser, device.ask())
    done = browser.url.removeprefix(browser.issuer)
    assert heading(browser.get(done)) == "Gerät verbunden"
    browser.get("/logout")
    browser.submit(expect_action="/logout", choice="logout")
    signed_out = browser.url.rpartition("/")[2]
    assert browser.get(f"/device/{signed_out}/done").status_code == 400
