"""A second factor in a session that is open already (req 40, 43, 64)."""

from tests.web.pages.house import ESSENTIAL, Browser, House, Person, forms


def _lapsed(house: House, browser: Browser, person: Person) -> None:
    """Sign in with two factors, then pause until only one counts."""
    browser.get("/login")
    browser.sign_in(person)
    house.clock.advance(hours=2)


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
    """(req 56, 64): and end the session, so that its cookie alone cannot reach the hard stop."""
    _lapsed(house, browser, anna)
    browser.ask(claims=ESSENTIAL)
    for _ in range(5):
        browser.send(code=anna.wrong_code())
    assert browser.heading == "Anmelden"
    assert "zu viele falsche Codes" in browser.text
    [session] = house.sessions()
    assert session.ended_at is not None
    assert browser.cookie("sid") is None
    hub = browser.address.replace("/login?flow=", "/authorize/")
    browser.get(hub)
    assert browser.heading == "Anmelden"
    browser.sign_in(anna)
    assert browser.arrived["code"]


def test_wrong_codes_on_several_pages_end_the_session(house: House, browser: Browser, anna: Person) -> None:
    """(req 54, 56): each page begins a flow of its own; who has the cookie alone stops nobody's factor."""
    _lapsed(house, browser, anna)
    for _ in range(4):
        house.clock.advance(hours=7)  # the counts of an hour and of a day are over by the end
        browser.get("/account/password")
        browser.send(code=anna.wrong_code())
        assert browser.heading == "Bestätigen Sie Ihre Identität"
    browser.ask(claims=ESSENTIAL)
    assert browser.heading == "Zweistufige Anmeldung"
    browser.send(code=anna.wrong_code())
    assert browser.cookie("sid") is None
    [session] = house.sessions()
    assert session.ended_at is not None


def test_a_right_code_ends_the_count_of_a_session(house: House, browser: Browser, anna: Person) -> None:
    """(req 54): five in a row, not five in a month."""
    _lapsed(house, browser, anna)
    for _ in range(2):
        house.clock.advance(hours=2)
        browser.get("/account/password")
        for _ in range(4):
            browser.send(code=anna.wrong_code())
        browser.send(code=anna.code())
        assert browser.heading == "Passwort ändern"


def test_who_has_to_wait_is_not_signed_out_for_asking(house: House, browser: Browser, anna: Person) -> None:
    """(req 56): somebody else has used up the hour's codes; right ones are not looked at."""
    _lapsed(house, browser, anna)
    for _ in range(3):
        other = house.browser()
        other.get("/login")
        other.give_password(anna)
        for _ in range(4):
            other.send(code=anna.wrong_code())
    for _ in range(6):
        browser.get("/account/password")
        browser.send(code=anna.code())
        assert browser.page.status_code == 429
    assert [session.ended_at for session in house.sessions()] == [None]


def test_giving_up_a_step_up_answers_the_portal(house: House, browser: Browser, anna: Person) -> None:
    _lapsed(house, browser, anna)
    browser.ask(claims=ESSENTIAL)
    browser.send(form=1)
    assert browser.arrived["error"] == "access_denied"


def test_a_browser_can_be_remembered_in_a_step_up(house: House, browser: Browser, anna: Person) -> None:
    """Also one whose device cookie is gone."""
    _lapsed(house, browser, anna)
    browser.client.delete_cookie("dev", domain="localhost")
    browser.ask(claims=ESSENTIAL)
    browser.send(code=anna.code(), remember_device="y")
    assert browser.arrived["code"]
    browser.client.delete_cookie("sid", domain="localhost")
    browser.get("/login")
    browser.give_password(anna)
    assert browser.heading == "Willkommen, Anna"


def test_who_has_proven_both_factors_is_not_asked_again(house: House, browser: Browser, anna: Person) -> None:
    """A second tab and the back button lead on."""
    browser.ask()
    waiting = browser.address.replace("/login?", "/login/totp?")
    browser.get("/login")
    browser.sign_in(anna)
    browser.get(waiting)
    assert browser.arrived["code"]


def test_cancel_with_nothing_begun_leads_on(house: House, browser: Browser, anna: Person) -> None:
    browser.ask()
    waiting = browser.address.replace("/login?", "/login/totp/cancel?")
    hidden = forms(browser.text)[0][1]
    browser.get("/login")
    browser.sign_in(anna)
    browser.post(waiting, hidden)
    assert browser.arrived["code"]
