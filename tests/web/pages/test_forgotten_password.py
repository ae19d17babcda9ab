"""A forgotten password: neutral answers, links that work once, the second factor first (P-01 to P-05)."""

import pytest
from sqlalchemy import select

from idp.accounts import identifiers
from idp.accounts.models import Account
from idp.authentication.models import Session
from idp.management import accounts
from tests.builders import OPERATOR
from tests.plans import selects
from tests.web.pages.house import PASSWORD, Browser, House, Person
from tests.web.pages.recovering import (
    FRESH,
    ask_for_link,
    choose,
    give,
    has,
    linked,
    mailed_link,
    posted,
    signs_in,
)


def test_the_whole_way(house: House, browser: Browser) -> None:
    """Link, new password, and back in the portal, signed in; the old password is dead."""
    house.add("ben")
    ask_for_link(browser)
    assert browser.heading == "E-Mail gesendet"
    assert "ben@muster.example" in browser.text
    mail = posted(house)[0]
    assert (mail.to, mail.subject) == ("ben@muster.example", "Ihr Passwort zurücksetzen")
    choose(browser, mailed_link(house))
    assert browser.heading == "Passwort geändert!"
    browser.get(linked(browser, "Weiter"))
    assert browser.arrived["code"]
    assert posted(house)[0].subject == "Ihr Passwort wurde geändert"
    assert [event.actor_id for event in house.events("password.reset_completed")]
    assert signs_in(house, FRESH)
    assert not signs_in(house, PASSWORD)


@pytest.mark.parametrize(("after", "since", "stays"), [(0, 1, True), (1, 71, False), (1, 72, True)])
def test_a_young_recovery_password_goes(
    house: House, browser: Browser, after: int, since: int, stays: bool
) -> None:
    """A thief may have saved it; all addresses hear of it, and the log tells (req 72, 76, 106).

    :param after: how many hours after the account it was made: with it, it is its owner's.
    :param since: how many hours before the reset.
    """
    ben = house.add("ben")
    house.clock.advance(hours=after)
    text = give(house, ben)
    house.clock.advance(hours=since)
    ask_for_link(browser)
    choose(browser, mailed_link(house))
    assert browser.heading == "Passwort geändert!"
    assert has(house, ben, text) == stays
    told = [
        mail for mail in posted(house) if mail.subject == "Ihr Wiederherstellungspasswort gilt nicht mehr"
    ]
    assert [mail.to for mail in told] == ([] if stays else ["ben@muster.example"])
    assert [row.target_id for row in house.events("recovery_password.removed")] == ([] if stays else [ben.id])


@pytest.mark.parametrize(
    ("address", "heading"), [("/account/profile", "Profil"), ("/login", "Willkommen, Ben")]
)
def test_without_a_portal(house: House, browser: Browser, address: str, heading: str) -> None:
    """Back to the page of the account that asked who it is."""
    house.add("ben")
    browser.get(address)
    browser.get(linked(browser, "Passwort vergessen?"))
    browser.send(email="ben@muster.example")
    choose(browser, mailed_link(house))
    browser.get(linked(browser, "Weiter"))
    assert browser.heading == heading


def test_the_database_does_the_same_for_everybody(house: House, browser: Browser) -> None:
    """Known, unknown, blocked: the statements are alike, so that time tells nothing (req 59)."""
    house.add("ben")
    blocked = house.add("dora")
    with house.work() as ctx:
        accounts.block(ctx.acting(OPERATOR), blocked.id)
    asked = {}
    for name in ("ben", "nobody", "dora"):
        visitor = house.browser()
        visitor.get("/password/forgot")
        with selects(house.services.database, ("INSERT", "SELECT", "UPDATE", "DELETE")) as found:
            visitor.send(email=f"{name}@muster.example", follow=False)
        asked[name] = [statement for statement, _ in found]
    assert any("INTO outbox" in statement for statement in asked["nobody"])
    assert asked["nobody"] == asked["ben"] == asked["dora"]
    assert [mail.to for mail in posted(house)] == ["ben@muster.example"]


def test_in_another_browser_the_person_arrives_too(house: House, browser: Browser) -> None:
    """At the portal's own start: its request waits in the first browser."""
    house.add("ben")
    ask_for_link(browser)
    other = house.browser()
    choose(other, mailed_link(house))
    assert linked(other, "Weiter") == "http://localhost:8001/"
    other.ask()
    assert other.arrived["code"]


@pytest.mark.parametrize("state", ["nobody", "unproven", "blocked", "deleted"])
def test_equal_answers(house: House, state: str) -> None:
    """Who asks cannot tell; only a proven address of an account that may act gets a link (req 59; C14)."""
    house.add("ben")
    other = house.add("eve")
    with house.work() as ctx:
        acting = ctx.acting(OPERATOR)
        if state == "unproven":
            identifiers.add_email(ctx, other.id, "neu@muster.example")
        elif state == "blocked":
            accounts.block(acting, other.id)
        elif state == "deleted":
            accounts.delete(acting, other.id)
    name = {"nobody": "nobody", "unproven": "neu"}.get(state, "eve")
    asked = f"{name}@muster.example"
    seen = []
    for address in ("ben@muster.example", asked):
        browser = house.browser()
        browser.ask()
        browser.get(linked(browser, "Passwort vergessen?"))
        browser.send(follow=False, email=address)
        answer = browser.page
        browser.get(answer.headers["Location"])
        length = len(browser.text) - len(address)
        seen.append((answer.status_code, sorted(answer.headers.keys()), browser.heading, length))
    assert seen[0] == seen[1]
    assert [mail.to for mail in posted(house)] == ["ben@muster.example"]


def test_the_second_factor_comes_first(house: House, browser: Browser, anna: Person) -> None:
    """The mailbox alone opens nothing: without the code the old password stays (req 71; C4)."""
    ask_for_link(browser, "anna@muster.example")
    choose(browser, mailed_link(house))
    assert browser.heading == "Zweistufige Anmeldung"
    assert not signs_in(house, FRESH, "anna")
    assert signs_in(house, PASSWORD, "anna")
    browser.send(code=anna.code())
    assert browser.heading == "Passwort geändert!"
    browser.get(linked(browser, "Weiter"))
    assert browser.arrived["code"]
    with house.work() as ctx:
        newest = ctx.db.scalars(select(Session).where(Session.ended_at.is_(None))).one()
        assert newest.account_id == anna.id


def test_a_remembered_browser_does_not_spare_it(house: House, browser: Browser, anna: Person) -> None:
    """(req 71; C4)"""
    browser.get("/login")
    browser.sign_in(anna, remember_device="y")
    browser.client.delete_cookie("sid", domain="localhost")
    ask_for_link(browser, "anna@muster.example")
    choose(browser, mailed_link(house))
    assert browser.heading == "Zweistufige Anmeldung"


def test_five_wrong_codes_end_it(house: House, browser: Browser, anna: Person) -> None:
    """The new password is forgotten; the page says so and begins again, for the portal (req 64; C4)."""
    ask_for_link(browser, "anna@muster.example")
    choose(browser, mailed_link(house))
    address = browser.address
    for _ in range(5):
        browser.send(code=anna.wrong_code())
    for _ in range(2):
        assert browser.heading == "Haben Sie Ihr Passwort vergessen?"
        assert "zu viele falsche Codes. Ihr altes Passwort gilt weiter. Beginnen Sie noch" in browser.text
        browser.get(address)
    assert signs_in(house, PASSWORD, "anna")
    house.clock.advance(minutes=1)
    browser.send(email="anna@muster.example")
    assert "zu viele falsche Codes" not in browser.text
    choose(browser, mailed_link(house))
    browser.send(code=anna.code())
    browser.get(linked(browser, "Weiter"))
    assert browser.arrived["code"]


def test_who_is_signed_in_is_not_asked_in_the_place_of_who_resets(
    house: House, browser: Browser, anna: Person
) -> None:
    """(req 71): the ten minutes are over, and another tab has signed in, in a remembered browser."""
    browser.get("/login")
    browser.sign_in(anna, remember_device="y")
    browser.client.delete_cookie("sid", domain="localhost")
    ask_for_link(browser, "anna@muster.example")
    choose(browser, mailed_link(house))
    address = browser.address
    house.clock.advance(minutes=11)
    browser.get("/login")
    browser.give_password(anna)
    browser.get(address)
    assert browser.heading != "Zweistufige Anmeldung"
    assert signs_in(house, PASSWORD, "anna")


def test_a_browser_can_be_remembered(house: House, browser: Browser, anna: Person) -> None:
    """Those of before are forgotten, this one gave both proofs just now: the next sign-in asks for one."""
    elsewhere = house.browser()
    elsewhere.get("/login")
    elsewhere.sign_in(anna, remember_device="y")
    house.clock.advance(minutes=1)
    ask_for_link(browser, "anna@muster.example")
    choose(browser, mailed_link(house))
    browser.send(code=anna.code(), remember_device="y")
    assert browser.heading == "Passwort geändert!"
    assert len(house.events("device.remembered")) == 2
    for visitor, heading in ((browser, "Willkommen, Anna"), (elsewhere, "Zweistufige Anmeldung")):
        visitor.client.delete_cookie("sid", domain="localhost")
        visitor.get("/login")
        visitor.send(username="anna", password=FRESH)
        assert visitor.heading == heading


def test_other_sessions_end(house: House, browser: Browser) -> None:
    """And nothing that was issued before counts (req 44, 76)."""
    person = house.add("ben")
    elsewhere = house.browser()
    elsewhere.get("/login")
    elsewhere.sign_in(person)
    assert "Willkommen" in elsewhere.heading
    with house.work() as ctx:
        before = ctx.db.get_one(Account, person.id).epoch
    ask_for_link(browser)
    choose(browser, mailed_link(house))
    elsewhere.get("/")
    assert "Ben" not in elsewhere.heading
    with house.work() as ctx:
        assert ctx.db.get_one(Account, person.id).epoch == before + 1


def test_who_is_blocked_is_not_let_in_by_a_reset(house: House, browser: Browser) -> None:
    """By their only company: the password changes, the sign-in says why it stays closed (C4)."""
    house.add("ben", company="Muster GmbH", membership="blocked")
    ask_for_link(browser)
    choose(browser, mailed_link(house))
    assert browser.heading == "Passwort geändert!"
    browser.get(linked(browser, "Weiter"))
    assert browser.heading == "Anmelden"
    browser.send(username="ben", password=FRESH)
    assert "Ihr Zugang ist gesperrt" in browser.text
    with house.work() as ctx:
        assert ctx.db.scalars(select(Session)).all() == []


@pytest.mark.parametrize(
    ("password", "confirmed", "words"),
    [
        ("", "", "Wählen Sie ein Passwort."),
        ("kurz", "kurz", "Es braucht mindestens 15."),
        ("ben@muster.example", "ben@muster.example", "enthält Ihren Namen oder Ihre E-Mail-Adresse"),
        (FRESH, "anders", "Die beiden Passwörter sind verschieden."),
    ],
)
def test_mistakes_use_nothing_up(
    house: House, browser: Browser, password: str, confirmed: str, words: str
) -> None:
    house.add("ben")
    ask_for_link(browser)
    browser.get(mailed_link(house))
    browser.send(new_password=password, confirm_password=confirmed)
    assert words in browser.text
    assert FRESH not in browser.text
    browser.send(new_password=FRESH, confirm_password=FRESH)
    assert browser.heading == "Passwort geändert!"


def test_another_link_after_a_minute(house: House, browser: Browser) -> None:
    house.add("ben")
    ask_for_link(browser)
    browser.send()
    assert browser.page.status_code == 429
    assert "noch keine Minute alt" in browser.text
    house.clock.advance(minutes=1)
    browser.send()
    assert "noch einmal gesendet" in browser.text
    assert len(posted(house)) == 2


def test_five_mails_an_hour(house: House) -> None:
    """Whoever asks, for whatever address; a flood costs us no more mail than that."""
    house.add("ben")
    for address in ("ben@muster.example", "nobody@muster.example"):
        for number in range(6):
            browser = house.browser()
            browser.get("/password/forgot")
            browser.send(email=address.upper() if number % 2 else address)
            assert ("schon viel Post" in browser.text) == (number == 5)
    assert len(posted(house)) == 5


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (" ", "Geben Sie Ihre E-Mail-Adresse ein."),
        ("kein", "braucht ein @"),
        ("a@b", "braucht ein @"),
        ("a@b.de\r\nBcc: x@y.de", "braucht ein @"),
        ("\0@x.de", "braucht ein @"),
    ],
)
def test_what_is_no_address(house: House, browser: Browser, typed: str, words: str) -> None:
    browser.get("/password/forgot")
    browser.send(email=typed)
    assert browser.heading == "Haben Sie Ihr Passwort vergessen?"
    assert words in browser.text


def test_the_flow_of_a_reset_opens_no_other_page(house: House, browser: Browser, anna: Person) -> None:
    """Its half of a proof is worth nothing where the password is asked (req 75; C4)."""
    ask_for_link(browser, "anna@muster.example")
    choose(browser, mailed_link(house))
    flow = browser.address.partition("flow=")[2]
    for path in (
        "/login",
        "/choose-account",
        "/choose-organization",
        "/consent",
        "/register/code",
        "/register",
    ):
        browser.get(f"{path}?flow={flow}")
        assert browser.page.status_code == 400, path
    browser.get(f"/authorize/{flow}")
    assert browser.page.status_code == 400


def test_only_a_password_that_was_changed_is_said_to_be(house: House, browser: Browser) -> None:
    """Whatever other flow of the browser is over (req 75)."""
    ben = house.add("ben")
    browser.ask()
    flow = browser.address.partition("flow=")[2]
    browser.sign_in(ben)
    assert browser.arrived["code"]
    browser.get(f"/password/changed?flow={flow}")
    assert browser.page.status_code == 400
