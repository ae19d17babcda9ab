"""A forgotten password: a link to a proven address, the second factor, the new password (req 59, 68, 71, 76).

Screens P-01 to P-05.  Who asks learns nothing about others: without an account the pages are the same.  The
new password waits sealed in a flow until the account's second factor was given; so it does where the recovery
password is the means (:mod:`idp.management.recovery`).
"""

from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import select, update

from idp.accounts import identifiers, new_passwords
from idp.accounts.identifiers import SignInFacts
from idp.accounts.models import ACTIVE, Account, Identifier
from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication import devices, notices, sessions, transaction
from idp.context import Actor, Context
from idp.delivery import mails
from idp.errors import Refusal
from idp.flows import engine, one_time_secrets
from idp.flows.models import RESETS, Flow, OneTimeSecret
from idp.management import recovery
from idp.management.accounts import locked
from idp.management.ending import end_account
from idp.oidc.models import Client

Means = Literal["link", "recovery_password"]
BY_LINK: Final = "link"
BY_RECOVERY: Final = "recovery_password"

LINK: Final = "reset_link"
LINK_PATH: Final = "/password/reset"
LIFETIME: Final = timedelta(minutes=30)
PAUSE: Final = timedelta(seconds=60)
"""How long to wait before another link is sent."""


def admit(ctx: Context, address: str) -> datetime | None:
    """Count a request before anything is written; needs no transaction and must not be inside one.

    :returns: until when only browsers that the account knows cause a mail, for everybody's share is used up;
        None while it is not.
    :raises Refusal: ``reset.throttled``, ``mail.throttled`` (``until``).
    """
    ctx.throttle.reset_try(ip=ctx.origin.ip, now=ctx.now)
    key = identifiers.email_key(address)
    return ctx.throttle.mail_try(mails.RESETS, key, now=ctx.now, device=ctx.origin.device)


def begin(
    ctx: Context,
    address: str,
    *,
    then: Flow | None,
    browser_hash: bytes,
    known_until: datetime | None = None,
) -> Flow:
    """Keep the address that was typed, and send a link where it is somebody's proven one.

    :param then: the flow that the person came from and goes back to.
    :param known_until: what :func:`admit` returned.
    """
    flow = _start(ctx, then, browser_hash)
    _send(ctx, flow, address, known_until)
    return flow


def address_of(ctx: Context, flow: Flow) -> str:
    """Return the address that was typed.

    :raises Refusal: ``flow.lost`` where the flow has another step.
    """
    found = engine.get(ctx, flow) or {}
    if "address" not in found:
        raise Refusal("flow.lost")
    return str(found["address"])


def known_until(ctx: Context, flow: Flow) -> datetime | None:
    """Return until when the address gets mails through known browsers only, None where it was not so."""
    until = (engine.get(ctx, flow) or {}).get("known_until")
    return datetime.fromisoformat(until) if until else None


def resend(ctx: Context, flow: Flow, *, known_until: datetime | None = None) -> None:
    """Send another link; the one before stays good for its own time.

    :param known_until: what :func:`admit` returned.
    :raises Refusal: ``mail.too_soon`` (``until``).
    """
    last = ctx.db.scalar(
        select(OneTimeSecret.created_at)
        .where(OneTimeSecret.target == flow.id, OneTimeSecret.purpose == LINK)
        .order_by(OneTimeSecret.created_at.desc())
        .limit(1)
    )
    if last is not None and ctx.now < last + PAUSE:
        raise Refusal("mail.too_soon", until=last + PAUSE)
    _send(ctx, flow, address_of(ctx, flow), known_until)


def of_link(ctx: Context, token: str) -> Flow:
    """Return the flow of a link from a mail, whatever browser it is opened in; nothing is used up (req 68).

    :raises Refusal: ``token.used``; ``token.expired`` also where the account changed since the link was sent,
        as by another link.
    """
    secret = one_time_secrets.find(ctx, LINK, token)
    if secret is None or secret.flow_id is None:
        raise Refusal("token.expired")
    if secret.used_at is not None:
        raise Refusal("token.used")
    flow = engine.by_secret(ctx, secret.flow_id)
    account = ctx.db.get(Account, flow.account_id) if flow.account_id else None
    if account is None or not _is_unchanged(account, flow):
        raise Refusal("token.expired")
    return flow


def problems(ctx: Context, account_id: str, password: str) -> list[Refusal]:
    """Return what is wrong with a new password for an account."""
    account = ctx.db.get_one(Account, account_id)
    addresses = [
        identifiers.text_of(ctx, found)
        for found in identifiers.of_account(ctx, account.id, identifiers.EMAIL)
    ]
    words = (account.username, account.name, account.given_name, account.family_name, *addresses)
    return new_passwords.problems(ctx, password, words)


def accept(ctx: Context, token: str, password_hash: str, *, then: Flow | None, browser_hash: bytes) -> Flow:
    """Use the link up, and keep the new password in a flow of this browser until :func:`apply`.

    :param then: the flow that the person came from, where it is this browser's own.
    :raises Refusal: as :func:`of_link`.
    """
    asked = of_link(ctx, token)
    account = locked(ctx, str(asked.account_id))  # before the secret: who voids links holds the account first
    if one_time_secrets.consume(ctx, LINK, token) is None:
        raise Refusal("token.used")
    if not _is_unchanged(account, asked):
        raise Refusal("token.expired")
    return keep(
        ctx,
        account,
        password_hash,
        means=BY_LINK,
        then=then,
        browser_hash=browser_hash,
        client_id=asked.client_id,
    )


def keep(
    ctx: Context,
    account: Account,
    password_hash: str,
    *,
    means: Means,
    then: Flow | None,
    browser_hash: bytes,
    client_id: str | None = None,
    recovery_hash: bytes | None = None,
) -> Flow:
    """Keep a new password in a flow of this browser until :func:`apply`.

    :param means: what gave the right to it.
    :param recovery_hash: of the recovery password that :func:`apply` uses up.
    """
    flow = _start(ctx, then, browser_hash, client_id=client_id, means=means)
    recovery = recovery_hash.hex() if recovery_hash else None
    engine.put(ctx, flow, {"password_hash": password_hash, "recovery": recovery})
    transaction.password_proven(ctx, flow, account, earlier_failures=0)
    return flow


def means_of(flow: Flow) -> Means:
    """Return what gave the right to the new password of a flow."""
    return BY_RECOVERY if flow.request["means"] == BY_RECOVERY else BY_LINK


def apply(ctx: Context, flow: Flow) -> SignInFacts:
    """Give the account its new password; what was issued before ends (req 71, 76).

    The second factors stay, unless a second proof was given or the installation wants them to go.

    :raises Refusal: ``flow.expired`` where it was done before, or the account changed meanwhile.
    """
    half_way, kept = transaction.half_way(ctx, flow), engine.get(ctx, flow) or {}
    if half_way is None or "password_hash" not in kept or not engine.finish(ctx, flow):
        raise Refusal("flow.expired", client_id=flow.client_id)
    account = locked(ctx, half_way.account.id)
    if transaction.half_way(ctx, flow) is None:  # it changed while its row was waited for
        raise Refusal("flow.expired", client_id=flow.client_id)
    acting, means = ctx.acting(Actor("account", account.id)), means_of(flow)
    if means == BY_RECOVERY and not recovery.use(acting, account, bytes.fromhex(kept["recovery"])):
        raise Refusal("flow.expired", client_id=flow.client_id)
    account.password_hash = kept["password_hash"]
    account.password_changed_at = account.updated_at = ctx.now
    account.epoch += 1
    engine.put(ctx, flow, None)
    record(acting, Event.PASSWORD_RESET, target=("account", account.id), new={"means": means})
    reason = _why_factors_go(ctx, flow, account)
    kinds = recovery.remove_factors(acting, account, reason=reason) if reason else set()
    engine.mark(flow, _RESULT, factors_removed=bool(kinds))
    ctx.throttle.recovered(ctx.db, account.id, factors=kinds)
    devices.forget(ctx, account.id)
    end_account(acting, account.id, "password reset")
    void_links(ctx, account.id)
    if means == BY_LINK:
        recovery.remove_young(acting, account, at=ctx.now)
    told: list[mails.Mail] = [mails.PasswordChanged(means=means, factors_removed=bool(kinds))]
    if means == BY_RECOVERY:
        told.append(recovery.mail_about("used"))
    ctx.db.flush()
    notices.tell(ctx, account.id, *told)
    return SignInFacts(account.id, account.status, account.epoch, account.password_hash)


def needs_second_factor(ctx: Context, flow: Flow) -> bool:
    """Tell whether a second factor has to be given before :func:`apply`; no remembered browser spares it."""
    if means_of(flow) == BY_RECOVERY and recovery.removes_factors(ctx):
        return False
    half_way = transaction.half_way(ctx, flow)
    return half_way is not None and bool(sessions.second_factors(ctx, half_way.account.id))


def prove_again(flow: Flow, account_id: str) -> None:
    """Note a second proof beside the recovery password: :func:`apply` removes the second factors."""
    engine.mark(flow, _SECOND_PROOF, account=account_id)


def is_applied(flow: Flow) -> bool:
    """Tell whether a flow that is over gave its account the new password."""
    return _RESULT in flow.done


def removed_factors(flow: Flow) -> bool:
    """Tell whether :func:`apply` took the second factors with it."""
    return bool(flow.done.get(_RESULT, {}).get("factors_removed"))


_RESULT: Final = "reset"
_SECOND_PROOF: Final = "second_proof"
_ASKED: Final = "reset_asked"


def _why_factors_go(ctx: Context, flow: Flow, account: Account) -> str | None:
    """Return what gives the right to remove the second factors, None where nothing does (req 71)."""
    if means_of(flow) != BY_RECOVERY:
        return None
    if flow.done.get(_SECOND_PROOF) == {"account": account.id}:
        return "two_proofs"
    return BY_RECOVERY if recovery.removes_factors(ctx) else None


def _is_unchanged(account: Account, asked: Flow) -> bool:
    """Tell whether the account may act and has the password and rights it had when a link was sent."""
    return account.status == ACTIVE and account.epoch == asked.done[_ASKED]["epoch"]


def _start(
    ctx: Context,
    then: Flow | None,
    browser_hash: bytes,
    *,
    client_id: str | None = None,
    means: Means = BY_LINK,
) -> Flow:
    return engine.start(
        ctx,
        engine.RESET,
        browser_hash=browser_hash,
        request=engine.carried(then) | {"means": means},
        client_id=then.client_id if then else client_id,
    )


def _send(ctx: Context, flow: Flow, address: str, known_until: datetime | None) -> None:
    """Make a link, and send it where the address is proven and its account may act (M03).

    It goes to the address as it is stored, not as it was typed just now.  Else the same is written, but a
    mail that nobody gets: neither statements nor time tell who has an account (req 59).
    """
    engine.put(ctx, flow, {"address": address, "known_until": known_until and known_until.isoformat()})
    token = one_time_secrets.create(ctx, LINK, target=flow.id, flow_id=flow.id, lifetime=LIFETIME)
    account, stored = _owner(ctx, address)
    within = known_until is None or _has_share(ctx, account)
    client = ctx.db.get(Client, flow.client_id) if flow.client_id else None
    account_id, epoch = (account.id, account.epoch) if account else (None, 0)
    asked = {"account": account_id, "epoch": epoch}
    engine.keep(ctx, flow, done=flow.done | {_ASKED: asked}, account_id=account_id)
    mails.post(
        ctx,
        mails.ResetPassword(
            link=f"{ctx.settings.issuer}{LINK_PATH}?token={token}",
            portal=client.client_name if client else "",
        ),
        to=stored,
        locale=account.locale if account else None,
        expires_at=ctx.now + LIFETIME,
        withheld=account is None or not within,
    )


def _has_share(ctx: Context, account: Account | None) -> bool:
    """Tell whether this browser may cause a mail that strangers may not: the account knows it (req 56).

    For every other browser the same is read and written, under the name of its cookie (req 59).
    """
    device = ctx.origin.device or b""
    known = devices.find(ctx, account.id if account else "", device)
    whose, which = (account.id, known.id) if account and known else (device.hex(), device.hex())
    counted = ctx.throttle.known_mail(ctx.db, mails.RESETS, account_id=whose, device_id=which, now=ctx.now)
    return counted and known is not None


def _owner(ctx: Context, address: str) -> tuple[Account | None, str]:
    """Return who has proven an address and may act, and how it is stored; as it was typed without."""
    found = ctx.db.execute(
        identifiers.proven_query(ctx, identifiers.EMAIL, identifiers.email_key(address))
        .join(Account, Account.id == Identifier.account_id)
        .add_columns(Account)
    ).first()
    if found is None or found.Account.status != ACTIVE:
        return None, address
    return found.Account, identifiers.text_of(ctx, found.Identifier)


def void_links(ctx: Context, account_id: str) -> None:
    """Void the open links of an account: whatever changes how it is recovered does (req 76)."""
    own = select(Flow.id).where(RESETS, Flow.account_id == account_id)
    ctx.db.execute(
        update(OneTimeSecret)
        .where(OneTimeSecret.purpose == LINK, OneTimeSecret.flow_id.in_(own), OneTimeSecret.used_at.is_(None))
        .values(used_at=ctx.now),
        execution_options={"synchronize_session": False},
    )
