"""Another e-mail address for an account: it waits until it is proven, the old one can take it back (K-12).

Nothing of the account changes before the new address's owner has given the code, or opened the link and shown
to be the account's owner (req 69).  Whoever asks for an address that has an account learns nothing (req 59):
its owner gets another mail.  The link to the old address restores it for 72 hours, whatever happened since,
so no later change's link takes it away (docs/decisions/0048).
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import and_, delete, or_, select, update
from sqlalchemy.exc import IntegrityError

from idp.accounts import identifiers
from idp.accounts.deletion import can_be_undone, planned
from idp.accounts.models import ACTIVE, DELETED, Account, Identifier
from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication import devices, notices
from idp.context import Actor, Context
from idp.crypto import random_token, sha256
from idp.delivery import mails
from idp.errors import Refusal
from idp.flows import engine, mailed_codes, one_time_secrets
from idp.flows.models import Flow, OneTimeSecret
from idp.management import account_deletion, recovery, registration
from idp.management.accounts import locked
from idp.management.ending import end_account
from idp.management.password_reset import void_links
from idp.management.replaced_addresses import UNDO

CODE: Final = "address_code"
LINK: Final = "address_link"
LINK_PATH: Final = "/account/email/link"
UNDO_PATH: Final = "/account/email/undo"
WAITS: Final = timedelta(hours=24)
UNDO_FOR: Final = timedelta(hours=72)

_ASKED: Final = "asked"


def problem(ctx: Context, account_id: str, address: str) -> Refusal | None:
    """Return why an address cannot be asked for; whether somebody else has it is no reason."""
    wrong = registration.address_refusal(address)
    if wrong is not None:
        return wrong
    key = identifiers.lookup(ctx, identifiers.EMAIL, identifiers.email_key(address))
    own = any(found.verified_at is not None and found.lookup == key for found in _sign_in(ctx, account_id))
    return Refusal("email.same") if own else None


def admit(ctx: Context, account_id: str, address: str) -> None:
    """Count a mail for the address and for who causes it; needs no transaction and must not be inside one.

    :raises Refusal: ``mail.throttled`` (``until``).
    """
    ctx.throttle.mail_try(mails.PROOFS, f"by {account_id}", now=ctx.now)
    ctx.throttle.mail_try(mails.PROOFS, identifiers.email_key(address), now=ctx.now)


def begin(ctx: Context, account_id: str, address: str, *, browser_hash: bytes) -> Flow:
    """Keep an address in a flow and send a code to it; the statements are the same where it is taken."""
    account = ctx.db.get_one(Account, account_id)
    flow = engine.start(ctx, engine.ADDRESS, browser_hash=browser_hash, request={}, lifetime=WAITS)
    flow.account_id = account_id
    engine.mark(flow, _ASKED, account=account_id, epoch=account.epoch)
    engine.put(ctx, flow, {"address": address})
    _send(ctx, flow, account, address)
    return flow


def address_of(ctx: Context, flow: Flow) -> str:
    """Return the address that waits; raises Refusal ``flow.expired`` where it waits no more."""
    kept = engine.get(ctx, flow)
    if kept is None:
        raise Refusal("flow.expired")
    return str(kept["address"])


def code_sent_at(ctx: Context, flow: Flow) -> datetime | None:
    """Return when the last code went out."""
    return mailed_codes.sent_at(ctx, CODE, flow)


def is_code_used_up(ctx: Context, flow: Flow) -> bool:
    """Tell whether the last code had all its tries."""
    return mailed_codes.is_used_up(ctx, CODE, flow)


def resend(ctx: Context, flow: Flow) -> None:
    """Send another code, which voids the one before; raises Refusal ``code.too_soon`` (``until``)."""
    account = ctx.db.get_one(Account, flow.account_id)
    _send(ctx, flow, account, address_of(ctx, flow))


def confirm(ctx: Context, flow: Flow, code: str) -> None:
    """Replace the address, for the code has shown whose the new one is; the flow is held and ends.

    The caller commits also after a refusal, for the try is counted.

    :raises Refusal: ``code.*`` as ``mailed_codes.redeem``; ``email.taken`` where somebody else has proven the
        address meanwhile; ``flow.expired`` where it was done before or the account changed since.
    """
    mailed_codes.redeem(ctx, CODE, flow, code)
    _replace(ctx, flow)


def of_link(ctx: Context, token: str) -> Flow:
    """Return the flow of a link to a new address; nothing is used up (req 68).

    :raises Refusal: ``token.expired``, ``token.used``.
    """
    return _of_link(ctx, LINK, token)


def confirm_by_link(ctx: Context, token: str) -> None:
    """Replace the address by the link; raises Refusal as :func:`of_link` and :func:`confirm`."""
    flow = of_link(ctx, token)
    locked(ctx, str(flow.account_id))  # before the secret: who voids links holds the account first
    if one_time_secrets.consume(ctx, LINK, token) is None:
        raise Refusal("token.used")
    _replace(ctx, flow)


def of_undo(ctx: Context, token: str) -> Flow:
    """Return the flow of a link to an old address; raises Refusal as :func:`of_link`."""
    return _of_link(ctx, UNDO, token)


def undo(ctx: Context, token: str) -> None:
    """Give the account its old address back; all that a thief could know or have set up since ends.

    Sessions, password, a recovery password that was young or made since, every link: the owner sets a new
    password by the old address, and gives the second factor as ever.  Of several addresses those come back
    that are free.  A deletion that somebody planned in the account is undone with it.

    :raises Refusal: as :func:`of_link`, ``token.expired`` also where the account stays deleted;
        ``email.taken`` where other accounts have proven all of them since: then the link stays good.
    """
    flow = of_undo(ctx, token)
    kept = engine.get(ctx, flow)
    account = locked(ctx, str(flow.account_id))
    deleted = account.status == DELETED
    if deleted and not can_be_undone(planned(ctx, account.id)):
        raise Refusal("token.expired")
    acting = ctx.acting(Actor("account", account.id))
    gone = notices.addresses(ctx, account.id)
    with ctx.db.begin_nested():
        if one_time_secrets.consume(ctx, UNDO, token) is None or kept is None or not engine.finish(ctx, flow):
            raise Refusal("token.used")
        back = _give(acting, account, kept["addresses"], instead_of=_sign_in(ctx, account.id))
    if deleted:  # after the address: its owner is told
        account_deletion.bring_back(ctx, account.id)
    account.password_hash = account.password_changed_at = None
    account.epoch += 1
    recovery.remove_young(acting, account, at=flow.created_at)
    _record(acting, account.id, back, gone, reason="address_change_undone")
    engine.put(ctx, flow, None)
    devices.forget(ctx, account.id)
    void_links(ctx, account.id)
    _void_own_links(ctx, account.id, flow)
    end_account(acting, account.id, "address change undone")
    notices.tell(ctx, account.id, mails.AddressAdded())


def _send(ctx: Context, flow: Flow, account: Account, address: str) -> None:
    code, _ = mailed_codes.issue(ctx, CODE, flow)
    token = one_time_secrets.create(ctx, LINK, target=account.id, flow_id=flow.id, lifetime=WAITS)
    link = f"{ctx.settings.issuer}{LINK_PATH}?token={token}"
    owned = identifiers.proven(ctx, identifiers.EMAIL, identifiers.email_key(address))
    wanted = mails.VerifyAddress(code=code, link=link, change=True)
    mail = wanted if owned is None else mails.AlreadyRegistered(change=True)
    mails.post(ctx, mail, to=address, locale=account.locale, expires_at=ctx.now + WAITS)


def _of_link(ctx: Context, purpose: str, token: str) -> Flow:
    secret = one_time_secrets.find(ctx, purpose, token)
    if secret is None or secret.flow_id is None:
        raise Refusal("token.expired")
    if secret.used_at is not None:
        raise Refusal("token.used")
    try:
        return engine.by_secret(ctx, secret.flow_id)
    except Refusal as refusal:  # done by the code, or by another link
        raise Refusal("token.used") from refusal


def _replace(ctx: Context, flow: Flow) -> None:
    address = address_of(ctx, flow)
    if not engine.finish(ctx, flow):
        raise Refusal("flow.expired")
    engine.put(ctx, flow, None)
    account = locked(ctx, str(flow.account_id))
    if account.status != ACTIVE or account.epoch != flow.done[_ASKED]["epoch"]:
        raise Refusal("flow.expired")
    acting = ctx.acting(Actor("account", account.id))
    before = notices.addresses(ctx, account.id)
    _give(acting, account, [address], instead_of=_sign_in(ctx, account.id))
    _record(acting, account.id, [address], before)
    void_links(ctx, account.id)
    _offer_undo(ctx, account, before)
    mails.post(ctx, mails.AddressAdded(), to=address, locale=account.locale)


def _offer_undo(ctx: Context, account: Account, addresses: list[str]) -> None:
    """Send each address that is gone a link of its own; of all of them one works, once."""
    if not addresses:
        return
    nobody = sha256(random_token())  # the links alone open it
    flow = engine.start(ctx, engine.ADDRESS_UNDO, browser_hash=nobody, request={}, lifetime=UNDO_FOR)
    flow.account_id = account.id
    engine.put(ctx, flow, {"addresses": addresses})
    for address in addresses:
        token = one_time_secrets.create(ctx, UNDO, target=account.id, flow_id=flow.id, lifetime=UNDO_FOR)
        link = f"{ctx.settings.issuer}{UNDO_PATH}?token={token}"
        until = ctx.now + UNDO_FOR
        mails.post(ctx, mails.AddressReplaced(link=link), to=address, locale=account.locale, expires_at=until)


def _give(ctx: Context, account: Account, addresses: list[str], *, instead_of: list[Identifier]) -> list[str]:
    """Make those that no other account has proven the addresses of an account, and return them.

    :raises Refusal: ``email.taken`` where there is none; then nothing was changed.
    """
    with ctx.db.begin_nested():
        gone = [found.id for found in instead_of]
        ctx.db.execute(delete(Identifier).where(Identifier.id.in_(gone)))
        given = [address for address in addresses if _make_proven(ctx, account, address)]
        if not given:
            raise Refusal("email.taken")
    account.updated_at = ctx.now
    ctx.db.flush()
    return given


def _make_proven(ctx: Context, account: Account, address: str) -> bool:
    """Give an account an address as proven; unproven claims of others to it end (req 88)."""
    try:
        with ctx.db.begin_nested():  # of two who prove one address at a time, one finds it taken
            fresh = identifiers.add_email(ctx, account.id, address)
            registration.disown(ctx, fresh)
            identifiers.verify(ctx, fresh)
    except IntegrityError:
        return False
    except Refusal as refusal:
        if refusal.code != "email.taken":
            raise
        return False
    return True


def _record(
    ctx: Context, account_id: str, added: list[str], removed: list[str], reason: str | None = None
) -> None:
    target = ("account", account_id)
    record(ctx, Event.IDENTIFIER_VERIFIED, target=target, reason=reason, personal={"emails": added})
    if removed:
        record(ctx, Event.IDENTIFIER_REMOVED, target=target, reason=reason, personal={"emails": removed})


def _sign_in(ctx: Context, account_id: str) -> list[Identifier]:
    found = identifiers.of_account(ctx, account_id, identifiers.EMAIL)
    return [address for address in found if address.purpose == identifiers.SIGN_IN]


def _void_own_links(ctx: Context, account_id: str, undone: Flow) -> None:
    """Void the links to new addresses, and those that undo this change or a later one.

    A thief's own address gets nothing back, and takes no link of an earlier change from its owner.
    """
    later = select(Flow.id).where(Flow.account_id == account_id, Flow.created_at >= undone.created_at)
    ctx.db.execute(
        update(OneTimeSecret)
        .where(
            OneTimeSecret.target == account_id,
            or_(
                OneTimeSecret.purpose == LINK,
                and_(OneTimeSecret.purpose == UNDO, OneTimeSecret.flow_id.in_(later)),
            ),
            OneTimeSecret.used_at.is_(None),
        )
        .values(used_at=ctx.now),
        execution_options={"synchronize_session": False},
    )
