"""Known and remembered browsers (design §2, "Remember this device"; security reference §4; req 13, 56, 60).

The device cookie names a browser and may carry a trust secret; what either is worth stands in a row for each
account.  One that signed in with the present password keeps a lane of its own past the delay of the login
throttle; a remembered one skips the second factor where nothing demands aal2.

The cookie also carries our mark of the account that signed in last, which is read without a database: while
more people sign in than can be served, it is worth a place in a line of its own, and nothing else (A5, F12).
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, false, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from idp.accounts.models import Account
from idp.authentication.models import Device
from idp.context import Context
from idp.crypto import b64url, random_token, same, sha256
from idp.db import new_id
from idp.installation import Vault
from idp.prepared import Prepared

_COOKIE = re.compile(
    r"([A-Za-z0-9_-]{43})(?:\.([A-Za-z0-9_-]{43}))?(?:~([A-Za-z0-9_-]{16})([A-Za-z0-9_-]{43}))?", re.ASCII
)
_WHOSE_BYTES = 12


@dataclass(frozen=True, slots=True, repr=False)
class DeviceCookie:
    """The value of the device cookie: a secret name of the browser, and a trust secret or none.

    :param whose: what our mark calls the account that signed in last; reads as random.
    :param mark: vouches for name and *whose*.
    """

    name: str
    trust: str | None = None
    whose: str = ""
    mark: str = ""

    @classmethod
    def parse(cls, value: str | None) -> "DeviceCookie | None":
        """Return the cookie's parts, or None for what we never set."""
        found = _COOKIE.fullmatch(value or "")
        return cls(found[1], found[2], found[3] or "", found[4] or "") if found else None

    @classmethod
    def new(cls) -> "DeviceCookie":
        """Return a cookie for a browser that has none."""
        return cls(random_token())

    @property
    def hash(self) -> bytes:
        """What the tables and ``Origin.device`` know the browser by."""
        return sha256(self.name)

    def __str__(self) -> str:
        secrets = f"{self.name}.{self.trust}" if self.trust else self.name
        return f"{secrets}~{self.whose}{self.mark}" if self.mark else secrets


class KnownDevice(NamedTuple):
    """The row of a browser an account has signed in from."""

    id: str
    trust_hash: bytes | None
    trusted_until: datetime | None


#: a browser whose last sign-in is older than the password may be that of anybody who knew the former one
_FIND = Prepared(
    select(*(getattr(Device, name) for name in KnownDevice._fields))
    .join(Account, Account.id == Device.account_id)
    .where(
        Device.account_id == bindparam("account_id"),
        Device.cookie_hash == bindparam("cookie_hash"),
        or_(Account.password_changed_at.is_(None), Device.last_seen_at >= Account.password_changed_at),
    )
)


def _seen(making: postgresql.Insert | sqlite.Insert) -> Prepared:
    names = ("id", "account_id", "cookie_hash", "user_agent", "known_since", "last_seen_at")
    row = making.values({name: bindparam(name) for name in names})
    again = {"last_seen_at": row.excluded.last_seen_at, "user_agent": row.excluded.user_agent}
    noted = row.on_conflict_do_update(index_elements=[Device.account_id, Device.cookie_hash], set_=again)
    return Prepared(noted.returning(*(getattr(Device, name) for name in KnownDevice._fields)))


_SEEN: Final = {
    "postgresql": _seen(postgresql.insert(Device)),
    "sqlite": _seen(sqlite.insert(Device)),
}
_TRUST = Prepared(
    update(Device)
    .where(Device.id == bindparam("key"))
    .values(trust_hash=bindparam("hash"), trusted_until=bindparam("until"))
)


def find(ctx: Context, account_id: str, cookie_hash: bytes | None) -> KnownDevice | None:
    """Return the row of a browser this account has signed in from since its password changed, or None."""
    if cookie_hash is None:
        return None
    found = _FIND.first(ctx.db, account_id=account_id, cookie_hash=cookie_hash)
    return None if found is None else KnownDevice(*found)


def lane(device_id: str, epoch: int) -> str:
    """Return what the throttle counts a known browser's tries under: each for itself, anew with the epoch.

    :param epoch: of the account, which another password raises.
    """
    return f"{device_id} {epoch}"


def lanes(ctx: Context, account: Account) -> list[str]:
    """Return :func:`lane` of every browser an account has signed in from."""
    own = select(Device.id).where(Device.account_id == account.id).order_by(Device.id)
    return [lane(device_id, account.epoch) for device_id in ctx.db.scalars(own)]


def knows_new_password(ctx: Context, device_id: str | None) -> None:
    """Note that the password was changed from a browser, which stays known by that."""
    ctx.db.execute(update(Device).where(Device.id == device_id).values(last_seen_at=ctx.now))


def is_trusted(ctx: Context, device: KnownDevice | None, cookie: DeviceCookie | None) -> bool:
    """Tell whether this browser may skip the second factor of the device row's account."""
    if device is None or cookie is None or cookie.trust is None or not ctx.settings.remember_device.days:
        return False
    if device.trust_hash is None or device.trusted_until is None:
        return False
    return device.trusted_until > ctx.now and same(device.trust_hash, sha256(cookie.trust))


def remembered(ctx: Context) -> ColumnElement[bool]:
    """Return the condition that a device's row lets its browser skip the second factor."""
    if not ctx.settings.remember_device.days:
        return false()
    return and_(Device.trust_hash.is_not(None), Device.trusted_until > ctx.now)


def recognise(
    ctx: Context, account_id: str, presented: DeviceCookie | None
) -> tuple[KnownDevice, DeviceCookie, bool]:
    """Note that an account signed in from a browser; returns row, cookie, and whether it had before.

    A browser that had another's cookie gets a new name: whoever copied the cookie before, such as who planted
    it, is not known to this account by it (C6).  The browser's other accounts go with the new name.

    :param presented: the browser's cookie, None where it has none.
    """
    key, cookie = new_id(), presented or DeviceCookie.new()
    found = _SEEN[ctx.db.get_bind().dialect.name].rows(
        ctx.db,
        id=key,
        account_id=account_id,
        cookie_hash=cookie.hash,
        user_agent=ctx.origin.user_agent[:255],
        known_since=ctx.now,
        last_seen_at=ctx.now,
    )
    device = KnownDevice(*found[0])
    known = device.id != key
    if presented is not None and not known:
        cookie = replace(DeviceCookie.new(), trust=presented.trust)
        ctx.db.execute(
            update(Device).where(Device.cookie_hash == presented.hash).values(cookie_hash=cookie.hash)
        )
    return device, cookie, known


def remember(ctx: Context, device: KnownDevice, cookie: DeviceCookie) -> DeviceCookie:
    """Let the browser skip the second factor for the days of the settings; returns its new cookie.

    The trust secret is new each time.  Accounts this browser is remembered for already move to the new
    secret with it, so that none of them loses its trust and a copy of the old cookie is worth nothing.
    """
    fresh = DeviceCookie(cookie.name, random_token())
    trusted = sha256(fresh.trust or "")
    if cookie.trust:
        ctx.db.execute(
            update(Device)
            .where(
                Device.cookie_hash == cookie.hash,
                Device.trust_hash == sha256(cookie.trust),
                Device.trusted_until > ctx.now,
            )
            .values(trust_hash=trusted)
        )
    until = ctx.now + timedelta(days=ctx.settings.remember_device.days)
    _TRUST.run(ctx.db, key=device.id, hash=trusted, until=until)
    return fresh


def marked(vault: Vault, cookie: DeviceCookie, account_id: str) -> DeviceCookie:
    """Return the cookie with our mark that this account signed in from its browser just now."""
    whose = b64url(vault.keyed_hash("device account", account_id)[:_WHOSE_BYTES])
    return replace(cookie, whose=whose, mark=_mark(vault, cookie.name, whose))


def known_as(vault: Vault, cookie: DeviceCookie | None) -> str | None:
    """Return what a marked browser's account is called, or None; asks no database, so it is no proof of more.

    All browsers of an account are called the same: a name costs an account, however many cookies it has.
    """
    if cookie is None or not cookie.mark:
        return None
    wanted = _mark(vault, cookie.name, cookie.whose)
    return cookie.whose if same(wanted.encode(), cookie.mark.encode()) else None


def _mark(vault: Vault, name: str, whose: str) -> str:
    return b64url(vault.keyed_hash("device mark", f"{name} {whose}"))


def forget(ctx: Context, account_id: str) -> int:
    """End the trust of all browsers of an account; returns how many had it.

    Whoever changes a password or factor or blocks an account calls this.
    """
    gone = ctx.db.execute(
        update(Device)
        .where(Device.account_id == account_id, Device.trust_hash.is_not(None))
        .values(trust_hash=None, trusted_until=None)
        .returning(Device.id)
    )
    return len(gone.all())


def forget_one(ctx: Context, account_id: str, device_id: str) -> bool:
    """End the trust of one browser of an account; False where it had none."""
    gone = ctx.db.execute(
        update(Device)
        .where(Device.id == device_id, Device.account_id == account_id, Device.trust_hash.is_not(None))
        .values(trust_hash=None, trusted_until=None)
        .returning(Device.id)
        .execution_options(synchronize_session=False)
    )
    return gone.first() is not None
