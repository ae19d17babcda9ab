"""The ways to the account centre: overview, confirmation, password, profile."""

import sqlite3
from contextlib import closing

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
