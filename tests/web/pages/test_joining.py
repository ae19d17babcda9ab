"""R-05 and the code of a letter, as a person meets them (screens §1.2; req 59, 91, 102; C4, C5)."""

import re

import pytest
from sqlalchemy import update

from idp.context import Actor
from idp.management import join_approval, join_letters, joining, memberships, organizations
from idp.oidc.models import Client as Portal
from tests.builders import OPERATOR, make_membership, make_organization
from tests.joining import ADDRESS, MUSTER, UNKNOWN
from tests.web.pages.house import Browser, House, Person, forms

WAITING = "Freischaltung ausstehend"


@pytest.fixture
def muster(house: House) -> str:
    """A company that is joined by letters."""
    with house.work() as ctx:
        made = make_organization(ctx, MUSTER)
        ctx = ctx.acting(OPERATOR)
        organizations.change(ctx, made, join_policy="posted_code", address=ADDRESS)
    return made


@pytest.fixture
def ben(house: House, browser: Browser, muster: str) -> Person:
    """Somebody of no company, signed in."""
    return signed_in(house, browser, "ben")


def signed_in(house: House, browser: Browser, name: str) -> Person:
    person = house.add(name)
    browser.get("/login")
    browser.sign_in(person)
    return person


def ask(house: House, person: Person, number: str = MUSTER) -> None:
    with house.work() as ctx:
        joining.ask(ctx.acting(Actor("account", person.id)), person.id, number)


def letter(house: House) -> str:
    with house.work() as ctx:
        ctx = ctx.acting(OPERATOR)
        return join_letters.make(ctx, join_letters.due(ctx, again=True))[0].code


def at_the_portal(house: House, browser: Browser) -> None:
    """Come from a portal that serves members only."""
    with house.work() as ctx:
        ctx.db.execute(update(Portal).values(require_membership=True))
    house.forget_snapshot()
    browser.ask()


def test_a_known_and_an_unknown_number_look_alike(house: House, browser: Browser, ben: Person) -> None:
    """Status, words and ways on differ in the number alone, on our page and at the portal (req 59)."""
    shown = []
    for name, number in (("clara", MUSTER), ("doro", UNKNOWN)):
        other = house.browser()
        ask(house, signed_in(house, other, name), number)
        other.get("/join")
        assert other.heading == WAITING
        assert "Muster GmbH" not in other.text
        own = (other.page.status_code, plain(other.text).replace(number, "N").replace(name, "X"))
        at_the_portal(house, other)
        assert other.heading == WAITING
        assert "Muster GmbH" not in other.text
        shown.append((own, plain(other.text).replace(number, "N")))
    assert shown[0] == shown[1]


def plain(page: str) -> str:
    """Return a page without its token."""
    return re.sub(r'value="[^"]{40,}"|flow=[^"&]+|/authorize/[^"/]+|\?(?:lang|told)=[^"]+', "", page)


def test_the_code_of_the_letter(house: House, browser: Browser, ben: Person, muster: str) -> None:
    """Typed on the page that waits, it opens the company; the start page names it from then on."""
    ask(house, ben)
    browser.get("/join")
    assert MUSTER in browser.text
    browser.get("/join/code")
    assert browser.heading == "Code aus dem Brief eingeben"
    browser.send(code=letter(house).lower().replace("-", " "))
    assert "Muster GmbH" in browser.text
    browser.get("/join")
    assert browser.heading != WAITING


def test_wrong_and_empty_codes(house: House, browser: Browser, ben: Person) -> None:
    """What was typed stays; after five a day it is enough, and the answer says until when."""
    ask(house, ben)
    browser.get("/join/code")
    browser.send(code=" ")
    assert "Geben Sie den Code aus dem Brief ein." in browser.text
    browser.send(code="B" * 65)
    assert "Die Eingabe ist zu lang." in browser.text
    for _ in range(5):
        browser.send(code="BCDF-GHJK-LMNQ")
        assert "Der Code stimmt nicht" in browser.text
        assert 'value="BCDF-GHJK-LMNQ"' in browser.text
    browser.send(code="BCDF-GHJK-LMNQ")
    assert browser.page.status_code == 429
    assert "Zu viele Versuche" in browser.text


def test_anothers_letter_opens_nothing(house: House, browser: Browser, ben: Person, muster: str) -> None:
    """Typed by somebody else, whether they asked for the company as well or not (C5)."""
    ask(house, ben)
    code = letter(house)
    other = house.browser()
    clara = signed_in(house, other, "clara")
    for _ in range(2):
        other.get("/join/code")
        other.send(code=code)
        assert "Der Code stimmt nicht" in other.text
        ask(house, clara)
    with house.work() as ctx:
        waiting = join_approval.waiting(ctx.acting(OPERATOR), muster)
    assert {found.account_id for found in waiting} == {ben.id, clara.id}


def test_the_code_leads_back_to_the_portal(house: House, browser: Browser, ben: Person) -> None:
    """From the portal to the page that waits, the code, and the portal with its answer (req 102)."""
    ask(house, ben)
    at_the_portal(house, browser)
    [target] = re.findall(r'href="(/join/code[^"]*)"', browser.text)
    browser.get(target)
    browser.send(code=letter(house))
    assert browser.arrived["code"]


def test_who_was_signed_out_meanwhile_still_comes_back_to_the_portal(
    house: House, browser: Browser, ben: Person
) -> None:
    """The form does nothing; its page stands there after the sign-in, on the same way (req 102)."""
    ask(house, ben)
    at_the_portal(house, browser)
    [target] = re.findall(r'href="(/join/code[^"]*)"', browser.text)
    browser.get(target)
    code = letter(house)
    browser.client.delete_cookie("sid", domain="localhost")
    browser.send(code=code)
    browser.sign_in(ben)
    assert browser.heading == "Code aus dem Brief eingeben"
    browser.send(code=code)
    assert browser.arrived["code"]


def test_strangers_sign_in_first(house: House, muster: str) -> None:
    """Both pages lead to the sign-in and back, a form that is sent there too."""
    for target in ("/join", "/join/code"):
        browser = house.browser()
        browser.get(target)
        assert browser.heading == "Anmelden"


def test_nothing_waits(house: House, browser: Browser, ben: Person) -> None:
    """Who asked for nothing is led on."""
    browser.get("/join")
    assert browser.heading != WAITING


def test_a_block_is_not_hidden_by_a_request(house: House, browser: Browser, ben: Person, muster: str) -> None:
    """A blocked member who asks again sees the block, and is asked about nowhere (C4)."""
    with house.work() as ctx:
        ctx = ctx.acting(OPERATOR)
        own = make_membership(ctx, muster, ben.id)
        memberships.block(ctx, muster, own)
    ask(house, ben)
    with house.work() as ctx:
        assert join_approval.waiting(ctx.acting(OPERATOR), muster) == []


def test_a_slip_in_the_number_is_mended(house: House, browser: Browser, ben: Person, muster: str) -> None:
    """On the way to the portal: the request is taken back, and the right number typed (req 102)."""
    ask(house, ben, UNKNOWN)
    at_the_portal(house, browser)
    assert UNKNOWN in browser.text
    browser.send(customer_number=UNKNOWN)
    assert "Ihr Antrag ist zurückgezogen." in browser.text
    [number_form] = [at for at, (action, _) in enumerate(forms(browser.text)) if "/link/number" in action]
    browser.send(form=number_form, customer_number=MUSTER)
    assert browser.heading == "Ihr Antrag ist eingegangen"
    browser.get("/join")
    assert MUSTER in browser.text
    assert UNKNOWN not in browser.text


def test_taking_back_looks_alike_for_every_number(house: House, browser: Browser, muster: str) -> None:
    """Statuses, pages, headers and what stands in the activity differ in the number alone (req 59)."""
    seen = []
    for name, number in (("clara", MUSTER), ("doro", UNKNOWN)):
        other = house.browser()
        ask(house, signed_in(house, other, name), number)
        other.get("/join")
        other.send(customer_number=number, follow=False)
        leads_to = other.page.headers["Location"].partition("?")[0]  # behind it a word made by chance
        answer = (other.page.status_code, leads_to, len(other.page.data))
        other.get(other.page.headers["Location"])
        after = plain(other.text)
        other.get("/account/activity")
        assert "Muster GmbH" not in other.text
        assert "Antrag auf Zugang zurückgezogen" in other.text
        seen.append((answer, after.replace(name, "X").replace(name.title(), "X")))
    assert seen[0] == seen[1]


def test_taken_back_twice(house: House, browser: Browser, ben: Person, muster: str) -> None:
    """A second tab, a number that never waited, one that cannot be: led on, and nothing happens (req 75)."""
    ask(house, ben)
    ask(house, ben, UNKNOWN)
    browser.get("/join")
    page = browser.page
    browser.send(customer_number=MUSTER)
    for number in (MUSTER, "100200999", "", "x" * 9000, "1\0"):
        browser.page, browser.address = page, "/join"
        browser.send(customer_number=number)
        assert browser.page.status_code in (200, 400)
    browser.get("/join")
    assert UNKNOWN in browser.text
    assert MUSTER not in browser.text
    assert len(house.events("membership.request_withdrawn")) == 1


def test_the_right_number_counts_as_a_try(house: House, browser: Browser, ben: Person, muster: str) -> None:
    """Taking back clears no count: five numbers a day (req 55, 59)."""
    for _ in range(5):
        browser.get("/link")
        number_form = len(forms(browser.text)) - 1
        browser.send(form=number_form, customer_number=UNKNOWN)
        assert browser.heading == "Ihr Antrag ist eingegangen"
        browser.get("/join")
        browser.send(customer_number=UNKNOWN)
    browser.send(form=number_form, customer_number=MUSTER)
    assert browser.page.status_code == 429
    assert "Zu viele" in browser.text
