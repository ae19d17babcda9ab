"""Codes of an authenticator app (RFC 6238; NIST SP 800-63B-4 §3.1.4.2; req 54, 61-64).

Each time step is accepted once per authenticator, also in parallel and after the clock stepped back: one
UPDATE takes it, and only a later one.
"""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import pyotp
from sqlalchemy import select, update

from idp.accounts.models import Account
from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication.models import Authenticator
from idp.context import Context
from idp.crypto import same
from idp.db import new_id
from idp.errors import Refusal

TOTP: Final = "totp"
DIGITS: Final = 6
STEP_SECONDS: Final = 30
#: the current step and the one before it (req 63)
_STEPS_BACK: Final = (0, 1)
MINIMUM_SECRET_BYTES: Final = 20
#: consecutive wrong codes after which an authenticator is off until recovery (req 54)
HARD_STOP: Final = 100


def new_secret() -> str:
    """Return a random secret of 160 bit in base32, as apps take it."""
    return pyotp.random_base32(32)


def enroll(ctx: Context, account: Account, secret: str, label: str) -> Authenticator:
    """Add an authenticator app; whoever calls has seen a right code of it (req 61).

    :param secret: base32, at least 160 bit.
    :param label: the entry's name, at most 128 characters, as the person sees it in the app.
    :raises ValueError: the secret is too short or not base32.
    """
    try:
        plain = base64.b32decode(secret.replace(" ", "").upper())
    except binascii.Error as error:
        raise ValueError("the secret is not base32") from error
    if len(plain) < MINIMUM_SECRET_BYTES:
        raise ValueError("the secret has less than 160 bit")
    row = new_id()
    authenticator = Authenticator(
        id=row,
        account_id=account.id,
        kind=TOTP,
        label=label[:128],
        sealed=ctx.vault.seal(plain, table=Authenticator.__tablename__, row=row),
        last_step=0,
        counter=0,
        backup_state=False,
        failures=0,
        created_at=ctx.now,
    )
    ctx.db.add(authenticator)
    record(ctx, Event.AUTHENTICATOR_ADDED, target=("account", account.id), new={"kind": TOTP})
    ctx.db.flush()
    return authenticator


def apps(ctx: Context, account_id: str) -> list[Authenticator]:
    """Return the authenticator apps of an account, the oldest first."""
    return list(
        ctx.db.scalars(
            select(Authenticator)
            .where(Authenticator.account_id == account_id, Authenticator.kind == TOTP)
            .order_by(Authenticator.created_at, Authenticator.id)
        )
    )


def matching_step(plain: bytes, code: str, now: datetime) -> int | None:
    """Return the time step a code belongs to, or None when it fits neither this step nor the last."""
    generator = pyotp.TOTP(base64.b32encode(plain).decode("ascii"), digits=DIGITS, interval=STEP_SECONDS)
    current = int(now.timestamp()) // STEP_SECONDS
    found = None
    for back in _STEPS_BACK:  # all of them, so that the time taken tells nothing
        if current >= back and same(
            generator.generate_otp(current - back).encode(), code.encode("utf-8", "replace")
        ):
            found = current - back
    return found


def cleaned(code: str) -> str:
    """Return a typed code without the blanks and hyphens that apps and people put into it.

    :raises Refusal: ``code.length`` (``typed``: number of characters): not six digits.
    """
    compact = "".join(code.split()).replace("-", "")
    if len(compact) != DIGITS or not (compact.isascii() and compact.isdigit()):
        raise Refusal("code.length", typed=min(len(compact), 99))
    return compact


def verify(ctx: Context, account_id: str, code: str, *, authenticator_id: str | None = None) -> Authenticator:
    """Accept a code and return the app it came from.

    The caller has counted the attempt before (``Throttle``), and counts the tries of its own flow.

    :param authenticator_id: the app the person chose; else all of the account are tried.
    :raises Refusal: ``code.length``, ``authenticator.unknown``, ``totp.used`` (the step was accepted before),
        ``code.wrong``.
    """
    compact = cleaned(code)
    chosen = [app for app in apps(ctx, account_id) if authenticator_id in (None, app.id)]
    if not chosen:
        raise Refusal("authenticator.unknown")
    usable = [app for app in chosen if app.failures < HARD_STOP]
    used = False
    for app in usable:
        step = matching_step(_secret(ctx, app), compact, ctx.now)
        if step is None:
            continue
        if _take_step(ctx, app, step):
            ctx.db.refresh(app)
            return app
        used = True
    if used:
        raise Refusal("totp.used")
    _count_failure(ctx, usable)
    raise Refusal("code.wrong")


def _secret(ctx: Context, app: Authenticator) -> bytes:
    return ctx.vault.open(app.sealed or b"", table=Authenticator.__tablename__, row=app.id)


def _take_step(ctx: Context, app: Authenticator, step: int) -> bool:
    taken = ctx.db.execute(
        update(Authenticator)
        .where(Authenticator.id == app.id, Authenticator.last_step < step)
        .values(last_step=step, last_used_at=ctx.now, failures=0)
        .returning(Authenticator.id)
        .execution_options(synchronize_session=False)
    ).first()
    return taken is not None


def _count_failure(ctx: Context, tried: Sequence[Authenticator]) -> None:
    ctx.db.execute(
        update(Authenticator)
        .where(Authenticator.id.in_([app.id for app in tried]))
        .values(failures=Authenticator.failures + 1)
        .execution_options(synchronize_session=False)
    )
