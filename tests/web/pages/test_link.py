"""From a registration to a linked account: affiliation, old account, customer number (R-03, R-04; C4, C5)."""

import html
import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select

from idp.accounts.legacy.models import LegacyAccount, LegacyLink, ProductFamily
from idp.accounts.models import Account
from idp.delivery.preview import Shown, list_shown
from idp.flows.models import Flow
from idp.management import legacy_proof
from idp.management.apply import apply
from idp.oidc.models import Client
from idp.organizations.models import Organization
from tests.builders import OPERATOR, make_organization
from tests.legacy import OLD_PASSWORD, import_rows, make_directory, old_account
from tests.web.pages.house import Browser, House, Person, forms

FAMILIES = [
    {"slug": "sage-100", "country": "DE", "name": {"de": "Sage 100", "en": "Sage 100"}, "home": "portal"},
    {"slug": "sage-b7", "country": "DE", "name": {"de": "Sage b7", "en": "Sage b7"}},
    {"slug": "sage-dpw", "country": "AT", "name": {"de": "Sage DPW", "en": "Sage DPW"}},
]


@pytest.fixture
def house(house: House) -> House:
    """A portal for members of companies, families of two countries, an old portal of one of them."""
    with house.work() as ctx:
        ctx.db.scalars(select(Client)).one().require_membership = True
        apply(ctx.acting(OPERATOR), {"product_family": FAMILIES})
        make_directory(ctx, product_families=["sage-100"], offer_at_sign_in=True)
        make_organization(ctx)
    import_rows(
        house.services,
        [old_account(customer_number="100200300", email="sabine@alt.example", security_question="Hund?")],
    )
    house.forget_snapshot()
    return house


@pytest.fixture
def ben(house: House) -> Person:
    """Somebody who belongs to no company."""
    return house.add("ben")


def mails(house: House) -> list[Shown]:
    """Return the mails about links, the newest first."""
    with house.work() as ctx:
        return [mail for mail in list_shown(ctx) if "erknüpf" in mail.subject]


def arrive(browser: Browser, person: Person) -> None:
    """Come from the portal and sign in."""
    browser.ask()
    browser.sign_in(person)


def at_link(browser: Browser, person: Person, family: str = "sage-100") -> None:
    """Stand before both cards."""
    arrive(browser, person)
    browser.send(family=family)


def bring(browser: Browser, password: str = OLD_PASSWORD, name: str = "smueller", **how: Any) -> None:
    """Fill in the second card."""
    browser.send(
        form=_form(browser, "legacy_password"), legacy_username=name, legacy_password=password, **how
    )


def _form(browser: Browser, field: str) -> int:
    bodies = re.findall(r"<form[^>]*>(.*?)</form>", browser.text, re.DOTALL)
    return next(number for number, body in enumerate(bodies) if f'name="{field}"' in body)


def links(house: House) -> list[LegacyLink]:
    """Return all links there are."""
    with house.work() as ctx:
        return list(ctx.db.scalars(select(LegacyLink)))


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
        number = _form(one, "legacy_password")
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
            visitor.send(form=_form(visitor, "customer_number"), customer_number=number)
            assert visitor.heading == "Ihr Antrag ist eingegangen"
            assert "Wenn die Kundennummer stimmt, meldet sich Lotse." in visitor.text
            answers.append(re.sub(r'value="[^"]*"|flow=[\w-]+|/[\w-]{43}', "", visitor.text))
        assert answers[0] == answers[1]

    def test_what_is_no_number(self, browser: Browser, ben: Person) -> None:
        at_link(browser, ben)
        browser.send(form=_form(browser, "customer_number"), customer_number="12")
        assert "Die Kundennummer hat neun Ziffern, ohne das D." in browser.text
        assert 'value="12"' in browser.text
        browser.send(form=_form(browser, "customer_number"), customer_number="")
        assert "Geben Sie Ihre Kundennummer ein." in browser.text
        browser.send(form=_form(browser, "customer_number"), customer_number="100200300", csrf_token="x")
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
        browser.send(form=_form(browser, "customer_number"), customer_number="100200400")
        assert browser.arrived["code"]

    def test_without_a_portal(self, house: House, browser: Browser, ben: Person) -> None:
        with house.work() as ctx:
            company = make_organization(ctx, "100200400", name="Beispiel AG")
            ctx.db.get_one(Organization, company).join_policy = "number_only"
        browser.get("/login")
        browser.sign_in(ben)
        browser.get("/affiliation")
        browser.send(family="sage-dpw")
        browser.send(form=_form(browser, "customer_number"), customer_number="999888777")
        assert browser.heading == "Ihr Antrag ist eingegangen"
        browser.get("/link")
        browser.send(form=_form(browser, "customer_number"), customer_number="100200400")
        assert browser.heading == "Verknüpfte Konten"

    def test_throttled(self, house: House, browser: Browser, ben: Person) -> None:
        at_link(browser, ben)
        address = browser.address
        for number in range(40):
            browser.get(address)
            browser.send(form=_form(browser, "customer_number"), customer_number=f"{200000001 + number}")
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


class TestOffer:
    """Sign-in with the credentials of the old portal (L-01)."""

    def test_a_new_account(self, house: House, browser: Browser) -> None:
        """The person registers, confirms, and the old account is theirs."""
        browser.ask()
        browser.send(username="smueller", password=OLD_PASSWORD)
        assert browser.heading == "Bringen Sie Ihren alten Zugang mit"
        with house.work() as ctx:
            kept = ctx.db.scalars(select(Flow).where(Flow.purpose == "old_account")).one()
            assert b"smueller" not in (kept.form_data or b"")
        browser.send(choice="register")
        assert browser.heading == "Erstellen Sie Ihr Konto"
        browser.send(
            email="neu@muster.example",
            given_name="Sabine",
            family_name="Müller",
            password="Möwen über dem Hafen 7",
            confirm_password="Möwen über dem Hafen 7",
        )
        with house.work() as ctx:
            code = next(mail.code for mail in list_shown(ctx) if mail.code)
        browser.send(code=code)
        while browser.heading != "Alten Zugang verknüpfen":
            later = next((n for n, (at, _) in enumerate(forms(browser.text)) if "later" in at), None)
            assert later is not None, browser.heading
            browser.send(form=later)
        browser.send()
        [link] = links(house)
        with house.work() as ctx:
            assert ctx.db.get_one(Account, link.account_id).family_name == "Müller"
            assert ctx.db.scalars(select(Flow).where(Flow.purpose == "old_account")).one().form_data is None
        assert browser.heading == "Wiederherstellungspasswort setzen"

    def test_an_account_there_is(self, house: House, browser: Browser, ben: Person) -> None:
        browser.get("/login")
        browser.send(username="smueller", password=OLD_PASSWORD)
        browser.send(choice="sign_in")
        browser.sign_in(ben)
        assert browser.heading == "Alten Zugang verknüpfen"
        shown = browser.text, browser.address
        browser.send()
        assert [link.account_id for link in links(house)] == [ben.id]
        browser.page.set_data(shown[0])
        browser.address = shown[1]
        browser.send()
        assert browser.heading == "Verknüpfte Konten"

    def test_neither(self, house: House, browser: Browser, ben: Person) -> None:
        browser.ask()
        browser.send(username="smueller", password=OLD_PASSWORD)
        shown = browser.text, browser.address
        browser.send(choice="leave")
        assert browser.heading == "Anmelden"
        browser.page.set_data(shown[0])
        browser.address = shown[1]
        browser.send(choice="sign_in")
        assert browser.page.status_code == 400
        assert links(house) == []

    def test_signed_in_and_then_not(self, house: House, browser: Browser, ben: Person) -> None:
        browser.get("/login")
        browser.send(username="smueller", password=OLD_PASSWORD)
        page = browser.address
        browser.send(choice="sign_in")
        browser.sign_in(ben)
        browser.get(page)
        assert browser.heading == "Alten Zugang verknüpfen"
        browser.send(choice="leave")
        assert browser.heading != "Alten Zugang verknüpfen"
        assert links(house) == []

    def test_wrong_and_unknown_read_as_ever(self, house: House, browser: Browser) -> None:
        """(req 59)"""
        for name in ("smueller", "nobody"):
            browser.get("/login")
            browser.send(username=name, password="falsch")
            assert "E-Mail-Adresse, Benutzername oder Passwort stimmt nicht." in browser.text
        assert house.events("sign_in.failed")

    def test_linked_meanwhile(self, house: House, browser: Browser, ben: Person) -> None:
        """The offer binds to the old account as it was (C5)."""
        carl, other = house.add("carl"), house.browser()
        browser.get("/login")
        browser.send(username="smueller", password=OLD_PASSWORD)
        browser.send(choice="sign_in")
        browser.sign_in(ben)
        at_link(other, carl)
        bring(other)
        browser.send()
        assert browser.heading == "Dieser Zugang ist schon verknüpft"
        assert [link.account_id for link in links(house)] == [carl.id]

    def test_imported_anew_meanwhile(self, house: House, browser: Browser, ben: Person) -> None:
        browser.get("/login")
        browser.send(username="smueller", password=OLD_PASSWORD)
        browser.send(choice="sign_in")
        browser.sign_in(ben)
        with house.work() as ctx:
            ctx.db.scalars(select(LegacyAccount)).one().revision += 1
        browser.send()
        assert browser.address.startswith("/affiliation")
        assert links(house) == []

    def test_the_offer_is_its_browsers(self, house: House, browser: Browser, ben: Person) -> None:
        """Another's cookie, another flow's id: nothing (req 75)."""
        browser.get("/login")
        browser.send(username="smueller", password=OLD_PASSWORD)
        flow_id = browser.address.partition("flow=")[2]
        other = house.browser()
        other.get("/login")
        other.sign_in(ben)
        other.get(f"/old-account/{flow_id}")
        assert other.page.status_code == 400
        other.ask()
        foreign = other.address.partition("flow=")[2]
        other.get(f"/old-account/{foreign}")
        assert other.page.status_code == 400
