"""The app is gone: recovery password and mailed code do without it (req 54, 60, 64-66, 71, 72, 75)."""

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select, update

from idp.accounts import identifiers
from idp.accounts.models import Account, Identifier
from idp.authentication import totp
from idp.authentication.models import Authenticator
from idp.context import Context
from idp.db import Database
from idp.management import accounts, password_reset, second_proof
from idp.settings import Settings
from idp.settings.models import Recovery
from tests.builders import OPERATOR
from tests.web.pages.house import PASSWORD, Browser, House, Person
from tests.web.pages.recovering import (
    FRESH,
    code_in,
    give,
    has,
    linked,
    lose_app,
    posted,
    reset,
    signs_in,
)
from tests.web.pages.registering import resend

LOST = "Ich habe die App nicht mehr"
SUBJECT = "Zweistufige Anmeldung ausschalten"


def other_than(code: str) -> str:
    """Return six digits that a mail did not bring."""
    return "111111" if code != "111111" else "222222"


def factors(house: House, person: Person) -> int:
    """Return how many second factors somebody has."""
    with house.work() as ctx:
        return len(ctx.db.scalars(select(Authenticator).where(Authenticator.account_id == person.id)).all())


def is_untouched(house: House, person: Person, text: str) -> bool:
    """Tell whether password, app and recovery password are as they were."""
    return has(house, person, text) and factors(house, person) == 1 and signs_in(house, PASSWORD, person.name)


def test_the_whole_way(house: House, browser: Browser, anna: Person) -> None:
    """From the portal and back, signed in by the password alone; all is used up, all addresses hear of it."""
    text = give(house, anna)
    with house.work() as ctx:
        identifiers.add_email(ctx, anna.id, "anna@privat.example", verified=True)
    browser.ask()
    browser.get(linked(browser, "Passwort vergessen?"))
    browser.get(linked(browser, "Ich habe ein Wiederherstellungspasswort"))
    assert "mit einem Code aus einer E-Mail" in browser.text
    browser.send(username="anna", new_password=FRESH, confirm_password=FRESH, recovery_password=text)
    browser.get(linked(browser, LOST))
    assert browser.heading == "Zweistufige Anmeldung ausschalten"
    assert "a…@muster.example" in browser.text
    assert "anna@muster.example" not in browser.text
    assert "„Lotse“" in browser.text
    assert posted(house) == []
    browser.send()
    assert browser.heading == "Code eingeben"
    assert "a…@muster.example" in browser.text
    [mail] = posted(house)
    assert (mail.to, mail.subject) == ("anna@muster.example", SUBJECT)
    assert "Kundenportal" in mail.text
    assert is_untouched(house, anna, text)
    browser.send(code=code_in(mail))
    assert browser.heading == "Passwort geändert!"
    assert "Ihre zweistufige Anmeldung ist jetzt ausgeschaltet" in browser.text
    assert "Ihr Wiederherstellungspasswort ist damit verbraucht" in browser.text
    browser.get(linked(browser, "Weiter"))
    assert browser.arrived["code"]
    assert factors(house, anna) == 0
    assert not has(house, anna, text)
    told = [(mail.to, mail.subject) for mail in posted(house) if mail.subject != SUBJECT]
    assert sorted(told) == [
        (f"anna@{domain}", subject)
        for domain in ("muster.example", "privat.example")
        for subject in ("Ihr Passwort wurde geändert", "Ihre Wiederherstellungsdaten wurden benutzt")
    ]
    [changed, _] = [mail for mail in posted(house) if mail.subject == "Ihr Passwort wurde geändert"]
    assert "Ihre zweistufige Anmeldung ist jetzt ausgeschaltet" in changed.text
    assert signs_in(house, FRESH, "anna")
    assert not signs_in(house, PASSWORD, "anna")


def test_what_the_log_says(house: House, browser: Browser, anna: Person) -> None:
    """Each row in the transaction of what it tells, by the account; the session stands on the password."""
    code = lose_app(house, browser, anna, give(house, anna))
    [asked] = house.events("second_proof.requested")
    browser.send(code=code)
    [removed] = house.events("authenticator.removed")
    [done] = house.events("password.reset_completed")
    [used] = house.events("recovery_password.used")
    [entered] = house.events("sign_in.succeeded")
    assert {row.actor_id for row in (asked, removed, done, used)} == {anna.id}
    assert {row.target_id for row in (asked, removed, done, used)} == {anna.id}
    assert (removed.reason, json.loads(done.new)) == ("two_proofs", {"means": "recovery_password"})
    facts = json.loads(entered.new)
    assert (facts["methods"], facts["acr"]) == (["pwd"], "urn:lotse:acr:aal1")
    assert house.events("second_factor.succeeded") == []
    assert code not in repr([vars(row) for row in house.events()])


def test_no_session_outlives_it(house: House, browser: Browser, anna: Person) -> None:
    """Elsewhere and here: what stood on two factors does not go on with one (req 12, 44, 76)."""
    elsewhere = house.browser()
    for visitor in (elsewhere, browser):
        visitor.get("/login")
        visitor.sign_in(anna)
        house.clock.advance(seconds=30)
    before = {row.id for row in house.sessions()}
    browser.send(code=lose_app(house, browser, anna, give(house, anna)))
    assert browser.heading == "Passwort geändert!"
    [alive] = [row for row in house.sessions() if row.ended_at is None]
    assert alive.id not in before
    assert json.loads(house.events("sign_in.succeeded")[-1].new)["acr"] == "urn:lotse:acr:aal1"
    elsewhere.get("/")
    assert "Anna" not in elsewhere.heading


def test_opening_sends_nothing(house: House, browser: Browser, anna: Person) -> None:
    """A mail goes out on POST, and the code is asked for only then (screens §1.1)."""
    reset(browser, give(house, anna), "anna")
    lost = linked(browser, LOST)
    flow = lost.partition("flow=")[2]
    browser.get(f"/password/recovery/factor/code?flow={flow}")
    assert browser.heading == SUBJECT
    browser.get(linked(browser, "Zurück"))
    assert browser.heading == "Zweistufige Anmeldung"
    browser.get(lost)
    hidden = {"csrf_token": browser.text.partition('name="csrf_token" value="')[2].partition('"')[0]}
    browser.post(f"/password/recovery/factor/code?flow={flow}", hidden | {"code": "111111"})
    assert browser.heading == SUBJECT
    assert posted(house) == []


def test_the_app_was_found(house: House, browser: Browser, anna: Person) -> None:
    """Its code is good as before, and takes nothing with it."""
    code = lose_app(house, browser, anna, give(house, anna))
    browser.get(linked(browser, "Lieber das Einmal-Passwort aus der App"))
    browser.send(code=anna.code())
    assert browser.heading == "Passwort geändert!"
    assert "ausgeschaltet" not in browser.text
    assert factors(house, anna) == 1
    assert house.events("authenticator.removed") == []
    assert code


class TestOffered:
    """Beside the recovery password alone, where the installation wants it (req 71)."""

    def refuses(self, house: House, browser: Browser) -> None:
        """The link is not there, and its pages lead back, whatever is sent to them."""
        assert browser.heading == "Zweistufige Anmeldung"
        assert LOST not in browser.text
        flow, sent = browser.address.partition("flow=")[2], len(posted(house))
        token = browser.text.partition('name="csrf_token" value="')[2].partition('"')[0]
        base = "/password/recovery/factor"
        for path in (base, f"{base}/code"):
            browser.get(f"{path}?flow={flow}")
            assert browser.heading == "Zweistufige Anmeldung"
        for path in (base, f"{base}/code", f"{base}/resend"):
            browser.post(f"{path}?flow={flow}", {"csrf_token": token, "code": "111111"})
            assert browser.heading == "Zweistufige Anmeldung"
        assert len(posted(house)) == sent

    def test_not_after_a_mailed_link(self, house: House, browser: Browser, anna: Person) -> None:
        """Link and code would both be the mailbox (C4)."""
        give(house, anna)
        browser.get("/password/forgot")
        browser.send(email="anna@muster.example")
        browser.get(posted(house)[0].link.removeprefix(house.settings.public_url))
        browser.send(new_password=FRESH, confirm_password=FRESH)
        self.refuses(house, browser)
        assert signs_in(house, PASSWORD, "anna")

    def test_not_where_it_is_never(self, settings: Settings, database: Database) -> None:
        house = House(settings.model_copy(update={"recovery": Recovery(reset_mfa="never")}), database)
        browser, anna = house.browser(), house.add("anna", app=True)
        browser.get("/password/recovery")
        assert "Ihre zweistufige Anmeldung bleibt, wie sie ist." in browser.text
        reset(browser, give(house, anna), "anna")
        self.refuses(house, browser)

    def test_not_without_a_proven_address(self, house: House, browser: Browser, anna: Person) -> None:
        """Neither an unproven one nor one for something else is any."""
        with house.work() as ctx:
            ctx.db.execute(update(Identifier).values(verified_at=None))
            other = identifiers.add_email(ctx, anna.id, "anna@privat.example", verified=True)
            other.purpose = "contact"
        reset(browser, give(house, anna), "anna")
        self.refuses(house, browser)

    def test_not_at_a_sign_in(self, house: House, browser: Browser, anna: Person) -> None:
        """A right password is no recovery (C4)."""
        browser.get("/login")
        browser.give_password(anna)
        assert LOST not in browser.text
        flow = browser.address.partition("flow=")[2]
        browser.get(f"/password/recovery/factor?flow={flow}")
        assert browser.page.status_code == 400

    def test_not_for_long(self, house: House, browser: Browser, anna: Person) -> None:
        """Ten minutes after the recovery password nothing is proven any more (req 75)."""
        text = give(house, anna)
        reset(browser, text, "anna")
        lost = linked(browser, LOST)
        house.clock.advance(minutes=11)
        browser.get(lost)
        assert browser.heading == "Anmelden"
        assert is_untouched(house, anna, text)


class TestCodes:
    """As everywhere: six digits, ten minutes, the newest counts; five wrong ones end it (req 54, 64, 65)."""

    def test_five_wrong_ones_end_it(self, house: House, browser: Browser, anna: Person) -> None:
        """Nothing changes, and the owner hears of it (req 60)."""
        text = give(house, anna)
        code = lose_app(house, browser, anna, text)
        address = browser.address
        for left in (4, 3, 2, 1):
            browser.send(code=other_than(code))
            assert f"Noch {left} Versuch" in browser.text
        browser.send(code=other_than(code))
        assert browser.heading == "Anmelden"
        assert posted(house)[0].subject == "Falsche Codes beim Ändern Ihres Passworts"
        assert len(house.events("second_proof.failed")) == 5
        assert len(house.events("second_factor.locked")) == 1
        browser.get(address)
        assert browser.heading == "Anmelden"
        assert is_untouched(house, anna, text)

    def test_tries_at_the_app_are_tries(self, house: House, browser: Browser, anna: Person) -> None:
        """Who guesses gets five in all, however they are spread (req 64)."""
        text = give(house, anna)
        reset(browser, text, "anna")
        lost = linked(browser, LOST)
        for _ in range(3):
            browser.send(code=anna.wrong_code())
        browser.get(lost)
        browser.send()
        code = code_in(posted(house)[0])
        browser.send(code=other_than(code))
        assert "Noch 1 Versuch." in browser.text
        browser.send(code=other_than(code))
        assert browser.heading == "Anmelden"
        assert is_untouched(house, anna, text)

    def test_tries_of_a_reset_are_used_up(self, house: House, browser: Browser, anna: Person) -> None:
        """A right code comes too late (req 64)."""
        text = give(house, anna)
        code = lose_app(house, browser, anna, text)
        page, address = browser.page, browser.address
        second = house.browser()
        second.client, second.page, second.address = browser.client, page, address
        for _ in range(5):
            browser.page, browser.address = page, address
            browser.send(code=other_than(code), follow=False)
        second.send(code=code)
        assert second.heading == "Anmelden"
        assert is_untouched(house, anna, text)

    def test_an_account_has_ten_an_hour(self, house: House, anna: Person) -> None:
        """Whoever has the recovery password may begin again, but not guess on (req 54, 55)."""
        text = give(house, anna)
        for _ in range(2):
            visitor = house.browser()
            code = lose_app(house, visitor, anna, text)
            for _ in range(5):
                visitor.send(code=other_than(code))
            assert visitor.heading == "Anmelden"
            house.clock.advance(minutes=2)
        visitor = house.browser()
        code = lose_app(house, visitor, anna, text)
        visitor.send(code=code)
        assert visitor.page.status_code == 429
        assert "Zu viele Versuche" in visitor.text
        assert is_untouched(house, anna, text)
        house.clock.advance(hours=2)
        visitor = house.browser()
        code = lose_app(house, visitor, anna, text)
        visitor.send(code=code)
        assert visitor.heading == "Passwort geändert!"

    def test_a_right_one_forgets_the_wrong_ones(self, house: House, anna: Person) -> None:
        """The next loss begins with ten tries again (req 57)."""
        text = give(house, anna)
        for wrong in (5, 4):
            visitor = house.browser()
            code = lose_app(house, visitor, anna, text)
            for _ in range(wrong):
                visitor.send(code=other_than(code))
        visitor.send(code=code)
        assert visitor.heading == "Passwort geändert!"
        with house.work() as ctx:
            totp.enroll(ctx, ctx.db.get_one(Account, anna.id), totp.new_secret(), "Neu")
        visitor = house.browser()
        visitor.send(code=lose_app(house, visitor, anna, give(house, anna)))
        assert visitor.heading == "Passwort geändert!"

    def test_it_expires(self, house: House, browser: Browser, anna: Person) -> None:
        """The flow waits as long as its code; then another one was sent (screens §1.0)."""
        text = give(house, anna)
        reset(browser, text, "anna")
        house.clock.advance(minutes=9)
        browser.get(linked(browser, LOST))
        browser.send()
        old = code_in(posted(house)[0])
        house.clock.advance(minutes=10)
        browser.send(code=old)
        assert "Der Code ist abgelaufen. Wir haben Ihnen einen neuen gesendet." in browser.text
        new = code_in(posted(house)[0])
        assert len(posted(house)) == 2
        browser.send(code=new)
        assert browser.heading == "Passwort geändert!"

    def test_another_one_voids_it(self, house: House, browser: Browser, anna: Person) -> None:
        """After a minute (req 65)."""
        old = lose_app(house, browser, anna, give(house, anna))
        resend(browser)
        assert browser.page.status_code == 429
        assert browser.page.headers["Retry-After"] == "60"
        assert "noch keine Minute alt" in browser.text
        house.clock.advance(seconds=60)
        resend(browser)
        assert "Wir haben Ihnen einen neuen Code gesendet." in browser.text
        new = code_in(posted(house)[0])
        browser.send(code=old)
        assert old == new or "Der Code stimmt nicht." in browser.text
        browser.send(code=new)
        assert browser.heading == "Passwort geändert!"

    def test_two_clicks_send_one(self, house: House, browser: Browser, anna: Person) -> None:
        """The second answer is the page that asks for the code of the first."""
        reset(browser, give(house, anna), "anna")
        browser.get(linked(browser, LOST))
        page, address = browser.page, browser.address
        browser.send()
        browser.page, browser.address = page, address
        browser.send()
        assert browser.heading == "Code eingeben"
        assert len(posted(house)) == 1

    def test_an_address_gets_only_so_many(self, house: House, browser: Browser, anna: Person) -> None:
        """Nobody fills its owner's mailbox (req 59)."""
        text = give(house, anna)
        reset(browser, text, "anna")
        browser.get(linked(browser, LOST))
        page, address = browser.page, browser.address
        for _ in range(5):
            browser.page, browser.address = page, address
            browser.send()
            house.clock.advance(minutes=2)
        browser.page, browser.address = page, address
        browser.send()
        assert browser.page.status_code == 429
        assert browser.page.headers["Retry-After"]
        assert browser.heading == SUBJECT
        assert "An diese Adresse ging schon viel Post." in browser.text
        assert len(posted(house)) == 5

    @pytest.mark.parametrize(
        ("typed", "words"),
        [
            ("", "Geben Sie den Code aus der E-Mail ein."),
            ("12345", "Der Code hat 6 Ziffern. Sie haben 5 eingegeben."),
            ("abcdef", "Der Code besteht nur aus Ziffern."),
        ],
    )
    def test_what_is_no_code_is_no_try(
        self, house: House, browser: Browser, anna: Person, typed: str, words: str
    ) -> None:
        code = lose_app(house, browser, anna, give(house, anna))
        for _ in range(6):
            browser.send(code=typed)
            assert words in browser.text
        browser.send(code=f" {code[:3]} {code[3:]} ")
        assert browser.heading == "Passwort geändert!"

    def test_an_old_page_is_shown_again(self, house: House, browser: Browser, anna: Person) -> None:
        code = lose_app(house, browser, anna, give(house, anna))
        browser.send(csrf_token="old", code=code)
        assert "Die Seite war länger offen." in browser.text
        browser.send(code=code)
        assert browser.heading == "Passwort geändert!"


class TestMeanwhile:
    """Between the first proof and the last nothing is taken for granted (req 22, 23, 75)."""

    def test_of_two_at_a_time_one_counts(self, house: House, browser: Browser, anna: Person) -> None:
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

    def test_of_two_resets_one_counts(self, house: House, anna: Person) -> None:
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

    def test_codes_belong_to_their_flow(self, house: House, anna: Person) -> None:
        """(req 65)"""
        text = give(house, anna)
        one, other = house.browser(), house.browser()
        first, second = lose_app(house, one, anna, text), lose_app(house, other, anna, text)
        one.send(code=second)
        assert first == second or "Der Code stimmt nicht." in one.text
        assert is_untouched(house, anna, text)

    def test_a_new_recovery_password(self, house: House, browser: Browser, anna: Person) -> None:
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

    def test_the_recovery_password_was_used(self, house: House, browser: Browser, anna: Person) -> None:
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

    def test_the_account_was_blocked(self, house: House, browser: Browser, anna: Person) -> None:
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
        self, house: House, browser: Browser, anna: Person, monkeypatch: pytest.MonkeyPatch, step: str
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
        self, house: House, browser: Browser, anna: Person, monkeypatch: pytest.MonkeyPatch
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

    def test_another_address(self, house: House, browser: Browser, anna: Person) -> None:
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

    def test_another_browser(self, house: House, browser: Browser, anna: Person) -> None:
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


def test_who_is_blocked_by_the_only_company_stays_outside(house: House, browser: Browser) -> None:
    """The password changes, the sign-in says why it stays closed (C4)."""
    zoe = house.add("zoe", app=True, company="Muster GmbH", membership="blocked")
    browser.send(code=lose_app(house, browser, zoe, give(house, zoe)))
    assert browser.heading == "Passwort geändert!"
    assert [row for row in house.sessions() if row.ended_at is None] == []
