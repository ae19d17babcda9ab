"""The authorization endpoint in front of the pages (OIDC Core §3.1.2; design §6).

Nearly every request to it ends in a redirect: to the portal, or to the page of the next step.  Those are
answered here; for the rest what was decided goes along to the pages, which only have to show it.
"""

from collections.abc import Mapping
from typing import Any, Final

from idp.context import Actor, Origin
from idp.errors import Refusal
from idp.oidc.authorization_request import RelyingPartyMistake
from idp.oidc.authorization_response import FORM_POST
from idp.oidc.discovery import AUTHORIZATION_PATH
from idp.oidc.server import Answer, ProtocolServer
from idp.web.browser import Browser
from idp.web.hub import DECIDED, Answered, Decided, Hub, Outcome
from idp.web.machine.http import plain
from idp.web.page_headers import PRIVATE, redirect_headers
from idp.web.parameters import Unreadable, query_pairs

_HUB: Final = f"{AUTHORIZATION_PATH}/"
_TOLD: Final = (Refusal, RelyingPartyMistake, Unreadable)


class AuthorizationEndpoint:
    """Takes requests that a browser brings by a link or a redirect."""

    def __init__(self, server: ProtocolServer) -> None:
        self._server = server
        self._services = server.provider.services
        self._headers = [*redirect_headers(), *PRIVATE]

    def handles(self, method: str, path: str) -> bool:
        """Tell whether a request is for the endpoint or its hub."""
        if method not in ("GET", "HEAD", "OPTIONS"):
            return False
        return path == AUTHORIZATION_PATH or (path.startswith(_HUB) and "/" not in path.removeprefix(_HUB))

    def answer(self, environ: dict[str, Any], path: str, origin: Origin) -> Answer | None:
        """Return a redirect; None where a page is needed, and then the request holds what to show."""
        allowed = "GET, POST" if path == AUTHORIZATION_PATH else "GET"
        if environ["REQUEST_METHOD"] == "HEAD":  # asks what GET would do, and GET may hand out a code
            return plain(405, "ask by GET\n", [("Allow", allowed)])
        if environ["REQUEST_METHOD"] == "OPTIONS":
            return Answer(204, b"", [("Allow", f"{allowed}, OPTIONS"), *self._headers])
        try:
            decided = self._decide(environ, path, origin)
        except Exception as error:  # a page tells what happened, as for every other
            decided = Decided(error)
        location = _location(decided.outcome, path)
        if location is None:
            environ[DECIDED] = decided
            return None
        cookies = [("Set-Cookie", line) for line in decided.cookies]
        return Answer(303, b"", [("Location", location), *self._headers, *cookies])

    def _decide(self, environ: Mapping[str, Any], path: str, origin: Origin) -> Decided:
        """Decide in one transaction; an error that is told keeps what was written on the way to it."""
        with self._services.database.transaction() as db:
            ctx = self._services.context(db, origin=origin, actor=Actor("anonymous"))
            browser = Browser(environ, self._services.settings)
            hub = Hub(self._server, ctx, browser)
            outcome: Outcome | Exception
            try:
                if path == AUTHORIZATION_PATH:
                    outcome = hub.begin("GET", query_pairs(environ.get("QUERY_STRING", "")))
                else:
                    outcome = hub.resume(path.removeprefix(_HUB))
            except _TOLD as told:
                outcome = told
            return Decided(outcome, tuple(browser.given))


def _location(outcome: Outcome | Exception, path: str) -> str | None:
    if isinstance(outcome, Exception):
        return None
    if isinstance(outcome, Answered):
        # behind a form of ours a page leads on to the portal (idp.web.leading_on)
        at_once = path == AUTHORIZATION_PATH and outcome.response.mode != FORM_POST
        return outcome.response.location if at_once else None
    if outcome.page is None and path == AUTHORIZATION_PATH:
        return _HUB + outcome.flow.id  # where words for a state can be loaded again
    return outcome.page
