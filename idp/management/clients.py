"""Operations on clients: create, change, secrets, disable, delete (req 18, 20, 23, 31)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete as sql_delete
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from idp.audit.events import Event
from idp.audit.log import record
from idp.context import Context
from idp.crypto import random_token, sha256
from idp.db import delete_batch, new_id
from idp.errors import Refusal
from idp.installation import insert_once, snapshot_changed
from idp.management.actors import require_operator
from idp.management.ending import Ended, end_client
from idp.oidc import signing_keys
from idp.oidc.client_fields import KEY_METHOD, PUBLIC, ClientMetadata
from idp.oidc.client_metadata import validate
from idp.oidc.clients import sector_of_row
from idp.oidc.metadata_reader import InvalidMetadata, Problem, shown
from idp.oidc.models import Authorization, Client, ClientSecret, RefreshToken
from idp.oidc.sector import document_problem

SECRET_BYTES: Final = 32
OVERLAP: Final = timedelta(hours=24)
"""How long the old secret works beside its successor."""
BATCH: Final = 1000
"""How much of what was issued to a client ends, or goes, in one transaction."""


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """What is known of a secret: never itself."""

    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """A client as it is shown; ``metadata`` has the fields of a registration."""

    client_id: str
    metadata: Mapping[str, Any]
    version: int
    disabled_at: datetime | None
    created_at: datetime
    updated_at: datetime
    secrets: tuple[SecretFacts, ...]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client signs in with; the secret is told once and stored as its SHA-256 (req 20)."""

    client_id: str
    #: None for a client that is public or signs with a key of its own
    secret: str | None = field(repr=False)


def create(ctx: Context, registration: Mapping[str, object]) -> Credentials:
    """Register a client.

    :param registration: see ``idp.oidc.client_metadata.validate``.
    :raises InvalidMetadata: with every problem.
    :raises Refusal: ``actor.not_allowed``, ``client.taken`` (client_id).
    """
    require_operator(ctx)
    metadata = validate(registration)
    check_references(ctx, metadata)
    return insert(ctx, metadata)


def insert(ctx: Context, metadata: ClientMetadata) -> Credentials:
    """Write a checked registration; for callers that checked the references.

    :raises Refusal: ``client.taken`` (client_id).
    """
    signing_keys.provide(ctx, metadata.signing_algorithms)
    row_id = new_id()
    values = {"id": row_id, **metadata.columns(), "created_at": ctx.now, "updated_at": ctx.now}
    if not insert_once(ctx.db, Client.metadata.tables["client"], values):
        raise Refusal("client.taken", client_id=metadata.client_id)
    secret = _new_secret(ctx, row_id) if metadata.has_secret else None
    _record(ctx, Event.CLIENT_CREATED, row_id, metadata.client_id, new=metadata.columns())
    return Credentials(metadata.client_id, secret)


def change(ctx: Context, registration: Mapping[str, object]) -> list[str]:
    """Make an existing client what a whole registration says; returns the fields that differed.

    Fields that are not named go back to their defaults.  Where people get another ``sub``, what was issued
    to the client ends.  A client that becomes public, or signs with a key of its own from now on, loses its
    secrets; one that has to have a secret now needs :func:`rotate_secret`.

    :raises InvalidMetadata: with every problem.
    :raises Refusal: ``actor.not_allowed``, and as :func:`update`.
    """
    require_operator(ctx)
    metadata = validate(registration)
    check_references(ctx, metadata)
    return update(ctx, metadata)


def update(ctx: Context, metadata: ClientMetadata) -> list[str]:
    """Write a checked registration over an existing client; for callers that checked the references.

    :raises Refusal: ``client.unknown`` (client_id), ``client.issued`` (client_id): people get another
        ``sub``, and more was issued than ends at once; that of a disabled client ends before it is enabled.
    """
    signing_keys.provide(ctx, metadata.signing_algorithms)
    client = _locked(ctx, metadata.client_id)
    columns = metadata.columns()
    new = {name: value for name, value in columns.items() if getattr(client, name) != value}
    if not new:
        return []
    old, sector = {name: getattr(client, name) for name in new}, sector_of_row(client)
    for name, value in new.items():
        setattr(client, name, value)
    if sector_of_row(client) != sector and client.disabled_at is None:
        # what was issued would go on about somebody of another name (OIDC Core §5.3.2, §12.2)
        ended = end_client(ctx, client.id, "subject changed", limit=BATCH + 1)
        if ended.authorizations > BATCH:
            raise Refusal("client.issued", client_id=client.client_id)
    if not metadata.has_secret:
        ctx.db.execute(sql_delete(ClientSecret).where(ClientSecret.client_id == client.id))
    _touch(ctx, client)
    _record(ctx, Event.CLIENT_CHANGED, client.id, client.client_id, old=old, new=new)
    return sorted(new)


def rotate_secret(ctx: Context, client_id: str, *, overlap: timedelta = OVERLAP) -> Credentials:
    """Give a client a new secret; the newest old one works on for *overlap*, older ones end now (req 20).

    :param overlap: zero where the old secret has leaked.
    :raises Refusal: ``actor.not_allowed``, ``client.unknown`` (client_id), ``client.public`` (client_id),
        ``client.signs`` (client_id): it has keys of its own and no secret.
    """
    require_operator(ctx)
    client = _locked(ctx, client_id)
    if client.token_endpoint_auth_method == PUBLIC:
        raise Refusal("client.public", client_id=client_id)
    if client.token_endpoint_auth_method == KEY_METHOD:
        raise Refusal("client.signs", client_id=client_id)
    old = select(ClientSecret).where(ClientSecret.client_id == client.id)
    newest_first = old.order_by(ClientSecret.created_at.desc(), ClientSecret.id.desc())
    until = ctx.now + overlap
    for number, row in enumerate(ctx.db.scalars(newest_first)):
        if number or until <= ctx.now:
            ctx.db.delete(row)
        elif row.expires_at is None or row.expires_at > until:
            row.expires_at = until
    secret = _new_secret(ctx, client.id)
    _touch(ctx, client)
    _record(ctx, Event.CLIENT_SECRET_ROTATED, client.id, client_id, new={"overlap_ends": until.isoformat()})
    return Credentials(client_id, secret)


def disable(ctx: Context, client_id: str, *, reason: str | None = None) -> None:
    """Switch a client off: it gets nothing any more, and nothing that it got works (req 23).

    :func:`end_issued` ends that for good, in transactions of their own: to switch off takes no longer for a
    large portal.

    :raises Refusal: ``actor.not_allowed``, ``client.unknown`` (client_id), ``client.status`` (client_id).
    """
    require_operator(ctx)
    client = _locked(ctx, client_id)
    if client.disabled_at is not None:
        raise Refusal("client.status", client_id=client_id)
    client.disabled_at = ctx.now
    _touch(ctx, client)
    _record(ctx, Event.CLIENT_DISABLED, client.id, client_id, reason=reason)


def end_issued(ctx: Context, client_id: str) -> Ended:
    """End some of what was issued to a disabled client; nothing, where all has ended.

    :raises Refusal: ``actor.not_allowed``, ``client.unknown`` (client_id), ``client.enabled`` (client_id).
    """
    require_operator(ctx)
    return end_client(ctx, _disabled(ctx, client_id).id, "client disabled", limit=BATCH)


def enable(ctx: Context, client_id: str, *, reason: str | None = None) -> None:
    """Switch a client on again; what ended stays ended.

    :raises Refusal: ``actor.not_allowed``, ``client.unknown`` (client_id), ``client.status`` (client_id).
    """
    require_operator(ctx)
    client = _locked(ctx, client_id)
    if client.disabled_at is None:
        raise Refusal("client.status", client_id=client_id)
    end_client(ctx, client.id, "client disabled")  # what somebody has left who was interrupted
    client.disabled_at = None
    _touch(ctx, client)
    _record(ctx, Event.CLIENT_ENABLED, client.id, client_id, reason=reason)


def retire(ctx: Context, client_id: str, *, reason: str | None = None) -> None:
    """Switch a client off, if it is not, as the first half of its deletion.

    :raises Refusal: ``actor.not_allowed``, ``client.unknown`` (client_id), ``client.named`` (client_id, by):
        the tokens of other clients are for it.
    """
    require_operator(ctx)
    client = _locked(ctx, client_id)
    others = ctx.db.execute(select(Client.client_id, Client.audiences).where(Client.id != client.id))
    named_by = sorted(row.client_id for row in others if client_id in row.audiences)
    if named_by:
        raise Refusal("client.named", client_id=client_id, by=", ".join(named_by))
    if client.disabled_at is None:
        disable(ctx, client_id, reason=reason)


def remove_issued(ctx: Context, client_id: str) -> int:
    """Remove rows of what was issued to a disabled client before its deletion, and return how many.

    :raises Refusal: ``actor.not_allowed``, ``client.unknown`` (client_id), ``client.enabled`` (client_id).
    """
    require_operator(ctx)
    mine = Authorization.client_id == _disabled(ctx, client_id).id
    its = RefreshToken.authorization_id.in_(select(Authorization.id).where(mine))
    return delete_batch(ctx.db, RefreshToken, its, BATCH) or delete_batch(ctx.db, Authorization, mine, BATCH)


def delete(ctx: Context, client_id: str, *, reason: str | None = None) -> None:
    """Remove a retired client with its catalogue and everything issued to it that is still there.

    Comes when running servers have seen that it is disabled, a second after: what they do for it and this
    would wait for one another.

    :raises Refusal: ``actor.not_allowed``, ``client.unknown`` (client_id), ``client.enabled`` (client_id).
    """
    require_operator(ctx)
    client = _disabled(ctx, client_id)
    _record(ctx, Event.CLIENT_DELETED, client.id, client_id, reason=reason)
    # by statement: the database's own cascades take what belongs to it
    ctx.db.execute(sql_delete(Client).where(Client.id == client.id))
    ctx.db.expunge(client)


def exists(ctx: Context, client_id: str) -> bool:
    """Tell whether there is a client, disabled or not."""
    return ctx.db.scalar(select(Client.id).where(Client.client_id == client_id)) is not None


def show(ctx: Context, client_id: str) -> ClientFacts:
    """Return one client.

    :raises Refusal: ``actor.not_allowed``, ``client.unknown`` (client_id).
    """
    require_operator(ctx)
    ctx.db.flush()
    found = ctx.db.scalars(
        select(Client)
        .where(Client.client_id == client_id)
        .options(selectinload(Client.secrets))
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise Refusal("client.unknown", client_id=client_id)
    return _facts(found)


def list_all(ctx: Context) -> list[ClientFacts]:
    """Return all clients, disabled ones too, ordered by client_id.

    :raises Refusal: ``actor.not_allowed``.
    """
    require_operator(ctx)
    ctx.db.flush()
    rows = select(Client).order_by(Client.client_id).options(selectinload(Client.secrets))
    return [_facts(row) for row in ctx.db.scalars(rows.execution_options(populate_existing=True))]


def check_references(
    ctx: Context, metadata: ClientMetadata, *, planned: frozenset[str] = frozenset()
) -> None:
    """Check what depends on this installation, and what a registration names outside of itself.

    Comes before the first write: the document of a sector is fetched.

    :param planned: client ids that the same change registers.
    :raises InvalidMetadata: fields ``audiences``, ``resource_uri``, ``sector_identifier_uri``,
        ``initiate_login_uri``.
    """
    problems = [
        *_unknown_audiences(ctx, metadata, planned),
        *_taken_resource(ctx, metadata, planned),
        *_foreign_sector(ctx, metadata),
        *_unsafe_login(ctx, metadata),
    ]
    if problems:
        raise InvalidMetadata(problems)


def _unknown_audiences(ctx: Context, metadata: ClientMetadata, planned: frozenset[str]) -> Iterator[Problem]:
    wanted = set(metadata.audiences) - planned - {metadata.client_id}
    known = set(ctx.db.scalars(select(Client.client_id).where(Client.client_id.in_(wanted))))
    unknown = sorted(wanted - known)
    if unknown:
        yield Problem("audiences", shown(unknown), "must be client ids of registered clients")


def _unsafe_login(ctx: Context, metadata: ClientMetadata) -> Iterator[Problem]:
    """People are led there from our pages: on a machine of their own, http is anybody's program."""
    uri = metadata.initiate_login_uri
    if uri is not None and uri.startswith("http://") and ctx.settings.mode == "production":
        yield Problem("initiate_login_uri", shown(uri), "must be https in production")


def _taken_resource(ctx: Context, metadata: ClientMetadata, planned: frozenset[str]) -> Iterator[Problem]:
    """Find another client that has the resource URI and keeps it."""
    if metadata.resource_uri is None:
        return
    same = select(Client.client_id).where(Client.resource_uri == metadata.resource_uri)
    owner = ctx.db.scalars(same.where(Client.client_id.not_in({*planned, metadata.client_id}))).first()
    if owner is not None:
        yield Problem("resource_uri", shown(metadata.resource_uri), f"must not be the one of {owner}")


def _foreign_sector(ctx: Context, metadata: ClientMetadata) -> Iterator[Problem]:
    """Read the sector's document, unless the same registration was checked by it before."""
    uri = metadata.sector_identifier_uri
    if uri is None:
        return
    stored = select(Client.sector_identifier_uri, Client.redirect_uris)
    found = ctx.db.execute(stored.where(Client.client_id == metadata.client_id)).first()
    if found is not None and tuple(found) == (uri, metadata.redirect_uris):
        return
    expected = document_problem(ctx.settings, uri, metadata.redirect_uris)
    if expected is not None:
        yield Problem("sector_identifier_uri", shown(uri), expected)


def _new_secret(ctx: Context, row_id: str) -> str:
    secret = random_token(SECRET_BYTES)
    ctx.db.add(ClientSecret(id=new_id(), client_id=row_id, hash=sha256(secret), created_at=ctx.now))
    ctx.db.flush()
    return secret


def _locked(ctx: Context, client_id: str) -> Client:
    ctx.db.flush()
    row = select(Client).where(Client.client_id == client_id).with_for_update()
    client = ctx.db.execute(row, execution_options={"populate_existing": True}).scalar_one_or_none()
    if client is None:
        raise Refusal("client.unknown", client_id=client_id)
    return client


def _disabled(ctx: Context, client_id: str) -> Client:
    client = _locked(ctx, client_id)
    if client.disabled_at is None:
        raise Refusal("client.enabled", client_id=client_id)
    return client


def _touch(ctx: Context, client: Client) -> None:
    client.version += 1
    client.updated_at = ctx.now
    ctx.db.flush()


def _record(
    ctx: Context,
    event: Event,
    row_id: str,
    client_id: str,
    *,
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    """Write the change down, and tell all workers to read the clients again."""
    target = ("client", row_id)
    record(ctx, event, target=target, client=client_id, old=old, new=new, reason=reason)
    ctx.db.flush()
    snapshot_changed(ctx.db)


def _facts(client: Client) -> ClientFacts:
    return ClientFacts(
        client_id=client.client_id,
        metadata={name: getattr(client, name) for name in ClientMetadata.__dataclass_fields__},
        version=client.version,
        disabled_at=client.disabled_at,
        created_at=client.created_at,
        updated_at=client.updated_at,
        secrets=tuple(SecretFacts(secret.created_at, secret.expires_at) for secret in client.secrets),
    )
