"""What a sign-in has proven so far while no session exists yet (req 12, 41, 64, 75).

Whoever has a second factor gets a session only once both are proven, so nothing signed in ever stands on
half of it, and a sign-in that is given up leaves an older session as it was.  Until then the flow, which is
bound to the browser, carries a mark: whose password was right, and when.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from idp.accounts.models import ACTIVE, Account
from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication.sessions import Owner
from idp.context import Context
from idp.db import to_micros
from idp.flows import engine
from idp.flows.models import Flow

LOGIN: Final = "login"
ACCOUNT: Final = "account"
ORGANIZATION: Final = "organization"
_PASSWORD: Final = "password"  # noqa: S105  (the name of a mark)
_RESTART: Final = "restart"
_ANOTHER: Final = "another_account"
_ROUND: Final = "round"

LIFETIME: Final = timedelta(minutes=10)
"""How long a right password waits for its second factor."""

EXHAUSTED: Final = "code.exhausted"


@dataclass(frozen=True, slots=True)
class HalfWay:
    """An account whose password was right in this flow."""

    account: Account
    earlier_failures: int


def password_proven(ctx: Context, flow: Flow, account: Owner, *, earlier_failures: int = 0) -> None:
    """Note a right password; the second factor has to follow within ten minutes in the same flow."""
    engine.mark(
        flow,
        _PASSWORD,
        account=account.id,
        epoch=account.epoch,
        at=to_micros(ctx.now),
        earlier_failures=earlier_failures,
    )
    engine.unmark(flow, _RESTART)
    engine.mark(flow, _ROUND, number=_round(flow) + 1)
    ctx.db.flush()


def half_way(ctx: Context, flow: Flow) -> HalfWay | None:
    """Return whose second factor this flow waits for, or None."""
    mark: dict[str, Any] | None = flow.done.get(_PASSWORD)
    if mark is None or to_micros(ctx.now - LIFETIME) > mark["at"]:
        return None
    account = ctx.db.get(Account, mark["account"], populate_existing=True)
    if account is None or account.status != ACTIVE or account.epoch != mark["epoch"]:
        return None
    return HalfWay(account, mark["earlier_failures"])


def wait_anew(ctx: Context, flow: Flow) -> None:
    """Have what was proven wait its time from now on; the tries at a second factor stay counted."""
    engine.mark(flow, _PASSWORD, **flow.done[_PASSWORD] | {"at": to_micros(ctx.now)})
    ctx.db.flush()


def transaction_id(flow: Flow) -> str:
    """Return what the tries at a second factor are counted under; it is new after each right password."""
    return f"{flow.id}:{_round(flow)}"


def give_up(ctx: Context, flow: Flow) -> None:
    """Forget what was proven; the sign-in begins with the password again."""
    engine.unmark(flow, _PASSWORD, _RESTART)
    ctx.db.flush()


def exhausted(ctx: Context, flow: Flow, account_id: str) -> None:
    """End a sign-in after too many wrong codes; the next try starts with the password (req 64)."""
    give_up(ctx, flow)
    engine.mark(flow, _RESTART, account=account_id, code=EXHAUSTED)
    record(ctx, Event.SECOND_FACTOR_LOCKED, target=("account", account_id), reason="too_many_wrong_codes")
    ctx.db.flush()


def restart_reason(flow: Flow) -> str | None:
    """Return why the password is asked again, as a code for words, or None."""
    mark = flow.done.get(_RESTART)
    return None if mark is None else str(mark["code"])


def ask_another_account(ctx: Context, flow: Flow) -> None:
    """Note that the person wants to sign in with another account than the session's."""
    engine.mark(flow, _ANOTHER)
    engine.unmark(flow, _PASSWORD, ACCOUNT, LOGIN)
    ctx.db.flush()


def wants_another_account(flow: Flow) -> bool:
    """Tell whether the person asked for another account."""
    return _ANOTHER in flow.done


def signed_in(ctx: Context, flow: Flow, account_id: str, session_id: str) -> None:
    """Mark a flow as signed in, yet to be written; what was chosen for another account before is gone."""
    stale = [step for step in (ACCOUNT, ORGANIZATION) if flow.done.get(step, {}).get("account") != account_id]
    gone = {_PASSWORD, _RESTART, _ANOTHER, *stale}
    done = {step: facts for step, facts in flow.done.items() if step not in gone}
    done[LOGIN] = {"account": account_id, "session": session_id, "at": int(ctx.now.timestamp())}
    engine.note(flow, done=done, account_id=account_id)


def is_signed_in(flow: Flow, account_id: str) -> bool:
    """Tell whether this account signed in within this flow."""
    return bool(flow.done.get(LOGIN, {}).get("account") == account_id)


def _round(flow: Flow) -> int:
    return int(flow.done.get(_ROUND, {}).get("number", 0))
