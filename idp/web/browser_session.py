"""What this browser brings along: session, flow secret, device (design §2, Cookies; req 40-42)."""

import re

from flask import Response as FlaskResponse
from flask import after_this_request, current_app, g, request
from werkzeug.wrappers import Response

from idp.authentication import sessions
from idp.authentication.devices import DeviceCookie
from idp.authentication.sessions import LiveSession
from idp.context import Services
from idp.crypto import random_token, sha256
from idp.settings import Settings
from idp.web import cookies
from idp.web.context import current

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


def current_session() -> LiveSession | None:
    """Return the session of this request's cookie, or None; read once a request."""
    if "live_session" not in g:
        value = _read(cookies.SESSION)
        g.live_session = sessions.find(current(), value) if value else None
    found: LiveSession | None = g.live_session
    return found


def set_session(response: Response, live: LiveSession, value: str) -> None:
    """Give the browser a session's new cookie; it ends with the browser, the session by its own limits."""
    cookies.set_cookie(response, _settings(), cookies.SESSION, value)
    g.live_session = live


def clear_session(response: Response) -> None:
    """Take the session's cookie back; the session itself ends through ``idp.oidc.logout``."""
    cookies.clear_cookie(response, _settings(), cookies.SESSION)
    g.live_session = None


def has_cookies() -> bool:
    """Tell whether the browser sent any cookie at all."""
    return bool(request.cookies)


def flow_browser() -> bytes:
    """Return the hash that binds flows to this browser, making its secret with the first one.

    One secret serves all flows and tabs, so it stays when it is there.
    """
    known = known_flow_browser()
    if known is not None:
        return known
    value = random_token()
    g.flow_browser = sha256(value)

    @after_this_request
    def keep(response: FlaskResponse) -> FlaskResponse:
        cookies.set_cookie(response, _settings(), cookies.FLOW, value)
        return response

    return sha256(value)


def known_flow_browser() -> bytes | None:
    """Return the hash that binds flows to this browser, or None where it has no such secret."""
    if "flow_browser" in g:
        made: bytes = g.flow_browser
        return made
    value = _read(cookies.FLOW)
    return sha256(value) if value else None


def device_cookie() -> DeviceCookie | None:
    """Return this browser's device cookie, or None."""
    return DeviceCookie.parse(request.cookies.get(cookies.cookie_name(_settings(), cookies.DEVICE)))


def set_device(response: Response, cookie: DeviceCookie) -> None:
    """Give the browser its device cookie."""
    cookies.set_cookie(response, _settings(), cookies.DEVICE, str(cookie), max_age=cookies.DEVICE_SECONDS)


def _read(name: str) -> str | None:
    value = request.cookies.get(cookies.cookie_name(_settings(), name), "")
    return value if _TOKEN.fullmatch(value) else None


def _settings() -> Settings:
    services: Services = current_app.extensions["lotse"]
    return services.settings
