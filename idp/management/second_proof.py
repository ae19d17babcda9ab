"""A lost second factor: recovery password and mailed code remove it, neither alone (req 65, 66, 71, 72).

It happens in the flow in which the new password waits for the second factor
(:mod:`idp.management.password_reset`).  The code goes to the account's own proven address.  A link that was
mailed is no first proof here: link and code would both be the mailbox.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from idp.accounts import identifiers
from idp.accounts.models import Account, Identifier
from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication import second_factor, transaction
from idp.context import Actor, Context
from idp.delivery import mails
from idp.errors import Refusal
from idp.flows import engine, mailed_codes
from idp.flows.models import Flow
from idp.management import password_reset, recovery, replaced_addresses
from idp.oidc.models import Client
from idp.throttling import Reservation

CODE: Final = "second_proof_code"
TWO_PROOFS: Final = "two_proofs"
_ASKED: Final = "second_proof_asked"


@dataclass(frozen=True, slots=True)
class Claim:
    """Who may remove the second factors in a flow, and where the code goes: the oldest proven address."""

    account: Account
    address: Identifier


def claim(ctx: Context, flow: Flow) -> Claim | None:
    """Return who may give a second proof in a flow, None where nobody may, or not yet."""
    found = _claim(ctx, flow)
    return None if found is None or _waits_until(ctx, found) else found


def waits_until(ctx: Context, flow: Flow) -> datetime | None:
    """Return from when on a second proof may be given, None where that is now or never."""
    found = _claim(ctx, flow)
    return None if found is None else _waits_until(ctx, found)


def _waits_until(ctx: Context, claim: Claim) -> datetime | None:
    """Both proofs need to be settled: a thief with one session could plant them in a minute (req 71, 73)."""
    account, proven = claim.account, claim.address.verified_at
    ends = (
        recovery.settles_at(ctx, account),
        None if proven is None else recovery.settled(account, proven),
        replaced_addresses.last_until(ctx, account.id),
    )
    return max((end for end in ends if end is not None and end > ctx.now), default=None)


def _claim(ctx: Context, flow: Flow) -> Claim | None:
    if ctx.settings.recovery.reset_mfa != TWO_PROOFS or flow.purpose != engine.RESET:
        return None
    half_way = transaction.half_way(ctx, flow)
    if half_way is None or password_reset.means_of(flow) != password_reset.BY_RECOVERY:
        return None
    for address in identifiers.of_account(ctx, half_way.account.id, identifiers.EMAIL):
        if address.purpose == identifiers.SIGN_IN and address.verified_at is not None:
            return Claim(half_way.account, address)
    return None


def admit(ctx: Context, claim: Claim) -> None:
    """Count a mail to the address; begins and ends its own transactions.

    :raises Refusal: ``mail.throttled`` (``until``).
    """
    key = identifiers.email_key(identifiers.text_of(ctx, claim.address))
    ctx.db.commit()
    ctx.throttle.mail_try(mails.REMOVALS, key, now=ctx.now)


def send(ctx: Context, flow: Flow, claim: Claim) -> None:
    """Send a code, which voids the one before; the new password waits for it as long as it holds.

    :raises Refusal: ``code.too_soon`` (``until``).
    """
    code, until = mailed_codes.issue(ctx, CODE, flow)
    transaction.wait_anew(ctx, flow)
    engine.mark(flow, _ASKED, account=claim.account.id, address=claim.address.id)
    record(_acting(ctx, claim), Event.SECOND_PROOF_REQUESTED, target=("account", claim.account.id))
    client = ctx.db.get(Client, flow.client_id) if flow.client_id else None
    mail = mails.RemoveSecondFactor(
        code=code,
        user_agent=ctx.origin.user_agent[:200],
        portal=client.client_name if client else "",
    )
    to = identifiers.text_of(ctx, claim.address)
    mails.post(ctx, mail, to=to, locale=claim.account.locale, expires_at=until)


def sent_at(ctx: Context, flow: Flow) -> datetime | None:
    """Return when the last code went out, None where there was none."""
    return mailed_codes.sent_at(ctx, CODE, flow)


def reserve(ctx: Context, flow: Flow, claim: Claim) -> Reservation:
    """Count a try, with those at the app's codes of this reset; as ``second_factor.reserve``."""
    return second_factor.reserve(ctx, flow, claim.account.id, factor=second_factor.MAILED_CODE)


def confirm(ctx: Context, flow: Flow, claim: Claim, code: str, reservation: Reservation) -> None:
    """Use the code up and note the second proof, for ``password_reset.apply`` in the same transaction.

    The flow is held.  The caller commits also after a refusal, for the try is counted.  Who gives a wrong
    code is not shown to be the owner: the log names whoever *ctx* does (req 106).

    :raises Refusal: ``code.wrong`` (``remaining``); ``code.expired`` also where it went to another address;
        ``code.exhausted``: what was proven in the flow before is forgotten.
    """
    account_id = claim.account.id
    if flow.done.get(_ASKED) != {"account": account_id, "address": claim.address.id}:
        raise Refusal("code.expired")
    try:
        mailed_codes.redeem(ctx, CODE, flow, code)
    except Refusal as refusal:
        record(ctx, Event.SECOND_PROOF_FAILED, target=("account", account_id), reason=refusal.code)
        if refusal.code == "code.expired":
            raise
        remaining = min(reservation.remaining or 0, refusal.params.get("remaining", 0))
        if remaining == 0:
            transaction.exhausted(ctx, flow, account_id)
            raise Refusal(transaction.EXHAUSTED) from refusal
        raise Refusal("code.wrong", remaining=remaining) from refusal
    ctx.throttle.succeeded(ctx.db, reservation)
    password_reset.prove_again(flow, account_id)


def _acting(ctx: Context, claim: Claim) -> Context:
    return ctx.acting(Actor("account", claim.account.id))
