"""Sign-in with the credentials of the old portal offers to bring the old account along (L-01; C5)."""

import pytest
from sqlalchemy import select

from idp.accounts.legacy.models import LegacyAccount
from idp.accounts.models import Account
from idp.delivery.preview import list_shown
from idp.flows.models import Flow
from tests.legacy import OLD_PASSWORD
from tests.web.pages.house import Browser, House, Person, forms
from tests.web.pages.linking import at_link, bring, links, prepare_linking


@pytest.fixture
def house(house: House) -> House:
    """An old portal whose accounts can be linked."""
    return prepare_linking(house)


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
