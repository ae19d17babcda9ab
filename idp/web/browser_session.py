"""The browser of a page's request, and the cookies its answer gives it (design §2, Cookies; req 40-42)."""

from flask import Response as FlaskResponse
from flask import after_this_request, current_app, g, request
from werkzeug.wrappers import Response

from idp.authentication.devices import DeviceCookie
from idp.authentication.live_sessions import LiveSession
from idp.context import Services
from idp.settings import Settings
from idp.web import cookies
from idp.web.browser import Browser
from idp.web.context import current


def browser() -> Browser:
    """Return this request's browser; what it is given goes along with the answer."""
    if "browser" not in g:
        g.browser = made = Browser(request.environ, _settings())

        @after_this_request
        def give(response: FlaskResponse) -> FlaskResponse:
            for line in made.given:
                response.headers.add("Set-Cookie", line)
            return response

    found: Browser = g.browser
    return found


def current_session() -> LiveSession | None:
    """Return the session of this request's cookie, or None; read once a request."""
    return browser().session(current())


def language_of_person() -> str | None:
    """Return the language of who is signed in, None where this request has not read the session."""
    seen = g.browser.seen if "browser" in g else None
    return seen.account.locale if seen else None


def set_session(response: Response, live: LiveSession, value: str) -> None:
    """Give the browser a session's new cookie; it ends with the browser, the session by its own limits."""
    response.headers.add("Set-Cookie", cookies.set_cookie(_settings(), cookies.SESSION, value))
    browser().signed_in(live)


def clear_session(response: Response) -> None:
    """Take the session's cookie back; the session itself ends through ``idp.oidc.logout``."""
    response.headers.add("Set-Cookie", cookies.clear_cookie(_settings(), cookies.SESSION))
    browser().signed_in(None)


def flow_browser() -> bytes:
    """Return the hash that binds flows to this browser, making its secret with the first one."""
    return browser().flow_or_new()


def known_flow_browser() -> bytes | None:
    """Return the hash that binds flows to this browser, or None where it has no such secret."""
    return browser().flow()


def device_cookie() -> DeviceCookie | None:
    """Return this browser's device cookie, or None."""
    return browser().device()


def set_device(response: Response, cookie: DeviceCookie) -> None:
    """Give the browser its device cookie."""
    line = cookies.set_cookie(_settings(), cookies.DEVICE, str(cookie), max_age=cookies.DEVICE_SECONDS)
    response.headers.add("Set-Cookie", line)


def _settings() -> Settings:
    services: Services = current_app.extensions["lotse"]
    return services.settings
