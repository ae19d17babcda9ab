"""K-10: what portals get, with the real values, and taking it back (screens §1.4; req 16, 23, 98)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from idp.authentication.live_sessions import LiveSession
from idp.context import Actor, Context
from idp.errors import Refusal
from idp.management import consents, own_sessions
from idp.management.consents import ConsentFacts
from idp.oidc.clients import RegisteredClient
from idp.oidc.consent import Extent
from idp.organizations import memberships, policy
from idp.organizations.memberships import MembershipFacts
from idp.web import disclosure, own_pages
from idp.web.context import current
from idp.web.disclosure import Item
from idp.web.notes import go_and_tell, told
from idp.web.own_pages import signed_in
from idp.web.portals import provider

bp = Blueprint("own_portals", __name__, url_prefix="/account/portals")


@dataclass(frozen=True, slots=True)
class Connected:
    """A portal with a consent, and what it gets by it."""

    name: str
    since: datetime
    last_used_at: datetime | None
    items: list[Item]
    #: names of the companies it may know, where it is more than one
    companies: list[str]
    withdraw_url: str


@bp.get("")
@signed_in
def show(live: LiveSession) -> Response:
    """List the portals with a consent, then those that needed none."""
    ctx, account_id = _acting(live), live.account.id
    mine = memberships.for_account(ctx, account_id)
    acting_for = policy.acting_for(mine, live.session.membership_id)
    usable = sorted(filter(policy.is_usable, mine), key=lambda one: one != acting_for)
    return own_pages.show(
        "pages/account/portals.html",
        live,
        connected=[_connected(account_id, usable, facts) for facts in consents.list_all(ctx, account_id)],
        used=consents.used_without(ctx, account_id),
        devices_url=url_for("own_sessions.show") if own_sessions.connected(ctx, account_id) else None,
        withdrawn=told() == "withdrawn",
    )


@bp.post("/<client_id>/withdraw")
@signed_in
def withdraw(live: LiveSession, client_id: str) -> Response:
    """Take a consent back; all that was issued by it ends.  Where there is none, it was taken back before."""
    try:
        consents.withdraw(_acting(live), live.account.id, client_id)
    except Refusal as refusal:
        if refusal.code != "consent.unknown":
            raise
        if client_id not in provider().snapshots.current().clients:
            raise NotFound from refusal
    return go_and_tell("own_portals.show", "withdrawn")


def _acting(live: LiveSession) -> Context:
    return current().acting(Actor("account", live.account.id))


def _connected(
    account_id: str,
    usable: Sequence[MembershipFacts],
    facts: ConsentFacts,
) -> Connected:
    client = provider().snapshots.current().clients.get(facts.client_id)
    return Connected(
        name=facts.client_name,
        since=facts.created_at,
        last_used_at=facts.last_used_at,
        # one that is switched off gets nothing now
        items=_items(client, account_id, usable, facts) if client else [],
        companies=[company.name for company in facts.companies] if len(facts.companies) > 1 else [],
        withdraw_url=url_for("own_portals.withdraw", client_id=facts.client_id),
    )


def _items(
    client: RegisteredClient, account_id: str, usable: Sequence[MembershipFacts], facts: ConsentFacts
) -> list[Item]:
    """Return what a portal gets: of the company that somebody acts for, or the next one that it knows."""
    extent = Extent(frozenset(facts.scope.split()), frozenset(facts.claims))
    of_companies = Extent(extent.of_companies)
    found = disclosure.items(client, account_id, None, extent - of_companies)
    for name in sorted(of_companies.scopes):
        known = {company.id for company in facts.companies if name in company.claims}
        membership = next((one for one in usable if one.organization_id in known), None)
        found += disclosure.items(client, account_id, membership, Extent(frozenset({name})))
    return found
