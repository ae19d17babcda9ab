"""What people are told about their account's safety, at every address they have proven (req 60, 72).

The mails belong to the transaction of what they tell.  Who knows a password, or guesses at it, makes us write
only so often: five mails of a kind a day.
"""

from datetime import timedelta
from typing import Any, Final, Literal

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import aliased

from idp.accounts.identifiers import EMAIL
from idp.accounts.models import Account, Identifier
from idp.authentication.devices import KnownDevice
from idp.authentication.models import Device
from idp.context import Context
from idp.db import Base
from idp.delivery import mails
from idp.prepared import Prepared, insert_rows
from idp.throttling.throttle import NOTICES_A_DAY
from idp.wire import Row

Rows = list[tuple[type[Base], dict[str, Any]]]

_A_DAY: Final = timedelta(days=1)
#: what who is signed in can do again and again; not a deletion, whose mail has the link to undo it
_COUNTED: Final = (mails.DataExported, mails.DeletionUndone, mails.RecoveryData)
_other = aliased(Device)
_PROVEN = (
    select(Identifier.id, Identifier.sealed, Account.locale)
    .join(Account, Account.id == Identifier.account_id)
    .where(
        Identifier.account_id == bindparam("account_id"),
        Identifier.kind == EMAIL,
        Identifier.verified_at.is_not(None),
    )
    .order_by(Identifier.created_at, Identifier.id)
)
_ADDRESSES = Prepared(_PROVEN)
#: nobody where the browser is the account's first, or one more of many in a day
_OF_A_NEW_DEVICE = Prepared(
    _PROVEN.where(
        select(_other.id)
        .where(_other.account_id == bindparam("account_id"), _other.id != bindparam("device_id"))
        .exists(),
        select(func.count())
        .select_from(_other)
        .where(_other.account_id == bindparam("account_id"), _other.known_since > bindparam("since"))
        .scalar_subquery()
        <= NOTICES_A_DAY,
    )
)


def addresses(ctx: Context, account_id: str) -> list[str]:
    """Return every proven address of an account, the oldest first."""
    return [
        ctx.vault.open(sealed, table=Identifier.__tablename__, row=key).decode()
        for key, sealed, _ in _ADDRESSES.rows(ctx.db, account_id=account_id)
    ]


def tell(ctx: Context, account_id: str, *told: mails.Mail) -> None:
    """Send mails to every proven address of an account, in the current unit of work; some so often a day."""
    told = tuple(mail for mail in told if _may_be_told(ctx, account_id, mail))
    proven = _ADDRESSES.rows(ctx.db, account_id=account_id)
    rows = [row for mail in told for row in _rows(ctx, proven, mail)]
    if rows:
        insert_rows(ctx.db, *rows)


def _may_be_told(ctx: Context, account_id: str, mail: mails.Mail) -> bool:
    if not isinstance(mail, _COUNTED):
        return True
    kind = f"{mail.name}.{mail.event}" if isinstance(mail, mails.RecoveryData) else mail.name
    return ctx.throttle.notice(ctx.db, kind, account_id, now=ctx.now)


def of_sign_in(
    ctx: Context, account_id: str, device: KnownDevice, *, known: bool, failures: int, portal: str
) -> Rows:
    """Return the mails about a sign-in, to be inserted with its audit row: mostly none (M07).

    :param known: the account has signed in from this browser before: then nothing is read either, unless many
        tries failed before this one.
    :param failures: tries with a wrong password since the last success.
    """
    many = failures >= ctx.settings.throttle.account_free
    mail = mails.NewSignIn(
        user_agent=ctx.origin.user_agent[:200], portal=portal, failures=failures if many else 0
    )
    found: list[Row] = []
    if not known:
        found = _OF_A_NEW_DEVICE.rows(
            ctx.db, account_id=account_id, device_id=device.id, since=ctx.now - _A_DAY
        )
    if not found and many and ctx.throttle.notice(ctx.db, "failures", account_id, now=ctx.now):
        found = _ADDRESSES.rows(ctx.db, account_id=account_id)
    return _rows(ctx, found, mail)


def wrong_codes(
    ctx: Context,
    account_id: str,
    *,
    portal: str,
    means: Literal["password", "link", "recovery_password", "session"] = "password",
) -> None:
    """Tell that codes were wrong until no more are taken, and what had been proven before (req 60)."""
    # each for itself: guesses in a session use up no mail about a password that somebody knows
    if ctx.throttle.notice(ctx.db, f"wrong_codes.{means}", account_id, now=ctx.now):
        tell(
            ctx,
            account_id,
            mails.WrongCodes(user_agent=ctx.origin.user_agent[:200], portal=portal, means=means),
        )


def access_ended(ctx: Context, account_id: str, *, portal: str) -> None:
    """Tell that a portal's used refresh token came again, and that its access ended (req 21)."""
    if ctx.throttle.notice(ctx.db, "access_ended", account_id, now=ctx.now):
        tell(ctx, account_id, mails.AccessEnded(portal=portal))


def _rows(ctx: Context, addresses: list[Row], mail: mails.Mail) -> Rows:
    return [
        mails.row(
            ctx,
            mail,
            to=ctx.vault.open(sealed, table=Identifier.__tablename__, row=key).decode(),
            locale=locale,
        )
        for key, sealed, locale in addresses
    ]
