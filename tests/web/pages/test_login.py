"""Signing in with user name or address and password (screens L-01)."""

import json

import pytest
from argon2 import low_level

from idp.accounts import identifiers
from idp.accounts.models import Account
from idp.accounts.passwords import Costs, LocalPasswordHasher
from idp.db import Database
from idp.installation import PEPPER
from idp.management import accounts
from idp.settings import Settings
from idp.settings.models import Support
from tests.builders import OPERATOR
from tests.web.pages.addresses import link_of
from tests.web.pages.house import PASSWORD, WRONG, Browser, House, forms

NEW_PASSWORD = "Leuchtturm vor der Insel 9"


def test_a_person_signs_in_and_comes_back_to_the_portal_with_a_code(house: House, browser: Browser) -> None:
    """The whole way: portal, sign-in page, portal."""
    person = house.add("ben")
    browser.ask()
    assert browser.heading == "Anmelden"
    assert "Kundenportal" in browser.text
    browser.sign_in(person)
    assert browser.arrived["code"]
    assert browser.arrived["state"] == "s"


@pytest.mark.parametrize("typed", ["ben", " Ben ", "BEN@Muster.Example"])
def test_name_and_address_are_found_however_they_are_written(
    house: House, browser: Browser, typed: str
) -> None:
    house.add("ben")
    browser.get("/login")
    browser.send(username=typed, password=PASSWORD)
    assert browser.heading == "Willkommen, Ben"


def test_an_unproven_address_signs_nobody_in(house: House, browser: Browser) -> None:
    """(req 88)"""
    person = house.add("ben")
    with house.work() as ctx:
        identifiers.add_email(ctx, person.id, "chef@muster.example")
    browser.get("/login")
    browser.send(username="chef@muster.example", password=PASSWORD)
    assert "stimmt nicht" in browser.text


def test_signed_in_people_are_not_asked_again(house: House, browser: Browser) -> None:
    """The back button and a second visit lead on."""
    person = house.add("ben")
    browser.get("/login")
    browser.sign_in(person)
    assert browser.get("/login", follow=False).headers["Location"] == "/"
    browser.ask()
    assert browser.arrived["code"]


def test_what_was_typed_stays_but_never_the_password(house: House, browser: Browser) -> None:
    house.add("ben")
    browser.get("/login")
    browser.send(username="ben", password=WRONG)
    assert 'value="ben"' in browser.text
    assert WRONG not in browser.text
    assert "E-Mail-Adresse, Benutzername oder Passwort stimmt nicht." in browser.text
    assert "<title>Fehler: Anmelden" in browser.text


def test_empty_fields_are_named(house: House, browser: Browser) -> None:
    browser.get("/login")
    browser.send(username="  ", password="")
    assert "Geben Sie Ihre E-Mail-Adresse oder Ihren Benutzernamen ein." in browser.text
    assert "Geben Sie Ihr Passwort ein." in browser.text


@pytest.mark.parametrize("typed", ["a" * 5000, "\0", "x@\ud800", "%00", "' OR 1=1 --", "@", "a@" + "b" * 300])
def test_odd_input_is_no_error_of_ours(house: House, browser: Browser, typed: str) -> None:
    """(req 29)"""
    browser.get("/login")
    data = {"username": typed.encode("utf-8", "replace").decode(), "password": "\0" * 200}
    browser.send(**data)
    assert browser.page.status_code == 200
    assert browser.heading == "Anmelden"


def test_the_hint_of_the_portal_fills_the_name(house: House, browser: Browser) -> None:
    browser.ask(login_hint='"><script>x</script>')
    assert "<script>x" not in browser.text
    browser.ask(login_hint="ben@muster.example")
    assert 'value="ben@muster.example"' in browser.text


def test_blocked_is_said_after_the_right_password_only(house: House) -> None:
    """With who helps, whom the other pages of a sign-in do not name (req 59; design §2, Block)."""
    house.restart(house.settings.model_copy(update={"support": Support(phone="0341 555")}))
    browser = house.browser()
    house.add("dora", company="Muster GmbH", membership="blocked")
    browser.get("/login")
    browser.send(username="dora", password=WRONG)
    assert "Passwort stimmt nicht" in browser.text
    assert "Hilfe:" not in browser.text
    browser.send(username="dora", password=PASSWORD)
    assert "Ihr Zugang ist gesperrt. Wenden Sie sich an Ihren Administrator bei Muster GmbH" in browser.text
    assert "Hilfe:" in browser.text
    assert browser.cookie("sid") is None
    assert [event.reason for event in house.events("sign_in.refused")] == ["login.blocked"]


def test_a_block_by_staff_is_said_too(house: House, browser: Browser) -> None:
    house.add("dora", status="blocked")
    browser.get("/login")
    browser.send(username="dora", password=PASSWORD)
    assert "Ihr Konto ist gesperrt." in browser.text
    assert browser.cookie("sid") is None


def test_who_is_blocked_at_one_company_comes_in_for_another(house: House, browser: Browser) -> None:
    person = house.add("dora", company="Muster GmbH", membership="blocked")
    with house.work() as ctx:
        house.join(ctx, person.id, "Beispiel AG", "active")
    browser.get("/login")
    browser.sign_in(person)
    assert browser.heading == "Willkommen, Dora"


Answer = tuple[int, list[tuple[str, str]], str]


def _answer(browser: Browser, name: str) -> Answer:
    """Return what somebody who guesses sees: but for the name itself and the form's token."""
    browser.get("/login")
    page = browser.send(username=name, password=WRONG, follow=False)
    text = browser.text.replace(name, "NAME")
    for _, hidden in forms(text):
        text = text.replace(hidden["csrf_token"], "TOKEN")
    own = {"Content-Length", "Set-Cookie", "X-Request-Id"}
    headers = [(key, value) for key, value in page.headers if key not in own]
    return page.status_code, headers, text


def test_existing_missing_locked_deleted_and_passwordless_accounts_answer_alike(house: House) -> None:
    """(req 59): status, headers and body are equal, also when the tries run out."""
    house.add("ben")
    house.add("dora", status="blocked")
    house.add("gone", status="deleted")
    house.add("inga", password=None)
    answers: dict[str, list[Answer]] = {}
    for name in ("ben", "dora", "gone", "inga", "nobody", "nobody@muster.example"):
        browser = house.browser()
        answers[name] = [_answer(browser, name) for _ in range(7)]
    expected = answers.pop("ben")
    assert [status for status, _, _ in expected] == [200] * 5 + [429] * 2
    for name, given in answers.items():
        assert given == expected, name


def test_a_deleted_account_stays_out_with_its_right_password(house: House, browser: Browser) -> None:
    """(req 23, 59)"""
    house.add("gone", status="deleted")
    browser.get("/login")
    browser.send(username="gone", password=PASSWORD)
    assert "stimmt nicht" in browser.text
    assert browser.cookie("sid") is None


def test_one_hash_for_each_answer(house: House, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """(req 59): whoever the name is, one Argon2 computation is spent."""

    spent: list[int] = []
    real = low_level.verify_secret

    def counted(*args: object, **options: object) -> bool:
        spent.append(1)
        return real(*args, **options)  # type: ignore[arg-type]  # passed on as they came

    house.add("ben")
    house.add("gone", status="deleted")
    house.add("inga", password=None)
    monkeypatch.setattr(low_level, "verify_secret", counted)
    for name in ("ben", "gone", "inga", "nobody"):
        browser.get("/login")
        before = len(spent)
        browser.send(username=name, password=WRONG)
        assert len(spent) - before == 1, name


def test_too_many_tries_are_told_when_to_come_back(house: House, browser: Browser) -> None:
    """(req 54): the owner hears until when, and comes in afterwards."""
    person = house.add("ben")
    for _ in range(5):
        browser.get("/login")
        browser.send(username="ben", password=WRONG)
    browser.get("/login")
    browser.send(username="ben", password=PASSWORD)
    assert browser.page.status_code == 429
    assert int(browser.page.headers["Retry-After"]) >= 1
    assert "Zu viele Versuche. Versuchen Sie es ab " in browser.text
    house.clock.advance(minutes=20)
    browser.get("/login")
    browser.sign_in(person)
    assert browser.heading == "Willkommen, Ben"
    assert house.events("sign_in.throttled")
    assert '"earlier_failures":5' in (house.events("sign_in.succeeded")[-1].new or "")


def test_what_a_person_is_told_of_stands_with_the_sign_in(house: House, browser: Browser) -> None:
    """A new browser, and a success after failures: kept for the notice and the activity list (req 60)."""
    person = house.add("ben")
    browser.get("/login")
    for _ in range(3):
        browser.send(username="ben", password=WRONG)
    browser.sign_in(person)
    browser.ask(prompt="login")
    browser.sign_in(person)
    first, second = (json.loads(event.new or "") for event in house.events("sign_in.succeeded"))
    assert (first["known_device"], first["earlier_failures"]) == (False, 3)
    assert (second["known_device"], second["earlier_failures"]) == (True, 0)


def test_a_known_browser_comes_in_during_the_delay(house: House) -> None:
    """(req 56): guesses from elsewhere do not lock the owner out."""
    person = house.add("ben")
    own = house.browser()
    own.get("/login")
    own.sign_in(person)
    own.client.delete_cookie("sid", domain="localhost")
    stranger = house.browser()
    for _ in range(6):
        stranger.get("/login")
        stranger.send(username="ben", password=WRONG)
    assert stranger.page.status_code == 429
    own.get("/login")
    own.sign_in(person)
    assert own.heading == "Willkommen, Ben"


def _guess(browser: Browser, tries: int = 6) -> None:
    for _ in range(tries):
        browser.get("/login")
        browser.send(username="ben", password=WRONG)


def test_a_browser_that_only_knew_an_older_password_is_as_any_other(house: House) -> None:
    """(req 56): from it nobody locks the owner out, who has set another password since."""
    person = house.add("ben")
    own, old = house.browser(), house.browser()
    for browser in (own, old):
        browser.get("/login")
        browser.sign_in(person)
    old.client.delete_cookie("sid", domain="localhost")
    house.clock.advance(minutes=1)
    own.get("/account/password")
    own.send(password=PASSWORD, new_password=NEW_PASSWORD, confirm_password=NEW_PASSWORD)
    assert own.heading == "Passwort geändert!"
    _guess(old)
    assert old.page.status_code == 429
    own.client.delete_cookie("sid", domain="localhost")
    own.get("/login")
    own.send(username="ben", password=NEW_PASSWORD)
    assert own.heading == "Willkommen, Ben"  # the password was changed from it


def test_a_known_browser_closes_itself_alone(settings: Settings, database: Database) -> None:
    """(req 54, 56): the owner's other one still comes in; the operator opens all of them again."""
    throttle = settings.throttle.model_copy(update={"account_hard_stop": 10})
    house = House(settings.model_copy(update={"throttle": throttle}), database)
    person = house.add("ben")
    own, shared = house.browser(), house.browser()
    for browser in (own, shared):
        browser.get("/login")
        browser.sign_in(person)
        browser.client.delete_cookie("sid", domain="localhost")
    _guess(shared, 11)
    assert "Die Anmeldung mit Passwort ruht" in shared.text
    with house.work() as ctx:
        accounts.clear_tries(ctx.acting(OPERATOR), person.id)
    shared.get("/login")
    shared.sign_in(person)
    assert shared.heading == "Willkommen, Ben"
    shared.client.delete_cookie("sid", domain="localhost")
    _guess(shared, 11)
    own.get("/login")
    own.sign_in(person)
    assert own.heading == "Willkommen, Ben"
    shared.get("/password/forgot")
    shared.send(email="ben@muster.example")
    shared.get(link_of(house, "Ihr Passwort zurücksetzen"))
    shared.send(new_password=NEW_PASSWORD, confirm_password=NEW_PASSWORD)
    shared.client.delete_cookie("sid", domain="localhost")
    _guess(house.browser())
    shared.get("/login")
    shared.send(username="ben", password=NEW_PASSWORD)
    assert shared.heading == "Willkommen, Ben"  # known, and not stopped by what was typed before


def test_spelling_gives_no_further_tries(house: House, browser: Browser) -> None:
    """(req 55): counted for the account, however its name is written."""
    house.add("ben")
    for typed in ("ben", "BEN", "ben@muster.example", " Ben", "Ben@MUSTER.example"):
        browser.get("/login")
        browser.send(username=typed, password=WRONG)
        assert browser.page.status_code == 200
    browser.get("/login")
    browser.send(username="bEn", password=WRONG)
    assert browser.page.status_code == 429


def test_forwarded_headers_buy_no_tries(house: House, browser: Browser) -> None:
    """(req 58): a header that no proxy of ours wrote changes nothing."""
    house.add("ben")
    for number in range(5):
        browser.extra = {"X-Forwarded-For": f"203.0.113.{number}"}
        browser.get("/login")
        browser.send(username="ben", password=WRONG)
    browser.extra = {"X-Forwarded-For": "203.0.113.99"}
    browser.get("/login")
    browser.send(username="ben", password=WRONG)
    assert browser.page.status_code == 429


def test_failures_are_in_the_log_without_what_was_typed(house: House, browser: Browser) -> None:
    """(req 105, 106): a password typed into the wrong field is written nowhere."""
    person = house.add("ben")
    browser.get("/login")
    browser.send(username=PASSWORD, password="x")
    browser.send(username="ben", password=WRONG)
    unknown, known = house.events("sign_in.failed")
    assert (unknown.target_id, unknown.reason) == (None, "no_such_sign_in")
    assert (known.target_id, known.reason) == (person.id, "wrong_password")
    assert PASSWORD not in repr([vars(event) for event in house.events()])


def test_a_hash_of_older_costs_is_renewed(house: House, browser: Browser) -> None:
    """(req 52)"""
    person = house.add("ben")
    older = LocalPasswordHasher(house.services.vault.secrets[PEPPER], Costs(memory_kib=16, time_cost=2))
    with house.work() as ctx:
        account = ctx.db.get(Account, person.id)
        account.password_hash = old = older.hash(PASSWORD)
    browser.get("/login")
    browser.sign_in(person)
    with house.work() as ctx:
        renewed = ctx.db.get(Account, person.id).password_hash
    assert renewed != old
    assert "m=8," in renewed
    assert house.services.passwords.verify(renewed, PASSWORD).valid
    assert len(house.events("password.rehashed")) == 1


def test_the_page_carries_the_headers_of_every_page(house: House, browser: Browser) -> None:
    """(req 10, 99)"""
    browser.ask()
    headers = browser.page.headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "form-action 'self' http://localhost:8001;" in headers["Content-Security-Policy"]


def test_cookies_of_an_https_installation(settings: Settings, database: Database) -> None:
    """(req 42)"""
    house = House(settings.model_copy(update={"public_url": "https://login.example"}), database)
    house.add("ben")
    browser = house.browser()
    browser.get("/login")
    answer = browser.send(follow=False, username="ben", password=PASSWORD)
    assert answer.status_code == 303
    given = {cookie.partition("=")[0]: cookie for cookie in answer.headers.getlist("Set-Cookie")}
    assert {"__Host-sid", "__Host-dev"} <= set(given)
    for cookie in given.values():
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
    assert "Max-Age" not in given["__Host-sid"]
