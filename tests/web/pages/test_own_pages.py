"""The frame of the account centre: who may open a page, how fresh the proof is, the way back (K-01, K-06)."""

import html
import re

import pytest
from flask import Flask
from sqlalchemy import update

from idp.accounts.models import Account
from idp.flows.models import Flow
from idp.oidc.models import Client
from tests.web.pages import own
from tests.web.pages.house import PASSWORD, WRONG, Browser, House, Person, forms


@pytest.fixture
def house(house: House) -> House:
    """The house with pages of its own behind the marks."""
    pages: Flask = house.app._pages.__self__  # type: ignore[attr-defined]
    pages.register_blueprint(own.bp)
    return house


@pytest.fixture
def ben(house: House, browser: Browser) -> Person:
    """Somebody without a second factor, signed in."""
    person = house.add("ben")
    browser.get("/login")
    browser.sign_in(person)
    return person


class TestSignedIn:
    def test_a_stranger_comes_back_to_the_very_page(self, house: House, browser: Browser) -> None:
        """(req 102): the page stands in the flow, not in the address."""
        person = house.add("ben")
        browser.get("/account/test/plain/7")
        assert browser.heading == "Anmelden"
        assert re.fullmatch(r"/login\?flow=[A-Za-z0-9_-]{43}", browser.address)
        browser.sign_in(person)
        assert browser.heading == "plain 7 of ben"

    def test_with_the_second_factor_too(self, browser: Browser, anna: Person, house: House) -> None:
        browser.get("/account/test/plain/7")
        browser.sign_in(anna)
        assert browser.heading == "plain 7 of anna"

    def test_a_form_leads_back_to_its_page_and_does_nothing(self, house: House, browser: Browser) -> None:
        """What a stranger typed is kept for nobody: whose it is cannot be told."""
        person = house.add("ben")
        browser.get("/login")
        token = forms(browser.text)[0][1]["csrf_token"]
        browser.post("/account/test/form", {"csrf_token": token, "name": "typed"})
        assert browser.heading == "Anmelden"
        browser.sign_in(person)
        assert browser.heading == "form"
        assert 'value="stored"' in browser.text

    def test_another_tab_signed_in_meanwhile(self, house: House, browser: Browser) -> None:
        person = house.add("ben")
        browser.get("/account/test/plain/7")
        waiting = browser.address
        browser.get("/login")
        browser.sign_in(person)
        browser.get(waiting)
        assert browser.heading == "plain 7 of ben"

    @pytest.mark.parametrize("page", ["end_session.show", "https://evil.example/", "", None, 7])
    def test_nothing_else_is_led_back_to(
        self, house: House, browser: Browser, page: object, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """(C8): also where the flow names it, such as one of another release."""
        person = house.add("ben")
        browser.get("/account")
        with house.work() as ctx:
            flow = ctx.db.get_one(Flow, browser.address.partition("flow=")[2])
            flow.request = {**flow.request, "page": page}
        browser.sign_in(person)
        assert browser.heading == "Willkommen, Ben"

    def test_the_language_of_the_account_counts(self, house: House, browser: Browser, ben: Person) -> None:
        """Where the person names none in this browser."""
        with house.work() as ctx:
            ctx.db.get_one(Account, ben.id).locale = "en"
        browser.get("/account")
        assert browser.heading == "Overview"
        browser.get("/account?lang=de")
        assert browser.heading == "Übersicht"


class TestConfirmed:
    def test_lately_proven_is_enough(self, house: House, browser: Browser, ben: Person) -> None:
        house.clock.advance(minutes=4.9)
        assert browser.get("/account/test/strict").status_code == 200
        house.clock.advance(minutes=10)
        browser.get("/account/test/form")
        assert browser.heading == "form"
        browser.get("/account/test/strict")
        assert browser.heading == "Bestätigen Sie Ihre Identität"

    def test_the_password_confirms(self, house: House, browser: Browser, ben: Person) -> None:
        """The cookie is another one afterwards, the old one is dead (req 40)."""
        house.clock.advance(minutes=15)
        browser.get("/account/test/form")
        assert browser.heading == "Bestätigen Sie Ihre Identität"
        before = browser.cookie("sid")
        browser.send(password=PASSWORD)
        assert browser.heading == "form"
        assert browser.cookie("sid") not in (None, before)
        thief = house.browser()
        thief.set_cookie("sid", str(before))
        thief.get("/account/test/plain/7")
        assert thief.heading == "Anmelden"
        [event] = house.events("session.step_up_completed")
        assert event.actor_id == ben.id
        assert '["pwd"]' in (event.new or "")

    def test_what_was_typed_comes_back_without_secrets(
        self, house: House, browser: Browser, ben: Person
    ) -> None:
        """WCAG 2.2.5: after the proof the form stands there, filled; passwords are typed again."""
        browser.get("/account/test/form")
        token = _token(browser)
        house.clock.advance(minutes=15)
        fields = {"csrf_token": token, "name": "Ölmühle <&>", "new_password": "Geheim auf dem Kahn"}
        browser.post("/account/test/form", fields)
        assert browser.heading == "Bestätigen Sie Ihre Identität"
        browser.send(password=PASSWORD)
        assert browser.heading == "form"
        assert 'value="Ölmühle &lt;&amp;&gt;"' in browser.text
        assert "Geheim auf dem Kahn" not in browser.text
        assert browser.address.startswith("/account/test/form?kept=")
        with house.work() as ctx:
            for flow in ctx.db.query(Flow):
                kept = flow.form_data or b""
                opened = ctx.vault.open_json(kept, table="flow", row=flow.id) if kept else {}
                assert "Geheim" not in str(opened)
                assert "csrf" not in str(opened)
        browser.post("/account/test/form", fields)
        assert browser.heading == "done with Ölmühle <&>"

    def test_it_comes_back_to_nobody_else(self, house: House, browser: Browser, ben: Person) -> None:
        """Neither to another person in the same browser nor on another page nor in another browser."""
        browser.get("/account/test/form")
        token = _token(browser)
        house.clock.advance(minutes=15)
        browser.post("/account/test/form", {"csrf_token": token, "name": "typed"})
        browser.send(password=PASSWORD)
        filled = browser.address
        assert 'value="typed"' in browser.text
        other = house.browser()
        other.get("/login")
        other.sign_in(ben)
        other.get(filled)
        assert 'value="stored"' in other.text
        eve = house.add("eve")
        browser.client.delete_cookie("sid", domain="localhost")
        browser.get("/login")
        browser.sign_in(eve)
        browser.get(filled)
        assert 'value="stored"' in browser.text
        for broken in ("", "x", "A" * 43, "\0"):
            browser.get(f"/account/test/form?kept={broken}")
            assert 'value="stored"' in browser.text

    def test_too_much_is_not_kept(self, house: House, browser: Browser, ben: Person) -> None:
        browser.get("/account/test/form")
        token = _token(browser)
        house.clock.advance(minutes=15)
        browser.post("/account/test/form", {"csrf_token": token, "name": "x" * 20_001})
        browser.send(password=PASSWORD)
        assert 'value="stored"' in browser.text

    def test_a_form_without_a_page_of_its_own_leads_above(
        self, house: House, browser: Browser, ben: Person
    ) -> None:
        browser.get("/account/test/form")
        token = _token(browser)
        house.clock.advance(minutes=15)
        browser.post("/account/test/strict/deeper/still", {"csrf_token": token})
        browser.send(password=PASSWORD)
        assert browser.heading == "strict"

    def test_who_has_a_second_factor_gives_it(self, house: House, browser: Browser, anna: Person) -> None:
        """(req 53, 73): the password is not asked and not enough."""
        browser.get("/login")
        browser.sign_in(anna)
        house.clock.advance(minutes=15)
        browser.get("/account/test/form")
        assert 'name="password"' not in browser.text
        browser.send(password=PASSWORD)
        assert browser.heading == "Bestätigen Sie Ihre Identität"
        assert "Geben Sie den Code aus Ihrer App ein." in browser.text
        browser.send(code=anna.code())
        assert browser.heading == "form"

    def test_a_remembered_browser_does_not_spare_it(
        self, house: House, browser: Browser, anna: Person
    ) -> None:
        """A password of this very minute is not the highest the account has (req 53)."""
        browser.get("/login")
        browser.sign_in(anna, remember_device="y")
        browser.client.delete_cookie("sid", domain="localhost")
        house.clock.advance(minutes=1)
        browser.get("/login")
        browser.sign_in(anna)
        assert browser.heading == "Willkommen, Anna"
        browser.get("/account/test/form")
        assert browser.heading == "Bestätigen Sie Ihre Identität"


class TestConfirmPage:
    @pytest.fixture
    def asked(self, house: House, browser: Browser, ben: Person) -> Browser:
        """A browser that stands on the page."""
        house.clock.advance(minutes=15)
        browser.get("/account/test/form")
        return browser

    def test_a_wrong_password_is_counted_and_written_down(self, house: House, asked: Browser) -> None:
        """(req 55)"""
        before = asked.cookie("sid")
        asked.send(password=WRONG)
        assert "Das Passwort stimmt nicht." in asked.text
        assert WRONG not in asked.text
        assert asked.cookie("sid") == before
        assert len(house.events("sign_in.failed")) == 1
        asked.send(password="")
        assert "Geben Sie Ihr Passwort ein." in asked.text
        asked.send(password=PASSWORD)
        assert asked.heading == "form"

    def test_tries_are_shared_with_the_sign_in(self, house: House, asked: Browser) -> None:
        """(req 55): five here, and an unknown browser waits there; an unknown browser's wait here too."""
        for _ in range(5):
            asked.send(password=WRONG)
        stranger = house.browser()
        stranger.get("/login")
        stranger.send(username="ben", password=PASSWORD)
        assert stranger.page.status_code == 429
        asked.client.delete_cookie("dev", domain="localhost")
        asked.send(password=PASSWORD)
        assert asked.page.status_code == 429
        assert asked.page.headers["Retry-After"]
        assert "Zu viele Versuche." in asked.text

    def test_five_wrong_codes_end_the_session(self, house: House, browser: Browser, anna: Person) -> None:
        """(req 56, 64): a stolen cookie opens no more guesses; the person signs in and comes back."""
        browser.get("/login")
        browser.sign_in(anna)
        house.clock.advance(minutes=15)
        browser.get("/account/test/form")
        for left in ("Noch 4 Versuche.", "Noch 3 Versuche.", "Noch 2 Versuche.", "Noch 1 Versuch."):
            browser.send(code=anna.wrong_code())
            assert left in browser.text
        browser.send(code=anna.wrong_code())
        assert browser.heading == "Anmelden"
        assert "Das waren zu viele falsche Codes." in browser.text
        assert [session.end_reason for session in house.sessions()] == ["wrong_codes"]
        assert browser.cookie("sid") is None
        house.clock.advance(minutes=1)
        browser.sign_in(anna)
        assert browser.heading == "form"

    def test_ten_codes_an_hour(self, house: House, browser: Browser, anna: Person) -> None:
        """(req 55): of all pages that ask for one."""
        browser.get("/login")
        browser.sign_in(anna)
        for _ in range(2):
            stranger = house.browser()
            stranger.get("/login")
            stranger.give_password(anna)
            for _ in range(5):
                stranger.send(code=anna.wrong_code())
        house.clock.advance(minutes=15)
        browser.get("/account/test/form")
        browser.send(code=anna.code())
        assert browser.page.status_code == 429
        assert "Zu viele Versuche." in browser.text

    def test_a_code_counts_once(self, house: House, browser: Browser, anna: Person) -> None:
        """(req 62)"""
        browser.get("/login")
        browser.sign_in(anna)
        house.clock.advance(minutes=15)
        code = anna.code()
        other = house.browser()
        other.get("/login")
        other.give_password(anna)
        other.send(code=code)
        browser.get("/account/test/form")
        browser.send(code=code)
        assert "Diesen Code haben Sie schon benutzt." in browser.text

    def test_a_second_click_goes_on(self, asked: Browser) -> None:
        action, hidden = forms(asked.text)[0]
        asked.send(password=PASSWORD)
        asked.post(action, hidden | {"password": PASSWORD})
        assert asked.heading == "form"
        asked.get(action)
        assert asked.heading == "form"

    def test_who_signed_out_meanwhile_signs_in(self, house: House, asked: Browser, ben: Person) -> None:
        asked.client.delete_cookie("sid", domain="localhost")
        asked.send(password=PASSWORD)
        assert asked.heading == "Anmelden"
        asked.sign_in(ben)
        assert asked.heading == "form"

    def test_another_person_meanwhile(self, house: House, asked: Browser) -> None:
        """The first one's password proves nothing for the second (C6)."""
        eve = house.add("eve")
        action, hidden = forms(asked.text)[0]
        asked.client.delete_cookie("sid", domain="localhost")
        asked.get("/login")
        asked.sign_in(eve)
        house.clock.advance(minutes=15)
        asked.post(action, hidden | {"password": PASSWORD})
        assert asked.heading == "Bestätigen Sie Ihre Identität"
        assert len(house.events("session.step_up_completed")) == 0

    def test_an_old_token_tries_nothing(self, house: House, asked: Browser) -> None:
        """(req 98)"""
        asked.send(password=PASSWORD, csrf_token="old")
        assert "Die Seite war länger offen." in asked.text
        assert not house.events("session.step_up_completed")

    @pytest.mark.parametrize("flow", ["", "x", "A" * 43])
    def test_unknown_flows_lead_to_the_overview(self, house: House, asked: Browser, flow: str) -> None:
        asked.get(f"/account/confirm?flow={flow}")
        assert asked.heading == "Übersicht"

    def test_flows_of_another_kind_ask_nothing(self, browser: Browser, ben: Person) -> None:
        """(C2)"""
        browser.ask(prompt="login")
        flow = browser.address.partition("flow=")[2]
        assert browser.get(f"/account/confirm?flow={flow}").status_code == 400

    def test_a_flow_of_another_browser_asks_nothing(self, house: House, asked: Browser, ben: Person) -> None:
        """(req 41)"""
        other = house.browser()
        other.get("/login")
        other.sign_in(ben)
        other.get(asked.address)
        assert other.heading == "Übersicht"


def test_every_page_leads_back_to_the_portals(house: House, browser: Browser, ben: Person) -> None:
    """However somebody came: no address decides where it leads, and without portals it would lead nowhere."""
    for page in ("/account", "/account/profile?next=https://evil.example", "/account/sessions"):
        browser.get(page)
        assert '<a href="/">Zu Ihren Portalen</a>' in browser.text
    browser.get("/")
    assert "Ihre Portale" in browser.text
    with house.work() as ctx:
        ctx.db.execute(update(Client).values(home_uri=None))
    house.forget_snapshot()
    browser.get("/account")
    assert "Zu Ihren Portalen" not in browser.text


def test_the_overview_answers_three_questions(house: House, browser: Browser, ben: Person) -> None:
    browser.get("/")
    assert 'href="/account"' in browser.text
    browser.get("/account")
    headings = [html.unescape(found) for found in re.findall(r"<h2>(.*?)</h2>", browser.text)]
    assert headings == ["Wie melde ich mich an?", "Komme ich wieder hinein?", "Wer hat Zugang?"]
    assert "ben@muster.example" in browser.text
    assert 'href="/account" aria-current="page"' in browser.text
    assert "keine bestätigte E-Mail-Adresse" not in browser.text


def _token(browser: Browser) -> str:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', browser.text)
    assert found
    return found[1]
