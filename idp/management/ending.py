"""Ending what was issued: sessions, with notice to their portals, and authorizations with what came of them.

Callers hold the locks, in the order account, membership, authorization, so that nothing is issued after they
commit (req 23, 44; C7).
"""

from dataclasses import dataclass

from sqlalchemy import or_, select, update

from idp.authentication import sessions
from idp.authentication.models import Session
from idp.context import Context
from idp.oidc.authorization import end_own_tokens, revoke
from idp.oidc.logout import end_session
from idp.oidc.models import Authorization
from idp.organizations import memberships, policy


@dataclass(frozen=True, slots=True)
class Ended:
    """How much ended; pages tell the administrator."""

    sessions: int = 0
    authorizations: int = 0
    #: outbox groups of the notices to portals, for the receipt
    notices: tuple[str, ...] = ()

    def __add__(self, other: "Ended") -> "Ended":
        return Ended(
            self.sessions + other.sessions,
            self.authorizations + other.authorizations,
            self.notices + other.notices,
        )


def end_account(ctx: Context, account_id: str, reason: str) -> Ended:
    """End all sessions of an account and everything issued to it."""
    return _end(ctx, sessions.open_ids(ctx, account_id), reason, account_id=account_id)


def end_others(ctx: Context, account_id: str, session_id: str, reason: str) -> Ended:
    """End all sessions of an account but one, and all that was not issued in it or is a device's (req 44)."""
    others = [found for found in sessions.open_ids(ctx, account_id) if found != session_id]
    return _end(ctx, others, reason, account_id=account_id, spared_session=session_id)


def keep_what_is_left(ctx: Context, account_id: str, *, epoch: int) -> None:
    """Let sessions and authorizations that did not end live on under the account's next epoch.

    :param epoch: the one they were issued under; what is older stays dead.
    """
    ctx.db.flush()
    for table, over in ((Session, Session.ended_at), (Authorization, Authorization.revoked_at)):
        ctx.db.execute(
            update(table)
            .where(table.account_id == account_id, table.account_epoch == epoch, over.is_(None))
            .values(account_epoch=epoch + 1),
            execution_options={"synchronize_session": False},
        )


def end_membership(ctx: Context, membership_id: str, account_id: str, reason: str) -> Ended:
    """End everything issued for a membership, and the sessions that act or acted for it.

    A portal can be told of the end of a session only, so sessions end that another organisation could use
    too: the person signs in again.  Where no usable membership is left, every session ends.
    """
    if any(policy.is_usable(found) for found in memberships.for_account(ctx, account_id)):
        ids = _acting_for(ctx, membership_id, account_id)
    else:
        ids = sessions.open_ids(ctx, account_id)
    return _end(ctx, ids, reason, membership_id=membership_id)


def end_client(ctx: Context, client_row_id: str, reason: str, *, limit: int | None = None) -> Ended:
    """End everything issued to a client; sessions serve other clients and stay.

    :param limit: how many authorizations end at most; a client may have millions.
    """
    end_own_tokens(ctx, client_row_id)
    return Ended(authorizations=len(revoke(ctx, reason, client_id=client_row_id, limit=limit)))


def end_consent(ctx: Context, account_id: str, client_row_id: str) -> Ended:
    """End everything issued to one client for one person, whatever session or none it belongs to."""
    return _end(ctx, [], "consent withdrawn", account_id=account_id, client_id=client_row_id)


def _acting_for(ctx: Context, membership_id: str, account_id: str) -> list[str]:
    served = select(Authorization.session_id).where(
        Authorization.membership_id == membership_id, Authorization.revoked_at.is_(None)
    )
    acting = select(Session.id).where(
        Session.account_id == account_id,
        Session.ended_at.is_(None),
        Session.expires_at > ctx.now,
        or_(Session.membership_id == membership_id, Session.id.in_(served)),
    )
    return list(ctx.db.scalars(acting))


def _end(
    ctx: Context,
    session_ids: list[str],
    reason: str,
    *,
    account_id: str | None = None,
    membership_id: str | None = None,
    client_id: str | None = None,
    spared_session: str | None = None,
) -> Ended:
    revoked = revoke(
        ctx,
        reason,
        account_id=account_id,
        membership_id=membership_id,
        client_id=client_id,
        spared_session=spared_session,
    )
    groups = [end_session(ctx, session_id, reason) for session_id in session_ids]
    notices = tuple(group for group in groups if group is not None)
    return Ended(len(notices), len(revoked), notices)
