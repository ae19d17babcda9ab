"""The portal's own sessions, in memory, ended by the issuer's session id (Back-Channel Logout 1.0 §2.7)."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

IDLE = 4 * 3600.0
ABSOLUTE = 12 * 3600.0
PENDING = 65 * 60.0
"""Seconds a sign-in may take: the hour the issuer grants, and a little more."""
REMEMBERED = 3600.0
"""Seconds an ended session at the issuer and a used logout token are remembered."""
MOST = 5000
"""The most sessions, or sign-ins under way, kept at once; beyond it the oldest go."""


@dataclass
class PortalSession:
    """One signed-in browser. ``ended`` tells why it is over; then nothing else of it is left."""

    key: str
    sub: str
    sid: str | None
    claims: dict[str, Any]
    userinfo: dict[str, Any]
    id_token: str
    access_token: str
    refresh_token: str | None
    access_until: float
    started_at: float
    seen_at: float
    ended: str | None = None
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def forget(self, reason: str) -> None:
        """Ends the session and wipes what it knew."""
        self.ended = reason
        self.claims, self.userinfo = {}, {}
        self.id_token = self.access_token = ""
        self.refresh_token = None


@dataclass(frozen=True)
class Pending:
    """A sign-in, or a sign-out, on its way through the issuer, bound to one browser."""

    browser: str
    until: float
    nonce: str = ""
    code_verifier: str = ""
    goal: str = "/"
    acr_values: tuple[str, ...] = ()


class SessionStore:
    """All sessions of one portal. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, PortalSession] = OrderedDict()
        self._pending: OrderedDict[str, Pending] = OrderedDict()
        self._ended_sids: OrderedDict[str, float] = OrderedDict()
        self._used_jtis: OrderedDict[str, float] = OrderedDict()

    def start(
        self, make: Callable[[str], PortalSession], *, now: float, replaces: str | None
    ) -> PortalSession:
        """Keeps the session ``make`` returns for a new random key; the one it ``replaces`` ends.

        When the issuer has meanwhile ended that session id, the new session is over from its first moment.
        """
        session = make(secrets.token_urlsafe(32))
        with self._lock:
            self._drop(replaces)
            if session.sid is not None and self._ended_sids.get(session.sid, 0.0) > now:
                session.forget("elsewhere")
            self._sessions[session.key] = session
            while len(self._sessions) > MOST:
                self._sessions.popitem(last=False)
        return session

    def find(self, key: str | None, now: float) -> PortalSession | None:
        """The session of a cookie, also an ended one (its page says why), or None."""
        with self._lock:
            session = self._sessions.get(key or "")
            if session is None:
                return None
            if session.seen_at + IDLE <= now or session.started_at + ABSOLUTE <= now:
                self._drop(session.key)
                return None
            return session

    def renew(self, session: PortalSession, found: dict[str, Any], now: float) -> bool:
        """Puts fresh values into a session unless it ended meanwhile; returns whether it lives."""
        with self._lock:
            if session.ended is not None:
                return False
            for name, value in found.items():
                setattr(session, name, value)
            session.seen_at = now
            return True

    def end(self, session: PortalSession, reason: str) -> None:
        """Ends one session; its cookie still finds it, to say why."""
        with self._lock:
            session.forget(reason)

    def drop(self, key: str | None) -> None:
        """Removes a session for good."""
        with self._lock:
            self._drop(key)

    def _drop(self, key: str | None) -> None:
        session = self._sessions.pop(key or "", None)
        if session is not None:
            session.forget("dropped")

    def end_matching(self, *, sid: str | None, sub: str | None, now: float) -> int:
        """Ends the sessions of an issuer's session, or of a person if ``sid`` is None; returns how many."""
        with self._lock:
            if sid is not None:
                remember(self._ended_sids, sid, now)
            hits = [
                session
                for session in self._sessions.values()
                if session.ended is None
                and (session.sid == sid if sid is not None else session.sub == sub)
                and (sub is None or session.sub == sub)
            ]
            for session in hits:
                session.forget("elsewhere")
            return len(hits)

    def first_use(self, jti: str, now: float) -> bool:
        """Whether a logout token's id is seen for the first time."""
        with self._lock:
            if self._used_jtis.get(jti, 0.0) > now:
                return False
            remember(self._used_jtis, jti, now)
            return True

    def put_pending(self, state: str, pending: Pending) -> None:
        """Keeps a sign-in under way until its answer comes."""
        with self._lock:
            self._pending[state] = pending
            while len(self._pending) > MOST:
                self._pending.popitem(last=False)

    def take_pending(self, state: str | None, browser: str | None, now: float) -> Pending | None:
        """The sign-in under way for ``state`` in this ``browser``, once; other browsers do not use it up."""
        with self._lock:
            pending = self._pending.get(state or "")
            if pending is None or pending.browser != browser:
                return None
            del self._pending[state or ""]
            return pending if pending.until > now else None


def remember(entries: OrderedDict[str, float], key: str, now: float) -> None:
    """Notes a key for an hour, keeping the collection small."""
    entries[key] = now + REMEMBERED
    entries.move_to_end(key)
    while len(entries) > MOST:
        entries.popitem(last=False)
