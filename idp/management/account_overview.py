"""K-01: how a person signs in, gets back in, and who has access; one next step (screens §1.4)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from idp.accounts.models import Account
from idp.authentication import notices, recovery_password, sessions, totp
from idp.context import Context
from idp.management import consents, own_sessions

ADD_ADDRESS: Final = "address"
"""The next step of who has no proven address: nothing else would let them back in."""
SAVE_RECOVERY: Final = "recovery"
"""The next step of who has no recovery password."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What the first page of the account centre answers.

    :param emails: proven ones.
    :param apps: names of the authenticator apps.
    :param sessions: how many are open, this one among them.
    :param recovery_since: when the recovery password was saved, None without one.
    :param portals: names of those that may have the person's data by consent.
    :param devices: names of what runs on devices that were let in with a code, each once.
    :param next_step: what to do first, None where nothing is missing.
    """

    username: str | None
    emails: tuple[str, ...]
    password_changed_at: datetime | None
    apps: tuple[str, ...]
    recovery_since: datetime | None
    sessions: int
    portals: tuple[str, ...]
    devices: tuple[str, ...]
    next_step: str | None


def show(ctx: Context, account_id: str) -> Overview:
    """Return the overview of the acting person's account."""
    account = ctx.db.get_one(Account, account_id)
    emails = tuple(notices.addresses(ctx, account_id))
    recovery_since = recovery_password.created_at(ctx, account_id)
    next_step = ADD_ADDRESS if not emails else None if recovery_since else SAVE_RECOVERY
    return Overview(
        username=account.username,
        emails=emails,
        password_changed_at=account.password_changed_at,
        apps=tuple(app.label or "" for app in totp.apps(ctx, account_id)),
        recovery_since=recovery_since,
        sessions=len(sessions.open_ids(ctx, account_id)),
        portals=tuple(found.client_name for found in consents.list_all(ctx, account_id)),
        devices=tuple(sorted({device.program for device in own_sessions.connected(ctx, account_id)})),
        next_step=next_step,
    )
