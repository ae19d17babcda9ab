"""One try at a second factor, on whatever page it is asked (req 54, 55, 60, 62, 64).

As with a password, the try is counted before the code is looked at::

    reservation = reserve(ctx, flow, account_id, live=live)   # no transaction
    app = verify(ctx, flow, account_id, code, reservation)   # with the flow's row held
"""

from datetime import timedelta
from typing import Final

from idp.accounts import identifiers
from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication import totp, transaction
from idp.authentication.live_sessions import LiveSession
from idp.authentication.models import Authenticator
from idp.context import Actor, Context
from idp.db import to_micros
from idp.errors import Refusal
from idp.flows.models import Flow
from idp.throttling import Reservation

_FLOW_LIVES: Final = timedelta(days=1)
"""As long as a flow lives at most in which codes are asked."""

MAILED_CODE: Final = "mailed_code"
COUNTED: Final = (totp.TOTP, MAILED_CODE)
"""What gives codes; in an account the tries at each are counted for themselves."""

_WRONG: Final = frozenset({"code.wrong", "totp.used"})


def reserve(
    ctx: Context, flow: Flow, account_id: str, *, live: LiveSession | None = None, factor: str = totp.TOTP
) -> Reservation:
    """Count a try at a code; needs no transaction and must not be inside one.

    :param live: the session whose person is asked, None where a first factor was proven in this flow.  Its
        tries are counted together in whatever flow, until it proves something: pages begin flows at will.
    :param factor: what gives the code; in an account each is counted for itself, in a flow all together.
    :raises Refusal: as ``Throttle.second_factor_try``.
    """
    if live is None:
        within, lives = transaction.transaction_id(flow), _FLOW_LIVES
    else:
        proven = max(to_micros(proof.at) for proof in live.proofs)
        within, lives = f"{live.session.id}:{proven}", timedelta(days=ctx.settings.session.aal1_days)
    return ctx.throttle.second_factor_try(
        account_id=account_id, factor=factor, within=within, lives=lives, now=ctx.now
    )


def not_tried(ctx: Context, flow: Flow, account_id: str, refusal: Refusal) -> Refusal:
    """Note that a try was not granted and return what to say.

    It is ``code.exhausted`` where only a new start helps.
    """
    identifiers.locked_account(ctx, account_id)  # before the count of notices, as in verify
    if refusal.code == "flow.expired":  # the tries of this flow or session are used up
        transaction.exhausted(ctx, flow, account_id)
        return Refusal(transaction.EXHAUSTED)
    record(ctx, Event.SECOND_FACTOR_LOCKED, target=("account", account_id), reason=refusal.code)
    return refusal


def verify(
    ctx: Context,
    flow: Flow,
    account_id: str,
    code: str,
    reservation: Reservation,
    *,
    authenticator_id: str | None = None,
) -> Authenticator:
    """Accept a code and return the app it came from; the caller commits also after a refusal.

    :raises Refusal: as ``totp.verify``, ``code.wrong`` with ``remaining``; ``code.exhausted``: what was
        proven in the flow before is forgotten.
    """
    acting, target = ctx.acting(Actor("account", account_id)), ("account", account_id)
    try:
        # before the authenticator's row: so does whoever takes factors away
        identifiers.locked_account(acting, account_id)
        app = totp.verify(acting, account_id, code, authenticator_id=authenticator_id)
    except Refusal as refusal:
        # in the log whatever was proven before (req 60), and not as the owner's: that is not shown (req 106)
        record(ctx, Event.SECOND_FACTOR_FAILED, target=target, reason=refusal.code)
        remaining = reservation.remaining or 0
        if refusal.code in _WRONG and remaining == 0:
            transaction.exhausted(ctx, flow, account_id)
            raise Refusal(transaction.EXHAUSTED) from refusal
        if refusal.code == "code.wrong":
            raise Refusal("code.wrong", remaining=remaining) from refusal
        raise
    ctx.throttle.succeeded(ctx.db, reservation)
    record(acting, Event.SECOND_FACTOR_SUCCEEDED, target=target, new={"kind": totp.TOTP})
    return app
