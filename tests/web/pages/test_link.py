"""From a registration to a linked account: affiliation, old account, customer number (R-03, R-04; C4, C5)."""

import html
import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select

from idp.accounts.legacy.models import ProductFamily
from idp.accounts.models import Account
from idp.context import Actor
from idp.management import joining, legacy_proof
from idp.oidc.models import Client
from idp.organizations.models import Organization
from tests.builders import make_organization
from tests.legacy import OLD_PASSWORD, make_directory
from tests.web.pages.house import Browser, House, Person
from tests.web.pages.linking import arrive, at_link, bring, form_with, links, mails, prepare_linking


@pytest.fixture
def house(house: House) -> House:
    """An old portal whose accounts can be linked."""
    return prepare_linking(house)


def test_the_whole_way(house: House, browser: Browser, ben: Person) -> None:
    """Affiliation, old credentials, recovery password (there was a question): the portal gets its code."""
    arrive(browser, ben)
    assert browser.heading == "Bitte wählen Sie Ihre Zugehörigkeit aus"
    assert "Kundenportal" in browser.text
    assert (
        browser.text.index("Deutschland") < browser.text.index("Sage b7") < browser.text.index("Österreich")
    )
    browser.send(family="sage-100")
    assert browser.heading == "Willkommen im Kundenportal"
    bring(browser)
    assert browser.heading == "Wiederherstellungspasswort setzen"
    with house.work() as ctx:
        account = ctx.db.get_one(Account, ben.id)
        assert account.product_family == "sage-100"
        account.recovery_due = False
    browser.ask()
    assert browser.arrived["code"]
    [link] = links(house)
    assert link.account_id == ben.id
    assert {mail.to for mail in mails(house)} == {"ben@muster.example", "sabine@alt.example"}
    [event] = house.events("account.affiliation_chosen")
    assert event.actor_id == ben.id


def test_the_choice_is_asked_once_and_can_be_changed(house: House, browser: Browser, ben: Person) -> None:
    at_link(browser, ben, "sage-dpw")
    assert "legacy_password" not in browser.text
    assert "customer_number" in browser.text
    browser.ask()
    assert browser.heading == "Willkommen im Kundenportal"
    other = re.search(r'href="(/affiliation[^"]*)"', browser.text)
    assert other is not None
    browser.get(html.unescape(other[1]))
    assert 'value="sage-dpw" checked' in browser.text
    browser.send(family="sage-100")
    assert "legacy_password" in browser.text


@pytest.mark.parametrize("family", ["", "sage-x3", "sage-100\0"])
def test_a_choice_is_one_of_the_list(house: House, browser: Browser, ben: Person, family: str) -> None:
    arrive(browser, ben)
    browser.send(family=family)
    assert browser.heading == "Bitte wählen Sie Ihre Zugehörigkeit aus"
    assert 'class="error"' in browser.text
    assert house.events("account.affiliation_chosen") == []


def test_from_the_account_nobody_is_welcomed(browser: Browser, ben: Person) -> None:
    """Who looks after their account is neither new nor on the way to the home portal."""
    browser.get("/login")
    browser.sign_in(ben)
    browser.get("/affiliation")
    browser.send(family="sage-100")
    assert browser.heading == "Zugang verknüpfen"
    assert "Neu hier?" not in browser.text
    assert "Jetzt registrieren" not in browser.text
    assert "Zugang beantragen" in browser.text


def test_a_portal_that_declares_its_product_asks_nothing(house: House, browser: Browser, ben: Person) -> None:
    with house.work() as ctx:
        ctx.db.scalars(select(Client)).one().product = "sage-100"
    house.forget_snapshot()
    arrive(browser, ben)
    assert browser.heading == "Willkommen im Kundenportal"
    assert "/affiliation" not in browser.text
    browser.get(browser.address.replace("/link", "/affiliation"))
    assert browser.heading == "Willkommen im Kundenportal"


def test_without_families_and_with_a_portal_for_all(house: House, browser: Browser, ben: Person) -> None:
    """A directory that names no family serves everybody."""
    with house.work() as ctx:
        make_directory(ctx, product_families=[])
        for row in ctx.db.execute(select(Account)).scalars():
            row.product_family = "gone"
        for family in ctx.db.scalars(select(ProductFamily)):
            ctx.db.delete(family)
    arrive(browser, ben)
    assert browser.heading == "Willkommen im Kundenportal"
    assert "legacy_password" in browser.text


class TestRefusals:
    """What was typed stays but never the password; nothing is half-linked (req 59)."""

    def test_wrong_and_unknown_read_alike(self, house: House, browser: Browser, ben: Person) -> None:
        at_link(browser, ben)
        bring(browser, "falsch")
        wrong = browser.text
        assert "Benutzername oder Passwort von Servicewelt stimmt nicht." in wrong
        assert 'value="smueller"' in wrong
        assert "falsch" not in wrong
        bring(browser, "falsch", "nobody")
        strip = re.compile(r'value="[^"]*"|nonce="[^"]*"')
        assert strip.sub("", browser.text) == strip.sub("", wrong)
        assert links(house) == []
        assert [event.reason for event in house.events("legacy_link.refused")] == ["link.failed"] * 2

    def test_empty(self, browser: Browser, ben: Person) -> None:
        at_link(browser, ben)
        bring(browser, "", "")
        assert "Geben Sie Ihren alten Benutzernamen ein." in browser.text
        assert "Geben Sie Ihr altes Passwort ein." in browser.text

    def test_throttled(self, house: House, browser: Browser, ben: Person) -> None:
        at_link(browser, ben)
        for _ in range(20):
            bring(browser, "falsch")
            if browser.page.status_code == 429:
                break
        assert "Zu viele Versuche." in browser.text
        assert browser.page.headers["Retry-After"]
        bring(browser)
        assert browser.page.status_code == 429
        assert links(house) == []

    def test_away(self, house: House, browser: Browser, ben: Person, monkeypatch: pytest.MonkeyPatch) -> None:
        """Clear words, the name stays, and the next try may succeed."""

        def away(*_: object) -> None:
            raise legacy_proof.DirectoryAway

        at_link(browser, ben)
        with monkeypatch.context() as patched:
            patched.setattr("idp.accounts.legacy.imported_table.ImportedTable.verify", away)
            bring(browser)
        assert "Servicewelt antwortet gerade nicht." in browser.text
        assert 'value="smueller"' in browser.text
        bring(browser)
        assert len(links(house)) == 1

    def test_taken(self, house: House, browser: Browser, ben: Person) -> None:
        """Who knows the password learns that it is linked, and what to do; a guesser learns nothing."""
        at_link(browser, ben)
        bring(browser)
        carl, thief = house.add("carl"), house.browser()
        at_link(thief, carl)
        bring(thief, "falsch")
        assert "stimmt nicht" in thief.text
        bring(thief)
        assert thief.heading == "Dieser Zugang ist schon verknüpft"
        assert "Waren Sie das nicht?" in thief.text
        assert [link.account_id for link in links(house)] == [ben.id]

    def test_own(self, house: House, browser: Browser, ben: Person) -> None:
        at_link(browser, ben)
        tab = browser.text, browser.address
        bring(browser)
        browser.page.set_data(tab[0])
        browser.address = tab[1]
        bring(browser)
        assert "gehört schon zu Ihrem Konto" in browser.text
        assert len(links(house)) == 1

    def test_stale(self, house: House, browser: Browser, ben: Person) -> None:
        at_link(browser, ben)
        bring(browser, csrf_token="x")
        assert "legacy_password" in browser.text
        assert 'value="smueller"' in browser.text
        assert links(house) == []


def test_two_at_once_link_once(house: House, browser: Browser, ben: Person) -> None:
    """(C5)"""
    carl, other = house.add("carl"), house.browser()
    at_link(browser, ben)
    at_link(other, carl)
    barrier = Barrier(2)

    def go(one: Browser) -> str:
        number = form_with(one, "legacy_password")
        barrier.wait()
        one.send(form=number, legacy_username="smueller", legacy_password=OLD_PASSWORD, follow=False)
        return str(one.page.status_code)

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(go, (browser, other))) == ["200", "303"]
    assert len(links(house)) == 1


class TestCustomerNumber:
    """Equal answers for numbers there are and those there are not (req 59)."""

    def test_known_and_unknown(self, house: House, browser: Browser, ben: Person) -> None:
        answers = []
        for name, number in (("ben", "D 100200300"), ("carl", "999888777")):
            visitor = house.browser()
            at_link(visitor, ben if name == "ben" else house.add(name))
            visitor.send(form=form_with(visitor, "customer_number"), customer_number=number)
            assert visitor.heading == "Ihr Antrag ist eingegangen"
            assert "Wenn die Kundennummer stimmt, meldet sich Lotse." in visitor.text
            assert "Ihr Antrag ist eingegangen." not in visitor.text  # the heading has said it
            answers.append(re.sub(r'value="[^"]*"|(flow|told)=[\w-]+|/[\w-]{43}', "", visitor.text))
        assert answers[0] == answers[1]

    def test_what_is_no_number(self, browser: Browser, ben: Person) -> None:
        at_link(browser, ben)
        browser.send(form=form_with(browser, "customer_number"), customer_number="12")
        assert "Die Kundennummer hat neun Ziffern, ohne das D." in browser.text
        assert 'value="12"' in browser.text
        browser.send(form=form_with(browser, "customer_number"), customer_number="")
        assert "Geben Sie Ihre Kundennummer ein." in browser.text
        browser.send(form=form_with(browser, "customer_number"), customer_number="100200300", csrf_token="x")
        assert 'value="100200300"' in browser.text

    def test_a_phone_offers_digits_where_numbers_have_no_others(
        self, house: House, browser: Browser, ben: Person
    ) -> None:
        at_link(browser, ben)
        assert 'inputmode="numeric"' in browser.text
        own = house.settings.organizations.model_copy(update={"number_digits": None})
        house.restart(house.settings.model_copy(update={"organizations": own}))
        other = house.browser()
        other.get("/login")
        other.sign_in(ben)
        other.get("/link")
        assert 'name="customer_number"' in other.text
        assert "inputmode" not in other.text

    def test_the_number_alone_where_it_is_enough(self, house: House, browser: Browser, ben: Person) -> None:
        with house.work() as ctx:
            company = make_organization(ctx, "100200400", name="Beispiel AG")
            ctx.db.get_one(Organization, company).join_policy = "number_only"
        at_link(browser, ben)
        browser.send(form=form_with(browser, "customer_number"), customer_number="100200400")
        assert browser.arrived["code"]

    def test_without_a_portal(self, house: House, browser: Browser, ben: Person) -> None:
        with house.work() as ctx:
            company = make_organization(ctx, "100200400", name="Beispiel AG")
            ctx.db.get_one(Organization, company).join_policy = "number_only"
        browser.get("/login")
        browser.sign_in(ben)
        browser.get("/affiliation")
        browser.send(family="sage-dpw")
        browser.send(form=form_with(browser, "customer_number"), customer_number="999888777")
        assert browser.heading == "Ihr Antrag ist eingegangen"
        browser.get("/link")
        browser.send(form=form_with(browser, "customer_number"), customer_number="100200400")
        assert browser.heading == "Verknüpfte Konten"

    def test_throttled(self, house: House, browser: Browser, ben: Person) -> None:
        at_link(browser, ben)
        address = browser.address
        for number in range(40):
            browser.get(address)
            browser.send(form=form_with(browser, "customer_number"), customer_number=f"{200000001 + number}")
            if browser.page.status_code == 429:
                break
        assert browser.page.status_code == 429
        assert "Zu viele Versuche." in browser.text


class TestProof:
    """Linking needs a proof of the last minutes (req 89; C4)."""

    def test_an_old_session_proves_itself_first(self, house: House, browser: Browser, ben: Person) -> None:
        """And comes back to the same portal's page, with what was typed and without the password."""
        at_link(browser, ben)
        house.clock.advance(minutes=16)
        bring(browser)
        assert browser.heading == "Bestätigen Sie Ihre Identität"
        assert links(house) == []
        browser.send(password="ein Kahn auf der Elbe")
        assert browser.heading == "Willkommen im Kundenportal"
        assert 'value="smueller"' in browser.text
        bring(browser)
        assert len(links(house)) == 1
        assert browser.heading == "Wiederherstellungspasswort setzen"

    def test_a_stranger_is_led_to_the_sign_in(self, browser: Browser, ben: Person) -> None:
        browser.get("/link")
        assert browser.heading == "Anmelden"
        browser.sign_in(ben)
        assert browser.heading == "Bitte wählen Sie Ihre Zugehörigkeit aus"

    def test_signed_out_on_the_way(self, house: House, browser: Browser, ben: Person) -> None:
        """The hub asks, as it would anyone."""
        at_link(browser, ben)
        address = browser.address
        browser.client.delete_cookie("sid", domain="localhost")
        browser.get(address)
        assert browser.heading == "Anmelden"
        assert browser.address.startswith("/login?flow=")

    def test_another_browser_has_no_part_in_a_flow(self, house: House, browser: Browser, ben: Person) -> None:
        at_link(browser, ben)
        other = house.browser()
        other.get(browser.address)
        assert other.page.status_code == 400


def test_the_state_page_stays_where_nothing_can_be_linked(settings: Any, database: Any) -> None:
    """No old portal and no company: the page that says so."""
    house = House(settings, database)
    with house.work() as ctx:
        ctx.db.scalars(select(Client)).one().require_membership = True
    house.forget_snapshot()
    browser = house.browser()
    arrive(browser, house.add("ben"))
    assert browser.heading == "Ihr Konto gehört noch zu keinem Unternehmen"


def test_a_number_taken_back_is_typed_anew_at_once(house: House, browser: Browser, ben: Person) -> None:
    """Where a portal declared the product, its person never chose one: the right number is first (R-04)."""
    with house.work() as ctx:
        joining.ask(ctx.acting(Actor("account", ben.id)), ben.id, "999888777")
    browser.get("/join")
    browser.sign_in(ben)
    assert browser.heading == "Freischaltung ausstehend"
    browser.send(customer_number="999888777")
    assert "Ihr Antrag ist zurückgezogen." in browser.text
    assert "Andere Zugehörigkeit wählen" in browser.text
    browser.send(form=form_with(browser, "customer_number"), customer_number="100200300")
    assert browser.heading == "Ihr Antrag ist eingegangen"
