"""The app is gone: recovery password and mailed code do without it (req 54, 60, 64-66, 71, 72, 75)."""

import json

from sqlalchemy import delete, update

from idp.accounts import identifiers
from idp.accounts.models import Identifier
from idp.db import Database
from idp.settings import Settings
from idp.settings.models import Recovery, Support
from tests.web.pages.house import PASSWORD, Browser, House, Person, forms
from tests.web.pages.recovering import (
    FRESH,
    LOST,
    SWITCH_OFF,
    ask_for_link,
    choose,
    code_in,
    factors,
    give,
    has,
    is_untouched,
    linked,
    lose_app,
    mailed_link,
    posted,
    reset,
    signs_in,
)

ONLY_THE_APP = {"Zweistufige Anmeldung"}
WITH_RECOVERY = "Mit dem Wiederherstellungspasswort weiter"
HELP = "Sie haben die App nicht mehr? Wenden Sie sich an unsere Hilfe."


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
    assert (mail.to, mail.subject) == ("anna@muster.example", SWITCH_OFF)
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
    told = [(mail.to, mail.subject) for mail in posted(house) if mail.subject != SWITCH_OFF]
    assert sorted(told) == [
        (f"anna@{domain}", subject)
        for domain in ("muster.example", "privat.example")
        for subject in ("Ihr Passwort wurde geändert", "Ihre Wiederherstellungsdaten wurden benutzt")
    ]
    [changed, _] = [mail for mail in posted(house) if mail.subject == "Ihr Passwort wurde geändert"]
    assert "Ihre zweistufige Anmeldung ist jetzt ausgeschaltet" in changed.text
    assert signs_in(house, FRESH, "anna")
    assert not signs_in(house, PASSWORD, "anna")


def test_a_sign_in_shows_the_way_without_the_app(house: House, browser: Browser, anna: Person) -> None:
    """And it leads back to the portal that the sign-in was for."""
    text = give(house, anna)
    browser.ask()
    browser.give_password(anna)
    browser.get(linked(browser, WITH_RECOVERY))
    browser.send(username="anna", new_password=FRESH, confirm_password=FRESH, recovery_password=text)
    assert WITH_RECOVERY not in browser.text  # it is under way
    browser.get(linked(browser, LOST))
    browser.send()
    browser.send(code=code_in(posted(house)[0]))
    browser.get(linked(browser, "Weiter"))
    assert browser.arrived["code"]


def test_a_sign_in_names_the_help_where_nothing_else_is(settings: Settings, database: Database) -> None:
    """A recovery password that leaves the second factor is no way for who lost the app."""
    changes = {"recovery": Recovery(reset_mfa="never"), "support": Support(phone="0341 555 01 00")}
    house = House(settings.model_copy(update=changes), database)
    browser, anna = house.browser(), house.add("anna", app=True)
    browser.get("/login")
    browser.give_password(anna)
    assert WITH_RECOVERY not in browser.text
    assert HELP in browser.text
    assert 'href="tel:03415550100"' in browser.text
    reset(browser, give(house, anna), "anna")
    assert HELP in browser.text


def test_who_used_it_in_vain_is_led_to_the_help(house: House, browser: Browser, anna: Person) -> None:
    """Without a proven address no code can be mailed: the same way once more would end here again."""
    with house.work() as ctx:
        ctx.db.execute(update(Identifier).values(verified_at=None))
    reset(browser, give(house, anna), "anna")
    assert WITH_RECOVERY not in browser.text
    assert HELP in browser.text


def test_a_mailed_link_shows_the_way_too(house: House, browser: Browser, anna: Person) -> None:
    text = give(house, anna)
    ask_for_link(browser, "anna@muster.example")
    choose(browser, mailed_link(house))
    assert browser.heading == "Zweistufige Anmeldung"
    browser.get(linked(browser, WITH_RECOVERY))
    assert browser.heading == "Passwort ändern mit Wiederherstellungspasswort"
    browser.send(username="anna", new_password=FRESH, confirm_password=FRESH, recovery_password=text)
    assert LOST in browser.text
    assert "Kundenportal" in browser.text


def test_a_young_recovery_password_waits(house: House, browser: Browser, anna: Person) -> None:
    """One session and the password could save one: its owner has three days to answer (req 71, 73)."""
    house.clock.advance(hours=1)
    text = give(house, anna)
    house.clock.advance(hours=71)
    reset(browser, text, "anna")
    flow = browser.address.partition("flow=")[2]
    assert LOST not in browser.text
    assert "Ohne die App kommen Sie deshalb erst ab" in browser.text
    assert ">04.03.2026" in browser.text
    for page in ("factor", "factor/code"):
        browser.get(f"/password/recovery/{page}?flow={flow}")
        assert browser.heading in ONLY_THE_APP
    _, hidden = forms(browser.text)[0]
    browser.post(f"/password/recovery/factor?flow={flow}", hidden)
    assert browser.heading in ONLY_THE_APP
    assert posted(house) == []
    browser.send(code=anna.code())
    assert browser.heading == "Passwort geändert!"  # with the app it is as ever
    assert factors(house, anna) == 1
    text = give(house, anna)
    house.clock.advance(hours=72)
    browser.send(code=lose_app(house, browser, anna, text))
    assert factors(house, anna) == 0


def test_what_one_stolen_session_plants_removes_nothing(house: House, browser: Browser, anna: Person) -> None:
    """Another address gets no code while the old one can still take the account back (req 69, 71, 73)."""
    text = give(house, anna)
    house.clock.advance(minutes=1)
    browser.get("/login")
    browser.sign_in(anna)
    browser.get("/account/email")
    browser.send(email="dieb@muster.example")
    browser.send(code=code_in(posted(house)[0]))
    undo = next(mail.link for mail in posted(house) if "/account/email/undo" in str(mail.link))
    thief = house.browser()
    reset(thief, text, "anna")
    assert LOST not in thief.text
    assert "Ohne die App kommen Sie deshalb erst ab" in thief.text
    owner = house.browser()
    owner.get(str(undo).removeprefix(house.settings.public_url))
    owner.send()
    assert owner.heading == "Änderung zurückgenommen"
    owner.send(code=lose_app(house, owner, anna, text))
    assert factors(house, anna) == 0


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
    assert browser.heading == SWITCH_OFF
    browser.get(linked(browser, "Zurück"))
    assert browser.heading == "Zweistufige Anmeldung"
    browser.get(lost)
    hidden = {"csrf_token": browser.text.partition('name="csrf_token" value="')[2].partition('"')[0]}
    browser.post(f"/password/recovery/factor/code?flow={flow}", hidden | {"code": "111111"})
    assert browser.heading == SWITCH_OFF
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


def test_the_way_without_the_app_outlives_the_portals_request(
    house: House, browser: Browser, anna: Person
) -> None:
    """A reset that the request has run out under leads to the same page, without it."""
    browser.ask()
    house.clock.advance(minutes=28)
    browser.get(linked(browser, "Passwort vergessen?"))
    browser.send(email="anna@muster.example")
    house.clock.advance(minutes=28)
    choose(browser, mailed_link(house), FRESH)
    page = browser.address
    house.clock.advance(minutes=5)
    browser.get(page)
    browser.get(linked(browser, WITH_RECOVERY))
    assert browser.page.status_code == 200
    assert browser.heading == "Passwort ändern mit Wiederherstellungspasswort"


class TestOffered:
    """Beside the recovery password alone, where the installation wants it (req 71)."""

    def leads_to(self, house: House, browser: Browser) -> set[str]:
        """Return where everything leads that could begin it, whatever is sent; a link or a mail count too."""
        found = {browser.heading} | ({LOST} if LOST in browser.text else set())
        flow, sent = browser.address.partition("flow=")[2], len(posted(house))
        token = browser.text.partition('name="csrf_token" value="')[2].partition('"')[0]
        base = "/password/recovery/factor"
        for path in (base, f"{base}/code"):
            browser.get(f"{path}?flow={flow}")
            found.add(browser.heading)
        for path in (base, f"{base}/code", f"{base}/resend"):
            browser.post(f"{path}?flow={flow}", {"csrf_token": token, "code": "111111"})
            found.add(browser.heading)
        return found | ({"a mail"} if len(posted(house)) != sent else set())

    def test_not_after_a_mailed_link(self, house: House, browser: Browser, anna: Person) -> None:
        """Link and code would both be the mailbox (C4)."""
        give(house, anna)
        browser.get("/password/forgot")
        browser.send(email="anna@muster.example")
        browser.get(posted(house)[0].link.removeprefix(house.settings.public_url))
        browser.send(new_password=FRESH, confirm_password=FRESH)
        assert self.leads_to(house, browser) == ONLY_THE_APP
        assert signs_in(house, PASSWORD, "anna")

    def test_not_where_it_is_never(self, settings: Settings, database: Database) -> None:
        house = House(settings.model_copy(update={"recovery": Recovery(reset_mfa="never")}), database)
        browser, anna = house.browser(), house.add("anna", app=True)
        browser.get("/password/recovery")
        assert "Ihre zweistufige Anmeldung bleibt, wie sie ist." in browser.text
        reset(browser, give(house, anna), "anna")
        assert self.leads_to(house, browser) == ONLY_THE_APP

    def test_not_without_a_proven_address(self, house: House, browser: Browser, anna: Person) -> None:
        """Neither an unproven one nor one for something else is any."""
        with house.work() as ctx:
            ctx.db.execute(update(Identifier).values(verified_at=None))
            other = identifiers.add_email(ctx, anna.id, "anna@privat.example", verified=True)
            other.purpose = "contact"
        reset(browser, give(house, anna), "anna")
        assert self.leads_to(house, browser) == ONLY_THE_APP

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


def test_who_is_blocked_by_the_only_company_stays_outside(house: House, browser: Browser) -> None:
    """The password changes, the sign-in says why it stays closed (C4)."""
    zoe = house.add("zoe", app=True, company="Muster GmbH", membership="blocked")
    browser.send(code=lose_app(house, browser, zoe, give(house, zoe)))
    assert browser.heading == "Passwort geändert!"
    assert [row for row in house.sessions() if row.ended_at is None] == []


def test_an_address_proven_just_now_removes_nothing(house: House, browser: Browser, anna: Person) -> None:
    """(req 71, 73): who had none before has no old address that could object either."""
    with house.work() as ctx:
        ctx.db.execute(delete(Identifier).where(Identifier.account_id == anna.id))
    text = give(house, anna)
    house.clock.advance(days=10)
    with house.work() as ctx:
        identifiers.add_email(ctx, anna.id, "thief@evil.example", verified=True)
    house.clock.advance(minutes=2)
    reset(browser, text, "anna")
    assert LOST not in browser.text
    house.clock.advance(hours=72)
    later = house.browser()
    reset(later, text, "anna")
    assert LOST in later.text
