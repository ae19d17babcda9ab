"""Permissions: a catalogue per client, what an organisation holds of it, and what a person has.

A permission counts where the organisation holds it **and** the person has it; both sides are read in one
statement, so withdrawing it from the organisation takes it from everybody at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from idp.organizations.models import (
    ACTIVE,
    Membership,
    MembershipPermission,
    Organization,
    OrganizationPermission,
    Permission,
)


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A permission as a portal defines it."""

    id: str
    key: str
    group: str | None
    group_name_de: str | None
    group_name_en: str | None
    group_description_de: str | None
    group_description_en: str | None
    name_de: str
    name_en: str
    description_de: str
    description_en: str
    delegable: bool


_EFFECTIVE: Final = (
    select(Permission.key)
    .join(MembershipPermission, MembershipPermission.permission_id == Permission.id)
    .join(Membership, Membership.id == MembershipPermission.membership_id)
    .join(Organization, Organization.id == Membership.organization_id)
    .join(
        OrganizationPermission,
        (OrganizationPermission.organization_id == Membership.organization_id)
        & (OrganizationPermission.permission_id == Permission.id),
    )
    .where(
        Membership.id == bindparam("membership_id"),
        Permission.client_id == bindparam("client_id"),
        Membership.status == ACTIVE,
        Organization.status == ACTIVE,
    )
    .order_by(Permission.position, Permission.key)
)

_ENTRY: Final = select(
    Permission.id,
    Permission.key,
    Permission.group,
    Permission.group_name_de,
    Permission.group_name_en,
    Permission.group_description_de,
    Permission.group_description_en,
    Permission.name_de,
    Permission.name_en,
    Permission.description_de,
    Permission.description_en,
    Permission.delegable,
).order_by(Permission.position, Permission.key)


def keys_for(db: Session, membership_id: str, client_row_id: str) -> list[str]:
    """Return the keys a person has at one client, in the order of its catalogue.

    Empty for a membership that is not active, or whose organisation is not.

    :param client_row_id: the table key of the asking client: other clients' permissions are never told.
    """
    return list(db.scalars(_EFFECTIVE, {"membership_id": membership_id, "client_id": client_row_id}))


def catalogue(db: Session, client_row_id: str) -> list[CatalogueEntry]:
    """Return a client's catalogue in its order."""
    rows: Iterable[Any] = db.execute(_ENTRY.where(Permission.client_id == client_row_id))
    return [CatalogueEntry(*row) for row in rows]
