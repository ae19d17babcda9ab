"""The page of a sign-in that finds no room: made once for each language and theme, then only bytes (A5, F12).

Under a flood nearly every answer is this one, so it must cost next to nothing.
"""

from typing import Any

from flask import Flask, render_template
from werkzeug.wrappers import Request

from idp.oidc.server import Answer
from idp.settings import Settings
from idp.web import locales, ui
from idp.web.cookies import cookie_name
from idp.web.page_headers import PRIVATE, page_headers
from idp.web.wording.statuses import OVERLOAD

RETRY_SECONDS = 5
_ID = "lotse-request-id"
"""Stands in a page that is kept where the request's own id goes."""
_HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Retry-After", str(RETRY_SECONDS)),
    *PRIVATE,
    *page_headers(),
]


class OverloadPage:
    """Makes the page of one installation, and keeps it."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._language_cookie = cookie_name(settings, locales.COOKIE)
        self._kept: dict[tuple[str, str], bytes] = {}

    def __call__(self, environ: dict[str, Any], request_id: str) -> Answer:
        """Return the answer to a request whose body nobody reads."""
        request = Request(environ)
        language = locales.choose_locale(request, self._language_cookie)
        shown = language or self._settings.product.default_locale, ui.chosen_theme(request, self._settings)
        if shown not in self._kept:
            self._kept[shown] = self._make(*shown)
        return Answer(503, self._kept[shown].replace(_ID.encode(), request_id.encode()), [*_HEADERS])

    def _make(self, language: str, theme: str) -> bytes:
        with self._app.test_request_context(query_string={"lang": language, "theme": theme}):
            page = render_template(
                "errors/http.html",
                status=503,
                words=OVERLOAD,
                new_link=None,
                retry_after=None,  # the words say it
                error_id=_ID,
                choices=False,  # their links would lose the flow
            )
        return page.encode()
