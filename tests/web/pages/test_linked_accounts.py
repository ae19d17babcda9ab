"""K-11: the linked old accounts, and the ways to undo a link (req 55, 68, 89, 90; C5)."""

import pytest
from sqlalchemy import select

from idp.accounts.legacy.models import LegacyAccount
from idp.accounts.models import Account
from idp.audit.events import Event
from idp.context import Actor
from idp.management import activity
from idp.organizations.models import Membership, Organization
from tests.legacy import OLD_PASSWORD
from tests.web.pages.house import Browser, House, Person, forms
from tests.web.pages.linking import bring, links, mails, prepare_linking
from tests.web.pages.recovering import give

SIGNED_OUT = "Sie sind jetzt abgemeldet, denn mit der Verknüpfung endete Ihr Zugang zu diesem Unternehmen."


@pytest.fixture
def house(house: House) -> House:
    """An old portal whose accounts can be linked."""
    return prepare_linking(house)


@pytest.fixture
def linked(house: House, browser: Browser, ben: Person) -> Person:
    """Somebody who linked an old account, before the list of them."""
    with house.work() as ctx:
        ctx.db.get_one(Account, ben.id).product_family = "sage-100"
    browser.get("/login")
    browser.sign_in(ben)
    browser.get("/link")
    bring(browser)
    browser.get("/account/linked")
    return ben


def _free(house: House) -> bool:
    with house.work() as ctx:
        return ctx.db.scalars(select(LegacyAccount)).one().linked_at is None


def _release(browser: Browser) -> int:
    return next(number for number, (at, _) in enumerate(forms(browser.text)) if at.endswith("/release"))


def _try_to_release(browser: Browser, link_id: str) -> None:
    """Send the form that the page does not show."""
    browser.get("/affiliation")
    browser.post(f"/account/linked/{link_id}/release", forms(browser.text)[0][1])


def test_empty(house: House, browser: Browser, ben: Person) -> None:
    browser.get("/account/linked")
    browser.sign_in(ben)
    assert browser.heading == "Verknüpfte Konten"
    assert "kein alter Zugang verknüpft" in browser.text


def test_after_linking_the_list_names_the_way_on(house: House, browser: Browser, ben: Person) -> None:
    """To the home portal of the family; no address says that it was just now."""
    with house.work() as ctx:
        ctx.db.get_one(Account, ben.id).product_family = "sage-100"
    give(house, ben)  # else the security question leads to it first
    browser.get("/login")
    browser.sign_in(ben)
    browser.get("/link")
    bring(browser)
    assert browser.heading == "Verknüpfte Konten"
    for shown in (
        "smueller",
        "Muster GmbH",
        "Ihr alter Zugang ist jetzt verknüpft.",
        "Weiter zu Kundenportal",
    ):
        assert shown in browser.text
    [link] = links(house)
    for word in ("told=linked", "linked=another", f"linked={link.id}"):
        browser.get(f"/account/linked?{word}")
        assert "smueller" in browser.text
        assert "jetzt verknüpft" not in browser.text
        assert "Weiter zu Kundenportal" not in browser.text


def test_undone_all_is_as_before(house: House, browser: Browser, linked: Person) -> None:
    """Who belongs to no company any more is signed out everywhere, and told so."""
    browser.send(form=_release(browser))
    assert "Alles ist wieder wie vorher" in browser.text
    assert SIGNED_OUT in browser.text
    assert _free(house)
    with house.work() as ctx:
        assert [each.status for each in ctx.db.scalars(select(Membership))] == ["ended"]
    released = [mail.to for mail in mails(house) if "zurückgenommen" in mail.subject]
    assert set(released) == {"ben@muster.example", "sabine@alt.example"}
    browser.get("/link")
    browser.sign_in(linked)
    bring(browser)
    assert len(links(house)) == 2


def test_who_belongs_to_another_company_stays_signed_in(
    house: House, browser: Browser, linked: Person
) -> None:
    """And of two clicks the second hears that it is done."""
    with house.work() as ctx:
        house.join(ctx, linked.id, "Beispiel AG", "active")
    browser.get("/account/linked")
    shown, address = browser.text, browser.address
    browser.send(form=_release(browser))
    assert "Die Verknüpfung ist gelöst." in browser.text
    browser.page.set_data(shown)
    browser.address = address
    browser.send(form=_release(browser))
    assert "Diese Verknüpfung ist schon gelöst." in browser.text


def test_of_two_sessions_only_the_one_that_acted_for_the_company_ends(
    house: House, browser: Browser, linked: Person
) -> None:
    """Where the link is undone in the other one, nobody is signed out there or told so."""
    _also_in(house, linked, "Beispiel AG")
    acting = house.browser()
    acting.ask()
    acting.sign_in(linked)
    _act_for(house, acting, linked, "Muster GmbH")
    browser.get("/account/linked")
    browser.send(form=_release(browser))
    assert "Die Verknüpfung ist gelöst." in browser.text
    acting.get("/account")
    assert acting.heading == "Anmelden"


def test_who_acted_for_the_company_is_signed_out_here(house: House, browser: Browser, linked: Person) -> None:
    """Another company is left, so elsewhere nothing ends, and nothing else is said."""
    _also_in(house, linked, "Beispiel AG")
    other = house.browser()
    other.get("/login")
    other.sign_in(linked)
    browser.ask()
    _act_for(house, browser, linked, "Muster GmbH")
    browser.get("/account/linked")
    browser.send(form=_release(browser))
    assert browser.heading == "Verknüpfung zurückgenommen"
    assert SIGNED_OUT in browser.text
    assert "überall" not in browser.text
    other.get("/account")
    assert other.heading == "Übersicht"


def _also_in(house: House, person: Person, company: str) -> None:
    """Be a member of another company, and have saved the recovery password that the link made due."""
    with house.work() as ctx:
        house.join(ctx, person.id, company, "active")
        ctx.db.get_one(Account, person.id).recovery_due = False


def _act_for(house: House, browser: Browser, person: Person, company: str) -> None:
    """Choose a company on the way to the portal."""
    assert browser.heading == "Für welches Unternehmen?"
    with house.work() as ctx:
        mine = select(Membership.id).join(Organization, Organization.id == Membership.organization_id)
        choice = ctx.db.scalar(mine.where(Membership.account_id == person.id, Organization.name == company))
    browser.send(choice=choice)


def test_after_30_days_it_stays(house: House, browser: Browser, linked: Person) -> None:
    [link] = links(house)
    house.clock.advance(days=31)
    browser.get("/account/linked")
    browser.sign_in(linked)
    assert "Die Verknüpfung bleibt." in browser.text
    assert "/release" not in browser.text
    _try_to_release(browser, link.id)
    assert "lässt sich nicht mehr lösen" in browser.text
    assert not _free(house)


def test_another_persons_link(house: House, browser: Browser, linked: Person) -> None:
    [link] = links(house)
    thief = house.browser()
    thief.get("/account/linked")
    thief.sign_in(house.add("carl"))
    _try_to_release(thief, link.id)
    assert "Diese Verknüpfung gibt es nicht." in thief.text
    assert not _free(house)


def test_an_old_session_proves_itself_first(house: House, browser: Browser, linked: Person) -> None:
    """(req 89)"""
    house.clock.advance(minutes=16)
    browser.send(form=_release(browser))
    assert browser.heading == "Bestätigen Sie Ihre Identität"
    assert not _free(house)


_BY_LINK = {Event.LEGACY_ACCOUNT_UNLINKED, Event.MEMBERSHIP_ENDED, Event.SESSION_ENDED}


class TestByMail:
    """Whoever had the old account undoes a link that was not theirs."""

    @pytest.fixture
    def address(self, house: House, linked: Person) -> str:
        [mail] = [mail for mail in mails(house) if mail.to == "sabine@alt.example"]
        return mail.link.removeprefix(house.settings.public_url)

    def test_opening_changes_nothing_and_pressing_undoes(self, house: House, address: str) -> None:
        """(req 68)"""
        owner = house.browser()
        for _ in range(2):
            owner.get(address)
            assert owner.heading == "Verknüpfung zurücknehmen"
            assert "ben" not in owner.text
        assert not _free(house)
        owner.send(form=0)
        assert owner.heading == "Verknüpfung zurückgenommen"
        assert _free(house)
        owner.get(address)
        assert owner.page.status_code == 410

    def test_the_log_names_nobody(self, house: House, linked: Person, address: str) -> None:
        """Not the person, who may not have done it, nor a browser, which is the other's (req 106, 110)."""
        owner = house.browser()
        owner.extra = {"User-Agent": "Firefox of the other one"}
        owner.get(address)
        owner.send(form=0)
        for name in ("legacy_account.unlinked", "membership.ended"):
            [event] = house.events(name)
            assert (event.actor_kind, event.actor_id, event.target_id) == ("anonymous", None, linked.id)
        assert house.events("legacy_account.unlinked")[0].reason == "link of a mail"
        with house.work() as ctx:
            deeds = activity.page(ctx.acting(Actor("account", linked.id)), linked.id).deeds
        by_link = [deed for deed in deeds if deed.event in _BY_LINK]
        assert {deed.event for deed in by_link} == _BY_LINK
        assert {deed.user_agent for deed in by_link} == {None}

    def test_the_other_mail_then_says_so(self, house: House, browser: Browser, address: str) -> None:
        browser.get("/account/linked")
        browser.send(form=_release(browser))
        owner = house.browser()
        owner.get(address)
        assert owner.page.status_code == 410
        assert "schon gelöst" in owner.text

    def test_too_late_unknown_or_stale(self, house: House, address: str) -> None:
        owner = house.browser()
        owner.get(address)
        owner.send(form=0, csrf_token="x")
        assert not _free(house)
        owner.get("/link/undo?token=unknown")
        assert owner.page.status_code == 410
        assert "Hier lässt sich nichts mehr zurücknehmen." in owner.text
        assert "Dann senden wir Ihnen einen neuen." not in owner.text
        house.clock.advance(days=31)
        owner.get(address)
        assert owner.page.status_code == 410


def test_the_old_password_is_dead(house: House, browser: Browser, linked: Person) -> None:
    """At the sign-in it opens nothing and offers nothing (req 90)."""
    other = house.browser()
    other.get("/login")
    other.send(username="smueller", password=OLD_PASSWORD)
    assert "stimmt nicht" in other.text
