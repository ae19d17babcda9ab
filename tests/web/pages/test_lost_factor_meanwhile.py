"""Between the two proofs of who lost the app nothing is taken for granted (req 22, 23, 75)."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import update

from idp.accounts import identifiers
from idp.accounts.models import Account
from idp.context import Context
from idp.management import accounts, password_reset, second_proof
from tests.builders import OPERATOR
from tests.web.pages.house import Browser, House, Person
from tests.web.pages.recovering import (
    code_in,
    factors,
    give,
    is_untouched,
    lose_app,
    posted,
    reset,
    signs_in,
)
from tests.web.pages.registering import resend


def test_of_two_at_a_time_one_counts(house: House, browser: Browser, anna: Person) -> None:
    """One success; the other answer, of two clicks, leads where the first one led (C16)."""
    code = lose_app(house, browser, anna, give(house, anna))
    twin = house.browser()
    for name in ("sid", "flow", "form", "dev"):
        value = browser.cookie(name)
        if value:
            twin.set_cookie(name, value)
    twin.page, twin.address = browser.page, browser.address
    barrier = Barrier(2)

    def send(visitor: Browser) -> str:
        barrier.wait()
        visitor.send(code=code, follow=False)
        return visitor.page.headers.get("Location", "").partition("?")[0]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(send, (browser, twin))) == ["/password/changed"] * 2
    for name in (
        "password.reset_completed",
        "recovery_password.used",
        "authenticator.removed",
        "sign_in.succeeded",
    ):
        assert len(house.events(name)) == 1, name
    assert len([row for row in house.sessions() if row.ended_at is None]) == 1


def test_of_two_resets_one_counts(house: House, anna: Person) -> None:
    """Each with its own code, for one recovery password."""
    text = give(house, anna)
    visitors = [house.browser(), house.browser()]
    codes = [lose_app(house, visitor, anna, text) for visitor in visitors]
    barrier = Barrier(2)

    def send(number: int) -> bool:
        barrier.wait()
        visitors[number].send(code=codes[number])
        return visitors[number].heading == "Passwort geändert!"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(send, range(2))) == [False, True]
    assert len(house.events("password.reset_completed")) == 1
    assert len(house.events("authenticator.removed")) == 1


def test_codes_belong_to_their_flow(house: House, anna: Person) -> None:
    """(req 65)"""
    text = give(house, anna)
    one, other = house.browser(), house.browser()
    first, second = lose_app(house, one, anna, text), lose_app(house, other, anna, text)
    one.send(code=second)
    assert first == second or "Der Code stimmt nicht." in one.text
    assert is_untouched(house, anna, text)


def test_a_new_recovery_password(house: House, browser: Browser, anna: Person) -> None:
    """Who found the sheet is stopped by another one, and no page says that it was done (req 72)."""
    code = lose_app(house, browser, anna, give(house, anna))
    address = browser.address
    fresh = give(house, anna)
    browser.send(code=code)
    assert browser.page.status_code == 400
    assert is_untouched(house, anna, fresh)
    browser.get(f"/password/changed?{address.partition('?')[2]}")
    assert browser.page.status_code == 400
    assert "geändert" not in browser.heading


def test_the_recovery_password_was_used(house: House, browser: Browser, anna: Person) -> None:
    """Elsewhere, with the app: what waited here is nothing (C4)."""
    text = give(house, anna)
    code = lose_app(house, browser, anna, text)
    other = house.browser()
    reset(other, text, "anna", password="Noch ein ganz anderes 5")
    other.send(code=anna.code())
    assert other.heading == "Passwort geändert!"
    browser.send(code=code)
    assert browser.heading == "Anmelden"
    assert factors(house, anna) == 1
    assert signs_in(house, "Noch ein ganz anderes 5", "anna")


def test_the_account_was_blocked(house: House, browser: Browser, anna: Person) -> None:
    """(req 23)"""
    code = lose_app(house, browser, anna, give(house, anna))
    with house.work() as ctx:
        accounts.block(ctx.acting(OPERATOR), anna.id)
    browser.send(code=code)
    assert browser.heading == "Anmelden"
    assert factors(house, anna) == 1
    assert house.events("password.reset_completed") == []


@pytest.mark.parametrize("step", ["admit", "reserve"])
def test_it_is_blocked_between_two_transactions(
    house: House, browser: Browser, anna: Person, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """What is counted is counted apart; what is done then is decided anew (req 23; C16)."""
    code = lose_app(house, browser, anna, give(house, anna))
    counted = getattr(second_proof, step)

    def blocked(*given: Any) -> Any:
        done = counted(*given)
        with house.work() as ctx:
            accounts.block(ctx.acting(OPERATOR), anna.id)
        return done

    monkeypatch.setattr(second_proof, step, blocked)
    house.clock.advance(minutes=1)
    if step == "admit":
        resend(browser)
    else:
        browser.send(code=code)
    assert browser.heading == "Anmelden"
    assert factors(house, anna) == 1
    assert len(posted(house)) == 1
    assert house.events("second_proof.failed") == []


def test_it_is_blocked_at_the_last_moment(
    house: House, browser: Browser, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While this request waited for the account's row (req 23; C16)."""
    code = lose_app(house, browser, anna, give(house, anna))
    locked = password_reset.locked

    def blocked(ctx: Context, account_id: str) -> Account:
        ctx.db.execute(update(Account).where(Account.id == account_id).values(status="blocked"))
        return locked(ctx, account_id)

    monkeypatch.setattr(password_reset, "locked", blocked)
    browser.send(code=code)
    assert browser.page.status_code == 400
    assert factors(house, anna) == 1
    assert house.events("password.reset_completed") == []


def test_another_address(house: House, browser: Browser, anna: Person) -> None:
    """What went to the old one counts no more; the new one gets a code of its own (req 65)."""
    code = lose_app(house, browser, anna, give(house, anna))
    with house.work() as ctx:
        [old] = identifiers.of_account(ctx, anna.id, identifiers.EMAIL)
        ctx.db.delete(old)
        identifiers.add_email(ctx, anna.id, "anna@privat.example", verified=True)
    house.clock.advance(minutes=1)
    browser.send(code=code)
    assert "Wir haben Ihnen einen neuen gesendet." in browser.text
    assert "a…@privat.example" in browser.text
    mail = posted(house)[0]
    assert mail.to == "anna@privat.example"
    assert factors(house, anna) == 1
    browser.send(code=code_in(mail))
    assert browser.heading == "Passwort geändert!"


def test_another_browser(house: House, browser: Browser, anna: Person) -> None:
    """(req 41, 65)"""
    text = give(house, anna)
    code = lose_app(house, browser, anna, text)
    stranger = house.browser()
    stranger.get("/login")
    stranger.page, stranger.address = browser.page, browser.address
    stranger.get(browser.address)
    assert stranger.page.status_code == 400
    stranger.get("/login")
    token = stranger.text.partition('name="csrf_token" value="')[2].partition('"')[0]
    stranger.post(browser.address, {"csrf_token": token, "code": code})
    assert stranger.page.status_code == 400
    assert is_untouched(house, anna, text)
