"""The ways into a company: waiting, at our own page and at a portal, and the code of a letter."""

import secrets

from idp.management import accounts, join_letters, organizations
from idp.management import joining as operations
from tests.browser.house import House, Somebody, Visitor, Visits
from tests.browser.scenes.book import scene
from tests.browser.scenes.linking import ask, choose

_ADDRESS = ("Hafenstraße 1", "20457 Hamburg")


def _company(house: House) -> str:
    """Make a company that answers by letter; returns its customer number."""
    number = str(10**8 + secrets.randbelow(9 * 10**8))
    with house.operator() as ctx:
        made = organizations.create(ctx, name="Nordlicht Handelsgesellschaft", customer_number=number)
        organizations.change(ctx, made, join_policy="posted_code", address=_ADDRESS)
    return number


def _asks(house: House, person: Somebody, *numbers: str) -> None:
    with house.operator() as ctx:
        for number in numbers:
            operations.ask(ctx, accounts.find(ctx, person.username), number)


def _at(visits: Visits, visitor: Visitor, path: str, *numbers: str) -> Somebody:
    """Come to a page of ours as somebody who typed customer numbers."""
    person = visits.house.newcomer(companies=())
    _asks(visits.house, person, *numbers)
    visitor.page.goto(f"{visits.house.issuer}/login")
    visitor.fill(person)
    visitor.page.goto(f"{visits.house.issuer}{path}")
    return person


@scene
def join_waiting(visits: Visits, visitor: Visitor) -> Visitor:
    _at(visits, visitor, "/join", "999888777")
    return visitor


@scene
def join_waiting_for_two(visits: Visits, visitor: Visitor) -> Visitor:
    _at(visits, visitor, "/join", "999888777", _company(visits.house))
    return visitor


@scene
def join_waiting_at_a_portal(visits: Visits, visitor: Visitor) -> Visitor:
    """Back from the page that confirms the request, by the portal's own sign-in."""
    visitor.sign_in(visits.house.customer, visits.house.newcomer(companies=()))
    choose(visitor)
    ask(visitor, "999888777")
    visitor.come_from(visits.house.customer)
    return visitor


@scene
def join_withdrawn(visits: Visits, visitor: Visitor) -> Visitor:
    """The number had a slip; the page where the right one is typed says that it waits no more."""
    _at(visits, visitor, "/join", "999888777")
    with visitor.page.expect_navigation():
        visitor.page.locator("main form[action*='/join/withdraw'] button").click()
    visitor.page.locator("main .notice.success").wait_for(timeout=2000)
    return visitor


@scene
def join_code(visits: Visits, visitor: Visitor) -> Visitor:
    """Reached from the page of the portal that waits."""
    join_waiting_at_a_portal(visits, visitor)
    with visitor.page.expect_navigation():
        visitor.page.locator("main a[href*='/join/code']").click()
    return visitor


@scene
def join_code_wrong(visits: Visits, visitor: Visitor) -> Visitor:
    _at(visits, visitor, "/join/code", _company(visits.house))
    visitor.fill_code("BCDF-GHJK-LMNP")
    return visitor


@scene
def join_code_right(visits: Visits, visitor: Visitor) -> Visitor:
    """The code of the letter opens the company, which the start page then names."""
    number = _company(visits.house)
    _at(visits, visitor, "/join/code", number)
    with visits.house.operator() as ctx:
        made = join_letters.make(ctx, join_letters.due(ctx, organizations.find(ctx, number).id))
    visitor.fill_code(made[0].code)
    return visitor
