"""The one place that turns an error into a page: what happened, what to do, the way back (screens L-15)."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from idp.errors import Busy, Refusal
from idp.logging import get_logger
from idp.oidc.authorization_request import RelyingPartyMistake
from idp.oidc.discovery import AUTHORIZATION_PATH, END_SESSION_PATH
from idp.web.browser_session import current_session
from idp.web.csrf import CookiesOff, answers_a_link
from idp.web.parameters import Unreadable
from idp.web.portals import portal_by_row, portal_of
from idp.web.wording import statuses

RETRY_SECONDS = 5
_LOST = frozenset({"flow.lost", "flow.expired", "flow.other_browser"})
_SHOWN = 200
_NEW_LINKS = {"/password/reset": "/password/forgot", "/register/link": "/register"}
"""Where the link of a mail leads → where a new one is asked for."""

log = get_logger(__name__)


def init_app(app: Flask) -> None:
    """Register the handlers."""
    app.register_error_handler(RelyingPartyMistake, relying_party_mistake)
    app.register_error_handler(Unreadable, unreadable)
    app.register_error_handler(Refusal, refused)
    app.register_error_handler(Busy, busy)
    app.register_error_handler(CookiesOff, cookies_off)
    app.register_error_handler(CSRFError, stale_form)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(OperationalError, database_away)
    app.register_error_handler(PoolTimeout, database_away)
    app.register_error_handler(Exception, bug)


def relying_party_mistake(mistake: RelyingPartyMistake) -> Response:
    """Show a portal's mistake; nothing on the page leads to an unregistered address (req 2)."""
    client = mistake.client
    log.warning(
        "portal's request refused",
        error=mistake.error,
        parameter=mistake.parameter,
        client_id=client.client_id if client else None,
    )
    registered: tuple[str, ...] = ()
    if client is not None and mistake.parameter == "redirect_uri":
        registered = client.redirect_uris
    elif client is not None and mistake.parameter == "post_logout_redirect_uri":
        registered = client.post_logout_redirect_uris
    return _mistake_of_a_portal(
        portal=portal_of(client) if client else None,
        error=mistake.error,
        parameter=mistake.parameter,
        received=mistake.received and mistake.received[:_SHOWN],
        expected=mistake.expected,
        registered=registered,
    )


def unreadable(error: Unreadable) -> Response:
    """Say that the address or form is broken, and to whoever mends the portal that sent it, how."""
    log.warning("request unreadable", path=request.path, expected=str(error))
    if request.path not in (AUTHORIZATION_PATH, END_SESSION_PATH):
        return _page(400)
    return _mistake_of_a_portal(error="invalid_request", expected=str(error))


def _mistake_of_a_portal(**said: Any) -> Response:
    """Show a person that their portal did something wrong; the technical details are for who mends it."""
    nothing = {"portal": None, "parameter": None, "received": None, "registered": ()}
    leaving = request.path == END_SESSION_PATH
    return _render("errors/relying_party.html", 400, leaving=leaving, **(nothing | said))


def refused(refusal: Refusal) -> Response:
    """Show a lost flow with the way back to its portal; another domain no that reached here is a 403."""
    if refusal.code in statuses.REFUSALS_OF_LINKS:
        words = statuses.REFUSALS_OF_LINKS[refusal.code]
        if refusal.code.startswith("token."):
            words = replace(words, advice=statuses.ADVICE_OF_LINKS.get(request.path, words.advice))
        return _page(410, words=words, new_link=_NEW_LINKS.get(request.path))
    if refusal.code not in _LOST:
        return _page(429 if refusal.code.endswith(".throttled") else 403, until=refusal.params.get("until"))
    try:
        live = current_session()
    except (OperationalError, PoolTimeout) as error:  # nobody else handles an error of this handler's own
        return database_away(error)
    portal = portal_by_row(refusal.params.get("client_id"))
    restart_url = portal.restart_uri if portal else None
    return _render(
        "errors/flow_lost.html", 400, portal=portal, restart_url=restart_url, signed_in=live is not None
    )


def cookies_off(error: CookiesOff) -> Response:
    """Say that no form can be sent without cookies, and where to try again."""
    by_mail = "token" in request.form  # its page opens by the mail's link alone
    again = answers_a_link() and not by_mail
    return without_cookies(f"?{request.query_string.decode()}" if again else None, by_mail=by_mail)


def without_cookies(retry_url: str | None, *, by_mail: bool = False) -> Response:
    """Say the same, with a way back of one's own."""
    return _render("errors/cookies_off.html", 400, retry_url=retry_url, by_mail=by_mail)


def stale_form(error: CSRFError) -> Response:
    """Say that nothing was changed: the page was open too long, or its cookie is gone (req 98)."""
    return _page(400, words=statuses.STALE_FORM)


def other_person(again_url: str) -> Response:
    """Say that a form was somebody else's, who was signed in here before; the page opens anew (C6)."""
    return _page(409, words=statuses.OTHER_PERSON, again_url=again_url)


def busy(error: Busy) -> Response:
    """Ask to come back: a bounded resource is used up (A5)."""
    return _page(503, retry_after=error.retry_after)


def http_error(error: HTTPException) -> Response:
    """Show any other HTTP error."""
    response = _page(error.code or 500)
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def database_away(error: Exception) -> Response:
    """Say that the service is not there; a constraint that fails is a bug and not this."""
    if isinstance(error, IntegrityError):
        return bug(error)
    log.error("database away or busy", exc_info=error)
    return _page(503, retry_after=RETRY_SECONDS)


def bug(error: Exception) -> Response:
    """Show a plain text and an id; what happened stands in the log alone (req 107)."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return database_away(error)
    log.error("unexpected error", exc_info=error)
    return _page(500)


def _page(
    status: int,
    *,
    retry_after: int | None = None,
    until: datetime | None = None,
    words: statuses.StatusWords | None = None,
    new_link: str | None = None,
    again_url: str | None = None,
) -> Response:
    if until is not None:
        retry_after = max(1, round((until - datetime.now(UTC)).total_seconds()))
    response = _render(
        "errors/http.html",
        status,
        status=status,
        retry_after=retry_after,
        words=words,
        new_link=new_link,
        again_url=again_url,
    )
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def _render(template: str, code: int, **values: Any) -> Response:
    error_id = request.environ.get("lotse.request_id")
    return make_response(render_template(template, error_id=error_id, **values), code)
