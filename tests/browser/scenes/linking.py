"""The ways from an old portal to an account: affiliation, both cards, the list of links, the offer."""

import secrets

from idp.cli.demo.people import MUSTER
from idp.delivery.preview import list_shown
from tests.browser.house import House, Somebody, Visitor, Visits
from tests.browser.scenes.book import scene
from tests.legacy import OLD_PASSWORD, import_rows, old_account


def has_old_access(house: House) -> str:
    """Have somebody only the old portal knows; returns the user name."""
    username = f"old-{secrets.token_hex(4)}"
    row = old_account(
        username, customer_number=MUSTER, email=f"{username}@alt.example", permissions=["Belege"]
    )
    import_rows(house.services, [row])
    return username


def _newcomer(visits: Visits, visitor: Visitor) -> Somebody:
    person = visits.house.newcomer(companies=())
    visitor.sign_in(visits.house.customer, person)
    return person


def choose(visitor: Visitor, name: str = "Sage 100") -> None:
    """Choose a product family."""
    visitor.page.get_by_label(name).check()
    visitor.press()


def bring(visitor: Visitor, username: str, password: str = OLD_PASSWORD) -> None:
    """Fill in the card for who has an old access."""
    visitor.page.locator("input[name=legacy_username]").fill(username)
    visitor.page.locator("input[name=legacy_password]").fill(password)
    visitor.press()


def ask(visitor: Visitor, number: str) -> None:
    """Fill in the card for who is new."""
    visitor.page.locator("input[name=customer_number]").fill(number)
    with visitor.page.expect_navigation():
        visitor.page.locator("section", has=visitor.page.locator("#new-here")).locator(
            "button[type=submit]"
        ).click()


@scene
def affiliation(visits: Visits, visitor: Visitor) -> Visitor:
    _newcomer(visits, visitor)
    return visitor


@scene
def affiliation_not_chosen(visits: Visits, visitor: Visitor) -> Visitor:
    _newcomer(visits, visitor)
    visitor.press()
    return visitor


@scene
def link(visits: Visits, visitor: Visitor) -> Visitor:
    _newcomer(visits, visitor)
    choose(visitor)
    return visitor


@scene
def link_failed(visits: Visits, visitor: Visitor) -> Visitor:
    link(visits, visitor)
    bring(visitor, "smueller-aus-der-buchhaltung", "falsch")
    return visitor


@scene
def link_number_wrong(visits: Visits, visitor: Visitor) -> Visitor:
    link(visits, visitor)
    ask(visitor, "12")
    return visitor


@scene
def link_sent(visits: Visits, visitor: Visitor) -> Visitor:
    link(visits, visitor)
    ask(visitor, "999888777")
    return visitor


def _linked(visits: Visits, visitor: Visitor) -> str:
    username = has_old_access(visits.house)
    link(visits, visitor)
    bring(visitor, username)
    return username


@scene
def link_taken(visits: Visits, visitor: Visitor) -> Visitor:
    username = _linked(visits, visits.new())
    link(visits, visitor)
    bring(visitor, username)
    return visitor


@scene
def link_taken_by_oneself(visits: Visits, visitor: Visitor) -> Visitor:
    username = _linked(visits, visitor)
    visitor.page.goto(f"{visits.house.issuer}/link")
    bring(visitor, username)
    return visitor


@scene
def linked_accounts(visits: Visits, visitor: Visitor) -> Visitor:
    _linked(visits, visitor)
    visitor.page.goto(f"{visits.house.issuer}/account/linked")
    return visitor


@scene
def linked_accounts_none(visits: Visits, visitor: Visitor) -> Visitor:
    _newcomer(visits, visitor)
    visitor.page.goto(f"{visits.house.issuer}/account/linked")
    return visitor


@scene
def link_undo(visits: Visits, visitor: Visitor) -> Visitor:
    username = _linked(visits, visits.new())
    with visits.house.operator() as ctx:
        shown = next(mail for mail in list_shown(ctx) if mail.to == f"{username}@alt.example")
    visitor.page.goto(shown.link)
    return visitor


@scene
def link_undone(visits: Visits, visitor: Visitor) -> Visitor:
    link_undo(visits, visitor)
    visitor.press()
    return visitor


@scene
def old_account_offered(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.come_from(visits.house.customer)
    visitor.fill(Somebody(has_old_access(visits.house), OLD_PASSWORD))
    return visitor


@scene
def old_account_to_bring(visits: Visits, visitor: Visitor) -> Visitor:
    person = visits.house.newcomer(companies=())
    old_account_offered(visits, visitor)
    with visitor.page.expect_navigation():
        visitor.page.locator("button[value=sign_in]").click()
    visitor.fill(person)
    return visitor
