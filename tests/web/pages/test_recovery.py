"""The recovery password on the way to a portal: wanted at a registration, or due (Amt24; req 50, 75)."""

import pytest
from sqlalchemy import select

from idp.accounts.models import Account
from idp.authentication import recovery_password
from idp.db import Database
from idp.flows import engine
from idp.flows.models import Flow
from idp.settings import Settings
from tests.web.pages.house import PASSWORD, Browser, House, Person, forms
from tests.web.pages.recovering import has, linked, posted, reset, string_on
from tests.web.pages.registering import resend, wrong

CHOSEN = "Möwen über dem Hafen 7"
IN_AMT24 = "Deich-Schaf 7"
FILE, SAVE, LATER = 0, 1, 2


def _at_code(house: House, browser: Browser, password: str = CHOSEN, *, ask: bool = True) -> str:
    """Come from the portal and register, up to the page of the code; returns the code."""
    if ask:
        browser.ask()
        browser.get(linked(browser, "Konto erstellen"))
    else:
        browser.get("/register")
    browser.send(
        email="neu@muster.example",
        given_name="Jörg",
        family_name="Neumann",
        password=password,
        confirm_password=password,
    )
    return posted(house)[0].code


def _register(house: House, browser: Browser, *, ask: bool = True) -> None:
    """Register and wish for a recovery password, up to its page."""
    browser.send(code=_at_code(house, browser, ask=ask), recovery_offer="y")


def _due(house: House, person: Person) -> None:
    with house.work() as ctx:
        ctx.db.get_one(Account, person.id).recovery_due = True


class TestWanted:
    """At the end of a registration, with a tick."""

    def test_saved_it_leads_on_to_the_portal(self, house: House, browser: Browser) -> None:
        """The password was chosen a moment ago and is not asked again (Amt24, A5)."""
        _register(house, browser)
        assert browser.heading == "Wiederherstellungspasswort setzen"
        text = string_on(browser)
        assert 'name="password"' not in browser.text
        browser.send(form=SAVE, saved="y")
        assert browser.arrived["code"]
        assert posted(house)[0].subject == "Neue Wiederherstellungsdaten"
        other = house.browser()
        reset(other, text, "neu@muster.example")
        assert other.heading == "Passwort geändert!"

    def test_not_now(self, house: House, browser: Browser) -> None:
        """Nothing is stored, and it is not asked again at the next sign-in."""
        _register(house, browser)
        action, hidden = forms(browser.text)[LATER]
        browser.post(action, hidden, follow=False)
        browser.post(action, hidden)  # a second click
        assert browser.arrived["code"]
        assert house.events("recovery_password.created") == []
        browser.ask(prompt="login")
        browser.send(username="neu@muster.example", password=CHOSEN)
        assert browser.arrived["code"]

    def test_without_a_portal(self, house: House, browser: Browser) -> None:
        _register(house, browser, ask=False)
        browser.send(form=SAVE, saved="y")
        assert browser.heading == "Willkommen, Jörg Neumann"

    def test_a_registration_that_is_sent_twice(self, house: House, browser: Browser) -> None:
        """Of two clicks a browser hears the second answer alone; one string is drawn."""
        code = _at_code(house, browser)
        action, hidden = forms(browser.text)[0]
        fields = hidden | {"code": code, "recovery_offer": "y"}
        browser.post(action, fields)
        text = string_on(browser)
        browser.post(action, fields)
        assert string_on(browser) == text

    def test_without_the_tick_nothing_is_drawn(self, house: House, browser: Browser) -> None:
        _at_code(house, browser)
        assert "Danach ein Wiederherstellungspasswort erstellen" in browser.text
        assert "checked" not in browser.text
        browser.send(code=posted(house)[0].code)
        assert browser.arrived["code"]
        with house.work() as ctx:
            assert ctx.db.scalars(select(Flow).where(Flow.purpose == engine.RECOVERY)).all() == []

    def test_a_wrong_code_keeps_the_tick(self, house: House, browser: Browser) -> None:
        code = _at_code(house, browser)
        for typed in ({"code": ""}, {"code": wrong(code)}, {"code": code, "csrf_token": "old"}):
            browser.send(recovery_offer="y", **typed)
            assert browser.heading == "Code eingeben"
            assert "checked" in browser.text

    def test_another_code_keeps_the_tick(self, house: House, browser: Browser) -> None:
        """Too soon, and after its minute."""
        _at_code(house, browser)
        resend(browser)
        assert "checked" not in browser.text
        resend(browser, recovery_offer="y")
        assert "noch keine Minute alt" in browser.text
        assert "checked" in browser.text
        house.clock.advance(minutes=1)
        resend(browser, recovery_offer="y")
        assert "Wir haben Ihnen einen neuen Code gesendet." in browser.text
        assert "checked" in browser.text
        house.clock.advance(minutes=1)
        resend(browser)
        assert "Wir haben Ihnen einen neuen Code gesendet." in browser.text
        assert "checked" not in browser.text

    def test_by_link_in_another_browser(self, house: House, browser: Browser) -> None:
        """A wrong password and an old page keep the tick; the way ends at the portal's own start."""
        _at_code(house, browser)
        other = house.browser()
        other.get(posted(house)[0].link.removeprefix(house.settings.public_url))
        for typed in ({"password": "falsch"}, {"password": CHOSEN, "csrf_token": "old"}):
            assert "checked" not in other.text
            other.send(recovery_offer="y", **typed)
            assert other.heading == "E-Mail-Adresse bestätigen"
            assert "checked" in other.text
            other.send(password="falsch")
        other.send(password=CHOSEN, recovery_offer="y")
        assert other.heading == "Wiederherstellungspasswort setzen"
        assert "form-action 'self' http://localhost:8001" in other.page.headers["Content-Security-Policy"]
        other.send(form=LATER, follow=False)
        assert other.page.headers["Location"] == "http://localhost:8001/"

    def test_the_tick(self, house: House, browser: Browser) -> None:
        _register(house, browser)
        text = string_on(browser)
        browser.send(form=SAVE)
        assert "Setzen Sie den Haken" in browser.text
        assert string_on(browser) == text

    def test_an_old_page_keeps_the_tick(self, house: House, browser: Browser) -> None:
        _register(house, browser)
        browser.send(form=SAVE, csrf_token="old", saved="y")
        assert "Die Seite war länger offen." in browser.text
        assert "checked" in browser.text

    def test_the_file(self, house: House, browser: Browser) -> None:
        _register(house, browser)
        text = string_on(browser)
        browser.send(form=FILE)
        assert text in browser.text
        assert "attachment" in browser.page.headers["Content-Disposition"]

    def test_after_a_while_the_password_is_asked(self, house: House, browser: Browser) -> None:
        """Who finds the browser open does not get a way back in for good (req 73)."""
        _register(house, browser)
        house.clock.advance(minutes=15)
        browser.send(form=SAVE, saved="y")
        assert "Geben Sie Ihr Passwort ein." in browser.text
        browser.send(form=SAVE, saved="y", password=CHOSEN)
        assert browser.arrived["code"]

    def test_sent_twice(self, house: House, browser: Browser) -> None:
        """Of two clicks a browser hears the second answer alone."""
        _register(house, browser)
        address = browser.address
        action, hidden = forms(browser.text)[SAVE]
        browser.post(action, hidden | {"saved": "y"}, follow=False)
        browser.post(action, hidden | {"saved": "y"})
        assert browser.arrived["code"]
        assert len(house.events("recovery_password.created")) == 1
        browser.get(address, follow=False)
        assert browser.page.headers["Location"] == "http://localhost:8001/"

    def test_signed_out_nothing_is_shown(self, house: House, browser: Browser) -> None:
        """(req 75)"""
        _register(house, browser)
        address, (action, hidden), file = (
            browser.address,
            forms(browser.text)[SAVE],
            forms(browser.text)[FILE],
        )
        text = string_on(browser)
        browser.client.delete_cookie("sid", domain="localhost")
        browser.get(address)
        assert browser.heading == "Anmelden"
        for target, fields in ((action, hidden | {"saved": "y"}), file):
            browser.post(target, fields)
            assert text not in browser.text
        assert house.events("recovery_password.created") == []

    def test_of_another_person_in_this_browser(self, house: House, browser: Browser) -> None:
        """(req 75)"""
        _register(house, browser)
        address, text = browser.address, string_on(browser)
        eve = house.add("eve")
        browser.client.delete_cookie("sid", domain="localhost")
        browser.get("/login")
        browser.sign_in(eve)
        browser.get(address)
        assert browser.page.status_code == 400
        assert text not in browser.text
        browser.get("/register")
        hidden = forms(browser.text)[0][1]
        browser.post(address.replace("/recovery", "/recovery/file"), hidden)
        assert (browser.page.status_code, text in browser.text) == (400, False)
        browser.post(address, hidden | {"saved": "y"})
        assert browser.page.status_code == 400
        assert not has(house, eve, text)


class TestAmt24:
    """In the profile ``amt24`` nobody goes on without one."""

    @pytest.fixture
    def house(self, settings: Settings, database: Database) -> House:
        """An installation with Amt24's rules."""
        password = settings.password.model_copy(update={"profile": "amt24"})
        return House(settings.model_copy(update={"password": password}), database)

    def test_there_is_no_later(self, house: House, browser: Browser) -> None:
        """Nor anything to tick before: the hub asks for it."""
        code = _at_code(house, browser, IN_AMT24)
        assert "recovery_offer" not in browser.text
        browser.send(code=code)
        assert "Bevor es weitergeht" in browser.text
        browser.send()
        assert "Nicht jetzt" not in browser.text
        action, hidden = forms(browser.text)[SAVE]
        browser.post(action.replace("/recovery", "/recovery/later"), hidden)
        assert browser.heading == "Wiederherstellungspasswort setzen"
        browser.send(form=SAVE, saved="y", password=IN_AMT24)
        assert browser.arrived["code"]
        browser.ask()
        assert browser.arrived["code"]

    def test_who_registers_without_a_portal_is_asked_at_the_next(
        self, house: House, browser: Browser
    ) -> None:
        _at_code(house, browser, IN_AMT24, ask=False)
        browser.get(posted(house)[0].link.removeprefix(house.settings.public_url))
        assert "recovery_offer" not in browser.text
        browser.send()
        assert browser.heading == "Willkommen, Jörg Neumann"
        browser.ask()
        assert browser.heading == "Wiederherstellungspasswort setzen"
        browser.send()
        browser.send(form=SAVE, saved="y", password=IN_AMT24)
        assert browser.arrived["code"]


class TestDue:
    """Before a portal gets its answer, once."""

    def test_the_whole_way(self, house: House, browser: Browser) -> None:
        """The hub leads there; saving needs the password (req 53)."""
        ben = house.add("ben")
        _due(house, ben)
        browser.ask()
        browser.sign_in(ben)
        assert browser.heading == "Wiederherstellungspasswort setzen"
        browser.send()
        text = string_on(browser)
        assert "Nicht jetzt" not in browser.text
        browser.send(form=SAVE, saved="y", password="falsch")
        assert "Das Passwort stimmt nicht." in browser.text
        browser.send(form=SAVE, saved="y", password=PASSWORD)
        assert browser.arrived["code"]
        assert has(house, ben, text)
        browser.ask()
        assert browser.arrived["code"]

    def test_the_second_factor_comes_before_it(self, house: House, browser: Browser, anna: Person) -> None:
        """(req 73)"""
        _due(house, anna)
        browser.ask()
        browser.give_password(anna)
        assert browser.heading == "Zweistufige Anmeldung"
        browser.send(code=anna.code())
        assert browser.heading == "Wiederherstellungspasswort setzen"

    def test_a_remembered_browser_does_not_spare_the_second_factor(
        self, house: House, browser: Browser, anna: Person
    ) -> None:
        """Who knows the password and sits at it gets no way back in for good (req 73)."""
        browser.get("/login")
        browser.sign_in(anna, remember_device="y")
        _due(house, anna)
        house.clock.advance(days=3)
        browser.ask()
        browser.give_password(anna)
        assert browser.heading == "Bestätigen Sie Ihre Identität"
        assert 'name="code"' in browser.text
        browser.send(code=anna.code())
        assert "Bevor es weitergeht" in browser.text
        action, hidden = forms(browser.text)[0]
        house.clock.advance(minutes=15)
        browser.post(action, hidden)
        assert browser.heading == "Bestätigen Sie Ihre Identität"
        browser.send(code=anna.code())
        browser.send()
        text = string_on(browser)
        browser.send(form=SAVE, saved="y", password=PASSWORD)
        assert browser.arrived["code"]
        assert has(house, anna, text)

    def test_the_string_waits_for_a_young_proof(self, house: House, browser: Browser, anna: Person) -> None:
        """It is neither shown, handed out nor saved before, and the same one afterwards (req 73)."""
        _due(house, anna)
        browser.ask()
        browser.sign_in(anna)
        browser.send()
        text, address = string_on(browser), browser.address
        file, save = forms(browser.text)[FILE], forms(browser.text)[SAVE]
        house.clock.advance(minutes=15)
        for action, hidden in (file, save):
            browser.post(action, hidden | {"saved": "y", "password": PASSWORD})
            assert browser.heading == "Bestätigen Sie Ihre Identität"
        browser.get(address)
        assert browser.heading == "Bestätigen Sie Ihre Identität"
        assert house.events("recovery_password.created") == []
        browser.send(code=anna.code())
        assert string_on(browser) == text
        browser.send(form=SAVE, saved="y", password=PASSWORD)
        assert browser.arrived["code"]

    def test_a_portal_that_wants_no_page_hears_so(self, house: House, browser: Browser) -> None:
        """(OIDC Core §3.1.2.6)"""
        ben = house.add("ben")
        browser.get("/login")
        browser.sign_in(ben)
        _due(house, ben)
        browser.ask(prompt="none")
        assert browser.arrived["error"] == "interaction_required"

    def test_cancelled_the_portal_hears_so(self, house: House, browser: Browser) -> None:
        ben = house.add("ben")
        _due(house, ben)
        browser.ask()
        browser.sign_in(ben)
        browser.send(form=1)
        assert browser.arrived["error"] == "access_denied"

    def test_saved_in_the_account_centre_it_is_due_no_more(self, house: House, browser: Browser) -> None:
        ben = house.add("ben")
        _due(house, ben)
        browser.ask()
        browser.sign_in(ben)
        address = browser.address
        browser.get("/account/recovery")
        browser.send()
        browser.send(form=SAVE, saved="y", password=PASSWORD)
        browser.get(address)
        assert browser.arrived["code"]

    def test_pages_and_forms_without_a_reason_go_back_to_the_hub(
        self, house: House, browser: Browser
    ) -> None:
        """(req 75)"""
        ben = house.add("ben")
        browser.ask()
        login = browser.address
        browser.get(login.replace("/login", "/recovery"))
        assert browser.heading == "Anmelden"
        _, hidden = forms(browser.text)[0]
        browser.post(login.replace("/login", "/recovery/new"), hidden)
        assert browser.heading == "Anmelden"
        browser.sign_in(ben)
        assert browser.arrived["code"]
        browser.get(login.replace("/login", "/recovery"))
        assert browser.page.status_code == 400

    def test_a_flow_of_another_kind(self, house: House, browser: Browser, anna: Person) -> None:
        """(D3)"""
        with house.work() as ctx:
            recovery_password.replace(ctx, anna.id, text := recovery_password.draw())
        reset(browser, text, "anna")
        browser.get(browser.address.replace("/login/totp", "/recovery"))
        assert browser.page.status_code == 400
