"""What people do in tests who register: fill in R-01, read the mail, mistype its code, ask for another."""

import html
import re

from sqlalchemy import select

from idp.accounts.models import Account
from idp.delivery.preview import Shown, list_shown
from tests.web.pages.house import Browser, House, forms

CHOSEN = "Möwen über dem Hafen 7"
#: 254 characters
LONGEST = f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 58}.de"
ENTRIES = {
    "email": "Neu+Portal@Müller.example",
    "given_name": "Jörg",
    "family_name": "O'Neill-Çelik",
    "password": CHOSEN,
    "confirm_password": CHOSEN,
}


def mails(house: House) -> list[Shown]:
    """Return what was sent, the newest first."""
    with house.work() as ctx:
        return list_shown(ctx)


def code_of(house: House) -> str:
    """Return the code of the newest mail."""
    return mails(house)[0].code


def link_of(house: House) -> str:
    """Return the link of the newest mail, without the host."""
    return mails(house)[0].link.removeprefix(house.settings.public_url)


def linked(browser: Browser, before: str) -> str:
    """Return the address that stands on the page after some words."""
    return html.unescape(browser.text.partition(before)[2].partition('"')[0])


def register(browser: Browser, **changes: str) -> None:
    """Come from the portal and send the form."""
    browser.ask()
    browser.get(
        browser.text.partition('Neuer Benutzer? <a href="')[2].partition('"')[0].replace("&amp;", "&")
    )
    browser.send(**ENTRIES | changes)


def accounts_of(house: House) -> list[Account]:
    """Return all accounts."""
    with house.work() as ctx:
        return list(ctx.db.scalars(select(Account)))


def wrong(code: str) -> str:
    """Return six digits that are not the code."""
    return f"{(int(code) + 1) % 10**6:06}"


def resend(browser: Browser, **typed: str) -> None:
    """Press the button that sends the form for another code."""
    target = re.search(r'formaction="([^"]*)"', browser.text)
    assert target is not None
    browser.post(html.unescape(target[1]), forms(browser.text)[0][1] | typed)
