"""K-15: what happened to a person's account, sessions and memberships (screens §1.4; req 106, 108, 110).

It is their own log: who did something appears by role, and of others neither name nor browser.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, literal, select, union_all

from idp.audit.events import Event
from idp.audit.log import Entry, about
from idp.authentication.models import Session
from idp.context import Context
from idp.management.actors import require_person_or_operator
from idp.oidc.models import Client
from idp.organizations.memberships import ADMINISTRATOR
from idp.organizations.models import Membership, Organization

PAGE: Final = 25

OWNER, STRANGER, ADMIN, PERSON, OPERATOR, SYSTEM, PORTAL = (
    "owner",
    "stranger",
    "administrator",
    "person",
    "operator",
    "system",
    "portal",
)
"""Who did it, as the owner of the account reads it."""

#: of clients, keys, companies and the installation: they have no person as their target
OF_NOBODY: Final = frozenset(
    event
    for event in Event
    if event.value.partition(".")[0]
    in {
        "audit",
        "catalogue",
        "client",
        "client_authentication",
        "installation",
        "legacy_directory",
        "logout_notice",
        "master_key",
        "organization",
        "organization_permission",
        "product_family",
        "signing_key",
    }
    or event
    in {
        # of one authorization or token; what they came of is told
        Event.AUTHORIZATION_REFUSED,
        Event.AUTHORIZATION_REVOKED,
        Event.CODE_REPLAYED,
        Event.CODE_MISUSED,
        Event.TOKEN_REVOKED,
        # it would tell whether a customer number is one (req 59); who gets the letter tells its person
        Event.JOIN_LETTER_CREATED,
    }
)
TOLD: Final = frozenset(Event) - OF_NOBODY

#: a person who typed a number does not learn whose it is (req 59)
_OF_A_NUMBER: Final = frozenset({Event.MEMBERSHIP_REQUESTED, Event.MEMBERSHIP_REQUEST_WITHDRAWN})

#: what the link of a mail about an old account does: it went to two addresses, the browser may be another's
_BY_LINK: Final = frozenset({Event.LEGACY_ACCOUNT_UNLINKED, Event.MEMBERSHIP_ENDED, Event.SESSION_ENDED})


@dataclass(frozen=True, slots=True)
class Deed:
    """One line of the log."""

    id: str
    at: datetime
    event: Event
    by: str
    #: names, where one is concerned
    portal: str | None
    organization: str | None
    #: of the owner's browser, or of whoever tried to be the owner
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some lines, newest first, and where older ones go on."""

    deeds: list[Deed]
    older: str | None


def page(ctx: Context, account_id: str, *, before: str | None = None) -> Page:
    """Return a page of the log.

    :param before: id of the last line of the page before; one that is not of this log shows nothing.
    :raises Refusal: ``actor.not_allowed``.
    """
    entries = own_entries(ctx, account_id, limit=PAGE + 1, before=before)
    shown = entries[:PAGE]
    portals = _names(ctx, Client.client_id, Client.client_name, (entry.client for entry in shown))
    companies = _names(ctx, Organization.id, Organization.name, (entry.organization for entry in shown))
    deeds = [
        Deed(
            id=entry.id,
            at=entry.at,
            event=Event(entry.event),
            by=who(entry, account_id),
            portal=portals.get(entry.client or "", entry.client),
            organization=None if entry.event in _OF_A_NUMBER else companies.get(entry.organization or ""),
            user_agent=origin(entry, account_id).get("user_agent"),
        )
        for entry in shown
    ]
    return Page(deeds, shown[-1].id if len(entries) > PAGE else None)


def own_entries(
    ctx: Context, account_id: str, *, limit: int | None = None, before: str | None = None
) -> list[Entry]:
    """Return what the audit log tells of a person, newest first.

    :raises Refusal: ``actor.not_allowed``.
    """
    require_person_or_operator(ctx, account_id)
    return about(ctx, _targets(account_id), events=TOLD, limit=limit, before=before)


def who(entry: Entry, account_id: str) -> str:
    """Return who did something, without a name."""
    match entry.actor_kind:
        case "account" if entry.actor_id == account_id:
            return OWNER
        case "account":
            return ADMIN if entry.actor_role == ADMINISTRATOR else PERSON
        case "client":
            return PORTAL
        case "operator":
            return OPERATOR
        case "system":
            return SYSTEM
    return STRANGER


def origin(entry: Entry, account_id: str) -> dict[str, Any]:
    """Return where an act came from, unless it was another person's or a portal's: that is their own."""
    by = who(entry, account_id)
    own = by == OWNER or (by == STRANGER and entry.event not in _BY_LINK)
    return dict(entry.origin or {}) if own else {}


def reason(entry: Entry, account_id: str) -> str | None:
    """Return the word for why, not an operator's sentence, which may be about others (req 110)."""
    return None if who(entry, account_id) in (OPERATOR, ADMIN, PERSON) else entry.reason


def _targets(account_id: str) -> Select[str]:
    mine = union_all(
        select(literal(account_id).label("id")),
        select(Session.id).where(Session.account_id == account_id),
        select(Membership.id).where(Membership.account_id == account_id),
    ).subquery()
    return select(mine.c.id)


def _names(ctx: Context, key: Any, name: Any, wanted: Iterable[str | None]) -> dict[str, str]:
    ids = {found for found in wanted if found is not None}
    return {row[0]: row[1] for row in ctx.db.execute(select(key, name).where(key.in_(ids)))} if ids else {}
