"""The ways to the pages of registration and of a forgotten password."""

import secrets
from collections.abc import Mapping

from idp.accounts.identifiers import email_key
from idp.delivery import mails
from tests.browser.house import Visitor, Visits
from tests.browser.scenes.book import scene

CHOSEN = "Möwen über dem Hafen 7"


def _form(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.come_from(visits.house.customer)
    with visitor.page.expect_navigation():
        visitor.page.locator("a[href^='/register']").click()
    return visitor


def _fill(visitor: Visitor, typed: Mapping[str, str]) -> None:
    for name, value in typed.items():
        visitor.page.locator(f"input[name={name}]").fill(value)


def _entries(email: str | None = None) -> dict[str, str]:
    return {
        "email": email or f"neu-{secrets.token_hex(3)}@portal.example",
        "given_name": "Mareike",
        "family_name": "Petersen-Hansen",
        "password": CHOSEN,
        "confirm_password": CHOSEN,
    }


@scene
def register(visits: Visits, visitor: Visitor) -> Visitor:
    return _form(visits, visitor)


@scene
def register_filled(visits: Visits, visitor: Visitor) -> Visitor:
    _form(visits, visitor)
    _fill(visitor, _entries())
    return visitor


@scene
def register_mistakes(visits: Visits, visitor: Visitor) -> Visitor:
    _form(visits, visitor)
    _fill(visitor, {"email": "mareike", "password": "kurz", "confirm_password": "anders"})
    visitor.press()
    return visitor


@scene
def register_code(visits: Visits, visitor: Visitor) -> Visitor:
    _form(visits, visitor)
    _fill(visitor, _entries())
    visitor.press()
    return visitor


@scene
def register_code_wrong(visits: Visits, visitor: Visitor) -> Visitor:
    register_code(visits, visitor)
    visitor.fill_code("12345")
    return visitor


@scene
def register_code_too_soon(visits: Visits, visitor: Visitor) -> Visitor:
    """Another code is wanted at once; the tick for a recovery password stays."""
    register_code(visits, visitor)
    visitor.page.locator("input[name=recovery_offer]").check()
    with visitor.page.expect_navigation():
        visitor.page.locator("button[formaction]").click()
    return visitor


@scene
def register_link(visits: Visits, visitor: Visitor) -> Visitor:
    """In another browser than the one that began."""
    entries = _entries()
    _form(visits, visitor)
    _fill(visitor, entries)
    visitor.press()
    elsewhere = visits.like(visitor)
    elsewhere.page.goto(visits.house.newest_mail(entries["email"]).link)
    return elsewhere


@scene
def password_forgot(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.come_from(visits.house.customer)
    with visitor.page.expect_navigation():
        visitor.page.locator("a[href^='/password/forgot']").click()
    return visitor


@scene
def password_forgot_mistake(visits: Visits, visitor: Visitor) -> Visitor:
    password_forgot(visits, visitor)
    _fill(visitor, {"email": "mareike"})
    visitor.press()
    return visitor


@scene
def password_sent(visits: Visits, visitor: Visitor) -> Visitor:
    person = visits.house.newcomer()
    password_forgot(visits, visitor)
    _fill(visitor, {"email": person.email})
    visitor.press()
    return visitor


@scene
def password_sent_perhaps(visits: Visits, visitor: Visitor) -> Visitor:
    """Strangers used up the address's mails of an hour; this browser has a cookie, and is told what holds."""
    person = visits.house.newcomer()
    visitor.page.goto(f"{visits.house.issuer}/login")
    visitor.fill(person)
    with visits.house.operator() as ctx:
        for _ in range(ctx.settings.throttle.mails_per_hour):
            ctx.throttle.mail_try(mails.RESETS, email_key(person.email), now=ctx.now)
    visitor.page.goto(f"{visits.house.issuer}/password/forgot")
    _fill(visitor, {"email": person.email})
    visitor.press()
    visitor.page.locator("main .notice.warning").wait_for(timeout=2000)
    return visitor


def _reset(visits: Visits, visitor: Visitor) -> str:
    person = visits.house.newcomer()
    password_forgot(visits, visitor)
    _fill(visitor, {"email": person.email})
    visitor.press()
    return visits.house.newest_mail(person.email).link


@scene
def password_reset(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.page.goto(_reset(visits, visitor))
    return visitor


@scene
def password_reset_mistakes(visits: Visits, visitor: Visitor) -> Visitor:
    password_reset(visits, visitor)
    _fill(visitor, {"new_password": "Nora Neumann mag Lotse", "confirm_password": "x"})
    visitor.press()
    return visitor


@scene
def password_changed(visits: Visits, visitor: Visitor) -> Visitor:
    password_reset(visits, visitor)
    _fill(visitor, {"new_password": CHOSEN, "confirm_password": CHOSEN})
    visitor.press()
    return visitor


@scene
def password_link_used(visits: Visits, visitor: Visitor) -> Visitor:
    link = _reset(visits, visitor)
    visitor.page.goto(link)
    _fill(visitor, {"new_password": CHOSEN, "confirm_password": CHOSEN})
    visitor.press()
    visitor.page.goto(link)
    return visitor
