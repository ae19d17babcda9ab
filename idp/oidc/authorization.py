"""Authorizations: issuing one for an accepted request, and ending them (RFC 6749 §4.1.2, req 6, 21, 23)."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, bindparam, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from idp.accounts.principal import Standing, principal_may_act
from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication import notices
from idp.authentication.assurance import LEVELS, meets
from idp.authentication.live_sessions import Held, LiveSession
from idp.authentication.models import SessionClient
from idp.context import Context
from idp.db import new_id, to_micros
from idp.errors import Refusal
from idp.flows import one_time_secrets
from idp.oidc import consent
from idp.oidc.authorization_request import AuthorizationRequest
from idp.oidc.claims import requested_acr
from idp.oidc.clients import RegisteredClient
from idp.oidc.consent import Granted
from idp.oidc.models import AccessToken, Authorization, RefreshToken
from idp.oidc.statements import CODE_PURPOSE
from idp.organizations.memberships import MembershipFacts
from idp.prepared import Prepared, insert_rows

OF_DEVICES: Final = Authorization.redirect_uri == ""
"""Authorizations that the device grant gave: no browser carries their answer (RFC 8628)."""


def issue(
    ctx: Context,
    request: AuthorizationRequest,
    client: RegisteredClient,
    held: Held | None,
    membership_id: str | None,
) -> str:
    """Write the authorization of an accepted request and return its code; raises as :func:`accepted`."""
    authorization, organization_id = accepted(ctx, request, client, held, membership_id)
    key: str = authorization["id"]
    lifetime = timedelta(seconds=ctx.settings.tokens.code_seconds)
    code, secret = one_time_secrets.make(ctx, CODE_PURPOSE, target=key, lifetime=lifetime)
    insert_rows(ctx.db, (Authorization, authorization), secret)
    record(
        ctx,
        Event.CODE_ISSUED,
        target=("account", authorization["account_id"]),
        organization=organization_id,
        client=client.client_id,
        session=authorization["session_id"],
        new={"lineage": key, "scope": authorization["scope"], "acr": authorization["acr"]},
    )
    return code


def accepted(
    ctx: Context,
    request: AuthorizationRequest,
    client: RegisteredClient,
    held: Held | None,
    membership_id: str | None,
) -> tuple[dict[str, Any], str | None]:
    """Return the row of an accepted request's authorization, yet to be inserted, and its organisation.

    Account, membership and session are held, so that nothing is issued after a block or a sign-out has
    committed; under the same lock it is read what the person lets the client have.

    :param held: None: the session does not count any more.
    :raises Refusal: ``principal.may_not_act`` when somebody was blocked or signed out in between, or the
        consent withdrawn.
    """
    held, membership = require_standing(held, membership_id)
    live = held.live
    sid = held.sid or session_identifier(ctx, live.session.id, client)
    organization_id = membership.organization_id if membership else None
    granted = consent.grant_now(
        ctx, live.account.id, client, request.scope, request.claims, organization_id=organization_id
    )
    authorization = _authorization(ctx, request, client, live, membership) | {"id": new_id(), "sid": sid}
    return authorization | _extent(ctx, granted), organization_id


def require_standing(held: Held | None, membership_id: str | None) -> tuple[Held, MembershipFacts | None]:
    """Return who is held, and what they act for.

    :raises Refusal: ``principal.may_not_act``: the session does not count any more, or what it acts for is
        not the person's, or may not be acted for.
    """
    if held is None:
        raise Refusal("principal.may_not_act")
    if membership_id is None:
        return held, None
    membership = next((mine for mine in held.memberships if mine.id == membership_id), None)
    if membership is None or not principal_may_act(_standing(held.live, membership)):
        raise Refusal("principal.may_not_act")
    return held, membership


def _standing(live: LiveSession, membership: MembershipFacts) -> Standing:
    """Return what the gate asks (D1): as both are read just now, only their states can stand against it."""
    return Standing(
        account_status=live.account.status,
        account_epoch=live.account.epoch,
        issued_account_epoch=live.session.account_epoch,
        installation_epoch=live.session.installation_epoch,  # else it would not count
        issued_installation_epoch=live.session.installation_epoch,
        membership_status=membership.status,
        membership_epoch=membership.epoch,
        issued_membership_epoch=membership.epoch,
        organization_status=membership.organization_status,
    )


def _authorization(
    ctx: Context,
    request: AuthorizationRequest,
    client: RegisteredClient,
    live: LiveSession,
    membership: MembershipFacts | None,
) -> dict[str, Any]:
    return {
        "account_id": live.account.id,
        "account_epoch": live.account.epoch,
        "installation_epoch": live.session.installation_epoch,
        "client_id": client.row_id,
        "session_id": live.session.id,
        "membership_id": membership.id if membership else None,
        "membership_epoch": membership.epoch if membership else None,
        "permissions_version": membership.version if membership else None,
        "resources": list(request.resources) or None,
        "acr": _stated_acr(live.assurance.acr, request.claims),
        "amr": " ".join(live.assurance.amr),
        "auth_time": to_micros(live.assurance.auth_time) // 1_000_000,
        "nonce": request.nonce,
        "redirect_uri": request.redirect_uri,
        "code_challenge": request.code_challenge,
        "cnf": {"jkt": request.dpop_jkt} if request.dpop_jkt else None,
        "created_at": ctx.now,
    }


def _stated_acr(reached: str, claims: Mapping[str, Any]) -> str:
    """Return the level as an answer names it: of essential values the strongest that is met (§5.5.1.1)."""
    values, essential = requested_acr(claims)
    met = [value for value in values if meets(reached, value)] if essential else []
    return max(met, key=LEVELS.index, default=reached)


def _extent(ctx: Context, granted: Granted) -> dict[str, Any]:
    """Return what the authorization is for, and until when."""
    tokens = ctx.settings.tokens
    days = tokens.offline_days if granted.offline else tokens.refresh_days
    return {
        "scope": granted.scope,
        "claims_request": granted.claims or None,
        "offline": granted.offline,
        "expires_at": ctx.now + timedelta(days=days),
    }


_SID = Prepared(
    select(SessionClient.id).where(
        SessionClient.session_id == bindparam("session"), SessionClient.client_id == bindparam("client")
    )
)


def _new_sid(insert: Any) -> Prepared:
    columns = ("id", "session_id", "client_id", "created_at")
    values: dict[str, Any] = {name: bindparam(name) for name in columns}
    return Prepared(insert(SessionClient).values(values).on_conflict_do_nothing().returning(SessionClient.id))


_NEW_SID: Final = {"postgresql": _new_sid(postgresql.insert), "sqlite": _new_sid(sqlite.insert)}


def session_identifier(ctx: Context, session_id: str, client: RegisteredClient) -> str:
    """Return the ``sid`` this client sees of a session, making it at the first sign-in there."""
    values = {"id": new_id(), "session_id": session_id, "client_id": client.row_id, "created_at": ctx.now}
    made = _NEW_SID[ctx.db.get_bind().dialect.name].first(ctx.db, **values)
    found = made or _SID.first(ctx.db, session=session_id, client=client.row_id)
    assert found is not None  # noqa: S101  (inserted by us or by a parallel request)
    return str(found[0])


def revoke(
    ctx: Context,
    reason: str,
    *,
    account_id: str | None = None,
    membership_id: str | None = None,
    session_id: str | None = None,
    client_id: str | None = None,
    authorization_id: str | None = None,
    spared_session: str | None = None,
    of_devices: bool = False,
    limit: int | None = None,
) -> list[str]:
    """End authorizations with all that came of them, and return their ids.

    :param spared_session: what ends with this session anyway stays until then, but what devices have.
    :param of_devices: only what devices have.
    :param limit: how many end at most; the caller comes again.

    Sessions end only those without offline access; every other reason ends all.  Codes and tokens need no
    touch: each names its authorization, which is read whenever they are used.
    """
    conditions: list[ColumnElement[bool]] = [Authorization.revoked_at.is_(None)]
    for column, value in (
        (Authorization.account_id, account_id),
        (Authorization.membership_id, membership_id),
        (Authorization.client_id, client_id),
        (Authorization.id, authorization_id),
    ):
        if value is not None:
            conditions.append(column == value)
    if spared_session is not None:
        conditions.append(_outlives(spared_session))
    if session_id is not None:
        conditions += [Authorization.session_id == session_id, Authorization.offline.is_(False)]
    if len(conditions) == 1:
        raise ValueError("name what to revoke")
    if of_devices:
        conditions.append(OF_DEVICES)
    if limit is not None:
        conditions = [Authorization.id.in_(select(Authorization.id).where(*conditions).limit(limit))]
    ctx.db.flush()
    ended = update(Authorization).where(*conditions).values(revoked_at=ctx.now, revoke_reason=reason[:32])
    with_ids = ended.returning(Authorization.id).execution_options(synchronize_session=False)
    ids = list(ctx.db.scalars(with_ids))
    _record_revoked(ctx, ids, reason)
    return ids


def _outlives(session_id: str) -> ColumnElement[bool]:
    """Say which authorizations do not end with a session, or are held elsewhere than in its browser."""
    return or_(
        Authorization.session_id.is_(None),
        Authorization.session_id != session_id,
        Authorization.offline,
        OF_DEVICES,
    )


def end_own_tokens(ctx: Context, client_row_id: str) -> None:
    """End the tokens a client got for itself, as far as they have rows (design §6, strict revocation)."""
    own = delete(AccessToken).where(
        AccessToken.client_id == client_row_id, AccessToken.authorization_id.is_(None)
    )
    ctx.db.execute(own, execution_options={"synchronize_session": False})


def code_replayed(ctx: Context, code: str) -> None:
    """Revoke all that came of a code that is presented again (RFC 6749 §4.1.2, req 6)."""
    used = one_time_secrets.find_used(ctx, CODE_PURPOSE, code)
    if used is None:
        return
    revoke(ctx, "code replayed", authorization_id=used.target)
    record(ctx, Event.CODE_REPLAYED, target=("authorization", used.target), client=ctx.actor.id)


def code_misused(ctx: Context, authorization_id: str, reason: str) -> None:
    """Note that a code was burnt because it was presented wrongly (req 7)."""
    target = ("authorization", authorization_id)
    record(ctx, Event.CODE_MISUSED, target=target, client=ctx.actor.id, reason=reason)


def refresh_token_reused(ctx: Context, token_hash: bytes, client: RegisteredClient) -> None:
    """Revoke the family of a used refresh token and tell the person (RFC 9700 §4.14.2, req 21).

    An expired or foreign one is nothing.
    """
    family = ctx.db.execute(
        select(Authorization.id, Authorization.account_id)
        .join(RefreshToken, RefreshToken.authorization_id == Authorization.id)
        .where(
            RefreshToken.hash == token_hash,
            RefreshToken.used_at.is_not(None),
            Authorization.client_id == client.row_id,
        )
    ).first()
    if family is None:
        return
    if revoke(ctx, "refresh token reused", authorization_id=family.id):
        record(
            ctx,
            Event.REFRESH_TOKEN_REUSED,
            target=("account", family.account_id),
            client=ctx.actor.id,
            new={"lineage": family.id},
        )
        notices.access_ended(ctx, family.account_id, portal=client.client_name)


def _record_revoked(ctx: Context, ids: Iterable[str], reason: str) -> None:
    for authorization_id in ids:
        target = ("authorization", authorization_id)
        record(ctx, Event.AUTHORIZATION_REVOKED, target=target, reason=reason)
