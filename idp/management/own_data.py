"""K-13: everything we hold about a person, made at the download and not kept (req 108; GDPR Art. 15, 20)."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from sqlalchemy import Row, Select, select

from idp.accounts import identifiers
from idp.accounts.legacy.imported_table import personal_of
from idp.accounts.legacy.models import LegacyAccount, LegacyDirectory, LegacyLink
from idp.accounts.models import Identifier
from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication import notices
from idp.authentication.models import (
    AuthenticationEvent,
    Authenticator,
    Device,
    RecoveryPassword,
    Session,
    SessionClient,
)
from idp.context import Context
from idp.db import Base
from idp.delivery import mails
from idp.management import accounts, activity, consents
from idp.management.actors import require_person_or_operator
from idp.management.own_data_fields import TABLES
from idp.oidc.models import Authorization, Client, Consent
from idp.organizations import memberships
from idp.organizations.models import (
    JoinRequest,
    Membership,
    MembershipPermission,
    Organization,
    Permission,
)

Format = Literal["json", "html"]
FORMATS: Final[tuple[Format, ...]] = ("json", "html")

Section = list[dict[str, Any]]


def admit(ctx: Context, account_id: str) -> None:
    """Count a download; must not be inside a transaction.

    :raises Refusal: ``export.throttled`` (until).
    """
    ctx.throttle.own_act("export", account_id, now=ctx.now)


def export(ctx: Context, account_id: str, format: Format) -> dict[str, Section]:
    """Return all of it, by sections; the person is told by mail that somebody took it.

    :param format: what it is handed out as, for the log.
    :raises Refusal: ``actor.not_allowed``, ``account.unknown``.
    """
    require_person_or_operator(ctx, account_id)
    account = accounts.locked(ctx, account_id)
    found = {
        "account": [_told(account)],
        "addresses": _addresses(ctx, account_id),
        "authenticators": _all(ctx, Authenticator, account_id, Authenticator.created_at),
        "recovery": _all(ctx, RecoveryPassword, account_id, RecoveryPassword.created_at),
        "companies": _companies(ctx, account_id),
        "join_requests": _all(ctx, JoinRequest, account_id, JoinRequest.asked_at),
        "consents": _consents(ctx, account_id),
        "authorizations": _of_portals(ctx, Authorization, account_id),
        "sessions": _sessions(ctx, account_id),
        "devices": _all(ctx, Device, account_id, Device.known_since),
        "old_accounts": _old_accounts(ctx, account_id),
        "activity": _activity(ctx, account_id),
    }
    record(ctx, Event.ACCOUNT_EXPORTED, target=("account", account_id), new={"format": format})
    notices.tell(ctx, account_id, mails.DataExported())
    return found


def _told(row: Base) -> dict[str, Any]:
    return {name: getattr(row, name) for name in TABLES[row.__tablename__].columns}


def _all(ctx: Context, table: Any, account_id: str, order: Any) -> Section:
    mine = select(table).where(table.account_id == account_id).order_by(order)
    return [_told(row) for row in ctx.db.scalars(mine)]


def _addresses(ctx: Context, account_id: str) -> Section:
    mine = select(Identifier).where(Identifier.account_id == account_id).order_by(Identifier.created_at)
    return [{"value": identifiers.text_of(ctx, row), **_told(row)} for row in ctx.db.scalars(mine)]


def _companies(ctx: Context, account_id: str) -> Section:
    mine = (
        select(Membership, Organization.name, Organization.customer_number)
        .join(Organization, Organization.id == Membership.organization_id)
        .where(Membership.account_id == account_id, memberships.MAY_BE_KNOWN)
        .order_by(Organization.name)
    )
    held = (
        select(MembershipPermission.membership_id, Client.client_name, Permission.key)
        .join(Permission, Permission.id == MembershipPermission.permission_id)
        .join(Client, Client.id == Permission.client_id)
        .join(Membership, Membership.id == MembershipPermission.membership_id)
        .where(Membership.account_id == account_id)
        .order_by(Client.client_name, Permission.position)
    )
    permissions = _grouped(ctx.db.execute(held))
    return [
        {
            "organization": name,
            "customer_number": number,
            **_told(row),
            "permissions": [f"{portal}: {key}" for portal, key in permissions.get(row.id, ())],
        }
        for row, name, number in ctx.db.execute(mine)
    ]


def _consents(ctx: Context, account_id: str) -> Section:
    mine = (
        select(Consent, Client.client_name)
        .join(Client, Client.id == Consent.client_id)
        .where(Consent.account_id == account_id)
        .order_by(Consent.created_at)
    )
    known = consents.known_companies(ctx, account_id)
    return [
        {
            "portal": portal,
            "companies": [company.name for company in known.get(row.client_id, ())],
            **_told(row),
        }
        for row, portal in ctx.db.execute(mine)
    ]


def _of_portals(ctx: Context, table: Any, account_id: str) -> Section:
    mine: Select[Any, str] = (
        select(table, Client.client_name)
        .join(Client, Client.id == table.client_id)
        .where(table.account_id == account_id)
        .order_by(table.created_at)
    )
    return [{"portal": name, **_told(row)} for row, name in ctx.db.execute(mine)]


def _sessions(ctx: Context, account_id: str) -> Section:
    mine = select(Session).where(Session.account_id == account_id).order_by(Session.created_at)
    used = (
        select(SessionClient.session_id, Client.client_name)
        .join(Client, Client.id == SessionClient.client_id)
        .join(Session, Session.id == SessionClient.session_id)
        .where(Session.account_id == account_id)
        .order_by(Client.client_name)
    )
    proven = (
        select(AuthenticationEvent.session_id, AuthenticationEvent.method, AuthenticationEvent.at)
        .join(Session, Session.id == AuthenticationEvent.session_id)
        .where(Session.account_id == account_id)
        .order_by(AuthenticationEvent.at)
    )
    portals, proofs = _grouped(ctx.db.execute(used)), _grouped(ctx.db.execute(proven))
    return [
        {
            **_told(row),
            "portals": [name for (name,) in portals.get(row.id, ())],
            "proofs": [{"method": method, "at": at} for method, at in proofs.get(row.id, ())],
        }
        for row in ctx.db.scalars(mine)
    ]


def _old_accounts(ctx: Context, account_id: str) -> Section:
    mine = (
        select(LegacyLink, LegacyAccount, LegacyDirectory.name_de)
        .join(LegacyAccount, LegacyAccount.id == LegacyLink.legacy_account_id)
        .join(LegacyDirectory, LegacyDirectory.id == LegacyAccount.directory_id)
        .where(LegacyLink.account_id == account_id)
        .order_by(LegacyLink.created_at)
    )
    found = []
    for link, old, directory in ctx.db.execute(mine):
        entry = {"directory": directory, **_told(link)}
        if old.owner_id == account_id:  # of one that was given back nothing is theirs any more
            entry |= {**personal_of(ctx, old), **_told(old)}
        found.append(entry)
    return found


def _activity(ctx: Context, account_id: str) -> Section:
    return [
        {
            "at": entry.at,
            "event": entry.event,
            "by": activity.who(entry, account_id),
            "portal": entry.client,
            "old": entry.old,
            "new": entry.new,
            "reason": activity.reason(entry, account_id),
            "network": activity.origin(entry, account_id).get("ip"),
            "user_agent": activity.origin(entry, account_id).get("user_agent"),
        }
        for entry in activity.own_entries(ctx, account_id)
    ]


def _grouped(rows: Iterable[Row[*tuple[Any, ...]]]) -> Mapping[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = {}
    for key, *rest in rows:
        found.setdefault(key, []).append(tuple(rest))
    return found
