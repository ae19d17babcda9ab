"""Operations on permissions: a client's catalogue, what organisations hold, what people have (req 92)."""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import ColumnElement, Table, delete, select

from idp.audit.events import Event
from idp.audit.log import record
from idp.context import Context
from idp.db import new_id
from idp.errors import Refusal
from idp.installation import insert_once, snapshot_changed
from idp.management import memberships, organizations
from idp.management.actors import require_operator
from idp.oidc.models import Client
from idp.organizations.models import MembershipPermission, OrganizationPermission, Permission

ALL: Final = "*"
"""Stands for every key of a catalogue."""
MAX_CATALOGUE: Final = 4096
"""Characters of a catalogue's keys in JSON: somebody may have all, and a token has to fit a header."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A permission as a catalogue defines it; its position is its place in the list."""

    key: str
    name_de: str
    name_en: str
    description_de: str
    description_en: str
    group: str | None = None
    group_name_de: str | None = None
    group_name_en: str | None = None
    group_description_de: str | None = None
    group_description_en: str | None = None
    delegable: bool = True


def define(ctx: Context, client_id: str, entries: Sequence[Entry]) -> dict[str, str]:
    """Write a client's catalogue in this order and return key → ``created``, ``updated`` or ``unchanged``.

    Permissions that are not named stay as they are, behind the named ones.

    :raises Refusal: ``actor.not_allowed``, ``client.unknown``, ``client.catalogue`` (client_id, length,
        limit).
    """
    require_operator(ctx)
    row_id = _client_row_id(ctx, client_id)
    known = {row.key: row for row in ctx.db.scalars(select(Permission).where(Permission.client_id == row_id))}
    length = len(json.dumps([*known.keys() | {entry.key for entry in entries}]))
    if length > MAX_CATALOGUE:
        raise Refusal("client.catalogue", client_id=client_id, length=length, limit=MAX_CATALOGUE)
    result = {}
    for position, entry in enumerate(entries):
        values = {**asdict(entry), "position": position}
        row = known.pop(entry.key, None)
        if row is None:
            ctx.db.add(Permission(id=new_id(), client_id=row_id, **values))
            result[entry.key] = "created"
        elif any(getattr(row, field) != value for field, value in values.items()):
            for field, value in values.items():
                setattr(row, field, value)
            result[entry.key] = "updated"
        else:
            result[entry.key] = "unchanged"
    for position, row in enumerate(sorted(known.values(), key=lambda row: row.position), len(entries)):
        row.position = position
    changed = sorted(key for key, action in result.items() if action != "unchanged")
    if changed:
        record(ctx, Event.CATALOGUE_CHANGED, target=("client", row_id), client=client_id, new=changed)
        snapshot_changed(ctx.db)
    ctx.db.flush()
    return result


def grant_to_organization(
    ctx: Context, organization_id: str, client_id: str, keys: Collection[str]
) -> list[str]:
    """Let an organisation hold permissions; returns the keys it did not hold before.

    :param keys: of the client's catalogue, or ``*`` for all of it.
    :raises Refusal: ``actor.not_allowed``, ``client.unknown``, ``permission.unknown`` (keys),
        ``organization.unknown``.
    """
    return _of_organization(ctx, organization_id, client_id, keys, grant=True)


def withdraw_from_organization(
    ctx: Context, organization_id: str, client_id: str, keys: Collection[str]
) -> list[str]:
    """Take permissions from an organisation, and so from all its people; returns the keys it held.

    :raises Refusal: as :func:`grant_to_organization`.
    """
    return _of_organization(ctx, organization_id, client_id, keys, grant=False)


def grant_to_member(
    ctx: Context, organization_id: str, membership_id: str, client_id: str, keys: Collection[str]
) -> list[str]:
    """Give a person permissions that the organisation holds; returns the keys that are new (req 92).

    :param keys: of the client's catalogue, or ``*`` for all that the organisation holds.
    :raises Refusal: ``actor.not_allowed``, ``client.unknown``, ``permission.unknown`` (keys),
        ``permission.not_held`` (keys), ``membership.unknown``.
    """
    return _of_member(ctx, organization_id, membership_id, client_id, keys, grant=True)


def withdraw_from_member(
    ctx: Context, organization_id: str, membership_id: str, client_id: str, keys: Collection[str]
) -> list[str]:
    """Take permissions from a person; returns the keys the person had.

    :raises Refusal: as :func:`grant_to_member`, but for ``permission.not_held``.
    """
    return _of_member(ctx, organization_id, membership_id, client_id, keys, grant=False)


def _of_organization(
    ctx: Context, organization_id: str, client_id: str, keys: Collection[str], *, grant: bool
) -> list[str]:
    require_operator(ctx)
    wanted = _ids(ctx, _client_row_id(ctx, client_id), keys)
    organization = organizations.locked(ctx, organization_id)
    changed = _switch(
        ctx,
        OrganizationPermission.metadata.tables["organization_permission"],
        {"organization_id": organization.id},
        wanted,
        grant=grant,
    )
    if changed:
        organization.version += 1
        event = Event.ORGANIZATION_PERMISSION_GRANTED if grant else Event.ORGANIZATION_PERMISSION_WITHDRAWN
        target = ("organization", organization.id)
        record(ctx, event, target=target, organization=organization.id, client=client_id, new=changed)
        ctx.db.flush()
    return changed


def _of_member(
    ctx: Context,
    organization_id: str,
    membership_id: str,
    client_id: str,
    keys: Collection[str],
    *,
    grant: bool,
) -> list[str]:
    require_operator(ctx)
    row_id = _client_row_id(ctx, client_id)
    wanted = _ids(ctx, row_id, keys)
    membership = memberships.locked(ctx, organization_id, membership_id)
    if grant:
        wanted = _held(ctx, organization_id, wanted, everything=ALL in keys)
    changed = _switch(
        ctx,
        MembershipPermission.metadata.tables["membership_permission"],
        {"membership_id": membership.id},
        wanted,
        grant=grant,
        granted_by=ctx.actor.id,
    )
    if changed:
        membership.version += 1
        membership.changed_at = ctx.now
        membership.changed_by = ctx.actor.id
        event = Event.PERMISSION_GRANTED if grant else Event.PERMISSION_WITHDRAWN
        target = ("account", membership.account_id)
        record(ctx, event, target=target, organization=organization_id, client=client_id, new=changed)
        ctx.db.flush()
    return changed


def _switch(
    ctx: Context,
    table: Table,
    owner: dict[str, str],
    wanted: dict[str, str],
    *,
    grant: bool,
    **more: str | None,
) -> list[str]:
    """Insert or delete the rows of an owner's permissions and return the keys that changed."""
    changed = []
    for key, permission_id in wanted.items():
        row = {**owner, "permission_id": permission_id}
        if grant:
            done = insert_once(ctx.db, table, {**row, "granted_at": ctx.now, **more})
        else:
            same: list[ColumnElement[bool]] = [table.c[name] == value for name, value in row.items()]
            done = (
                ctx.db.execute(delete(table).where(*same).returning(table.c.permission_id)).first()
                is not None
            )
        if done:
            changed.append(key)
    return changed


def _held(ctx: Context, organization_id: str, wanted: dict[str, str], *, everything: bool) -> dict[str, str]:
    """Return what the organisation holds of *wanted*; anything else is refused unless all was asked for."""
    # Locked, so that a withdrawal from the organisation and this grant come one after the other.
    held = select(OrganizationPermission.permission_id).where(
        OrganizationPermission.organization_id == organization_id,
        OrganizationPermission.permission_id.in_(wanted.values()),
    )
    ids = set(ctx.db.scalars(held.with_for_update(read=True)))
    missing = [key for key, permission_id in wanted.items() if permission_id not in ids]
    if missing and not everything:
        raise Refusal("permission.not_held", keys=missing)
    return {key: permission_id for key, permission_id in wanted.items() if permission_id in ids}


def _ids(ctx: Context, client_row_id: str, keys: Collection[str]) -> dict[str, str]:
    """Return key → id in catalogue order."""
    ctx.db.flush()
    entries = (
        select(Permission.key, Permission.id)
        .where(Permission.client_id == client_row_id)
        .order_by(Permission.position, Permission.key)
    )
    catalogue = {row.key: row.id for row in ctx.db.execute(entries)}
    unknown = sorted(set(keys) - catalogue.keys() - {ALL})
    if unknown:
        raise Refusal("permission.unknown", keys=unknown)
    return {key: row_id for key, row_id in catalogue.items() if ALL in keys or key in keys}


def _client_row_id(ctx: Context, client_id: str) -> str:
    row_id = ctx.db.scalar(select(Client.id).where(Client.client_id == client_id))
    if row_id is None:
        raise Refusal("client.unknown", client_id=client_id)
    return row_id
