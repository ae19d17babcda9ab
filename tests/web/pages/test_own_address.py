"""Another e-mail address (K-12): it waits until it is proven, the old one takes it back."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import select

from idp.accounts import identifiers
from idp.accounts.models import Account, Identifier
from idp.audit.models import AuditPersonal
from idp.authentication.models import Device, RecoveryPassword
from idp.delivery.preview import Shown, list_shown
from idp.management import accounts
from tests.builders import OPERATOR
from tests.web.pages.house import PASSWORD, WRONG, Browser, House, Person, forms

FRESH = "Leuchtturm vor der Insel 9"
OLD, NEW = "ben@muster.example", "neu@muster.example"


@pytest.fixture
def ben(house: House, browser: Browser) -> Person:
    """Somebody without a second factor, signed in."""
    person = house.add("ben")
    browser.get("/login")
    browser.sign_in(person)
    return person


def _mails(house: House, to: str | None = None) -> list[Shown]:
    with house.work() as ctx:
        return [mail for mail in list_shown(ctx) if to in (None, mail.to) and "Anmeldung" not in mail.subject]


def _mail(house: House, subject: str, to: str | None = None) -> Shown:
    return next(mail for mail in _mails(house, to) if mail.subject == subject)


def _code(house: House, to: str = NEW) -> str:
    return _mail(house, "Verifizieren Sie Ihre E-Mail-Adresse", to).code


def _link(house: House, subject: str = "Verifizieren Sie Ihre E-Mail-Adresse", to: str | None = None) -> str:
    return _mail(house, subject, to).link.removeprefix(house.settings.public_url)


def _undo_link(house: House, to: str = OLD) -> str:
    return _link(house, "E-Mail-Adresse geändert", to)


def _ask(browser: Browser, address: str = NEW) -> None:
    browser.get("/account/email")
    assert browser.heading == "E-Mail-Adresse ändern"
    browser.send(email=address)


def _changed(house: House, browser: Browser, address: str = NEW) -> None:
    _ask(browser, address)
    browser.send(code=_code(house, address))
    assert "Ihre neue E-Mail-Adresse gilt." in browser.text


def _owned(house: House, person: Person) -> list[str]:
    with house.work() as ctx:
        return [
            identifiers.text_of(ctx, found)
            for found in identifiers.of_account(ctx, person.id, identifiers.EMAIL)
            if found.verified_at is not None
        ]


def _signs_in(house: House, name: str, password: str = PASSWORD) -> bool:
    browser = house.browser()
    browser.get("/login")
    browser.send(username=name, password=password)
    return "stimmt nicht" not in browser.text


def test_the_whole_way(house: House, browser: Browser, ben: Person) -> None:
    """Pending until the code; then the new one signs in, the old one does not, and both are told (req 69)."""
    _ask(browser)
    assert browser.heading == "Code eingeben"
    assert NEW in browser.text
    assert _owned(house, ben) == [OLD]
    assert not _signs_in(house, NEW)
    assert [mail.to for mail in _mails(house)] == [NEW]
    browser.send(code=_code(house))
    assert browser.heading == "Profil"
    assert _owned(house, ben) == [NEW]
    assert _signs_in(house, NEW)
    assert not _signs_in(house, OLD)
    told = {mail.to: mail for mail in _mails(house) if mail.subject == "E-Mail-Adresse geändert"}
    assert set(told) == {OLD, NEW}
    assert NEW not in told[OLD].text
    assert "/account/email/undo?token=" in told[OLD].link
    [added] = house.events("identifier.verified")
    [removed] = house.events("identifier.removed")
    assert (added.actor_id, added.target_id, removed.actor_id) == (ben.id, ben.id, ben.id)
    with house.work() as ctx:
        assert ctx.db.get(AuditPersonal, added.id) is not None
        assert NEW not in f"{added.new}{added.old}"


def test_a_young_proof_is_needed(house: House, browser: Browser, ben: Person) -> None:
    """(req 69): and the address that was typed comes back after it."""
    browser.get("/account/email")
    house.clock.advance(minutes=15)
    browser.send(email=NEW)
    assert browser.heading == "Bestätigen Sie Ihre Identität"
    browser.send(password=PASSWORD)
    assert browser.heading == "E-Mail-Adresse ändern"
    assert f'value="{NEW}"' in browser.text
    assert _mails(house) == []


@pytest.mark.parametrize("state", ["active", "blocked"])
def test_equal_answers_for_an_address_of_somebody(
    house: House, browser: Browser, ben: Person, state: str
) -> None:
    """Its owner gets another mail; the pages and what is written are the same (req 59; C14)."""
    house.add("eve", status=state)
    seen = []
    _ask(browser, "first@muster.example")  # has a secret for its flows from now on
    for address in ("eva@muster.example", "eve@muster.example"):
        browser.get("/account/email")
        answer = browser.send(follow=False, email=address)
        browser.get(answer.headers["Location"])
        page = re.sub(r"[A-Za-z0-9_.-]{43,}", "…", browser.text).replace(address, "…")
        seen.append((answer.status_code, sorted(answer.headers.keys()), page))
    assert seen[0] == seen[1]
    assert [mail.subject for mail in _mails(house, "eve@muster.example")] == ["Sie haben schon ein Konto"]
    assert "für ein anderes Konto" in _mails(house, "eve@muster.example")[0].text
    for _ in range(5):
        browser.send(code="111111")
    assert _owned(house, ben) == [OLD]


def test_taken_meanwhile(house: House, browser: Browser, ben: Person) -> None:
    """Who proves the mailbox first has it; the other is told, for the mailbox is theirs as well."""
    _ask(browser)
    other = house.add("eve")
    with house.work() as ctx:
        identifiers.add_email(ctx, other.id, NEW, verified=True)
    browser.send(code=_code(house))
    assert "gehört schon zu einem anderen Konto" in browser.text
    assert _owned(house, ben) == [OLD]


def test_of_two_people_at_a_time_one_gets_it(house: House, browser: Browser, ben: Person) -> None:
    """(C16)"""
    eve = house.add("eve")
    other = house.browser()
    other.get("/login")
    other.sign_in(eve)
    for one in (browser, other):
        _ask(one)
    codes = [mail.code for mail in reversed(_mails(house, NEW))]
    barrier = Barrier(2)

    def send(number: int) -> int:
        barrier.wait()
        return (browser, other)[number].send(follow=False, code=codes[number]).status_code

    with ThreadPoolExecutor(2) as pool:
        statuses = sorted(pool.map(send, range(2)))
    assert statuses in ([200, 303], [303, 303])
    assert sorted((*_owned(house, ben), *_owned(house, eve))).count(NEW) == 1
    assert len(house.events("identifier.verified")) == 1


def test_who_waited_unproven_under_it_loses_everything(house: House, browser: Browser, ben: Person) -> None:
    """(req 88)"""
    mallory = house.add("mallory")
    with house.work() as ctx:
        for found in identifiers.of_account(ctx, mallory.id, identifiers.EMAIL):
            ctx.db.delete(found)
        ctx.db.flush()
        identifiers.add_email(ctx, mallory.id, NEW)
    _changed(house, browser)
    assert not _signs_in(house, "mallory")
    with house.work() as ctx:
        assert identifiers.of_account(ctx, mallory.id, identifiers.EMAIL) == []


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "braucht ein @"),
        ("kein", "braucht ein @"),
        ("a@b.de\r\nBcc: x@y.de", "braucht ein @"),
        ("\0@x.de", "braucht ein @"),
        (f"{'a' * 300}@muster.example", "braucht ein @"),
        ("BEN@Muster.Example", "Das ist schon Ihre E-Mail-Adresse."),
    ],
)
def test_what_cannot_be_asked_for(
    house: House, browser: Browser, ben: Person, typed: str, words: str
) -> None:
    _ask(browser, typed)
    assert words in browser.text
    assert _mails(house) == []


def test_a_flood_costs_five_mails_an_hour(house: House, browser: Browser, ben: Person) -> None:
    """Whatever the addresses: who is signed in writes to no more strangers than that."""
    for number in range(6):
        browser.get("/account/email")
        browser.send(email=f"person{number}@muster.example")
        assert (browser.page.status_code == 429) == (number == 5)
    assert browser.page.headers["Retry-After"]
    assert len(_mails(house)) == 5


class TestCode:
    """(req 65, 75)"""

    def test_five_tries(self, house: House, browser: Browser, ben: Person) -> None:
        _ask(browser)
        code = _code(house)
        wrong = "111111" if code != "111111" else "222222"
        for left in ("Noch 4 Versuche.", "Noch 3 Versuche.", "Noch 2 Versuche.", "Noch 1 Versuch."):
            browser.send(code=wrong)
            assert left in browser.text
        browser.send(code=wrong)
        browser.send(code=code)
        assert "zu viele falsche Codes" in browser.text
        assert _owned(house, ben) == [OLD]

    def test_a_late_one_brings_another(self, house: House, browser: Browser, ben: Person) -> None:
        _ask(browser)
        late = _code(house)
        house.clock.advance(minutes=10)
        browser.send(code=late)
        assert "Wir haben Ihnen einen neuen gesendet." in browser.text
        browser.send(code=_code(house))
        assert _owned(house, ben) == [NEW]

    def test_another_after_a_minute(self, house: House, browser: Browser, ben: Person) -> None:
        """Which voids the one before."""
        _ask(browser)
        first = _code(house)
        browser.send(form=1)
        assert browser.page.status_code == 429
        assert "noch keine Minute alt" in browser.text
        house.clock.advance(minutes=1)
        browser.send(form=1)
        assert "Wir haben Ihnen einen neuen Code gesendet." in browser.text
        if first != _code(house):
            browser.send(code=first)
            assert "Der Code stimmt nicht." in browser.text
        browser.send(code=_code(house))
        assert _owned(house, ben) == [NEW]

    @pytest.mark.parametrize("typed", ["", "12345", "abcdef", "\0"])
    def test_what_is_no_code(self, house: House, browser: Browser, ben: Person, typed: str) -> None:
        _ask(browser)
        browser.send(code=typed)
        assert browser.heading == "Code eingeben"
        browser.send(code=_code(house))
        assert _owned(house, ben) == [NEW]

    def test_an_old_token_tries_nothing(self, house: House, browser: Browser, ben: Person) -> None:
        """(req 98)"""
        for address in ("/account/email", None):
            if address:
                browser.get(address)
                browser.send(csrf_token="old", email=NEW)
                assert "Ihre Eingaben sind noch da." in browser.text
                browser.send(email=NEW)
            else:
                browser.send(csrf_token="old", code=_code(house))
                assert "Ihre Eingaben sind noch da." in browser.text
        assert _owned(house, ben) == [OLD]

    def test_a_second_click_goes_on(self, house: House, browser: Browser, ben: Person) -> None:
        _ask(browser)
        action, hidden = forms(browser.text)[0]
        code = _code(house)
        browser.send(code=code)
        browser.post(action, hidden | {"code": code})
        assert browser.heading == "Profil"
        browser.post(f"{action}/resend", hidden)
        assert browser.heading == "Profil"
        assert len(house.events("identifier.verified")) == 1

    def test_it_belongs_to_person_and_browser(self, house: House, browser: Browser, ben: Person) -> None:
        """(req 41, 65): neither another browser of the person nor another person here can use it."""
        _ask(browser)
        address, code = browser.address, _code(house)
        other = house.browser()
        other.get("/login")
        other.sign_in(ben)
        other.get(address)
        assert other.heading == "E-Mail-Adresse ändern"
        eve = house.add("eve")
        browser.client.delete_cookie("sid", domain="localhost")
        browser.get("/login")
        browser.sign_in(eve)
        browser.get("/account/email")
        token = forms(browser.text)[0][1]
        browser.get(address)
        assert browser.heading == "E-Mail-Adresse ändern"
        browser.post(address, token | {"code": code})
        assert (_owned(house, ben), _owned(house, eve)) == ([OLD], ["eve@muster.example"])

    def test_it_waits_a_day(self, house: House, browser: Browser, ben: Person) -> None:
        _ask(browser)
        address = browser.address
        house.clock.advance(hours=11)
        assert browser.get(address).status_code == 200
        assert browser.heading == "Code eingeben"
        house.clock.advance(hours=11)
        browser.get(address)
        house.clock.advance(hours=2)
        browser.get(address)
        assert browser.heading == "Bestätigen Sie Ihre Identität"

    @pytest.mark.parametrize("flow", ["x", "A" * 43])
    def test_unknown_flows(self, house: House, browser: Browser, ben: Person, flow: str) -> None:
        browser.get(f"/account/email/code/{flow}")
        assert browser.heading == "E-Mail-Adresse ändern"


def _new_password(house: House, person: Person) -> None:
    with house.work() as ctx:
        accounts.set_password(ctx.acting(OPERATOR), person.id, FRESH)


def _block(house: House, person: Person) -> None:
    with house.work() as ctx:
        accounts.block(ctx.acting(OPERATOR), person.id)


@pytest.mark.parametrize("happens", [_new_password, _block])
def test_what_a_thief_began_dies_with_the_account_s_next_change(
    house: House, browser: Browser, ben: Person, happens: Callable[[House, Person], None]
) -> None:
    """A session that was open for an hour leaves nothing that opens later, in no browser."""
    _ask(browser)
    link = _link(house)
    happens(house, ben)
    stranger = house.browser()
    stranger.get(link)
    stranger.send(password=PASSWORD)
    stranger.get(link)
    stranger.send(password=FRESH)
    assert _owned(house, ben) == [OLD]


class TestLink:
    """(req 68; C24)"""

    def test_signed_in_one_click_is_enough(self, house: House, browser: Browser, ben: Person) -> None:
        _ask(browser)
        link = _link(house)
        for _ in range(2):
            assert house.browser().get(link).status_code == 200
        assert _owned(house, ben) == [OLD]
        browser.get(link)
        assert 'name="password"' not in browser.text
        browser.send()
        assert browser.heading == "E-Mail-Adresse geändert"
        assert _owned(house, ben) == [NEW]
        assert browser.get(link).status_code == 410

    def test_elsewhere_the_password_is_asked(self, house: House, browser: Browser, ben: Person) -> None:
        """(C5): nobody proves an address for an account that is not theirs; tries are counted (req 55)."""
        _ask(browser)
        stranger = house.browser()
        eve = house.add("eve")
        stranger.get("/login")
        stranger.sign_in(eve)
        stranger.get(_link(house))
        for _ in range(5):
            stranger.send(password=WRONG)
            assert "Das Passwort stimmt nicht." in stranger.text
            assert WRONG not in stranger.text
        stranger.send(password=PASSWORD)
        assert stranger.page.status_code == 429
        assert _owned(house, ben) == [OLD]
        house.clock.advance(minutes=1)
        stranger.send(password=PASSWORD)
        assert stranger.heading == "E-Mail-Adresse geändert"
        assert _owned(house, ben) == [NEW]
        assert _owned(house, eve) == ["eve@muster.example"]

    def test_it_works_late(self, house: House, browser: Browser, ben: Person) -> None:
        """After the code, within the day, also when the browser that began is gone."""
        _ask(browser)
        link = _link(house)
        house.clock.advance(hours=23)
        stranger = house.browser()
        stranger.get(link)
        stranger.send(password=PASSWORD)
        assert _owned(house, ben) == [NEW]

    def test_it_dies_after_a_day(self, house: House, browser: Browser, ben: Person) -> None:
        _ask(browser)
        link = _link(house)
        house.clock.advance(hours=24)
        assert house.browser().get(link).status_code == 410

    def test_it_dies_with_the_code(self, house: House, browser: Browser, ben: Person) -> None:
        _ask(browser)
        link = _link(house)
        browser.send(code=_code(house))
        assert house.browser().get(link).status_code == 410

    def test_an_old_token_does_nothing(self, house: House, browser: Browser, ben: Person) -> None:
        """(req 98)"""
        _ask(browser)
        browser.get(_link(house))
        browser.send(csrf_token="old")
        assert _owned(house, ben) == [OLD]

    def test_taken_meanwhile(self, house: House, browser: Browser, ben: Person) -> None:
        _ask(browser)
        browser.get(_link(house))
        other = house.add("eve")
        with house.work() as ctx:
            identifiers.add_email(ctx, other.id, NEW, verified=True)
        browser.send()
        assert "gehört schon zu einem anderen Konto" in browser.text
        assert _owned(house, ben) == [OLD]

    def test_of_two_at_a_time_one_counts(self, house: House, browser: Browser, ben: Person) -> None:
        """(C16)"""
        _ask(browser)
        link = _link(house)
        visitors = [house.browser(), house.browser()]
        for visitor in visitors:
            visitor.get(link)
        barrier = Barrier(2)

        def send(number: int) -> int:
            barrier.wait()
            return visitors[number].send(password=PASSWORD).status_code

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(send, range(2))) == [200, 410]
        assert len(house.events("identifier.verified")) == 1

    @pytest.mark.parametrize("path", ["link", "undo"])
    @pytest.mark.parametrize("token", ["", "x", "A" * 43, "\0", "a" * 5000])
    def test_what_is_no_link(self, browser: Browser, path: str, token: str) -> None:
        """(req 29)"""
        assert browser.get(f"/account/email/{path}?token={token}").status_code == 410

    def test_links_open_nothing_of_another_kind(self, house: House, browser: Browser, ben: Person) -> None:
        """(C2)"""
        _changed(house, browser)
        token = _undo_link(house).partition("?")[2]
        for path in ("/account/email/link", "/password/reset", "/register/link"):
            assert browser.get(f"{path}?{token}").status_code == 410


class TestUndo:
    """The owner of the old address takes back what a thief did (req 69, 72)."""

    @pytest.fixture
    def stolen(self, house: House, browser: Browser, ben: Person) -> Browser:
        """The thief's browser, after the change."""
        _changed(house, browser)
        return browser

    def test_opening_it_changes_nothing(self, house: House, stolen: Browser, ben: Person) -> None:
        """(req 68)"""
        owner = house.browser()
        for _ in range(3):
            owner.get(_undo_link(house))
            assert owner.heading == "Änderung zurücknehmen"
        assert _owned(house, ben) == [NEW]

    def test_it_gives_the_account_back(self, house: House, stolen: Browser, ben: Person) -> None:
        """Sessions and the password that the thief had are worth nothing; the owner sets a new one."""
        owner, link = house.browser(), _undo_link(house)
        owner.get(link)
        owner.send()
        assert owner.heading == "Änderung zurückgenommen"
        assert _owned(house, ben) == [OLD]
        stolen.get("/account")
        assert stolen.heading == "Anmelden"
        assert not _signs_in(house, "ben")
        assert not _signs_in(house, NEW)
        owner.get("/password/forgot")
        owner.send(email=OLD)
        owner.get(_link(house, "Ihr Passwort zurücksetzen", OLD))
        owner.send(new_password=FRESH, confirm_password=FRESH)
        assert _signs_in(house, OLD, FRESH)
        assert house.events("identifier.removed")[-1].reason == "address_change_undone"
        assert owner.get(link).status_code == 410

    def test_also_after_more_was_done(self, house: House, stolen: Browser, ben: Person) -> None:
        """A second change, a recovery password, another password; the thief's own link gives nothing back."""
        house.clock.advance(minutes=2)
        _changed(house, stolen, "weg@muster.example")
        thiefs = _undo_link(house, NEW)
        with house.work() as ctx:
            ctx.db.add(RecoveryPassword(account_id=ben.id, hash=b"x" * 32, created_at=ctx.now))
        stolen.get("/account/password")
        stolen.send(password=PASSWORD, new_password=FRESH, confirm_password=FRESH)
        assert stolen.heading == "Passwort geändert!"
        owner = house.browser()
        owner.get(_undo_link(house))
        owner.send()
        assert _owned(house, ben) == [OLD]
        assert not _signs_in(house, "ben", FRESH)
        assert stolen.get(thiefs).status_code == 410
        with house.work() as ctx:
            assert ctx.db.get(RecoveryPassword, ben.id) is None

    def test_an_older_recovery_password_stays(self, house: House, browser: Browser, ben: Person) -> None:
        with house.work() as ctx:
            ctx.db.add(RecoveryPassword(account_id=ben.id, hash=b"x" * 32, created_at=ctx.now))
        house.clock.advance(minutes=1)
        _changed(house, browser)
        owner = house.browser()
        owner.get(_undo_link(house))
        owner.send()
        with house.work() as ctx:
            assert ctx.db.get(RecoveryPassword, ben.id) is not None

    def test_open_links_to_a_new_password_die(self, house: House, stolen: Browser, ben: Person) -> None:
        stranger = house.browser()
        stranger.get("/password/forgot")
        stranger.send(email=NEW)
        reset = _link(house, "Ihr Passwort zurücksetzen", NEW)
        owner = house.browser()
        owner.get(_undo_link(house))
        owner.send()
        assert stranger.get(reset).status_code == 410

    def test_the_second_factor_stays(self, house: House, browser: Browser, anna: Person) -> None:
        """(req 71): one mail does not both reset the password and remove a factor."""
        browser.get("/login")
        browser.sign_in(anna, remember_device="y")
        browser.get("/account/email")
        browser.send(email=NEW)
        browser.send(code=_code(house))
        owner = house.browser()
        owner.get(_undo_link(house, "anna@muster.example"))
        owner.send()
        with house.work() as ctx:
            assert [device.trust_hash for device in ctx.db.scalars(select(Device))] == [None]
        owner.get("/password/forgot")
        owner.send(email="anna@muster.example")
        owner.get(_link(house, "Ihr Passwort zurücksetzen"))
        owner.send(new_password=FRESH, confirm_password=FRESH)
        assert owner.heading == "Zweistufige Anmeldung"

    @pytest.mark.parametrize(("hours", "status"), [(71, 200), (72, 410)])
    def test_three_days(self, house: House, stolen: Browser, hours: int, status: int) -> None:
        link = _undo_link(house)
        house.clock.advance(hours=hours)
        assert house.browser().get(link).status_code == status

    def test_an_old_token_does_nothing(self, house: House, stolen: Browser, ben: Person) -> None:
        """(req 98)"""
        owner = house.browser()
        owner.get(_undo_link(house))
        owner.send(csrf_token="old")
        assert "Ihre Eingaben sind noch da." in owner.text
        assert _owned(house, ben) == [NEW]
        owner.send()
        assert _owned(house, ben) == [OLD]

    def test_a_deleted_account_stays_deleted(self, house: House, stolen: Browser, ben: Person) -> None:
        link = _undo_link(house)
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
        owner.get(_undo_link(house))
        owner.send()
        assert "gehört schon zu einem anderen Konto" in owner.text
        assert _owned(house, ben) == [NEW]
        assert _signs_in(house, "ben")

    def test_of_two_at_a_time_one_counts(self, house: House, stolen: Browser, ben: Person) -> None:
        """(C16)"""
        link = _undo_link(house)
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
    _changed(house, browser)
    assert _owned(house, ben) == [NEW]
    other = _undo_link(house, OLD)
    owner = house.browser()
    owner.get(_undo_link(house, second))
    owner.send()
    assert sorted(_owned(house, ben)) == sorted([OLD, second])
    assert owner.get(other).status_code == 410


def test_the_first_address_of_an_account(house: House, browser: Browser, ben: Person) -> None:
    """Nobody else is told, and there is nothing to undo."""
    with house.work() as ctx:
        for found in ctx.db.scalars(select(Identifier).where(Identifier.account_id == ben.id)):
            ctx.db.delete(found)
    browser.get("/account")
    assert "Ihr Konto hat keine bestätigte E-Mail-Adresse." in browser.text
    browser.get("/account/email")
    assert browser.heading == "E-Mail-Adresse angeben"
    browser.send(email=NEW)
    browser.send(code=_code(house))
    assert _owned(house, ben) == [NEW]
    assert {mail.to for mail in _mails(house)} == {NEW}
    assert not house.events("identifier.removed")
    with house.work() as ctx:
        assert ctx.db.get_one(Account, ben.id).epoch == 1
