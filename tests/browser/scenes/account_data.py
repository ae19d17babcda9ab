"""The ways to one's own records: sessions, portals, activity, data, deletion."""

import secrets

from idp.management import accounts, memberships, organizations
from idp.oidc import consent
from idp.oidc.clients import load_clients
from idp.oidc.consent import Extent
from tests.browser.house import FOREIGN, Somebody, Visitor, Visits
from tests.browser.scenes.book import scene


def _signed_in(visits: Visits, visitor: Visitor, person: Somebody, path: str) -> Visitor:
    visitor.sign_in(visits.house.customer, person)
    visitor.page.goto(f"{visits.house.issuer}{path}")
    return visitor


def _deleted(visits: Visits, visitor: Visitor) -> Somebody:
    person = visits.house.newcomer()
    _signed_in(visits, visitor, person, "/account/delete")
    visitor.page.locator("#agreed").check()
    visitor.press()
    return person


@scene
def own_sessions(visits: Visits, visitor: Visitor) -> Visitor:
    person = visits.house.newcomer()
    visits.new().sign_in(visits.house.customer, person)
    return _signed_in(visits, visitor, person, "/account/sessions")


@scene
def own_sessions_with_a_remembered_device(visits: Visits, visitor: Visitor) -> Visitor:
    person = visits.house.newcomer(apps=("Lotse: nora",))
    visitor.page.goto(f"{visits.house.issuer}/account/sessions")
    visitor.fill(person)
    visitor.page.locator("input[name=remember_device]").check()
    visitor.fill_code(person.code())
    return visitor


@scene
def own_sessions_with_connected_devices(visits: Visits, visitor: Visitor) -> Visitor:
    person = visits.house.newcomer()
    visitor.connect_a_device(visits.house.device()["user_code"])
    visitor.fill(person)
    visitor.press()
    visitor.connect_a_device(visits.house.device()["user_code"])
    visitor.press()
    visitor.page.goto(f"{visits.house.issuer}/account/sessions")
    return visitor


@scene
def own_portals(visits: Visits, visitor: Visitor) -> Visitor:
    visits.house.has_client(FOREIGN)
    person = visits.house.newcomer()
    everything = Extent(frozenset(FOREIGN["scope"].split()), frozenset())
    with visits.house.operator() as ctx:
        portal = load_clients(ctx.db)[FOREIGN["client_id"]]
        consent.decide(ctx, accounts.find(ctx, person.username), portal, everything, everything)
    return _signed_in(visits, visitor, person, "/account/portals")


@scene
def own_portals_none(visits: Visits, visitor: Visitor) -> Visitor:
    person = visits.house.newcomer()
    visitor.page.goto(f"{visits.house.issuer}/account/portals")
    visitor.fill(person)
    return visitor


@scene
def own_activity(visits: Visits, visitor: Visitor) -> Visitor:
    return _signed_in(visits, visitor, visits.house.newcomer(), "/account/activity")


@scene
def own_data(visits: Visits, visitor: Visitor) -> Visitor:
    return _signed_in(visits, visitor, visits.house.newcomer(), "/account/data")


@scene
def deletion(visits: Visits, visitor: Visitor) -> Visitor:
    return _signed_in(visits, visitor, visits.house.newcomer(), "/account/delete")


@scene
def deletion_without_the_tick(visits: Visits, visitor: Visitor) -> Visitor:
    _signed_in(visits, visitor, visits.house.newcomer(), "/account/delete")
    visitor.press()
    return visitor


@scene
def deletion_by_the_last_administrator(visits: Visits, visitor: Visitor) -> Visitor:
    person, other = (visits.house.newcomer(companies=()) for _ in range(2))
    number = f"{secrets.randbelow(10**9):09d}"
    with visits.house.operator() as ctx:
        company = organizations.create(ctx, name="Nordlicht GmbH", customer_number=number)
        for somebody, role in ((person, "administrator"), (other, "member")):
            account_id = accounts.find(ctx, somebody.username)
            memberships.add(ctx, organization_id=company, account_id=account_id, role=role)
    visitor.page.goto(f"{visits.house.issuer}/account/delete")
    visitor.fill(person)
    return visitor


@scene
def deletion_planned(visits: Visits, visitor: Visitor) -> Visitor:
    _deleted(visits, visitor)
    return visitor


@scene
def deletion_undo(visits: Visits, visitor: Visitor) -> Visitor:
    person = _deleted(visits, visitor)
    visitor.page.goto(f"{visits.house.issuer}/login")
    visitor.fill(person)
    return visitor


@scene
def deletion_undone(visits: Visits, visitor: Visitor) -> Visitor:
    person = _deleted(visits, visitor)
    visitor.page.goto(f"{visits.house.issuer}/login")
    visitor.fill(person)
    visitor.press()
    return visitor
