"""Who is asking: cookies, language and session of a request, and the guard of our own forms (:rfc:`6265`)."""

import hashlib
import hmac
import secrets
import time
from urllib.parse import urlsplit

from flask import Flask, Response, g, request

from clients.shared.sessions import PENDING, PortalSession, SessionStore
from clients.shared.wording import LANGUAGES, Text

LANGUAGE_LIFETIME = 365 * 86_400


class Visitors:
    """Reads and writes the cookies of one portal, whose names begin with the portal's own name.

    Ports do not separate cookies: two portals on one host would otherwise take each other's.
    """

    def __init__(self, name: str, base_url: str, store: SessionStore) -> None:
        self.session_cookie = f"{name}_session"
        self.login_cookie = f"{name}_login"
        self.language_cookie = f"{name}_language"
        self.store = store
        self._secure = base_url.startswith("https://")
        self._origin = base_url
        self._form_key = secrets.token_bytes(32)

    def init_app(self, app: Flask) -> None:
        """Runs before and after each request of the portal."""
        app.before_request(self.recognise)
        app.after_request(self.remember)

    def recognise(self) -> None:
        """Puts time, language and session of the request into ``g``."""
        g.now = time.time()
        g.cookies = []
        g.language = self._language()
        g.session = self.store.find(request.cookies.get(self.session_cookie), g.now)
        g.person = g.session if g.session is not None and g.session.ended is None else None

    def _language(self) -> str:
        asked = request.args.get("lang")
        if asked in LANGUAGES:
            self._set(self.language_cookie, asked, LANGUAGE_LIFETIME)
            return asked
        kept = request.cookies.get(self.language_cookie)
        if kept in LANGUAGES:
            return kept
        return request.accept_languages.best_match(LANGUAGES) or "de"

    def _set(self, name: str, value: str, max_age: int | None) -> None:
        g.cookies.append((name, value, max_age))

    def remember(self, response: Response) -> Response:
        """Writes the cookies this request decided on."""
        for name, value, max_age in g.get("cookies", ()):
            response.set_cookie(
                name, value, max_age=max_age, path="/", httponly=True, samesite="Lax", secure=self._secure
            )
        return response

    def browser(self) -> str:
        """The random value that binds sign-ins under way to this browser; made at the first."""
        value = request.cookies.get(self.login_cookie, "")
        if len(value) < 32:
            value = secrets.token_urlsafe(32)
        self._set(self.login_cookie, value, int(PENDING))
        return value

    def known_browser(self) -> str | None:
        """The binding value this browser brought, or None."""
        return request.cookies.get(self.login_cookie)

    def sign_in(self, session: PortalSession) -> None:
        """Gives the browser the cookie of its new session."""
        self._set(self.session_cookie, session.key, None)

    def sign_out(self) -> None:
        """Takes the session away from the browser."""
        self.store.drop(request.cookies.get(self.session_cookie))
        self._set(self.session_cookie, "", 0)
        g.session = g.person = None

    def form_token(self) -> str:
        """The value our forms carry so that no other site can send them."""
        key = request.cookies.get(self.session_cookie, "")
        return hmac.new(self._form_key, key.encode(), hashlib.sha256).hexdigest()

    def form_is_ours(self) -> bool:
        """Whether a POST comes from one of our own pages."""
        fetched_from = request.headers.get("Sec-Fetch-Site")
        if fetched_from is None:
            origin = request.headers.get("Origin")
            same = origin is None or urlsplit(origin)[:2] == urlsplit(self._origin)[:2]
        else:
            same = fetched_from in ("same-origin", "none")
        sent = request.form.get("csrf_token", "")
        return same and hmac.compare_digest(sent.encode(), self.form_token().encode())


def say(german: str, english: str) -> str:
    """The words in the language of the visitor."""
    return german if g.get("language", "de") == "de" else english


def say_text(text: Text) -> str:
    """The same for a pair of texts."""
    return say(*text)
