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
from idp.management import accounts
from tests.builders import OPERATOR
from tests.web.pages.addresses import (
    FRESH,
    NEW,
    OLD,
    ask,
    changed,
    code_of,
    link_of,
    mails,
    owned,
    signs_in,
)
from tests.web.pages.house import PASSWORD, Browser, House, Person, forms
from tests.web.pages.registering import resend


@pytest.fixture
def ben(house: House, browser: Browser) -> Person:
    """Somebody without a second factor, signed in."""
    person = house.add("ben")
    browser.get("/login")
    browser.sign_in(person)
    return person


def test_the_whole_way(house: House, browser: Browser, ben: Person) -> None:
    """Pending until the code; then the new one signs in, the old one does not, and both are told (req 69)."""
    ask(browser)
    assert browser.heading == "Code eingeben"
    assert NEW in browser.text
    assert owned(house, ben) == [OLD]
    assert not signs_in(house, NEW)
    assert [mail.to for mail in mails(house)] == [NEW]
    browser.send(code=code_of(house))
    assert browser.heading == "Profil"
    assert owned(house, ben) == [NEW]
    assert signs_in(house, NEW)
    assert not signs_in(house, OLD)
    told = {mail.to: mail for mail in mails(house) if mail.subject == "E-Mail-Adresse geändert"}
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
    assert mails(house) == []


@pytest.mark.parametrize("state", ["active", "blocked"])
def test_equal_answers_for_an_address_of_somebody(
    house: House, browser: Browser, ben: Person, state: str
) -> None:
    """Its owner gets another mail; the pages and what is written are the same (req 59; C14)."""
    house.add("eve", status=state)
    seen = []
    ask(browser, "first@muster.example")  # has a secret for its flows from now on
    for address in ("eva@muster.example", "eve@muster.example"):
        browser.get("/account/email")
        answer = browser.send(follow=False, email=address)
        browser.get(answer.headers["Location"])
        page = re.sub(r"[A-Za-z0-9_.-]{43,}", "…", browser.text).replace(address, "…")
        seen.append((answer.status_code, sorted(answer.headers.keys()), page))
    assert seen[0] == seen[1]
    assert [mail.subject for mail in mails(house, "eve@muster.example")] == ["Sie haben schon ein Konto"]
    assert "für ein anderes Konto" in mails(house, "eve@muster.example")[0].text
    for _ in range(5):
        browser.send(code="111111")
    assert owned(house, ben) == [OLD]


def test_taken_meanwhile(house: House, browser: Browser, ben: Person) -> None:
    """Who proves the mailbox first has it; the other is told, for the mailbox is theirs as well."""
    ask(browser)
    other = house.add("eve")
    with house.work() as ctx:
        identifiers.add_email(ctx, other.id, NEW, verified=True)
    browser.send(code=code_of(house))
    assert "gehört schon zu einem anderen Konto" in browser.text
    assert owned(house, ben) == [OLD]


def test_of_two_people_at_a_time_one_gets_it(house: House, browser: Browser, ben: Person) -> None:
    """(C16)"""
    eve = house.add("eve")
    other = house.browser()
    other.get("/login")
    other.sign_in(eve)
    for one in (browser, other):
        ask(one)
    codes = [mail.code for mail in reversed(mails(house, NEW))]
    barrier = Barrier(2)

    def send(number: int) -> int:
        barrier.wait()
        return (browser, other)[number].send(follow=False, code=codes[number]).status_code

    with ThreadPoolExecutor(2) as pool:
        statuses = sorted(pool.map(send, range(2)))
    assert statuses in ([200, 303], [303, 303])
    assert sorted((*owned(house, ben), *owned(house, eve))).count(NEW) == 1
    assert len(house.events("identifier.verified")) == 1


def test_who_waited_unproven_under_it_loses_everything(house: House, browser: Browser, ben: Person) -> None:
    """(req 88)"""
    mallory = house.add("mallory")
    with house.work() as ctx:
        for found in identifiers.of_account(ctx, mallory.id, identifiers.EMAIL):
            ctx.db.delete(found)
        ctx.db.flush()
        identifiers.add_email(ctx, mallory.id, NEW)
    changed(house, browser)
    assert not signs_in(house, "mallory")
    with house.work() as ctx:
        assert identifiers.of_account(ctx, mallory.id, identifiers.EMAIL) == []


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "Geben Sie Ihre E-Mail-Adresse ein."),
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
    ask(browser, typed)
    assert words in browser.text
    assert mails(house) == []


def test_a_flood_costs_five_mails_an_hour(house: House, browser: Browser, ben: Person) -> None:
    """Whatever the addresses: who is signed in writes to no more strangers than that."""
    for number in range(6):
        browser.get("/account/email")
        browser.send(email=f"person{number}@muster.example")
        assert (browser.page.status_code == 429) == (number == 5)
    assert browser.page.headers["Retry-After"]
    assert len(mails(house)) == 5


class TestCode:
    """(req 65, 75)"""

    def test_five_tries(self, house: House, browser: Browser, ben: Person) -> None:
        ask(browser)
        code = code_of(house)
        wrong = "111111" if code != "111111" else "222222"
        for left in ("Noch 4 Versuche.", "Noch 3 Versuche.", "Noch 2 Versuche.", "Noch 1 Versuch."):
            browser.send(code=wrong)
            assert left in browser.text
        page, (_, old) = browser.address, forms(browser.text)[0]
        browser.send(code=wrong)
        browser.post(page, old | {"code": code})
        assert "zu viele falsche Codes" in browser.text
        assert owned(house, ben) == [OLD]

    def test_a_dead_one_is_not_asked_for(self, house: House, browser: Browser, ben: Person) -> None:
        """Only another one helps, and that is the page's first button."""
        ask(browser)
        code = code_of(house)
        for _ in range(5):
            browser.send(code="111111" if code != "111111" else "222222")
        assert browser.heading == "Sie brauchen einen neuen Code"
        assert 'name="code"' not in browser.text
        assert "gültig bis" not in browser.text
        house.clock.advance(minutes=1)
        browser.send()
        assert "Wir haben Ihnen einen neuen Code gesendet." in browser.text
        browser.send(code=code_of(house))
        assert owned(house, ben) == [NEW]

    def test_a_late_one_brings_another(self, house: House, browser: Browser, ben: Person) -> None:
        ask(browser)
        late = code_of(house)
        house.clock.advance(minutes=10)
        browser.send(code=late)
        assert "Wir haben Ihnen einen neuen gesendet." in browser.text
        browser.send(code=code_of(house))
        assert owned(house, ben) == [NEW]

    def test_another_after_a_minute(self, house: House, browser: Browser, ben: Person) -> None:
        """Which voids the one before."""
        ask(browser)
        first = code_of(house)
        resend(browser)
        assert browser.page.status_code == 429
        assert "noch keine Minute alt" in browser.text
        house.clock.advance(minutes=1)
        resend(browser)
        assert "Wir haben Ihnen einen neuen Code gesendet." in browser.text
        if first != code_of(house):
            browser.send(code=first)
            assert "Der Code stimmt nicht." in browser.text
        browser.send(code=code_of(house))
        assert owned(house, ben) == [NEW]

    @pytest.mark.parametrize("typed", ["", "12345", "abcdef", "\0"])
    def test_what_is_no_code(self, house: House, browser: Browser, ben: Person, typed: str) -> None:
        ask(browser)
        browser.send(code=typed)
        assert browser.heading == "Code eingeben"
        browser.send(code=code_of(house))
        assert owned(house, ben) == [NEW]

    def test_an_old_token_tries_nothing(self, house: House, browser: Browser, ben: Person) -> None:
        """(req 98)"""
        for address in ("/account/email", None):
            if address:
                browser.get(address)
                browser.send(csrf_token="old", email=NEW)
                assert "Ihre Eingaben sind noch da." in browser.text
                browser.send(email=NEW)
            else:
                browser.send(csrf_token="old", code=code_of(house))
                assert "Ihre Eingaben sind noch da." in browser.text
        assert owned(house, ben) == [OLD]

    def test_a_second_click_goes_on(self, house: House, browser: Browser, ben: Person) -> None:
        ask(browser)
        action, hidden = forms(browser.text)[0]
        code = code_of(house)
        browser.send(code=code)
        browser.post(action, hidden | {"code": code})
        assert browser.heading == "Profil"
        browser.post(f"{action}/resend", hidden)
        assert browser.heading == "Profil"
        assert len(house.events("identifier.verified")) == 1

    def test_it_belongs_to_person_and_browser(self, house: House, browser: Browser, ben: Person) -> None:
        """(req 41, 65): neither another browser of the person nor another person here can use it."""
        ask(browser)
        address, code = browser.address, code_of(house)
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
        assert (owned(house, ben), owned(house, eve)) == ([OLD], ["eve@muster.example"])

    def test_it_waits_a_day(self, house: House, browser: Browser, ben: Person) -> None:
        ask(browser)
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
    ask(browser)
    link = link_of(house)
    happens(house, ben)
    stranger = house.browser()
    stranger.get(link)
    stranger.send(password=PASSWORD)
    stranger.get(link)
    stranger.send(password=FRESH)
    assert owned(house, ben) == [OLD]


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
    browser.send(code=code_of(house))
    assert owned(house, ben) == [NEW]
    assert {mail.to for mail in mails(house)} == {NEW}
    assert not house.events("identifier.removed")
    with house.work() as ctx:
        assert ctx.db.get_one(Account, ben.id).epoch == 1
