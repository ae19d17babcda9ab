"""The code of an authenticator app (screens L-04)."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from idp.accounts.models import Account
from idp.authentication import second_factor, totp, transaction
from idp.flows.models import Flow
from tests.web.pages.house import WRONG, Browser, House, Person, forms
from tests.web.pages.recovering import posted


def test_password_and_code_make_two_factors(house: House, browser: Browser, anna: Person) -> None:
    browser.ask()
    browser.sign_in(anna)
    assert browser.arrived["code"]
    event = house.events("sign_in.succeeded")[-1]
    assert "urn:lotse:acr:aal2" in (event.new or "")
    assert '["pwd","otp"]' in (event.new or "")


def test_no_session_stands_on_half_a_sign_in(house: House, browser: Browser, anna: Person) -> None:
    """(C4): between password and code there is no session, neither row nor cookie."""
    browser.ask()
    browser.give_password(anna)
    assert browser.heading == "Zweistufige Anmeldung"
    assert house.sessions() == []
    assert browser.cookie("sid") is None
    browser.ask()
    assert browser.heading == "Anmelden"


def test_signing_in_without_a_portal_asks_for_the_code_too(browser: Browser, anna: Person) -> None:
    browser.get("/login")
    browser.give_password(anna)
    assert browser.heading == "Zweistufige Anmeldung"
    browser.send(code=anna.code())
    assert browser.heading == "Willkommen, Anna"


@pytest.mark.parametrize("written", ["{0} {1}", "{0}-{1}", " {0}{1} ", "{0}\u00a0{1}"])
def test_codes_are_taken_as_apps_show_them(browser: Browser, anna: Person, written: str) -> None:
    code = anna.code()
    browser.get("/login")
    browser.give_password(anna)
    browser.send(code=written.format(code[:3], code[3:]))
    assert browser.heading == "Willkommen, Anna"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("12345", "Der Code hat 6 Ziffern. Sie haben 5 eingegeben."),
        ("1234567", "Der Code hat 6 Ziffern. Sie haben 7 eingegeben."),
        ("", "Geben Sie den Code aus Ihrer App ein."),
        ("12345a", "Der Code besteht nur aus Ziffern."),
        ("١٢٣٤٥٦", "Der Code besteht nur aus Ziffern."),
    ],
)
def test_what_is_no_code_costs_no_try(
    house: House, browser: Browser, anna: Person, typed: str, said: str
) -> None:
    browser.get("/login")
    browser.give_password(anna)
    for _ in range(6):
        browser.send(code=typed)
        assert said in browser.text
    browser.send(code=anna.code())
    assert browser.heading == "Willkommen, Anna"


def test_the_last_step_counts_and_older_or_coming_ones_do_not(
    house: House, browser: Browser, anna: Person
) -> None:
    """(req 63)"""
    browser.get("/login")
    browser.give_password(anna)
    for back in (2, -1):
        browser.send(code=anna.code(back=back))
        assert "Der Code stimmt nicht." in browser.text
    browser.send(code=anna.code(back=1))
    assert browser.heading == "Willkommen, Anna"


def test_a_code_counts_once(house: House, anna: Person) -> None:
    """(req 62)"""
    first, second = house.browser(), house.browser()
    for browser in (first, second):
        browser.get("/login")
        browser.give_password(anna)
    first.send(code=anna.code())
    assert first.heading == "Willkommen, Anna"
    second.send(code=anna.code())
    assert "Diesen Code haben Sie schon benutzt. Warten Sie auf den nächsten." in second.text
    second.send(code=anna.code(back=1))
    assert "Diesen Code haben Sie schon benutzt." in second.text
    house.clock.advance(seconds=30)
    second.send(code=anna.code())
    assert second.heading == "Willkommen, Anna"


def test_a_clock_that_steps_back_opens_no_old_step(house: House, anna: Person) -> None:
    """(req 62)"""
    first, second = house.browser(), house.browser()
    first.get("/login")
    first.sign_in(anna)
    house.clock.advance(seconds=-60)
    second.get("/login")
    second.give_password(anna)
    second.send(code=anna.code())
    assert "schon benutzt" in second.text


def test_codes_that_come_at_one_moment_are_counted_together(
    house: House, browser: Browser, anna: Person
) -> None:
    """(req 64): while five wait for their answer, the sixth is not looked at, and ends the sign-in."""
    browser.ask()
    browser.give_password(anna)
    with house.work() as ctx:
        [flow] = ctx.db.scalars(select(Flow))
        tried_in = transaction.transaction_id(flow)
    for _ in range(5):
        house.services.throttle.second_factor_try(
            account_id=anna.id,
            factor=totp.TOTP,
            within=tried_in,
            lives=timedelta(days=1),
            now=house.clock.now,
        )
    browser.send(code=anna.code())
    assert browser.heading == "Anmelden"
    assert "Das waren zu viele falsche Codes." in browser.text
    assert house.sessions() == []


def test_a_second_click_on_the_fifth_wrong_code_ends_no_session(
    house: House, browser: Browser, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """(req 64): what it belonged to is over by then, and whoever is signed in beside has not guessed."""
    browser.get("/login")
    browser.sign_in(anna)
    house.clock.advance(minutes=2)
    browser.ask(prompt="login")
    browser.give_password(anna)
    for _ in range(4):
        browser.send(code=anna.wrong_code())
    tab, reserve = house.browser(), second_factor.reserve
    for name in ("sid", "flow", "form", "dev"):
        tab.set_cookie(name, browser.cookie(name) or "")
    tab.page, tab.address = browser.page, browser.address

    def meanwhile(*given: Any, **named: Any) -> Any:
        monkeypatch.undo()
        tab.send(code=anna.wrong_code())
        return reserve(*given, **named)

    monkeypatch.setattr(second_factor, "reserve", meanwhile)
    browser.send(code=anna.wrong_code())
    for place in (tab, browser):
        assert place.heading == "Anmelden"
    assert [session.end_reason for session in house.sessions()] == [None]
    assert [mail.subject for mail in posted(house) if "Codes" in mail.subject] == [
        "Falsche Codes nach Ihrem richtigen Passwort"
    ]


def test_five_wrong_codes_end_the_sign_in(house: House, browser: Browser, anna: Person) -> None:
    """(req 64): the next try starts with the password, in the same flow."""
    browser.ask()
    browser.give_password(anna)
    for left in ("Noch 4 Versuche.", "Noch 3 Versuche.", "Noch 2 Versuche.", "Noch 1 Versuch."):
        browser.send(code=anna.wrong_code())
        assert left in browser.text
    browser.send(code=anna.wrong_code())
    assert browser.heading == "Anmelden"
    assert "Das waren zu viele falsche Codes." in browser.text
    address = browser.address.replace("/login?", "/login/totp?")
    browser.get(address)
    assert browser.heading == "Anmelden"
    assert len(house.events("second_factor.failed")) == 5
    assert [event.actor_kind for event in house.events("second_factor.locked")] == ["anonymous"]
    browser.sign_in(anna)
    assert browser.arrived["code"]


def test_a_right_code_after_the_fifth_wrong_one_does_not_count(
    house: House, browser: Browser, anna: Person
) -> None:
    """(req 64): also where the form was opened before."""
    browser.ask()
    browser.give_password(anna)
    action, hidden = forms(browser.text)[0]
    for _ in range(5):
        browser.post(action, hidden | {"code": anna.wrong_code()})
    browser.post(action, hidden | {"code": anna.code()})
    assert browser.heading == "Anmelden"
    assert house.sessions() == []


def test_ten_tries_an_hour_however_often_the_password_is_right(
    house: House, browser: Browser, anna: Person
) -> None:
    """(req 55): new flows give no new tries beyond the hour's."""
    for _ in range(2):
        browser.get("/login")
        browser.give_password(anna)
        for _ in range(5):
            browser.send(code=anna.wrong_code())
    browser.get("/login")
    browser.give_password(anna)
    browser.send(code=anna.code())
    assert browser.page.status_code == 429
    assert "Zu viele Versuche. Versuchen Sie es ab " in browser.text
    house.clock.advance(hours=1, seconds=1)
    browser.get("/login")
    browser.sign_in(anna)
    assert browser.heading == "Willkommen, Anna"


def test_a_right_password_with_a_wrong_code_is_in_the_log(
    house: House, browser: Browser, anna: Person
) -> None:
    """(req 60): apart from wrong passwords, under its own name and counter."""
    browser.get("/login")
    browser.give_password(anna)
    browser.send(code=anna.wrong_code())
    (event,) = house.events("second_factor.failed")
    assert (event.target_id, event.reason) == (anna.id, "code.wrong")
    assert (event.actor_kind, event.actor_id) == ("anonymous", None)  # who it was is not proven (req 106)
    assert house.events("sign_in.failed") == []


def test_the_password_waits_ten_minutes_for_its_code(house: House, browser: Browser, anna: Person) -> None:
    browser.ask()
    browser.give_password(anna)
    house.clock.advance(minutes=11)
    browser.send(code=anna.code())
    assert browser.heading == "Anmelden"
    assert house.sessions() == []


def test_a_block_between_password_and_code_counts(house: House, browser: Browser, anna: Person) -> None:
    """(req 23)"""
    browser.ask()
    browser.give_password(anna)
    with house.work() as ctx:
        ctx.db.get(Account, anna.id).status = "blocked"
    browser.send(code=anna.code())
    assert browser.heading == "Anmelden"
    assert house.sessions() == []


def test_a_changed_password_between_password_and_code_counts(
    house: House, browser: Browser, anna: Person
) -> None:
    """(req 44): the account's epoch moved on."""
    browser.ask()
    browser.give_password(anna)
    with house.work() as ctx:
        ctx.db.get(Account, anna.id).epoch += 1
    browser.send(code=anna.code())
    assert house.sessions() == []


def test_cancel_goes_back_to_the_password(house: House, browser: Browser, anna: Person) -> None:
    browser.ask()
    browser.give_password(anna)
    totp_page = browser.address
    browser.send(form=1)
    assert browser.heading == "Anmelden"
    browser.get(totp_page)
    assert browser.heading == "Anmelden"
    ben = house.add("ben")
    browser.sign_in(ben)
    assert browser.arrived["code"]


@pytest.mark.parametrize("fields", [{}, {"code": ""}, {"account": "x", "code": "000000", "step": "done"}])
def test_nothing_but_a_right_code_gets_past_this_page(
    house: House, browser: Browser, anna: Person, fields: dict[str, str]
) -> None:
    """(req 75, C4): empty posts, resubmission, going back, the hub itself."""
    browser.ask()
    hub = browser.address.replace("/login?flow=", "/authorize/")
    browser.give_password(anna)
    browser.send(**fields)
    assert house.sessions() == []
    browser.get(hub)
    assert not browser.arrived
    assert browser.heading == "Anmelden"


def test_a_flow_of_another_browser_is_of_no_use(house: House, anna: Person) -> None:
    """(req 41, C6): who has the address of a half-way flow but not its browser restarts."""
    owner, thief = house.browser(), house.browser()
    owner.ask()
    owner.give_password(anna)
    thief.get("/login")
    thief.get(owner.address)
    assert thief.page.status_code == 400
    assert thief.heading == "Diese Anmeldung ist abgelaufen"
    assert 'href="http://localhost:8001/"' in thief.text


def test_of_several_apps_the_person_chooses_one(house: House, browser: Browser, anna: Person) -> None:
    with house.work() as ctx:
        second = totp.enroll(ctx, ctx.db.get(Account, anna.id), totp.new_secret(), "Tablet")
    browser.get("/login")
    browser.give_password(anna)
    assert "Welche App benutzen Sie?" in browser.text
    browser.send(code=anna.code(), authenticator=second.id)
    assert "Der Code stimmt nicht." in browser.text
    browser.send(code=anna.code(), authenticator="someone-elses")
    assert "Wählen Sie aus, welche App Sie benutzen." in browser.text
    browser.send(code=anna.code())
    assert browser.heading == "Willkommen, Anna"


def test_one_code_used_by_many_at_once_signs_one_in(house: House, anna: Person) -> None:
    """(req 22, 62): five browsers with the right password send the same code at the same moment."""
    count = 5
    browsers = [house.browser() for _ in range(count)]
    for browser in browsers:
        browser.get("/login")
        browser.give_password(anna)
    barrier = threading.Barrier(count)

    def race(browser: Browser) -> None:
        barrier.wait()
        browser.send(code=anna.code())

    threads = [threading.Thread(target=race, args=(browser,)) for browser in browsers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [browser.heading for browser in browsers].count("Willkommen, Anna") == 1
    assert len(house.sessions()) == 1


def test_a_wrong_password_never_leads_here(house: House, browser: Browser, anna: Person) -> None:
    """(req 56): without the password nobody touches the second factor's counters."""
    browser.ask()
    browser.send(username="anna", password=WRONG)
    assert browser.heading == "Anmelden"
    browser.get(browser.address.replace("/login?", "/login/totp?"))
    assert browser.heading == "Anmelden"
