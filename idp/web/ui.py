"""What every hosted page has in common: frame data, language and theme choice, ribbon, asset addresses.

Frame: reference/screens.md §1.0; design §5, paragraph Pages.
"""

from functools import cache
from typing import Any
from urllib.parse import urlencode

from babel import Locale
from flask import Flask, Response, g, request
from flask_babel import get_locale
from werkzeug.wrappers import Request

from idp import texts
from idp.settings import Settings
from idp.web import assets, formats, locales
from idp.web.browser_session import language_of_person
from idp.web.cookies import cookie_name, set_cookie
from idp.web.csrf import answers_a_link
from idp.web.extensions import babel, csrf
from idp.web.ribbon import ribbon
from idp.web.wording import devices, names, statuses

THEMES = ("light", "dark", "system")
_PREFERENCE_SECONDS = 365 * 24 * 3600


def _with_parameter(name: str, value: str) -> str:
    """Return a link to this page with one query parameter set and the others kept.

    It is a query alone: a path such as ``//elsewhere.example`` must never become an address of its own.
    """
    kept = [(key, item) for key, item in request.args.items(multi=True) if key not in {"lang", "theme"}]
    return f"?{urlencode([*kept, (name, value)])}"


def chosen_theme(request: Request, settings: Settings) -> str:
    """Return how the person wants pages to look, one of :data:`THEMES`."""
    chosen = request.args.get("theme") or request.cookies.get(cookie_name(settings, "theme"), "")
    return chosen if chosen in THEMES else "system"


def _frame(settings: Settings) -> dict[str, Any]:
    """Return the variables of ``base.html`` that depend on the request."""
    locale = get_locale()
    language = locale.language if locale else settings.product.default_locale
    return {
        "language": language,
        "choices": answers_a_link(),
        "other_languages": [
            {"code": code, "name": name, "url": _with_parameter("lang", code)}
            for code, name in texts.LANGUAGES.items()
            if code != language
        ],
        "theme": chosen_theme(request, settings),
        "theme_urls": {theme: _with_parameter("theme", theme) for theme in THEMES},
    }


def _keep_preferences(settings: Settings, response: Response) -> Response:
    """Keep a language or theme that the person just chose by a link; nothing else is ever set by GET."""
    chosen = {
        "lang": request.args.get("lang") if request.args.get("lang") in texts.LANGUAGES else None,
        "theme": request.args.get("theme") if request.args.get("theme") in THEMES else None,
    }
    for name, value in chosen.items():
        if value is not None and not response.cache_control.public:
            line = set_cookie(settings, name, value, max_age=_PREFERENCE_SECONDS)
            response.headers.add("Set-Cookie", line)
    return response


def init_app(app: Flask, settings: Settings) -> None:
    """Bind language, forms' protection, static files and the frame's variables to *app*."""
    assets.init_app(app)
    csrf.init_app(app)
    language_cookie = cookie_name(settings, locales.COOKIE)
    parsed = cache(Locale.parse)  # of two languages; the library parses them anew for each request
    babel.init_app(
        app,
        default_locale=settings.product.default_locale,
        default_timezone=texts.TIME_ZONE,
        locale_selector=lambda: parsed(
            locales.choose_locale(
                request, language_cookie, ui_locales=g.get("ui_locales"), account=language_of_person()
            )
            or settings.product.default_locale
        ),
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(moment=formats.moment, clock=formats.clock, day=formats.day)
    app.jinja_env.globals.update(
        asset_url=assets.asset_url,
        time_element=formats.time_element,
        device_words=devices.device_words,
        status_words=statuses.status_words,
        roles=names.ROLES,
        membership_states=names.MEMBERSHIP_STATES,
        message_kinds=names.MESSAGE_KINDS,
        product=settings.product,
        support=settings.support,
        legal=settings.legal,
        demo=settings.mode == "demo",
        ribbon=ribbon(settings.public_url),
    )
    app.context_processor(lambda: _frame(settings))
    app.after_request(lambda response: _keep_preferences(settings, response))
