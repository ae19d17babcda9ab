"""From nothing to an account: by code, by link, in another browser (R-01, R-02; req 59, 65, 68, 75, 88)."""

import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import select

from idp.accounts import identifiers
from idp.accounts.models import Account, Identifier
from idp.authentication import recovery_password
from idp.authentication.models import Authenticator, Session
from idp.flows.models import Flow
from tests.plans import selects
from tests.web.pages.house import PASSWORD, Browser, House, forms
from tests.web.pages.registering import (
    CHOSEN,
    ENTRIES,
    LONGEST,
    accounts_of,
    code_of,
    linked,
    mails,
    register,
    resend,
    wrong,
)


def test_the_database_does_the_same_for_everybody(house: House, browser: Browser) -> None:
    """An address that has an account and one that has none: the statements are alike (req 59)."""
    house.add("ben")
    asked = {}
    for name in ("ben", "nobody"):
        visitor = house.browser()
        visitor.get("/register")
        with selects(house.services.database, ("INSERT", "SELECT", "UPDATE", "DELETE")) as found:
            visitor.send(follow=False, **ENTRIES | {"email": f"{name}@muster.example"})
        asked[name] = [statement for statement, _ in found]
    assert any("INTO outbox" in statement for statement in asked["nobody"])
    assert asked["nobody"] == asked["ben"]


def test_who_registers_twice_is_told_to_sign_in(house: House, browser: Browser) -> None:
    """The second code comes when the first has made the account already: one account, and words."""
    register(browser)
    first = code_of(house)
    other = house.browser()
    register(other)
    browser.send(code=first)
    assert browser.arrived["code"]
    other.send(code=code_of(house))
    assert other.heading == "Anmelden"
    assert "Zu dieser E-Mail-Adresse gibt es schon ein Konto." in other.text
    assert len(accounts_of(house)) == 1


def test_the_whole_way(house: House, browser: Browser) -> None:
    """Portal, form, code, portal: the account has what was typed, the person is signed in."""
    register(browser)
    assert browser.heading == "Code eingeben"
    assert "Neu+Portal@Müller.example" in browser.text
    mail = mails(house)[0]
    assert (mail.to, mail.subject) == ("Neu+Portal@Müller.example", "Verifizieren Sie Ihre E-Mail-Adresse")
    browser.send(code=f"{mail.code[:3]} {mail.code[3:]}")
    assert browser.arrived["code"]
    (account,) = accounts_of(house)
    assert (account.given_name, account.family_name, account.name) == (
        "Jörg",
        "O'Neill-Çelik",
        "Jörg O'Neill-Çelik",
    )
    assert account.locale == "de"
    assert [event.actor_id for event in house.events("account.created")] == [account.id]
    other = house.browser()
    other.ask()
    other.send(username="neu+portal@MÜLLER.example", password=CHOSEN)
    assert other.arrived["code"]


def test_nothing_is_an_account_before_the_code(house: House, browser: Browser) -> None:
    """And what was typed lies sealed (req 88)."""
    register(browser)
    assert accounts_of(house) == []
    with house.work() as ctx:
        waiting = ctx.db.scalars(select(Flow).where(Flow.purpose == "registration")).one()
        assert waiting.form_data is not None
        assert b"O'Neill" not in waiting.form_data
        assert "mail" not in str(waiting.request)
    browser.send(code=code_of(house))
    with house.work() as ctx:
        assert ctx.db.scalars(select(Flow).where(Flow.purpose == "registration")).one().form_data is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"email": " "}, "Geben Sie Ihre E-Mail-Adresse ein."),
        (
            {"email": "kein"},
            "Die E-Mail-Adresse braucht ein @ und eine Domain, zum Beispiel name@beispiel.de.",
        ),
        ({"email": f"{LONGEST}e"}, "Die E-Mail-Adresse braucht ein @"),
        ({"email": "a@b"}, "Die E-Mail-Adresse braucht ein @"),
        ({"email": "a@b.de\r\nBcc: x@y.de"}, "Die E-Mail-Adresse braucht ein @"),
        ({"given_name": " "}, "Geben Sie Ihren Vornamen ein."),
        ({"given_name": "A\0B"}, "Geben Sie Ihren Vornamen ein."),
        ({"family_name": ""}, "Geben Sie Ihren Nachnamen ein."),
        ({"family_name": "x" * 129}, "Geben Sie Ihren Nachnamen ein."),
        ({"password": ""}, "Wählen Sie ein Passwort."),
        (
            {"password": "kurz", "confirm_password": "kurz"},
            "hat 4 Zeichen. Es braucht mindestens 15.",
        ),
        ({"password": "x" * 129, "confirm_password": "x" * 129}, "mehr als 128 Zeichen"),
        ({"password": "Jörg O'Neill-Çelik", "confirm_password": "Jörg O'Neill-Çelik"}, "enthält Ihren Namen"),
        ({"confirm_password": "anders"}, "Die beiden Passwörter sind verschieden."),
    ],
)
def test_mistakes(house: House, browser: Browser, changes: dict[str, str], words: str) -> None:
    """Said at the field; what was typed stays, but the password; nothing is sent."""
    register(browser, **changes)
    assert browser.heading == "Erstellen Sie Ihr Konto"
    assert words in browser.text.replace("&#39;", "'")
    if "email" not in changes:
        assert 'value="Neu+Portal@Müller.example"' in browser.text
    assert CHOSEN not in browser.text
    assert mails(house) == []


@pytest.mark.parametrize(
    "address",
    [LONGEST, "neu+a+b@muster.example", "jörg@muster.example", "neu@пример.рф", "o'neill@muster.example"],
)
def test_addresses_of_any_kind(house: House, browser: Browser, address: str) -> None:
    """Tags, other scripts on both sides of the @, and 254 characters (RFC 5321 §4.5.3.1.3, RFC 6531)."""
    register(browser, email=address)
    assert mails(house)[0].to == address
    browser.send(code=code_of(house))
    assert browser.arrived["code"]


@pytest.mark.parametrize("name", ["李小龍", "Ólafur Þór", "Jean‑Luc", "D’Angelo", "x" * 128])
def test_names_of_any_script(house: House, browser: Browser, name: str) -> None:
    register(browser, given_name=name)
    browser.send(code=code_of(house))
    assert [account.given_name for account in accounts_of(house)] == [name]


def test_an_address_that_has_an_account(house: House, browser: Browser) -> None:
    """The same pages; the owner hears of it; no code of that mail exists, and none is right (req 59)."""
    house.add("ben")
    register(browser, email="BEN@muster.example")
    assert browser.heading == "Code eingeben"
    mail = mails(house)[0]
    assert (mail.to, mail.subject, mail.code) == ("BEN@muster.example", "Sie haben schon ein Konto", "")
    browser.send(code="000000")
    assert "Der Code stimmt nicht. Noch 4 Versuche." in browser.text
    assert len(accounts_of(house)) == 1


def test_five_wrong_codes_and_a_new_one(house: House, browser: Browser) -> None:
    """(req 65)"""
    register(browser)
    code, page = code_of(house), browser.address
    for _ in range(5):
        _, old = forms(browser.text)[0]
        browser.send(code=wrong(code))
    assert "zu viele falsche Codes" in browser.text
    browser.post(page, old | {"code": code})  # from another tab
    assert "zu viele falsche Codes" in browser.text
    browser.send()
    assert "noch keine Minute alt" in browser.text
    assert browser.page.status_code == 429
    assert browser.page.headers["Retry-After"]
    house.clock.advance(minutes=1)
    browser.send()
    assert "Wir haben Ihnen einen neuen Code gesendet." in browser.text
    browser.send(code=code_of(house))
    assert browser.arrived["code"]


def test_a_dead_code_is_not_asked_for(house: House, browser: Browser) -> None:
    """What helps is the one button; the wish of before goes along, and loading again changes nothing."""
    register(browser)
    code, page = code_of(house), browser.address
    for _ in range(5):
        browser.send(code=wrong(code), recovery_offer="y")
    for _ in range(2):
        assert browser.heading == "Sie brauchen einen neuen Code"
        assert 'name="code"' not in browser.text
        assert 'href="#code"' not in browser.text
        assert "gültig bis" not in browser.text
        assert ">Weiter<" not in browser.text
        assert re.search(r'class="primary">\s*Code erneut senden', browser.text)
        browser.get(page)
    house.clock.advance(minutes=1)
    browser.send(recovery_offer="y")
    assert browser.heading == "Code eingeben"
    assert re.search(r'name="recovery_offer"[^>]* checked', browser.text)
    browser.send(code=code_of(house))
    assert len(accounts_of(house)) == 1


def test_a_dead_code_is_no_new_one(house: House, browser: Browser) -> None:
    """The page that told of a new code, opened again after five wrong ones, tells of none."""
    register(browser)
    house.clock.advance(minutes=1)
    resend(browser)
    page = browser.address
    assert "Wir haben Ihnen einen neuen Code gesendet." in browser.text
    for _ in range(5):
        browser.send(code=wrong(code_of(house)))
    browser.get(page)
    assert browser.heading == "Sie brauchen einen neuen Code"
    assert "Wir haben Ihnen einen neuen Code gesendet." not in browser.text


def test_an_old_code_is_replaced_by_a_new_one(house: House, browser: Browser) -> None:
    """The page says that it sent one, and did."""
    register(browser)
    old = code_of(house)
    house.clock.advance(minutes=10)
    browser.send(code=old)
    assert "Der Code ist abgelaufen. Wir haben Ihnen einen neuen gesendet." in browser.text
    assert len(mails(house)) == 2
    browser.send(code=code_of(house))
    assert browser.arrived["code"]


def test_another_address_keeps_the_names(house: House, browser: Browser) -> None:
    """(WCAG 3.3.7)"""
    register(browser)
    browser.get(linked(browser, '<a class="button" href="'))
    assert browser.heading == "Erstellen Sie Ihr Konto"
    assert 'value="Neu+Portal@Müller.example"' in browser.text
    assert "O&#39;Neill-Çelik" in browser.text
    assert CHOSEN not in browser.text
    browser.send(**ENTRIES | {"email": "richtig@muster.example"})
    browser.send(code=code_of(house))
    assert browser.arrived["code"]


def test_the_portals_request_ran_out_meanwhile(house: House, browser: Browser) -> None:
    """The account is made all the same; the portal begins anew, where the form is allowed to end."""
    browser.ask()
    start = browser.text.partition('Neuer Benutzer? <a href="')[2].partition('"')[0].replace("&amp;", "&")
    house.clock.advance(minutes=55)
    browser.get(start)
    browser.send(**ENTRIES)
    house.clock.advance(minutes=6)
    assert "form-action 'self' http://localhost:8001" in browser.page.headers["Content-Security-Policy"]
    action, hidden = forms(browser.text)[0]
    for _ in range(2):  # of two clicks a browser hears the second answer alone
        browser.post(action, hidden | {"code": code_of(house)}, follow=False)
        assert browser.page.headers["Location"] == "http://localhost:8001/"


def test_a_form_that_is_sent_twice(house: House, browser: Browser) -> None:
    """Of two clicks a browser hears the second answer alone."""
    register(browser)
    action, hidden = forms(browser.text)[0]
    fields = hidden | {"code": code_of(house)}
    browser.post(action, fields, follow=False)
    browser.post(action, fields)
    assert browser.arrived["code"]
    assert len(accounts_of(house)) == 1


def test_a_code_of_another_browser(house: House, browser: Browser) -> None:
    """(req 41)"""
    register(browser)
    address, code = browser.address, code_of(house)
    other = house.browser()
    other.get("/login")
    other.get(address)
    assert other.page.status_code == 400
    other.post(address, {"csrf_token": "", "code": code})
    assert other.page.status_code == 400
    assert accounts_of(house) == []


def test_two_who_prove_one_address(house: House) -> None:
    """Both have a code for it; one account comes of it, and nobody sees an error of ours (C16)."""
    visitors = [house.browser(), house.browser()]
    codes = []
    for visitor in visitors:
        register(visitor)
        codes.append(code_of(house))
    barrier = Barrier(2)

    def send(number: int) -> int:
        barrier.wait()
        return visitors[number].send(follow=False, code=codes[number]).status_code

    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(send, range(2))) == {303}
    assert len(accounts_of(house)) == 1


def test_who_waited_under_the_address_loses_everything(house: House, browser: Browser) -> None:
    """An account that somebody made with an address it has not proven (req 88; C5)."""
    squatter = house.add("eve", app=True)
    with house.work() as ctx:
        proven = ctx.db.scalars(select(Identifier).where(Identifier.account_id == squatter.id))
        for identifier in proven:
            ctx.db.delete(identifier)
        ctx.db.flush()
        identifiers.add_email(ctx, squatter.id, "neu+portal@müller.example")
        recovery_password.replace(ctx, squatter.id, recovery_password.draw())
    inside = house.browser()
    inside.get("/login")
    inside.sign_in(squatter)
    register(browser)
    browser.send(code=code_of(house))
    assert browser.arrived["code"]
    with house.work() as ctx:
        account = ctx.db.get_one(Account, squatter.id)
        assert account.password_hash is None
        assert (
            ctx.db.scalars(select(Authenticator).where(Authenticator.account_id == squatter.id)).all() == []
        )
        assert recovery_password.created_at(ctx, squatter.id) is None
        open_sessions = select(Session).where(Session.account_id == squatter.id, Session.ended_at.is_(None))
        assert ctx.db.scalars(open_sessions).all() == []
    again = house.browser()
    again.get("/login")
    again.send(username="eve", password=PASSWORD)
    assert "stimmt nicht" in again.text
