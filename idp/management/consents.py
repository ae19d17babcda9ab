"""Operations on consents, K-10: what a person lets portals have, and taking it back (req 16, 23)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select

from idp.audit.events import Event
from idp.audit.log import record
from idp.context import Context
from idp.errors import Refusal
from idp.management import accounts
from idp.management.actors import require_person_or_operator
from idp.management.ending import Ended, end_consent
from idp.oidc.authorization import OF_DEVICES
from idp.oidc.claims import ORGANIZATIONAL
from idp.oidc.models import Authorization, Client, Consent
from idp.organizations.models import Membership, Organization


@dataclass(frozen=True, slots=True)
class KnownCompany:
    """A company that a portal may know, or was told of when it could."""

    id: str
    name: str
    #: claims that told of it, or may
    claims: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConsentFacts:
    """What one portal may have."""

    client_id: str
    client_name: str
    scope: str
    #: asked for one by one, beside what the scopes bring
    claims: tuple[str, ...]
    companies: tuple[KnownCompany, ...]
    created_at: datetime
    updated_at: datetime
    #: when the portal last got a person's answer, None: its authorizations are long gone
    last_used_at: datetime | None


def list_all(ctx: Context, account_id: str) -> list[ConsentFacts]:
    """Return what a person lets portals have, by the portals' names.

    :raises Refusal: ``actor.not_allowed``.
    """
    require_person_or_operator(ctx, account_id)
    last_used = (
        select(func.max(Authorization.created_at))
        .where(Authorization.account_id == account_id, Authorization.client_id == Client.id)
        .scalar_subquery()
    )
    given = (
        select(Client.client_id, Client.client_name, Consent, last_used)
        .join(Client, Client.id == Consent.client_id)
        .where(Consent.account_id == account_id)
        .order_by(Client.client_name, Client.client_id)
    )
    companies = known_companies(ctx, account_id)
    return [
        ConsentFacts(
            client_id=client_id,
            client_name=name,
            scope=row.scope,
            claims=tuple(row.claims),
            companies=tuple(companies.get(row.client_id, ())),
            created_at=row.created_at,
            updated_at=row.updated_at,
            last_used_at=used,
        )
        for client_id, name, row, used in ctx.db.execute(given)
    ]


def known_companies(ctx: Context, account_id: str) -> dict[str, list[KnownCompany]]:
    """Return what clients know of a person's companies, by the clients' row ids, the companies by name.

    What was issued counts beside what was allowed: to a portal that was the operator's own, or before
    companies were kept with a consent.
    """
    found: dict[tuple[str, str], set[str]] = {}
    allowed = select(Consent.client_id, Consent.organizations).where(Consent.account_id == account_id)
    for client, pairs in ctx.db.execute(allowed):
        for claim, organization in pairs:
            found.setdefault((client, organization), set()).add(claim)
    issued = (
        select(Authorization.client_id, Membership.organization_id, Authorization.scope)
        .join(Membership, Membership.id == Authorization.membership_id)
        .where(Authorization.account_id == account_id)
        .distinct()
    )
    for client, organization, scope in ctx.db.execute(issued):
        found.setdefault((client, organization), set()).update(ORGANIZATIONAL & set(scope.split()))
    ids = {organization for _, organization in found}
    names = (
        select(Organization.id, Organization.name).where(Organization.id.in_(ids)).order_by(Organization.name)
    )
    known: dict[str, list[KnownCompany]] = {}
    for key, name in ctx.db.execute(names):
        for (client, organization), claims in found.items():
            if organization == key and claims:
                known.setdefault(client, []).append(KnownCompany(key, name, tuple(sorted(claims))))
    return known


@dataclass(frozen=True, slots=True)
class UsedPortal:
    """A portal that was used and needed no consent."""

    client_id: str
    client_name: str
    first_party: bool
    first_used_at: datetime
    last_used_at: datetime


def used_without(ctx: Context, account_id: str) -> list[UsedPortal]:
    """Return the portals a person used that no consent stands for, by their names.

    They are the operator's own, or the consent was withdrawn; what is told of use goes when its time is over.
    What runs on a device that was let in with a code is no portal: ``own_sessions.connected`` has it.

    :raises Refusal: ``actor.not_allowed``.
    """
    require_person_or_operator(ctx, account_id)
    allowed = select(Consent.client_id).where(Consent.account_id == account_id)
    used = (
        select(
            Client.client_id,
            Client.client_name,
            Client.first_party,
            func.min(Authorization.created_at),
            func.max(Authorization.created_at),
        )
        .join(Authorization, Authorization.client_id == Client.id)
        .where(Authorization.account_id == account_id, ~OF_DEVICES, Client.id.not_in(allowed))
        .group_by(Client.id, Client.client_id, Client.client_name, Client.first_party)
        .order_by(Client.client_name, Client.client_id)
    )
    return [UsedPortal(*row) for row in ctx.db.execute(used)]


def withdraw(ctx: Context, account_id: str, client_id: str) -> Ended:
    """Take back what a person lets a portal have: all that was issued to it ends, offline access too.

    The account is locked as at issuing a code, so that nothing is issued after this has committed.

    :raises Refusal: ``actor.not_allowed``, ``account.unknown``, ``consent.unknown`` (client_id).
    """
    require_person_or_operator(ctx, account_id)
    accounts.locked(ctx, account_id)
    client_row_id = ctx.db.scalar(select(Client.id).where(Client.client_id == client_id))
    gone = ctx.db.execute(
        delete(Consent)
        .where(Consent.account_id == account_id, Consent.client_id == client_row_id)
        .returning(Consent.scope, Consent.claims),
        execution_options={"synchronize_session": False},
    ).first()
    if client_row_id is None or gone is None:
        raise Refusal("consent.unknown", client_id=client_id)
    record(
        ctx,
        Event.CONSENT_WITHDRAWN,
        target=("account", account_id),
        client=client_id,
        old={"scope": gone.scope, "claims": list(gone.claims)},
    )
    return end_consent(ctx, account_id, client_row_id)
