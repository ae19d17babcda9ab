"""Mails for a new password where strangers used up the address's: known browsers have more (req 56, 59)."""

import re
from collections.abc import Callable

import pytest

from idp.throttling.throttle import KNOWN_BROWSERS
from tests.driver import counted
from tests.web.pages.house import Browser, House, Person
from tests.web.pages.recovering import FRESH, ask_for_link, choose, mailed_link, posted, signs_in

BEN, NOBODY = "ben@muster.example", "nie@muster.example"
REFUSED = "An diese Adresse ging schon viel Post. Versuchen Sie es ab"
PERHAPS = "Wir senden den Link nur, wenn Sie sich in diesem Browser schon"


@pytest.fixture
def ben(house: House) -> Person:
    return house.add("ben")


def known_to(house: House, *people: Person) -> Browser:
    """Return a browser in which these people signed in, one after the other, and out again."""
    browser = house.browser()
    for person in people:
        browser.get("/login")
        browser.sign_in(person)
        browser.client.delete_cookie("sid", domain="localhost")
    return browser


def copy_of(house: House, browser: Browser) -> Browser:
    """Return a browser that has nothing but a copy of the device cookie."""
    thief = house.browser()
    thief.set_cookie("dev", str(browser.cookie("dev")))
    return thief


def flood(house: House, address: str = BEN, *, hours: int = 2) -> None:
    """Ask as a stranger until the address had its mails of a day."""
    for _ in range(hours):
        for _ in range(house.settings.throttle.mails_per_hour):
            ask_for_link(house.browser(), address)
        house.clock.advance(hours=1)
    stranger = house.browser()
    ask_for_link(stranger, address)
    assert REFUSED in stranger.text
    assert stranger.page.status_code == 429


def strangers(house: House, number: int) -> list[Browser]:
    """Return browsers without a cookie."""
    return [house.browser() for _ in range(number)]


def resets(house: House) -> list[str]:
    """Return who got a link."""
    return [mail.to for mail in posted(house) if mail.subject == "Ihr Passwort zurücksetzen"]


def test_a_known_browser_resets_during_a_flood(house: House, ben: Person) -> None:
    """Ten requests a day of a stranger keep nobody from a new password (req 56)."""
    owner = known_to(house, ben)
    flood(house)
    before = len(resets(house))
    ask_for_link(owner)
    assert owner.heading == "Ihre Anfrage ist eingegangen"
    assert PERHAPS in owner.text
    assert len(resets(house)) == before + 1
    choose(owner, mailed_link(house))
    assert owner.heading == "Passwort geändert!"
    assert signs_in(house, FRESH)


def test_another_link_for_a_known_browser(house: House, ben: Person) -> None:
    """The page does not say that it was sent again, for it does not know that to strangers (req 56, 59)."""
    owner = known_to(house, ben)
    flood(house)
    ask_for_link(owner)
    before = len(resets(house))
    house.clock.advance(minutes=1)
    owner.send()
    assert PERHAPS in owner.text
    assert "noch einmal gesendet" not in owner.text
    assert len(resets(house)) == before + 1
    house.clock.advance(days=1)
    ask_for_link(owner)
    assert owner.heading == "E-Mail gesendet"
    assert PERHAPS not in owner.text


def _owner(house: House, ben: Person) -> Browser:
    return known_to(house, ben)


def _of_another(house: House, ben: Person) -> Browser:
    return known_to(house, house.add("eve"))


def _made_up(house: House, ben: Person) -> Browser:
    browser = house.browser()
    browser.set_cookie("dev", "x" * 43)
    return browser


def _of_an_older_password(house: House, ben: Person) -> Browser:
    browser = known_to(house, ben)
    house.clock.advance(minutes=1)
    other = house.browser()
    ask_for_link(other)
    choose(other, mailed_link(house))
    return browser


@pytest.mark.parametrize(
    ("browser_of", "address", "got"),
    [
        (_owner, BEN, 5),
        (_owner, NOBODY, 0),
        (_of_another, BEN, 0),
        (_made_up, BEN, 0),
        (_made_up, NOBODY, 0),
        (_of_an_older_password, BEN, 0),
    ],
)
def test_the_answer_tells_neither_the_account_nor_the_browser(
    house: House,
    ben: Person,
    browser_of: Callable[[House, Person], Browser],
    address: str,
    got: int,
) -> None:
    """Status, headers, text and statements are those of a made-up cookie, nobody's address (req 59, C14)."""
    seen = []
    for visitor, wanted in ((_made_up(house, ben), "wer@muster.example"), (browser_of(house, ben), address)):
        house.clock.advance(days=1)
        flood(house, wanted)
        before = len(resets(house))
        seen.append(_seen(house, visitor, wanted))
    assert seen[0] == seen[1]
    assert len(resets(house)) == before + got


def _seen(house: House, visitor: Browser, address: str) -> list[object]:
    """Return what a browser can tell of each request until it is refused, and what they cost."""
    found: list[object] = []
    for _ in range(house.settings.throttle.mails_per_hour + 1):
        visitor.get("/password/forgot")
        with counted(house.services.database) as traffic:
            visitor.send(email=address, follow=False)
            cost = [" ".join(sql.split()[:3]) for sql in traffic.statements]
        headers = sorted(name for name, _ in visitor.page.headers)
        status = visitor.page.status_code
        if status == 303:
            visitor.get(visitor.page.headers["Location"])
        text = re.sub(r"[\w-]{43}|\d\d:\d\d", "", visitor.text).replace(address, "")
        found.append((status, headers, re.sub(r'value="[^"]*"', "", text), cost))
    assert visitor.page.status_code == 429
    return found


def test_what_is_left_for_strangers_does_not_tell_who_is_known(house: House, ben: Person) -> None:
    """Requests of a known browser take from everybody's share as any others do (req 59)."""
    left = []
    for browser in (known_to(house, ben), _made_up(house, ben)):
        house.clock.advance(days=1)
        ask_for_link(browser)
        answers = [ask_for_link(stranger) or stranger.page.status_code for stranger in strangers(house, 6)]
        left.append(answers.count(200))
    assert left == [4, 4]


def test_a_copied_cookie_has_one_share(house: House, ben: Person) -> None:
    """Whatever sign-ins with other accounts call it anew, and none of the owner's other one (req 56)."""
    owner, at_work = known_to(house, ben), known_to(house, ben)
    flood(house)
    before, thief = len(resets(house)), copy_of(house, owner)
    limits = house.settings.throttle
    for number in range(KNOWN_BROWSERS * 2 + 1):
        thief = copy_of(house, thief)
        thief.get("/login")
        thief.sign_in(house.add(f"eve{number}"))
        thief.client.delete_cookie("sid", domain="localhost")
        for _ in range(limits.mails_per_hour):
            ask_for_link(thief)
            assert thief.heading == "Ihre Anfrage ist eingegangen"
    assert len(resets(house)) == before + limits.mails_per_hour
    ask_for_link(at_work)
    assert len(resets(house)) == before + limits.mails_per_hour + 1


def test_a_copied_cookie_that_keeps_its_name_is_refused(house: House, ben: Person) -> None:
    """Its own share is that of an address, each hour and each day (req 55)."""
    copied = known_to(house, ben)
    flood(house)
    before, limits = len(resets(house)), house.settings.throttle
    for _ in range(limits.mails_per_hour):
        ask_for_link(copy_of(house, copied))
    thief = copy_of(house, copied)
    ask_for_link(thief)
    assert REFUSED in thief.text
    assert len(resets(house)) == before + limits.mails_per_hour


def test_all_known_browsers_have_a_limit(house: House, ben: Person) -> None:
    """Who knows the password makes known browsers without end, and floods nobody with them (req 55)."""
    browsers = [known_to(house, ben) for _ in range(5 * KNOWN_BROWSERS)]
    flood(house)
    before, limits = len(resets(house)), house.settings.throttle
    for browser in browsers:
        for _ in range(limits.mails_per_hour):
            ask_for_link(browser)
            assert browser.heading == "Ihre Anfrage ist eingegangen"
    assert len(resets(house)) == before + KNOWN_BROWSERS * limits.mails_per_day


def test_strange_browsers_use_up_nothing_of_known_ones(house: House, ben: Person) -> None:
    """However many cookies are made up, and whoever else is known in the owner's browser (req 56)."""
    eve = house.add("eve")
    shared = known_to(house, ben, eve)
    flood(house)
    flood(house, "eve@muster.example")
    for number in range(40):
        stranger = house.browser()
        stranger.set_cookie("dev", f"{number:x>43}")
        ask_for_link(stranger)
    before = len(resets(house))
    ask_for_link(shared, "eve@muster.example")
    ask_for_link(shared)
    assert resets(house)[: len(resets(house)) - before] == ["ben@muster.example", "eve@muster.example"]
