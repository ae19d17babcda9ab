"""Somebody asks for another e-mail address and reads the mails about it."""

from idp.accounts import identifiers
from idp.delivery.preview import Shown, list_shown
from tests.web.pages.house import PASSWORD, Browser, House, Person

FRESH = "Leuchtturm vor der Insel 9"
OLD, NEW = "ben@muster.example", "neu@muster.example"


def mails(house: House, to: str | None = None) -> list[Shown]:
    """Return the mails there are, but those about sign-ins, the newest first."""
    with house.work() as ctx:
        found = [mail for mail in list_shown(ctx) if "Anmeldung" not in mail.subject]
        return [mail for mail in found if to in (None, mail.to)]


def mail(house: House, subject: str, to: str | None = None) -> Shown:
    """Return the newest mail with a subject."""
    return next(mail for mail in mails(house, to) if mail.subject == subject)


def code_of(house: House, to: str = NEW) -> str:
    """Return the code that an address got."""
    return mail(house, "Verifizieren Sie Ihre E-Mail-Adresse", to).code


def link_of(
    house: House, subject: str = "Verifizieren Sie Ihre E-Mail-Adresse", to: str | None = None
) -> str:
    """Return where the link of the newest mail with a subject leads."""
    return mail(house, subject, to).link.removeprefix(house.settings.public_url)


def undo_link(house: House, to: str = OLD) -> str:
    """Return where the link to an old address leads."""
    return link_of(house, "E-Mail-Adresse geändert", to)


def ask(browser: Browser, address: str = NEW) -> None:
    """Ask for another address."""
    browser.get("/account/email")
    assert browser.heading == "E-Mail-Adresse ändern"
    browser.send(email=address)


def changed(house: House, browser: Browser, address: str = NEW) -> None:
    """Ask for another address and prove it."""
    ask(browser, address)
    browser.send(code=code_of(house, address))
    assert "Ihre neue E-Mail-Adresse gilt." in browser.text


def owned(house: House, person: Person) -> list[str]:
    """Return the addresses that somebody has proven."""
    with house.work() as ctx:
        return [
            identifiers.text_of(ctx, found)
            for found in identifiers.of_account(ctx, person.id, identifiers.EMAIL)
            if found.verified_at is not None
        ]


def signs_in(house: House, name: str, password: str = PASSWORD) -> bool:
    """Tell whether a name and a password are right."""
    browser = house.browser()
    browser.get("/login")
    browser.send(username=name, password=password)
    return "stimmt nicht" not in browser.text
