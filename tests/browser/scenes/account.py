"""The ways to the account centre: overview, confirmation, password, profile."""

import secrets
import sqlite3
from contextlib import closing

from idp.delivery.preview import Shown, list_shown
from tests.browser.house import Somebody, Visitor, Visits
from tests.browser.scenes.book import scene

_TWENTY_MINUTES = 20 * 60 * 1_000_000


def _signed_in(visits: Visits, visitor: Visitor, person: Somebody, path: str) -> Visitor:
    visitor.page.goto(f"{visits.house.issuer}{path}")
    visitor.fill(person)
    if person.totp_secret is not None:
        visitor.fill_code(person.code())
    return visitor


def _later(visits: Visits) -> None:
    """Let all proofs be older than a page of the account's security takes them."""
    with closing(sqlite3.connect(visits.house.demo.folder / "lotse.db", timeout=30)) as database:
        database.execute("UPDATE authentication_event SET at = at - ?", (_TWENTY_MINUTES,))
        database.commit()


@scene
def account(visits: Visits, visitor: Visitor) -> Visitor:
    return _signed_in(visits, visitor, visits.house.regular(), "/account")


@scene
def account_with_an_app(visits: Visits, visitor: Visitor) -> Visitor:
    person = visits.house.newcomer(given_name="Eine-Person-mit-sehr-langem-Namen", apps=("Lotse: nora",))
    return _signed_in(visits, visitor, person, "/account")


@scene
def account_confirm(visits: Visits, visitor: Visitor) -> Visitor:
    _signed_in(visits, visitor, visits.house.newcomer(), "/account")
    _later(visits)
    visitor.page.goto(f"{visits.house.issuer}/account/password")
    visitor.page.locator("input[name=password]").fill("Leise rieselt der Schnee 8")
    visitor.press()
    return visitor


@scene
def account_confirm_by_code(visits: Visits, visitor: Visitor) -> Visitor:
    _signed_in(visits, visitor, visits.house.newcomer(apps=("Lotse: nora", "Diensthandy")), "/account")
    _later(visits)
    visitor.page.goto(f"{visits.house.issuer}/account/password")
    return visitor


@scene
def account_password(visits: Visits, visitor: Visitor) -> Visitor:
    return _signed_in(visits, visitor, visits.house.newcomer(), "/account/password")


@scene
def account_password_wrong(visits: Visits, visitor: Visitor) -> Visitor:
    account_password(visits, visitor)
    visitor.page.locator("input[name=new_password]").fill("kurz")
    visitor.press()
    return visitor


@scene
def account_password_changed(visits: Visits, visitor: Visitor) -> Visitor:
    account_password(visits, visitor)
    visitor.page.locator("input[name=password]").fill("Leise rieselt der Sand 8")
    for name in ("new_password", "confirm_password"):
        visitor.page.locator(f"input[name={name}]").fill("Möwen über dem Hafen 7")
    visitor.press()
    return visitor


@scene
def account_profile(visits: Visits, visitor: Visitor) -> Visitor:
    return _signed_in(visits, visitor, visits.house.newcomer(), "/account/profile")


@scene
def account_profile_wrong(visits: Visits, visitor: Visitor) -> Visitor:
    account_profile(visits, visitor)
    visitor.page.locator("input[name=given_name]").fill("")
    visitor.page.locator("input[name=username]").fill("a@b")
    visitor.press()
    return visitor


@scene
def account_profile_saved(visits: Visits, visitor: Visitor) -> Visitor:
    account_profile(visits, visitor)
    spoken = visitor.page.locator("html").get_attribute("lang")
    visitor.page.locator(f"input[name=locale][value={spoken}]").check()
    visitor.press()
    return visitor


@scene
def account_email(visits: Visits, visitor: Visitor) -> Visitor:
    return _signed_in(visits, visitor, visits.house.newcomer(), "/account/email")


@scene
def account_email_code(visits: Visits, visitor: Visitor) -> Visitor:
    account_email(visits, visitor)
    address = f"eine.lange.adresse-{secrets.token_hex(3)}@verwaltung.muster.example"
    visitor.page.locator("input[name=email]").fill(address)
    visitor.press()
    return visitor


def _mail(visits: Visits) -> Shown:
    with visits.house.operator() as ctx:
        return next(mail for mail in list_shown(ctx) if "/account/email/" in mail.link)


@scene
def account_email_link(visits: Visits, visitor: Visitor) -> Visitor:
    """Opened where nobody is signed in."""
    account_email_code(visits, visitor)
    link = _mail(visits).link
    visitor.context.clear_cookies()
    visitor.page.goto(link)
    return visitor


@scene
def account_email_undo(visits: Visits, visitor: Visitor) -> Visitor:
    account_email_code(visits, visitor)
    visitor.fill_code(_mail(visits).code)
    visitor.page.goto(_mail(visits).link)
    return visitor


@scene
def account_email_undone(visits: Visits, visitor: Visitor) -> Visitor:
    account_email_undo(visits, visitor)
    visitor.press()
    return visitor
