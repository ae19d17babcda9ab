"""Making an installation what a file says: clients, catalogues, organisations, directories (``idp apply``).

Applying a file twice changes nothing the second time.  What the file does not name is left alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from idp.context import Context
from idp.management import affiliation, clients, legacy_directories, organizations, permissions
from idp.management.actors import require_operator
from idp.management.documents import Catalogue, Organization, read
from idp.oidc.client_fields import ClientMetadata

CREATED: Final = "created"
UPDATED: Final = "updated"
UNCHANGED: Final = "unchanged"


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one thing the file names."""

    kind: str
    name: str
    action: str
    #: the fields or permissions that differ
    detail: tuple[str, ...] = ()
    #: of a client that was created: told once
    secret: str | None = field(default=None, repr=False)


def apply(ctx: Context, document: Mapping[str, Any], *, dry_run: bool = False) -> list[Change]:
    """Create and update what a document names, and return one change for each, in the order it was made.

    :param document: see ``idp.management.documents``.
    :param dry_run: change nothing; the answer is the same but for secrets.
    :raises InvalidMetadata: with every problem; then nothing was changed.
    :raises Refusal: ``actor.not_allowed``; ``client.issued`` as :func:`clients.update`.
    """
    require_operator(ctx)
    checked = read(ctx, document)
    ctx.db.flush()
    savepoint = ctx.db.begin_nested()
    changes = [
        *(_client(ctx, metadata) for metadata in checked.clients),
        *(change for catalogue in checked.catalogues for change in _catalogue(ctx, catalogue)),
        *(_organization(ctx, organization) for organization in checked.organizations),
        *(_legacy_directory(ctx, directory) for directory in checked.legacy_directories),
        *(_family(ctx, family, position) for position, family in enumerate(checked.families)),
    ]
    ctx.db.flush()
    if dry_run:
        savepoint.rollback()
        return [Change(change.kind, change.name, change.action, change.detail) for change in changes]
    savepoint.commit()
    return changes


def _client(ctx: Context, metadata: ClientMetadata) -> Change:
    if not clients.exists(ctx, metadata.client_id):
        made = clients.insert(ctx, metadata)
        return Change("client", metadata.client_id, CREATED, secret=made.secret)
    fields = clients.update(ctx, metadata)
    return Change("client", metadata.client_id, UPDATED if fields else UNCHANGED, tuple(fields))


def _catalogue(ctx: Context, catalogue: Catalogue) -> list[Change]:
    result = permissions.define(ctx, catalogue.client_id, catalogue.entries)
    return [Change("permission", f"{catalogue.client_id}/{key}", action) for key, action in result.items()]


def _organization(ctx: Context, wanted: Organization) -> Change:
    found = organizations.find_id(ctx, wanted.customer_number)
    settings = wanted.settings(ctx.settings.organizations.join)
    action = UNCHANGED
    detail: list[str] = []
    if found is None:
        found = organizations.create(ctx, customer_number=wanted.customer_number, **settings)
        action = CREATED
    else:
        detail = organizations.change(ctx, found, **settings)
    for client_id, keys in wanted.permissions.items():
        granted = permissions.grant_to_organization(ctx, found, client_id, keys)
        detail += [f"{client_id}/{key}" for key in granted]
    if detail and action == UNCHANGED:
        action = UPDATED
    return Change("organization", wanted.customer_number, action, tuple(detail))


def _legacy_directory(ctx: Context, wanted: legacy_directories.Wanted) -> Change:
    action, fields = legacy_directories.define(ctx, wanted)
    return Change("legacy directory", wanted.slug, action, tuple(fields))


def _family(ctx: Context, wanted: affiliation.Family, position: int) -> Change:
    action, fields = affiliation.define(ctx, wanted, position)
    return Change("product family", wanted.slug, action, tuple(fields))
