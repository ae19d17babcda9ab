"""What people do in tests who forgot a password: save a recovery password, reset by it or a mailed link."""

import html
import re

from sqlalchemy import select

from idp.authentication import recovery_password
from idp.authentication.models import Authenticator
from idp.delivery.preview import Shown, list_shown
from tests.web.pages.house import PASSWORD, Browser, House, Person

FRESH = "Leuchtturm vor der Insel 9"
LOST = "Ich habe die App nicht mehr"
#: heading of the page it leads to, and subject of the mail with the code
SWITCH_OFF = "Zweistufige Anmeldung ausschalten"


def string_on(browser: Browser) -> str:
    """Return the string that a page shows, without markup."""
    found = re.search(r'<code id="recovery-string">(.*?)</code>', browser.text, re.DOTALL)
    assert found is not None, browser.text
    return html.unescape(re.sub(r"<[^>]*>", "", found[1]))


def give(house: House, person: Person) -> str:
    """Give a person a recovery password, and return it."""
    text = recovery_password.draw()
    with house.work() as ctx:
        recovery_password.replace(ctx, person.id, text)
    return text


def has(house: House, person: Person, text: str) -> bool:
    """Tell whether this is the person's recovery password now."""
    with house.work() as ctx:
        candidate = recovery_password.look_up(ctx, person.name)
        return recovery_password.fits(candidate, text)


def reset(browser: Browser, text: str, name: str = "ben", password: str = FRESH) -> None:
    """Fill in P-04."""
    browser.get("/password/recovery")
    browser.send(username=name, new_password=password, confirm_password=password, recovery_password=text)


def posted(house: House) -> list[Shown]:
    """Return the mails, newest first."""
    with house.work() as ctx:
        return list_shown(ctx)


def linked(browser: Browser, words: str) -> str:
    """Return where the link with these words leads."""
    return html.unescape(browser.text.partition(f'">{words}</a>')[0].rpartition('href="')[2])


def mailed_link(house: House) -> str:
    """Return the newest link of a mail, without the host."""
    newest = next(mail for mail in posted(house) if mail.link)
    return newest.link.removeprefix(house.settings.public_url)


def ask_for_link(browser: Browser, address: str = "ben@muster.example") -> None:
    """Come from the portal and ask for a link."""
    browser.ask()
    browser.get(linked(browser, "Passwort vergessen?"))
    assert browser.heading == "Haben Sie Ihr Passwort vergessen?"
    browser.send(email=address)


def choose(browser: Browser, link: str, password: str = FRESH) -> None:
    """Open a link and choose a new password."""
    browser.get(link)
    browser.send(new_password=password, confirm_password=password)


def signs_in(house: House, password: str = PASSWORD, name: str = "ben") -> bool:
    """Tell whether a password is right."""
    browser = house.browser()
    browser.get("/login")
    browser.send(username=name, password=password)
    return "stimmt nicht" not in browser.text


def lose_app(house: House, browser: Browser, person: Person, text: str) -> str:
    """Come from P-04 to the page that asks for the mailed code; return the code."""
    reset(browser, text, person.name)
    browser.get(linked(browser, "Ich habe die App nicht mehr"))
    browser.send()
    return code_in(posted(house)[0])


def code_in(mail: Shown) -> str:
    """Return the code of a mail."""
    assert mail.code, mail.subject
    return mail.code


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
