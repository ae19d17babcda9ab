"""The code of an authenticator app (screens L-04)."""

import threading

import pytest

from idp.authentication import totp
from idp.authentication.models import Device
from tests.web.pages.house import PASSWORD, WRONG, Browser, House, Person, forms

AAL1, AAL2 = "urn:lotse:acr:aal1", "urn:lotse:acr:aal2"


@pytest.fixture
def anna(house: House) -> Person:
    """Somebody with an authenticator app."""
    return house.add("anna", app=True)


def _give_password(browser: Browser, person: Person) -> None:
    browser.send(username=person.name, password=PASSWORD)


def _acr(house: House) -> str:
    """The level of the newest session, as the log has it."""
    new = house.events("sign_in.succeeded")[-1].new or ""
    return AAL2 if AAL2 in new else AAL1


def test_password_and_code_make_two_factors(house: House, browser: Browser, anna: Person) -> None:
    browser.ask()
    browser.sign_in(anna)
    assert browser.arrived["code"]
    event = house.events("sign_in.succeeded")[-1]
    assert AAL2 in (event.new or "")
    assert '["pwd","otp"]' in (event.new or "")


def test_no_session_stands_on_half_a_sign_in(house: House, browser: Browser, anna: Person) -> None:
    """(C4): between password and code there is no session, neither row nor cookie."""
    browser.ask()
    _give_password(browser, anna)
    assert browser.heading == "Zweistufige Anmeldung"
    assert house.sessions() == []
    assert browser.cookie("sid") is None
    browser.ask()
    assert browser.heading == "Anmelden"


def test_signing_in_without_a_portal_asks_for_the_code_too(browser: Browser, anna: Person) -> None:
    browser.get("/login")
    _give_password(browser, anna)
    assert browser.heading == "Zweistufige Anmeldung"
    browser.send(code=anna.code())
    assert browser.heading == "Willkommen, Anna"


@pytest.mark.parametrize("written", ["{0} {1}", "{0}-{1}", " {0}{1} ", "{0}\u00a0{1}"])
def test_codes_are_taken_as_apps_show_them(browser: Browser, anna: Person, written: str) -> None:
    code = anna.code()
    browser.get("/login")
    _give_password(browser, anna)
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
    _give_password(browser, anna)
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
    _give_password(browser, anna)
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
        _give_password(browser, anna)
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
    _give_password(second, anna)
    second.send(code=anna.code())
    assert "schon benutzt" in second.text


def test_five_wrong_codes_end_the_sign_in(house: House, browser: Browser, anna: Person) -> None:
    """(req 64): the next try starts with the password, in the same flow."""
    browser.ask()
    _give_password(browser, anna)
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
    assert len(house.events("second_factor.locked")) == 1
    browser.sign_in(anna)
    assert browser.arrived["code"]


def test_a_right_code_after_the_fifth_wrong_one_does_not_count(
    house: House, browser: Browser, anna: Person
) -> None:
    """(req 64): also where the form was opened before."""
    browser.ask()
    _give_password(browser, anna)
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
        _give_password(browser, anna)
        for _ in range(5):
            browser.send(code=anna.wrong_code())
    browser.get("/login")
    _give_password(browser, anna)
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
    _give_password(browser, anna)
    browser.send(code=anna.wrong_code())
    (event,) = house.events("second_factor.failed")
    assert (event.target_id, event.reason) == (anna.id, "code.wrong")
    assert house.events("sign_in.failed") == []


def test_the_password_waits_ten_minutes_for_its_code(house: House, browser: Browser, anna: Person) -> None:
    browser.ask()
    _give_password(browser, anna)
    house.clock.advance(minutes=11)
    browser.send(code=anna.code())
    assert browser.heading == "Anmelden"
    assert house.sessions() == []


def test_a_block_between_password_and_code_counts(house: House, browser: Browser, anna: Person) -> None:
    """(req 23)"""
    from idp.accounts.models import Account

    browser.ask()
    _give_password(browser, anna)
    with house.work() as ctx:
        ctx.db.get(Account, anna.id).status = "blocked"
    browser.send(code=anna.code())
    assert browser.heading == "Anmelden"
    assert house.sessions() == []


def test_a_changed_password_between_password_and_code_counts(
    house: House, browser: Browser, anna: Person
) -> None:
    """(req 44): the account's epoch moved on."""
    from idp.accounts.models import Account

    browser.ask()
    _give_password(browser, anna)
    with house.work() as ctx:
        ctx.db.get(Account, anna.id).epoch += 1
    browser.send(code=anna.code())
    assert house.sessions() == []


def test_cancel_goes_back_to_the_password(house: House, browser: Browser, anna: Person) -> None:
    browser.ask()
    _give_password(browser, anna)
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
    _give_password(browser, anna)
    browser.send(**fields)
    assert house.sessions() == []
    browser.get(hub)
    assert not browser.arrived
    assert browser.heading == "Anmelden"


def test_a_flow_of_another_browser_is_of_no_use(house: House, anna: Person) -> None:
    """(req 41, C6): who has the address of a half-way flow but not its browser restarts."""
    owner, thief = house.browser(), house.browser()
    owner.ask()
    _give_password(owner, anna)
    thief.get("/login")
    thief.get(owner.address)
    assert thief.page.status_code == 400
    assert thief.heading == "Diese Anmeldung ist abgelaufen"
    assert 'href="http://localhost:8001/"' in thief.text


def test_of_several_apps_the_person_chooses_one(house: House, browser: Browser, anna: Person) -> None:
    from idp.accounts.models import Account

    with house.work() as ctx:
        second = totp.enroll(ctx, ctx.db.get(Account, anna.id), totp.new_secret(), "Tablet")
    browser.get("/login")
    _give_password(browser, anna)
    assert "Welche App benutzen Sie?" in browser.text
    browser.send(code=anna.code(), authenticator=second.id)
    assert "Der Code stimmt nicht." in browser.text
    browser.send(code=anna.code(), authenticator="someone-elses")
    assert "Wählen Sie aus, welche App Sie benutzen." in browser.text
    browser.send(code=anna.code())
    assert browser.heading == "Willkommen, Anna"


# -- remembered devices


def test_a_remembered_browser_skips_the_code_and_says_so(
    house: House, browser: Browser, anna: Person
) -> None:
    """(req 13): one factor, whatever the device; aal2 is not claimed."""
    browser.ask()
    browser.sign_in(anna, remember_device="y")
    assert _acr(house) == AAL2
    browser.client.delete_cookie("sid", domain="localhost")
    browser.ask()
    _give_password(browser, anna)
    assert browser.arrived["code"]
    assert _acr(house) == AAL1
    assert '["pwd"]' in (house.events("sign_in.succeeded")[-1].new or "")


def test_a_remembered_browser_still_asks_where_two_factors_are_demanded(
    house: House, browser: Browser, anna: Person
) -> None:
    """(req 13)"""
    browser.ask()
    browser.sign_in(anna, remember_device="y")
    browser.client.delete_cookie("sid", domain="localhost")
    house.clock.advance(seconds=60)
    browser.ask(claims='{"id_token":{"acr":{"essential":true,"value":"urn:lotse:acr:aal2"}}}')
    _give_password(browser, anna)
    assert browser.heading == "Zweistufige Anmeldung"
    before = browser.cookie("sid")
    browser.send(code=anna.code())
    assert browser.arrived["code"]
    assert browser.cookie("sid") != before
    stepped = house.events("session.step_up_completed")[-1]
    assert AAL2 in (stepped.new or "")


def test_a_browser_is_remembered_for_thirty_days(house: House, browser: Browser, anna: Person) -> None:
    browser.get("/login")
    browser.sign_in(anna, remember_device="y")
    browser.client.delete_cookie("sid", domain="localhost")
    house.clock.advance(days=30, seconds=1)
    browser.get("/login")
    _give_password(browser, anna)
    assert browser.heading == "Zweistufige Anmeldung"


def test_trust_belongs_to_the_account(house: House, browser: Browser, anna: Person) -> None:
    """A browser that is remembered for one is not for another."""
    browser.get("/login")
    browser.sign_in(anna, remember_device="y")
    browser.client.delete_cookie("sid", domain="localhost")
    clara = house.add("clara", app=True)
    browser.get("/login")
    _give_password(browser, clara)
    assert browser.heading == "Zweistufige Anmeldung"


def test_a_second_account_on_the_browser_takes_no_trust_away_and_voids_the_old_cookie(
    house: House, browser: Browser, anna: Person
) -> None:
    clara = house.add("clara", app=True)
    browser.get("/login")
    browser.sign_in(anna, remember_device="y")
    old = browser.cookie("dev") or ""
    browser.client.delete_cookie("sid", domain="localhost")
    browser.get("/login")
    browser.sign_in(clara, remember_device="y")
    browser.client.delete_cookie("sid", domain="localhost")
    browser.get("/login")
    _give_password(browser, anna)
    assert browser.heading == "Willkommen, Anna"
    copy = house.browser()
    copy.set_cookie("dev", old)
    for person in (anna, clara):
        copy.get("/login")
        _give_password(copy, person)
        assert copy.heading == "Zweistufige Anmeldung"


@pytest.mark.parametrize("value", ["x", "a" * 43 + "." + "b" * 43, "a" * 43 + ".", "", "a" * 3000])
def test_a_made_up_device_cookie_is_worth_nothing(
    house: House, browser: Browser, anna: Person, value: str
) -> None:
    browser.set_cookie("dev", value)
    browser.get("/login")
    _give_password(browser, anna)
    assert browser.heading == "Zweistufige Anmeldung"


def test_the_name_of_a_browser_alone_is_no_trust(house: House, browser: Browser, anna: Person) -> None:
    browser.get("/login")
    browser.sign_in(anna, remember_device="y")
    name, _, trust = (browser.cookie("dev") or "").partition(".")
    assert trust
    copy = house.browser()
    copy.set_cookie("dev", name)
    copy.get("/login")
    _give_password(copy, anna)
    assert copy.heading == "Zweistufige Anmeldung"


def test_forgotten_browsers_are_asked_again(house: House, browser: Browser, anna: Person) -> None:
    """(req 44): what a change of password or factor and a block call."""
    from idp.authentication import devices

    browser.get("/login")
    browser.sign_in(anna, remember_device="y")
    browser.client.delete_cookie("sid", domain="localhost")
    with house.work() as ctx:
        assert devices.forget(ctx, anna.id) == 1
        assert ctx.db.query(Device).one().trusted_until is None
    browser.get("/login")
    _give_password(browser, anna)
    assert browser.heading == "Zweistufige Anmeldung"


# -- step-up of an open session


def _lapsed(house: House, browser: Browser, person: Person) -> None:
    """Sign in with two factors, then pause until only one counts."""
    browser.get("/login")
    browser.sign_in(person)
    house.clock.advance(hours=2)


ESSENTIAL = '{"id_token":{"acr":{"essential":true,"value":"urn:lotse:acr:aal2"}}}'


def test_a_lapsed_second_factor_is_proven_again_in_the_same_session(
    house: House, browser: Browser, anna: Person
) -> None:
    """(req 40, 43): new cookie, same session, the old value is dead."""
    _lapsed(house, browser, anna)
    old = browser.cookie("sid") or ""
    browser.ask(claims=ESSENTIAL)
    assert browser.heading == "Zweistufige Anmeldung"
    browser.send(code=anna.code())
    assert browser.arrived["code"]
    assert len(house.sessions()) == 1
    thief = house.browser()
    thief.set_cookie("sid", old)
    assert thief.get("/").status_code == 200
    assert thief.heading == "Willkommen"


def test_five_wrong_codes_in_a_step_up_ask_for_the_password(
    house: House, browser: Browser, anna: Person
) -> None:
    """(req 64)"""
    _lapsed(house, browser, anna)
    browser.ask(claims=ESSENTIAL)
    for _ in range(5):
        browser.send(code=anna.wrong_code())
    assert browser.heading == "Anmelden"
    assert "zu viele falsche Codes" in browser.text
    hub = browser.address.replace("/login?flow=", "/authorize/")
    browser.get(hub)
    assert browser.heading == "Anmelden"
    browser.sign_in(anna)
    assert browser.arrived["code"]


def test_giving_up_a_step_up_answers_the_portal(house: House, browser: Browser, anna: Person) -> None:
    _lapsed(house, browser, anna)
    browser.ask(claims=ESSENTIAL)
    browser.send(form=1)
    assert browser.arrived["error"] == "access_denied"


def test_one_code_used_by_many_at_once_signs_one_in(house: House, anna: Person) -> None:
    """(req 22, 62): five browsers with the right password send the same code at the same moment."""
    count = 5
    browsers = [house.browser() for _ in range(count)]
    for browser in browsers:
        browser.get("/login")
        _give_password(browser, anna)
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


def test_a_browser_can_be_remembered_in_a_step_up(house: House, browser: Browser, anna: Person) -> None:
    """Also one whose device cookie is gone."""
    _lapsed(house, browser, anna)
    browser.client.delete_cookie("dev", domain="localhost")
    browser.ask(claims=ESSENTIAL)
    browser.send(code=anna.code(), remember_device="y")
    assert browser.arrived["code"]
    browser.client.delete_cookie("sid", domain="localhost")
    browser.get("/login")
    _give_password(browser, anna)
    assert browser.heading == "Willkommen, Anna"
