"""The recovery password of a person: draw it, save it, reset the password with it (req 54-59, 70-73, 75).

Screens K-03, P-04 and, where it is wanted, the end of a registration.  What was drawn waits sealed in a
flow until it is saved: until then the one before it counts.  In the database stands only a hash, in no mail
anything.
"""

from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import delete

from idp.accounts.legacy.questions import recovery_made
from idp.accounts.models import ACTIVE, Account
from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication import notices, recovery_password
from idp.authentication.models import Authenticator
from idp.authentication.recovery_password import Candidate
from idp.context import Actor, Context
from idp.delivery import mails
from idp.errors import Refusal
from idp.flows import engine
from idp.flows.models import Flow

FRESH: Final = timedelta(minutes=15)
"""How long after a registration the password that was just chosen is not asked again."""

SETTLES: Final = timedelta(hours=72)
"""How long a recovery password is young: so long can its owner, who got a mail, answer (design §2)."""

_WITH_THE_ACCOUNT: Final = timedelta(hours=1)
"""How soon after the account one is made that belongs to its beginning."""

AMT24: Final = "amt24"


def draw(
    ctx: Context,
    account_id: str,
    *,
    browser_hash: bytes,
    then: Flow | None = None,
    client_id: str | None = None,
    just_registered: bool = False,
) -> Flow:
    """Draw a recovery password, which waits in a new flow of this browser.

    :param then: the flow that the person came from and goes back to.
    :param client_id: table key of the portal to go on to where *then* is another browser's.
    :param just_registered: it is the end of a registration, at which the person wanted one.
    """
    flow = engine.start(
        ctx,
        engine.RECOVERY,
        browser_hash=browser_hash,
        request=engine.carried(then) | {"just_registered": just_registered},
        client_id=then.client_id if then else client_id,
    )
    flow.account_id = account_id
    engine.put(ctx, flow, {"drawn": recovery_password.draw()})
    return flow


def drawn_in(ctx: Context, flow: Flow, account_id: str) -> str:
    """Return what was drawn in a flow, for the person it was drawn for.

    :raises Refusal: ``flow.lost`` for anybody else.
    """
    kept = engine.get(ctx, flow)
    if kept is None or flow.account_id != account_id:
        raise Refusal("flow.lost")
    return str(kept["drawn"])


def asks_password(ctx: Context, flow: Flow) -> bool:
    """Tell whether saving needs the account's password: not just after it was chosen."""
    return not flow.request["just_registered"] or ctx.now - flow.created_at >= FRESH


def save(ctx: Context, flow: Flow, account_id: str) -> None:
    """Save what was drawn: from now on it alone counts (M06); the flow is held and ends.

    :raises Refusal: ``flow.lost`` as :func:`drawn_in`; ``flow.expired`` where it was saved before,
        ``principal.may_not_act``.
    """
    text = drawn_in(ctx, flow, account_id)
    if not engine.finish(ctx, flow):
        raise Refusal("flow.expired", client_id=flow.client_id)
    account = _held(ctx, account_id)
    if account.status != ACTIVE:
        raise Refusal("principal.may_not_act")
    engine.put(ctx, flow, None)
    replaced = recovery_password.replace(ctx, account.id, text)
    account.recovery_due = False
    account.updated_at = ctx.now
    recovery_made(ctx, account.id)
    acting = ctx.acting(Actor("account", account.id))
    record(
        acting, Event.RECOVERY_PASSWORD_CREATED, target=("account", account.id), new={"replaced": replaced}
    )
    ctx.db.flush()
    notices.tell(ctx, account.id, mail_about("replaced" if replaced else "created"))


def mail_about(event: Literal["created", "replaced", "used", "removed"]) -> mails.RecoveryData:
    """Return the mail that tells of the recovery password; it itself is never mailed."""
    return mails.RecoveryData(secret="recovery_password", event=event)  # noqa: S106  (what it is called)


def decline(ctx: Context, flow: Flow) -> None:
    """Forget what was drawn: the person wants none now."""
    engine.finish(ctx, flow)
    engine.put(ctx, flow, None)


def made_at(ctx: Context, account_id: str) -> datetime | None:
    """Return since when an account has a recovery password, None without one."""
    return recovery_password.created_at(ctx, account_id)


def due_for_everybody(ctx: Context) -> bool:
    """Tell whether nobody goes on to a portal without one, as in Amt24."""
    return ctx.settings.password.profile == AMT24


def make_due(ctx: Context, account: Account) -> bool:
    """Have a person save one before a portal gets its answer; False where there is one."""
    due = recovery_password.created_at(ctx, account.id) is None
    account.recovery_due = account.recovery_due or due
    return due


def prove(ctx: Context, username: str, typed: str) -> Candidate:
    """Compare a recovery password; an unknown name costs and answers what a wrong one does (req 59).

    Begins and ends its own transactions.  Nothing is used up: the new password may still be refused.

    :raises Refusal: ``reset.throttled`` (until); ``recovery.wrong``.
    """
    candidate = recovery_password.look_up(ctx, username)
    ctx.db.commit()
    target = ("account", candidate.account.id) if candidate.account else None
    try:
        ctx.throttle.reset_try(ip=ctx.origin.ip, now=ctx.now)
    except Refusal as refusal:
        record(ctx, Event.RECOVERY_PASSWORD_REFUSED, target=target, reason=refusal.code)
        raise
    if not recovery_password.fits(candidate, typed):
        record(ctx, Event.RECOVERY_PASSWORD_REFUSED, target=target, reason="wrong")
        raise Refusal("recovery.wrong")
    return candidate


def whose(candidate: Candidate) -> str:
    """Return the id of the account whose recovery password was right."""
    assert candidate.account is not None  # noqa: S101  (nobody's is never right)
    return candidate.account.id


def proven_account(ctx: Context, candidate: Candidate) -> Account:
    """Return the account, held, whose recovery password was right and still is.

    :raises Refusal: ``recovery.wrong`` where it was replaced, used or the account blocked meanwhile.
    """
    account = _held(ctx, whose(candidate))
    current = recovery_password.is_current(ctx, account.id, candidate.hash)
    if account.status != ACTIVE or not current:
        raise Refusal("recovery.wrong")
    return account


def use(ctx: Context, account: Account, hash_: bytes) -> bool:
    """Use a recovery password up; False where it is gone or replaced.

    Its person is to save a new one, in the profile ``amt24`` before a portal gets its next answer.
    """
    if not recovery_password.consume(ctx, account.id, hash_):
        return False
    account.recovery_due = account.recovery_due or due_for_everybody(ctx)
    record(ctx, Event.RECOVERY_PASSWORD_USED, target=("account", account.id))
    return True


def settles_at(ctx: Context, account: Account) -> datetime | None:
    """Return when the recovery password is no longer young, None where it was made with the account."""
    made = recovery_password.created_at(ctx, account.id)
    return None if made is None else settled(account, made)


def settled(account: Account, proof_made: datetime) -> datetime | None:
    """Return when a proof is no longer young, None where it was made with the account."""
    return None if proof_made - account.created_at < _WITH_THE_ACCOUNT else proof_made + SETTLES


def remove_young(ctx: Context, account: Account, *, at: datetime) -> None:
    """Remove a recovery password that was young at a moment, or was made since: a thief may have saved it.

    Its owner hears of it (M06).
    """
    made, settles = recovery_password.created_at(ctx, account.id), settles_at(ctx, account)
    if made is None or (made < at and (settles is None or settles <= at)):
        return
    recovery_password.remove(ctx, account.id)
    account.recovery_due = account.recovery_due or due_for_everybody(ctx)
    record(ctx, Event.RECOVERY_PASSWORD_REMOVED, target=("account", account.id))
    ctx.db.flush()
    notices.tell(ctx, account.id, mail_about("removed"))


def does_without_the_app(ctx: Context) -> bool:
    """Tell whether who lost the app gets in by a recovery password, alone or with a mailed code."""
    return ctx.settings.recovery.reset_mfa != "never"


def removes_factors(ctx: Context) -> bool:
    """Tell whether the recovery password alone takes the second factors with it, as Amt24 documents it."""
    return ctx.settings.recovery.reset_mfa == "immediate"


def remove_factors(ctx: Context, account: Account, *, reason: str) -> set[str]:
    """Remove an account's second factors; returns the kinds it had.

    :param reason: what gave the right to it, for the log.
    """
    gone = ctx.db.execute(
        delete(Authenticator)
        .where(Authenticator.account_id == account.id)
        .returning(Authenticator.id, Authenticator.kind),
        execution_options={"synchronize_session": False},
    ).all()
    for key, kind in gone:
        record(
            ctx,
            Event.AUTHENTICATOR_REMOVED,
            target=("account", account.id),
            old={"authenticator": key, "kind": kind},
            reason=reason,
        )
    return {kind for _, kind in gone}


def _held(ctx: Context, account_id: str) -> Account:
    ctx.db.flush()
    return ctx.db.get_one(Account, account_id, with_for_update=True, populate_existing=True)
