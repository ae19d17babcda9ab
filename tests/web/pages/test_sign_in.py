"""What a sign-in leaves in the browser and what it ends there (C6; req 12, 40, 41, 43)."""

import pytest
from sqlalchemy import select

from idp.authentication.models import Session
from idp.delivery.models import OutboxMessage
from idp.oidc.models import Client
from tests.web.pages.house import PASSWORD, WRONG, Browser, House, forms


def test_the_value_of_the_cookie_changes_at_each_sign_in(house: House, browser: Browser) -> None:
    """(req 40): a planted value signs nobody in, and is not taken over."""
    person = house.add("ben")
    planted = "p" * 43
    browser.set_cookie("sid", planted)
    browser.get("/login")
    browser.sign_in(person)
    assert browser.cookie("sid") not in (None, planted)
    attacker = house.browser()
    attacker.set_cookie("sid", planted)
    attacker.get("/")
    assert attacker.heading == "Willkommen"


def test_a_repeated_sign_in_keeps_the_session_under_a_new_cookie(house: House, browser: Browser) -> None:
    """(req 12, 40): ``prompt=login``: auth_time moves, the session that clients know stays."""
    person = house.add("ben")
    browser.ask()
    browser.sign_in(person)
    old = browser.cookie("sid") or ""
    house.clock.advance(minutes=5)
    browser.ask(prompt="login")
    assert browser.heading == "Anmelden"
    assert 'value="ben"' in browser.text
    browser.sign_in(person)
    assert browser.arrived["code"]
    assert len(house.sessions()) == 1
    assert browser.cookie("sid") != old
    thief = house.browser()
    thief.set_cookie("sid", old)
    thief.get("/")
    assert thief.heading == "Willkommen"


def test_an_aborted_repetition_leaves_the_session_as_it_was(house: House, browser: Browser) -> None:
    """(req 12, Keycloak CVE-2023-6787)"""
    person = house.add("anna", app=True)
    browser.ask()
    browser.sign_in(person)
    cookie, (before,) = browser.cookie("sid"), house.sessions()
    house.clock.advance(minutes=5)
    browser.ask(prompt="login")
    browser.send(username="anna", password=PASSWORD)
    assert browser.heading == "Zweistufige Anmeldung"
    browser.send(form=1)
    browser.send(form=1)
    assert browser.arrived["error"] == "access_denied"
    assert browser.cookie("sid") == cookie
    (after,) = house.sessions()
    assert (after.cookie_hash, after.account_id, after.ended_at) == (
        before.cookie_hash,
        before.account_id,
        None,
    )
    browser.get("/")
    assert browser.heading == "Willkommen, Anna"


def test_a_failed_repetition_by_somebody_else_leaves_the_session_as_it_was(
    house: House, browser: Browser
) -> None:
    """(req 12)"""
    ben = house.add("ben")
    house.add("clara")
    browser.ask()
    browser.sign_in(ben)
    browser.ask(prompt="login")
    browser.send(username="clara", password=WRONG)
    browser.get("/")
    assert browser.heading == "Willkommen, Ben"


def test_another_person_in_the_same_browser_ends_the_first_ones_session(
    house: House, browser: Browser
) -> None:
    """(C6, Keycloak CVE-2025-12390): nothing crosses, and the portals of the first hear of it."""
    ben, clara = house.add("ben"), house.add("clara")
    with house.work() as ctx:
        portal = ctx.db.scalars(select(Client)).one()
        portal.backchannel_logout_uri = "http://localhost:8001/backchannel-logout"
    house.forget_snapshot()
    browser.ask()
    browser.sign_in(ben)
    bens = browser.cookie("sid") or ""
    browser.ask(prompt="login")
    browser.sign_in(clara)
    assert browser.arrived["code"]
    first, second = house.sessions()
    assert (first.account_id, first.end_reason) == (ben.id, "other_person")
    assert (second.account_id, second.ended_at) == (clara.id, None)
    with house.work() as ctx:
        assert ctx.db.query(OutboxMessage).count() == 1
    old = house.browser()
    old.set_cookie("sid", bens)
    old.get("/")
    assert old.heading == "Willkommen"
    browser.get("/")
    assert browser.heading == "Willkommen, Clara"


def test_a_victim_cannot_complete_an_attackers_flow(house: House) -> None:
    """(req 41, C6): a prepared address, with or without its cookie, gains nothing."""
    person = house.add("ben")
    attacker, victim = house.browser(), house.browser()
    attacker.ask()
    prepared = attacker.address
    victim.get("/login")
    victim.get(prepared)
    assert victim.page.status_code == 400
    victim.set_cookie("flow", attacker.cookie("flow") or "")
    victim.get(prepared)
    victim.sign_in(person)
    assert attacker.cookie("sid") is None
    attacker.get(prepared.replace("/login?flow=", "/authorize/"))
    assert not attacker.arrived
    attacker.get("/")
    assert attacker.heading == "Willkommen"


@pytest.mark.parametrize("name", ["sid", "flow", "form"])
def test_every_cookie_altered_or_dropped_is_no_error_of_ours(
    house: House, browser: Browser, name: str
) -> None:
    """(C6)"""
    person = house.add("ben")
    browser.get("/login")
    browser.sign_in(person)
    for value in (None, "", "x", (browser.cookie(name) or "")[:-1] + "A", "\x7f" * 50):
        other = house.browser()
        for each in ("sid", "flow", "form", "dev"):
            other.set_cookie(each, browser.cookie(each) or "")
        if value is None:
            other.client.delete_cookie(name, domain="localhost")
        else:
            other.set_cookie(name, value)
        other.ask(prompt="login")
        other.send(username="ben", password=PASSWORD)
        assert other.page.status_code < 500


def test_two_tabs_sign_in_one_after_the_other(house: House, browser: Browser) -> None:
    """One browser, two portals' requests at once: both end at the portal."""
    person = house.add("ben")
    browser.ask(state="one")
    first = browser.text
    browser.ask(state="two")
    second_address = browser.address
    browser.sign_in(person)
    assert browser.arrived["state"] == "two"
    action, hidden = forms(first)[0]
    browser.post(action, hidden | {"username": "ben", "password": PASSWORD})
    assert browser.arrived["state"] == "one"
    browser.get(second_address)
    assert browser.heading == "Diese Anmeldung ist abgelaufen"
    assert 'href="http://localhost:8001/"' in browser.text


def test_a_second_tab_goes_on_once_the_first_has_signed_in(house: House, browser: Browser) -> None:
    person = house.add("ben")
    browser.ask(state="one")
    waiting = browser.address
    browser.ask(state="two")
    browser.sign_in(person)
    browser.get(waiting)
    assert browser.arrived["state"] == "one"


def test_an_expired_request_leads_back_to_the_portal(house: House, browser: Browser) -> None:
    """(screens L-15)"""
    house.add("ben")
    browser.ask()
    house.clock.advance(minutes=61)
    browser.send(username="ben", password=PASSWORD)
    assert browser.page.status_code == 400
    assert browser.heading == "Diese Anmeldung ist abgelaufen"
    assert "Neu beginnen bei Kundenportal" in browser.text


@pytest.mark.parametrize("flow", ["x", "a" * 43, "", "%00", "http://evil.example/", "a" * 3000])
def test_a_made_up_flow_is_a_page_and_never_a_redirect(browser: Browser, flow: str) -> None:
    """(req 29, 102): ``flow`` is an id or nothing, never an address."""
    for path in ("/login", "/login/totp", "/choose-account", "/choose-organization"):
        page = browser.get(f"{path}?flow={flow}", follow=False)
        assert page.status_code == 400
        assert "Location" not in page.headers
        assert browser.heading == "Diese Anmeldung ist abgelaufen"


def test_a_lost_page_is_no_lost_sign_in_to_who_is_signed_in(house: House, browser: Browser) -> None:
    """Nothing has to be done again; a portal that waits still has its way back."""
    person = house.add("ben")
    browser.ask()
    waiting = browser.address
    browser.sign_in(person)
    browser.get(f"/recovery?flow={'a' * 43}")
    assert browser.heading == "Diese Seite gilt nicht mehr"
    assert 'href="/account"' in browser.text
    browser.get(waiting)
    assert browser.heading == "Diese Anmeldung ist abgelaufen"


@pytest.mark.parametrize("name", ["next", "continue", "return_to", "redirect", "url"])
def test_no_parameter_sends_anybody_elsewhere(house: House, browser: Browser, name: str) -> None:
    """(req 102, C8)"""
    house.add("ben")
    browser.get(f"/login?{name}=https://evil.example/")
    action, hidden = forms(browser.text)[0]
    fields = hidden | {"username": "ben", "password": PASSWORD, name: "https://evil.example/"}
    page = browser.post(f"{action}?{name}=//evil.example", fields, follow=False)
    assert page.headers["Location"] == "/"


def test_the_twenty_first_session_ends_the_longest_unused(house: House) -> None:
    """(security reference §4)"""
    person = house.add("ben")
    browsers = []
    for _ in range(21):
        house.clock.advance(minutes=2)
        browser = house.browser()
        browser.get("/login")
        browser.sign_in(person)
        browsers.append(browser)
    with house.work() as ctx:
        ended = ctx.db.scalars(select(Session).where(Session.ended_at.is_not(None))).all()
    assert [session.end_reason for session in ended] == ["too_many_sessions"]
    assert browsers[0].get("/").status_code == 200
    assert browsers[0].heading == "Willkommen"
    browsers[1].get("/")
    assert browsers[1].heading == "Willkommen, Ben"


def test_a_session_ends_by_idleness_and_by_age(house: House, browser: Browser) -> None:
    """(req 43)"""
    person = house.add("ben")
    browser.get("/login")
    browser.sign_in(person)
    for _ in range(3):
        house.clock.advance(hours=11, minutes=59)
        browser.get("/")
        assert browser.heading == "Willkommen, Ben"
    house.clock.advance(hours=12)
    browser.get("/")
    assert browser.heading == "Willkommen"
    browser.get("/login")
    browser.sign_in(person)
    for _ in range(30 * 3 - 1):
        house.clock.advance(hours=8)
        browser.get("/")
    assert browser.heading == "Willkommen, Ben"
    house.clock.advance(hours=8)
    browser.get("/")
    assert browser.heading == "Willkommen"


# -- forms: tokens, senders, cookies (C13)


def test_an_old_token_shows_the_form_again_with_what_was_typed(house: House, browser: Browser) -> None:
    """(req 114; screens §1.0, form.stale)"""
    house.add("ben")
    browser.get("/login")
    browser.send(username="ben", password=PASSWORD, csrf_token="old")
    assert browser.page.status_code == 200
    assert 'value="ben"' in browser.text
    assert "Die Seite war länger offen." in browser.text
    assert house.sessions() == []
    browser.send(username="ben", password=PASSWORD)
    assert browser.heading == "Willkommen, Ben"


def test_an_old_token_on_the_code_page_keeps_the_code(house: House, browser: Browser) -> None:
    person = house.add("anna", app=True)
    browser.get("/login")
    browser.send(username="anna", password=PASSWORD)
    browser.send(code=person.code(), csrf_token="old")
    assert "Die Seite war länger offen." in browser.text
    assert house.sessions() == []
    browser.send(code=person.code())
    assert browser.heading == "Willkommen, Anna"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost:8000"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:8001"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Referer": "http://localhost:8000/login"},
        {},
    ],
)
def test_forms_of_other_sites_change_nothing(house: House, browser: Browser, headers: dict[str, str]) -> None:
    """(req 98, C13): not even with a valid token."""
    house.add("ben")
    browser.get("/login")
    action, hidden = forms(browser.text)[0]
    browser.post(action, hidden | {"username": "ben", "password": PASSWORD}, headers=headers)
    assert browser.page.status_code == 403
    assert house.sessions() == []
    assert house.events() == []


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "http://localhost:8000"}],
)
def test_our_own_forms_are_taken(house: House, browser: Browser, headers: dict[str, str]) -> None:
    """(req 98): from browsers of today and from those without Sec-Fetch-Site."""
    house.add("ben")
    browser.get("/login")
    action, hidden = forms(browser.text)[0]
    browser.post(action, hidden | {"username": "ben", "password": PASSWORD}, headers=headers)
    assert browser.heading == "Willkommen, Ben"


def test_a_token_of_another_browser_is_none(house: House, browser: Browser) -> None:
    """(C13)"""
    house.add("ben")
    other = house.browser()
    other.get("/login")
    token = forms(other.text)[0][1]["csrf_token"]
    browser.get("/login")
    browser.send(username="ben", password=PASSWORD, csrf_token=token)
    assert house.sessions() == []


def test_get_changes_nothing(house: House, browser: Browser) -> None:
    """(design §7)"""
    house.add("ben")
    browser.get(f"/login?username=ben&password={PASSWORD}")
    browser.get("/choose-account/other")
    assert browser.page.status_code == 405
    assert house.sessions() == []
