"""What a browser brings along: session, flow secret, device (design §2, Cookies; req 40-42).

No web framework in here: redirects of the authorization endpoint are answered without one.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from idp.authentication import live_sessions
from idp.authentication.devices import DeviceCookie
from idp.authentication.live_sessions import Held, LiveSession
from idp.context import Context
from idp.crypto import random_token, sha256
from idp.organizations import memberships
from idp.organizations.memberships import MembershipFacts
from idp.settings import Settings
from idp.web import cookies

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class Browser:
    """The browser of one request.

    :param environ: the request, as WSGI has it.
    """

    def __init__(self, environ: Mapping[str, Any], settings: Settings) -> None:
        self._settings = settings
        self._sent = cookies.sent(environ)
        self._live: LiveSession | None = None
        self._read = False
        self._flow: bytes | None = None
        #: ``Set-Cookie`` headers that its answer has to carry
        self.given: list[str] = []

    def session(self, ctx: Context) -> LiveSession | None:
        """Return the session of its cookie, or None; read once a request."""
        if not self._read:
            value = self._token(cookies.SESSION)
            self.signed_in(live_sessions.find(ctx, value) if value else None)
        return self._live

    @property
    def seen(self) -> LiveSession | None:
        """The session of its cookie, None as long as this request has not read it."""
        return self._live

    def person(self, ctx: Context) -> tuple[LiveSession | None, list[MembershipFacts]]:
        """Return the session of its cookie and what its person belongs to, by one journey."""
        value = None if self._read else self._token(cookies.SESSION)
        asked = live_sessions.ask_memberships(ctx, value) if value else None
        live = self.session(ctx)
        if live is None:
            return None, []
        return live, asked() if asked else memberships.for_account(ctx, live.account.id)

    def hold(self, ctx: Context, client_row_id: str) -> Held | None:
        """Return the same, held for an answer to a client until the transaction ends (req 23)."""
        if self._read:
            live = self._live
            return None if live is None else live_sessions.hold(ctx, live.session.id, client_row_id)
        value = self._token(cookies.SESSION)
        held = live_sessions.hold_by_cookie(ctx, value, client_row_id) if value else None
        self.signed_in(held.live if held else None)
        return held

    def signed_in(self, live: LiveSession | None) -> None:
        """Note which session it has from now on."""
        self._live, self._read = live, True

    def flow(self) -> bytes | None:
        """Return the hash that binds flows to it, or None where it has no such secret."""
        if self._flow is None:
            value = self._token(cookies.FLOW)
            self._flow = sha256(value) if value else None
        return self._flow

    def flow_or_new(self) -> bytes:
        """Return the same, making its secret with the first flow.

        One secret serves all flows and tabs, so it stays when it is there.
        """
        known = self.flow()
        if known is not None:
            return known
        value = random_token()
        self.given.append(cookies.set_cookie(self._settings, cookies.FLOW, value))
        self._flow = sha256(value)
        return self._flow

    def device(self) -> DeviceCookie | None:
        """Return its device cookie, or None."""
        return DeviceCookie.parse(self._sent.get(cookies.cookie_name(self._settings, cookies.DEVICE)))

    def _token(self, name: str) -> str | None:
        value = self._sent.get(cookies.cookie_name(self._settings, name), "")
        return value if _TOKEN.fullmatch(value) else None
