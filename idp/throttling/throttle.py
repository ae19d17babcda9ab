"""What is counted against guessing, and when (NIST SP 800-63B-4 §3.2.2; OWASP ASVS 5.0 6.1.1, 6.3.1, 6.6.3).

**Reserve, then check.** A try is counted as failed in a short transaction of its own *before* the
password or code is looked at; otherwise parallel guesses would all be checked before the first is
counted.  A success takes the account's count away again, in the operation's own transaction; a check that
never took place (a full hash pool) gives its try back.  That transaction is separate because a count must
stand although the operation answers with an error and is rolled back.

So **ask for a try before the operation's session has begun a transaction** (or after it ended): SQLite
has one writer, and a request that holds the write lock would wait for itself.

Lanes (req 56): unknown browsers share an account's delays and its hard stop.  A browser that has signed in
with the account's present password is not delayed, and has a hard stop of its own: nobody closes it but
whoever sits at it.  Its failures still count for everyone.

Names that are no account are counted under the name, by the same rule, so that answers are alike (req
59).
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from idp.crypto import b64url
from idp.db import Database
from idp.errors import Refusal
from idp.installation import Vault
from idp.settings.models import Settings, ThrottleSettings
from idp.throttling import counters
from idp.throttling.counters import DatabaseWindows, Window, Windows
from idp.throttling.limits import Limit, Rule, doubling_delays, network_of

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOTICES_A_DAY = 5
"""Mails of one kind about the same account: whoever did not believe the fifth does not read the sixth."""
OWN_ACTS_AN_HOUR = {"username": 20, "export": 5}
"""What a person does that costs others something: user names that are taken, mails ahead of others' codes."""
KNOWN_BROWSERS = 3
"""How many browsers' shares of mails all known ones of an account have together in a day."""
_NEVER = 2**31 - 1
_OWNER = "owner"


@dataclass(frozen=True, slots=True)
class Reservation:
    """A try that was granted and is counted as failed.

    :param keys: what it is counted under, and a success clears.
    :param failures: consecutive tries at the account, this one included.
    :param remaining: tries left in this flow or session after this one; None where these do not count.
    """

    keys: tuple[str, ...]
    failures: int
    remaining: int | None = None

    @property
    def earlier_failures(self) -> int:
        """How many failed before this one since the last success; a person is told of many (req 60)."""
        return self.failures - 1


class Throttle:
    """Counts tries; one object a process.

    :param windows: where networks and clients are counted; in the database unless given.
    """

    def __init__(
        self, database: Database, vault: Vault, settings: ThrottleSettings, windows: Windows | None = None
    ) -> None:
        self._database = database
        self._vault = vault
        self._settings = settings
        self._windows = windows or DatabaseWindows(database)
        self._login = Limit(settings.login_per_minute, MINUTE), Limit(settings.login_per_hour, HOUR)
        self._password = Rule(
            hard_stop=settings.account_hard_stop,
            delays=doubling_delays(settings.account_max_delay_seconds),
            free=settings.account_free,
        )
        self._known_device = Rule(hard_stop=settings.account_hard_stop)
        self._counted_only = replace(self._password, hard_stop=_NEVER)
        self._factor = Rule(
            hard_stop=settings.account_hard_stop, window=Limit(settings.second_factor_per_hour, HOUR)
        )

    def password_try(
        self,
        *,
        account_id: str | None,
        name: str,
        ip: str | None,
        known_device: str | None,
        now: datetime,
    ) -> Reservation:
        """Take one try at a password, whatever form or protocol asks for it (req 54-57).

        :param account_id: None where *name*, as typed, is no account.
        :param known_device: what names this browser, where it knew the account's present password.
        :raises Refusal: ``login.throttled`` (until); ``login.stopped`` where only a new password helps.
        """
        self.network_try("login", ip, limits=self._login, now=now)
        subject = f"account:{account_id}" if account_id else f"name:{_fold(name)}"
        return self._take("password", subject, known=known_device, now=now)

    def legacy_try(
        self, *, directory: str, name: str, account_id: str | None, ip: str | None, own: bool, now: datetime
    ) -> Reservation:
        """Take one try at a password of an old portal, on whatever page it is typed (req 55, 90).

        Who asks is counted too, right answers as well: else a success with an old account of one's own would
        clear the way to guess at others'.

        :param name: the old user name, as it is compared.
        :param account_id: who is signed in; None where the sign-in itself was counted before.
        :param own: the old account has an address that this account has proven: the lane of its owner, which
            nobody else's tries can close (req 56).
        :raises Refusal: ``login.throttled`` (until); ``link.stopped`` where only the operator helps.
        """
        if account_id is not None:
            self.network_try("login", ip, limits=self._login, now=now)
            counted = [(self._key(f"legacy.by.{limit.period}", account_id), limit) for limit in self._login]
            _raise_above(self._login, self._windows.hit(counted, now), "login.throttled")
        subject = f"{directory}\0{_fold(name)}"
        return self._take("legacy", subject, known=_OWNER if own else None, now=now, stopped="link.stopped")

    def _take(
        self, purpose: str, subject: str, *, known: str | None, now: datetime, stopped: str = "login.stopped"
    ) -> Reservation:
        """Take one try at a subject, in the lane of unknown browsers or in that of a known one."""
        keys = self._lanes(purpose, subject, known)  # one order for all who hold both rows
        lane, everyone = keys[0], keys[-1]
        if known is not None:
            with self._database.engine.begin() as connection:
                taken = counters.reserve(connection, lane, self._known_device, now)
                if taken.granted:
                    taken = counters.reserve(connection, everyone, self._counted_only, now, waits=False)
        else:
            with self._database.at_once() as connection:
                taken = counters.reserve(connection, everyone, self._password, now)
        if not taken.granted:
            raise _refusal("login", taken.until, stopped)
        return Reservation(tuple(keys), taken.failures)

    def second_factor_try(
        self, *, account_id: str, factor: str, within: str, lives: timedelta, now: datetime
    ) -> Reservation:
        """Take one try at a code, wherever this factor is asked (req 55, 64).

        :param factor: the kind of authenticator; each is counted for itself.
        :param within: what ends after five wrong codes, a flow or a session.
        :param lives: how long that lives at most.
        :raises Refusal: ``flow.expired`` where its tries are used up; ``code.throttled`` (until);
            ``code.stopped`` where only the operator helps.
        """
        whole, account = self._key("factor.flow", within), self._key(f"factor.{factor}", account_id)
        per_whole = Limit(self._settings.second_factor_per_transaction, lives)
        with self._database.engine.begin() as connection:
            used = counters.hit(connection, whole, per_whole, now).count
            if used <= per_whole.count:
                taken = counters.reserve(connection, account, self._factor, now)
                if not taken.granted:  # nothing was looked at: who waits is not signed out for asking
                    counters.give_back(connection, whole)
        if used > per_whole.count:
            raise Refusal("flow.expired")
        if not taken.granted:
            raise _refusal("code", taken.until, "code.stopped")
        return Reservation((account,), taken.failures, remaining=per_whole.count - used)

    def user_code_try(self, *, account_id: str | None, ip: str | None, now: datetime) -> None:
        """Take one try at a device's user code (RFC 8628 §5.1).

        Right ones count as well: else whoever guesses could clear the count with a code of their own.

        :param account_id: who is signed in, None where nobody is.
        :raises Refusal: ``code.throttled`` (until).
        """
        self.network_try("user_code", ip, limits=self._login, now=now, code="code.throttled")
        if account_id is not None:
            counted = [(self._key(f"user_code.{limit.period}", account_id), limit) for limit in self._login]
            _raise_above(self._login, self._windows.hit(counted, now), "code.throttled")

    def registration_try(self, *, ip: str | None, now: datetime) -> None:
        """Count a registration from a network.

        :raises Refusal: ``registration.throttled`` (until).
        """
        limits = [Limit(self._settings.registrations_per_hour, HOUR)]
        self.network_try("registration", ip, limits=limits, now=now, code="registration.throttled")

    def reset_try(self, *, ip: str | None, now: datetime) -> None:
        """Count a request for a new password, or a try at a recovery password, from a network.

        A recovery password has no count of its own: nobody guesses its bits, and whatever waits or stops is
        a lock that anybody can close (req 56).

        :raises Refusal: ``reset.throttled`` (until).
        """
        limits = [Limit(self._settings.resets_per_minute, MINUTE)]
        self.network_try("reset", ip, limits=limits, now=now, code="reset.throttled")

    def join_try(self, typed: str, *, account_id: str, ip: str | None, now: datetime) -> None:
        """Count a customer number, or the code of a letter, that somebody typed to join a company (req 59).

        Right ones count as well: else a number of one's own would clear the way to try others'.

        :param typed: ``number`` or ``code``; each is counted for itself.
        :raises Refusal: ``join.throttled`` (until).
        """
        limits = [Limit(self._settings.joins_per_hour, HOUR)]
        self.network_try(f"join.{typed}", ip, limits=limits, now=now, code="join.throttled")
        limits = [Limit(self._settings.joins_per_day, DAY)]
        counted = [(self._key(f"join.{typed}.{limit.period}", account_id), limit) for limit in limits]
        _raise_above(limits, self._windows.hit(counted, now), "join.throttled")

    def own_act(self, act: str, account_id: str, *, now: datetime) -> None:
        """Count what a person does with their own account, one of :data:`OWN_ACTS_AN_HOUR`.

        :raises Refusal: *act* ``.throttled`` (until).
        """
        limit = Limit(OWN_ACTS_AN_HOUR[act], HOUR)
        counted = self._windows.hit([(self._key(f"own.{act}", account_id), limit)], now)
        _raise_above([limit], counted, f"{act}.throttled")

    def notice(self, db: Session, kind: str, account_id: str, *, now: datetime) -> bool:
        """Count a notice about an account, within the operation's transaction; False where it had its share.

        Who knows a password could fill its owner's mailbox otherwise.
        """
        limit = Limit(NOTICES_A_DAY, DAY)
        return counters.hit(db.connection(), self._key(f"notice.{kind}", account_id), limit, now).count <= (
            limit.count
        )

    def company_notice(self, db: Session, organization_id: str, *, pause: timedelta, now: datetime) -> bool:
        """Tell whether a company may hear of requests to join again, whatever became of those of before."""
        limit = Limit(1, pause)
        return counters.hit(db.connection(), self._key("notice.join", organization_id), limit, now).count <= 1

    def mail_try(
        self, kind: str, address: str, *, now: datetime, device: bytes | None = None
    ) -> datetime | None:
        """Count a mail that a stranger causes, whoever has the address (req 59).

        Whether *device* is a known browser decides nothing in here, so the answer does not tell: who has a
        cookie, good for anything or not, hears of the refusal only after a share of its own.

        :param kind: what it is for; each is counted for itself, or mails about a registration would use up
            those that an owner recovers the account by (req 56).
        :param address: in the form addresses are compared in.
        :param device: what names this browser, for mails that known ones have a share of.
        :returns: until when the mail needs :meth:`known_mail`, since everybody's share is used up; else None.
        :raises Refusal: ``mail.throttled`` (until).
        """
        counts = self._mail_counts(kind, address)
        if device is not None:
            counts += self._mail_counts(f"{kind}.from", f"{device.hex()}\0{address}")
        limits = [limit for _, limit in counts]
        windows = self._windows.hit(counts, now)
        everybody, own = _above(limits[:2], windows[:2]), _above(limits[2:], windows[2:])
        if everybody is None or (device is not None and own is None):
            return everybody
        raise Refusal("mail.throttled", until=min(everybody, own or everybody))

    def known_mail(self, db: Session, kind: str, *, account_id: str, device_id: str, now: datetime) -> bool:
        """Count a mail beyond everybody's share, in the operation's transaction; False where it is too much.

        Each known browser has as many as an address, so that a copied cookie uses up none of the others';
        all of an account together have a limit, too, so that whoever knows its password floods nobody.

        :param account_id: whose browser it is.
        :param device_id: the browser's row, which stays when its cookie gets another name.
        """
        connection, counts = db.connection(), self._mail_counts(f"{kind}.known", device_id)
        windows = [counters.hit(connection, key, limit, now) for key, limit in counts]
        within = _above([limit for _, limit in counts], windows) is None
        whole = Limit(KNOWN_BROWSERS * self._settings.mails_per_day, DAY)
        # what a browser wants too often is nothing to the others, yet costs the same statement
        key = self._key(f"mail.{kind}.all_known", account_id if within else device_id)
        return counters.hit(connection, key, whole, now).count <= whole.count and within

    def succeeded(self, db: Session, reservation: Reservation) -> None:
        """Forget the failures of this account and factor, within the operation's transaction (req 57)."""
        counters.clear(db, reservation.keys)

    def recovered(
        self,
        db: Session,
        account_id: str,
        *,
        factors: Iterable[str] = (),
        known_devices: Iterable[str] = (),
    ) -> None:
        """Forget the failures of an account's password that was set anew, or that is freed (req 54).

        :param factors: kinds of second factors whose failures are forgotten, too.
        :param known_devices: browsers whose failures are forgotten, where the password stays as it is.
        """
        subject = f"account:{account_id}"
        keys = [self._lanes("password", subject, known)[0] for known in known_devices]
        keys.append(self._key("password", subject))
        counters.clear(db, keys + [self._key(f"factor.{kind}", account_id) for kind in factors])

    def legacy_recovered(self, db: Session, *, directory: str, name: str) -> None:
        """Forget the failures at a password of an old portal; names as in :meth:`legacy_try`."""
        counters.clear(db, self._lanes("legacy", f"{directory}\0{_fold(name)}", _OWNER))

    def give_back(self, reservation: Reservation) -> None:
        """Undo a try whose password or code was never looked at, since the hash pool was full."""
        with self._database.engine.begin() as connection:
            for key in reservation.keys:
                counters.give_back(connection, key)

    def client_authentication_failed(self, client_id: str, ip: str | None, *, now: datetime) -> None:
        """Count a failed client authentication; right ones are never counted nor refused.

        :raises Refusal: ``client.throttled`` (until) above the limit of a client in a network.
        """
        network = network_of(ip, self._settings.exempt_networks)
        if network is None:
            return
        limit = Limit(self._settings.client_failures_per_minute, MINUTE)
        key = self._key("client", f"{network}\0{client_id}")
        _raise_above([limit], self._windows.hit([(key, limit)], now), "client.throttled")

    def network_try(
        self,
        purpose: str,
        ip: str | None,
        *,
        limits: Sequence[Limit],
        now: datetime,
        code: str = "login.throttled",
    ) -> None:
        """Count a request of one purpose from a network: an IPv4 address or the /64 of an IPv6 address.

        :raises Refusal: *code* (until) above a limit; not for ``throttle.exempt_networks``.
        """
        network = network_of(ip, self._settings.exempt_networks)
        if network is None:
            return
        keys = [self._key(f"network.{purpose}.{limit.period}", str(network)) for limit in limits]
        _raise_above(limits, self._windows.hit(list(zip(keys, limits, strict=True)), now), code)

    def _mail_counts(self, kind: str, subject: str) -> list[tuple[str, Limit]]:
        limits = Limit(self._settings.mails_per_hour, HOUR), Limit(self._settings.mails_per_day, DAY)
        return [(self._key(f"mail.{kind}.{limit.period}", subject), limit) for limit in limits]

    def _lanes(self, purpose: str, subject: str, known: str | None) -> list[str]:
        """Return the keys of a subject: of a browser or owner that is known, if any, and of everybody."""
        everyone = self._key(purpose, subject)
        if known is None:
            return [everyone]
        return [self._key(f"{purpose}.known", f"{subject}\0{known}"), everyone]

    def _key(self, purpose: str, subject: str) -> str:
        return b64url(self._vault.keyed_hash(f"throttle.{purpose}", subject))


def make_throttle(settings: Settings, database: Database, vault: Vault) -> Throttle:
    """Return the throttle of an installation, with Redis where one is configured."""
    if settings.redis.url is None:
        return Throttle(database, vault, settings.throttle)
    # Redis is an extra: an installation without it lacks the package.
    from idp.throttling.redis_windows import RedisWindows

    windows = RedisWindows(settings.redis.url, DatabaseWindows(database))
    return Throttle(database, vault, settings.throttle, windows)


def _raise_above(limits: Sequence[Limit], windows: Sequence[Window], code: str) -> None:
    until = _above(limits, windows)
    if until is not None:
        raise Refusal(code, until=until)


def _above(limits: Sequence[Limit], windows: Sequence[Window]) -> datetime | None:
    """Return when the last of the windows ends whose limits are passed, None where none is."""
    above = [window.ends for limit, window in zip(limits, windows, strict=True) if window.count > limit.count]
    return max(above, default=None)


def _refusal(kind: str, until: datetime | None, stopped: str) -> Refusal:
    return Refusal(stopped) if until is None else Refusal(f"{kind}.throttled", until=until)


def _fold(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().strip()
