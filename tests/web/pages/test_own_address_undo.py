"""An old e-mail address takes its account back (K-12)."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import select

from idp.accounts import identifiers
from idp.authentication.models import Device, RecoveryPassword
from idp.management import accounts
from tests.builders import OPERATOR
from tests.web.pages.addresses import (
    FRESH,
    NEW,
    OLD,
    changed,
    code_of,
    link_of,
    mails,
    owned,
    signs_in,
    undo_link,
)
from tests.web.pages.house import PASSWORD, Browser, House, Person


@pytest.fixture
def ben(house: House, browser: Browser) -> Person:
    """Somebody without a second factor, signed in."""
    person = house.add("ben")
    browser.get("/login")
    browser.sign_in(person)
    return person


class TestUndo:
    """The owner of the old address takes back what a thief did (req 69, 72)."""

    @pytest.fixture
    def stolen(self, house: House, browser: Browser, ben: Person) -> Browser:
        """The thief's browser, after the change."""
        changed(house, browser)
        return browser

    def test_opening_it_changes_nothing(self, house: House, stolen: Browser, ben: Person) -> None:
        """(req 68)"""
        owner = house.browser()
        for _ in range(3):
            owner.get(undo_link(house))
            assert owner.heading == "Änderung zurücknehmen"
        assert owned(house, ben) == [NEW]

    def test_it_gives_the_account_back(self, house: House, stolen: Browser, ben: Person) -> None:
        """Sessions and the password that the thief had are worth nothing; the owner sets a new one."""
        owner, link = house.browser(), undo_link(house)
        owner.get(link)
        owner.send()
        assert owner.heading == "Änderung zurückgenommen"
        assert owned(house, ben) == [OLD]
        stolen.get("/account")
        assert stolen.heading == "Anmelden"
        assert not signs_in(house, "ben")
        assert not signs_in(house, NEW)
        owner.get("/password/forgot")
        owner.send(email=OLD)
        owner.get(link_of(house, "Ihr Passwort zurücksetzen", OLD))
        owner.send(new_password=FRESH, confirm_password=FRESH)
        assert signs_in(house, OLD, FRESH)
        assert house.events("identifier.removed")[-1].reason == "address_change_undone"
        assert owner.get(link).status_code == 410
        assert "Hier lässt sich nichts mehr zurücknehmen." in owner.text

    def test_also_after_more_was_done(self, house: House, stolen: Browser, ben: Person) -> None:
        """A second change, a recovery password, another password; the thief's own link gives nothing back."""
        house.clock.advance(minutes=2)
        changed(house, stolen, "weg@muster.example")
        thiefs = undo_link(house, NEW)
        with house.work() as ctx:
            ctx.db.add(RecoveryPassword(account_id=ben.id, hash=b"x" * 32, created_at=ctx.now))
        stolen.get("/account/password")
        stolen.send(password=PASSWORD, new_password=FRESH, confirm_password=FRESH)
        assert stolen.heading == "Passwort geändert!"
        owner = house.browser()
        owner.get(undo_link(house))
        owner.send()
        assert owned(house, ben) == [OLD]
        assert not signs_in(house, "ben", FRESH)
        assert stolen.get(thiefs).status_code == 410
        with house.work() as ctx:
            assert ctx.db.get(RecoveryPassword, ben.id) is None

    def test_a_thief_s_own_link_leaves_the_owner_s(self, house: House, stolen: Browser, ben: Person) -> None:
        """A second change, undone by the thief, and a new password by the thief's address (req 69)."""
        link = undo_link(house)
        house.clock.advance(minutes=2)
        changed(house, stolen, "weg@muster.example")
        thiefs = house.browser()
        thiefs.get(undo_link(house, NEW))
        thiefs.send()
        assert owned(house, ben) == [NEW]
        thiefs.get("/password/forgot")
        thiefs.send(email=NEW)
        thiefs.get(link_of(house, "Ihr Passwort zurücksetzen", NEW))
        thiefs.send(new_password=FRESH, confirm_password=FRESH)
        assert signs_in(house, NEW, FRESH)
        owner = house.browser()
        owner.get(link)
        owner.send()
        assert owner.heading == "Änderung zurückgenommen"
        assert owned(house, ben) == [OLD]
        assert not signs_in(house, "ben", FRESH)

    @pytest.mark.parametrize(
        ("after", "before", "stays"),
        [(0, 71, True), (1, 71, False), (1, 72, True)],
        ids=["of the account's beginning", "young", "settled"],
    )
    def test_an_older_recovery_password(
        self, house: House, browser: Browser, ben: Person, *, after: int, before: int, stays: bool
    ) -> None:
        """One that a thief may have saved first goes too, and its owner hears of it (req 72).

        :param after: how many hours after the account it was made.
        :param before: how many before the change.
        """
        house.clock.advance(hours=after)
        with house.work() as ctx:
            ctx.db.add(RecoveryPassword(account_id=ben.id, hash=b"x" * 32, created_at=ctx.now))
        house.clock.advance(hours=before)
        browser.get("/login")
        browser.sign_in(ben)
        changed(house, browser)
        owner = house.browser()
        owner.get(undo_link(house))
        owner.send()
        with house.work() as ctx:
            assert (ctx.db.get(RecoveryPassword, ben.id) is not None) == stays
        told = [mail.to for mail in mails(house) if "Wiederherstellungspasswort gilt nicht" in mail.subject]
        assert told == ([] if stays else [OLD])
        assert len(house.events("recovery_password.removed")) == (0 if stays else 1)

    def test_open_links_to_a_new_password_die(self, house: House, stolen: Browser, ben: Person) -> None:
        stranger = house.browser()
        stranger.get("/password/forgot")
        stranger.send(email=NEW)
        reset = link_of(house, "Ihr Passwort zurücksetzen", NEW)
        owner = house.browser()
        owner.get(undo_link(house))
        owner.send()
        assert stranger.get(reset).status_code == 410

    def test_the_second_factor_stays(self, house: House, browser: Browser, anna: Person) -> None:
        """(req 71): one mail does not both reset the password and remove a factor."""
        browser.get("/login")
        browser.sign_in(anna, remember_device="y")
        browser.get("/account/email")
        browser.send(email=NEW)
        browser.send(code=code_of(house))
        owner = house.browser()
        owner.get(undo_link(house, "anna@muster.example"))
        owner.send()
        with house.work() as ctx:
            assert [device.trust_hash for device in ctx.db.scalars(select(Device))] == [None]
        owner.get("/password/forgot")
        owner.send(email="anna@muster.example")
        owner.get(link_of(house, "Ihr Passwort zurücksetzen"))
        owner.send(new_password=FRESH, confirm_password=FRESH)
        assert owner.heading == "Zweistufige Anmeldung"

    @pytest.mark.parametrize(("hours", "status"), [(71, 200), (72, 410)])
    def test_three_days(self, house: House, stolen: Browser, hours: int, status: int) -> None:
        link = undo_link(house)
        house.clock.advance(hours=hours)
        assert house.browser().get(link).status_code == status

    def test_an_old_token_does_nothing(self, house: House, stolen: Browser, ben: Person) -> None:
        """(req 98)"""
        owner = house.browser()
        owner.get(undo_link(house))
        owner.send(csrf_token="old")
        assert "Ihre Eingaben sind noch da." in owner.text
        assert owned(house, ben) == [NEW]
        owner.send()
        assert owned(house, ben) == [OLD]

    def test_it_undoes_a_deletion_too(self, house: House, stolen: Browser, ben: Person) -> None:
        """The thief deletes the account; its owner hears of it, and one link is enough (req 72, 109)."""
        link = undo_link(house)
        stolen.get("/account/delete")
        stolen.send(agreed="y")
        assert stolen.heading == "Ihr Konto wird gelöscht"
        planned, theirs = (
            next(mail for mail in mails(house, to) if "gelöscht" in mail.subject) for to in (OLD, NEW)
        )
        assert "nehmen Sie die Änderung Ihrer E-Mail-Adresse zurück" in planned.text
        assert planned.link == ""  # its own brings back more than the account as the thief has it
        owner = house.browser()
        owner.get(link)
        owner.send()
        assert owner.heading == "Änderung zurückgenommen"
        assert owned(house, ben) == [OLD]
        assert owner.get(theirs.link.removeprefix(house.settings.public_url)).status_code == 410
        assert [mail.to for mail in mails(house) if mail.subject == "Ihr Konto bleibt bestehen"] == [OLD]
        owner.get("/password/forgot")
        owner.send(email=OLD)
        owner.get(link_of(house, "Ihr Passwort zurücksetzen", OLD))
        owner.send(new_password=FRESH, confirm_password=FRESH)
        assert signs_in(house, OLD, FRESH)

    def test_whom_a_deletion_is_told(self, house: House, stolen: Browser, ben: Person) -> None:
        """Old addresses as long as their links work, no longer (req 110)."""
        house.clock.advance(hours=72)
        stolen.get("/login")
        stolen.sign_in(ben)
        stolen.get("/account/delete")
        stolen.send(agreed="y")
        assert [mail.to for mail in mails(house) if "gelöscht" in mail.subject] == [NEW]

    def test_what_is_blocked_beside_stays_deleted(self, house: House, stolen: Browser, ben: Person) -> None:
        link = undo_link(house)
        stolen.get("/account/delete")
        stolen.send(agreed="y")
        with house.work() as ctx:
            accounts.block(ctx.acting(OPERATOR), ben.id)
        owner = house.browser()
        owner.get(link)
        owner.send()
        assert owner.page.status_code == 410
        assert owned(house, ben) == [NEW]

    def test_a_deleted_account_stays_deleted(self, house: House, stolen: Browser, ben: Person) -> None:
        """By the operator."""
        link = undo_link(house)
        with house.work() as ctx:
            accounts.delete(ctx.acting(OPERATOR), ben.id)
        owner = house.browser()
        owner.get(link)
        owner.send()
        assert owner.page.status_code == 410

    def test_where_somebody_else_has_it_now(self, house: House, stolen: Browser, ben: Person) -> None:
        """Such as the owner, who registered anew."""
        other = house.add("eve")
        with house.work() as ctx:
            identifiers.add_email(ctx, other.id, OLD, verified=True)
        owner = house.browser()
        owner.get(undo_link(house))
        owner.send()
        assert "gehört schon zu einem anderen Konto" in owner.text
        assert owned(house, ben) == [NEW]
        assert signs_in(house, "ben")
        with house.work() as ctx:
            [taken] = identifiers.of_account(ctx, other.id, identifiers.EMAIL)[1:]
            ctx.db.delete(taken)
        owner.send()  # nothing was used up
        assert owned(house, ben) == [OLD]

    def test_of_two_at_a_time_one_counts(self, house: House, stolen: Browser, ben: Person) -> None:
        """(C16)"""
        link = undo_link(house)
        visitors = [house.browser(), house.browser()]
        for visitor in visitors:
            visitor.get(link)
        barrier = Barrier(2)

        def send(number: int) -> int:
            barrier.wait()
            return visitors[number].send().status_code

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(send, range(2))) == [200, 410]


def test_several_addresses_become_one_and_come_back(house: House, browser: Browser, ben: Person) -> None:
    """Each old one is told and can undo; of their links one works."""
    second = "ben@privat.example"
    with house.work() as ctx:
        identifiers.add_email(ctx, ben.id, second, verified=True)
    changed(house, browser)
    assert owned(house, ben) == [NEW]
    other = undo_link(house, OLD)
    owner = house.browser()
    owner.get(undo_link(house, second))
    owner.send()
    assert sorted(owned(house, ben)) == sorted([OLD, second])
    assert owner.get(other).status_code == 410


def test_of_several_those_come_back_that_are_free(house: House, browser: Browser, ben: Person) -> None:
    """Who takes one of them for another account does not keep the owner out (req 69)."""
    second = "ben@alt-arbeitgeber.example"
    with house.work() as ctx:
        identifiers.add_email(ctx, ben.id, second, verified=True)
    changed(house, browser)
    other = house.add("eve")
    with house.work() as ctx:
        identifiers.add_email(ctx, other.id, second, verified=True)
    owner = house.browser()
    owner.get(undo_link(house, OLD))
    owner.send()
    assert owner.heading == "Änderung zurückgenommen"
    assert owned(house, ben) == [OLD]
    assert owned(house, other) == ["eve@muster.example", second]
    assert signs_in(house, second)  # with the password of eve
