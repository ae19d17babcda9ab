"""Which language a page speaks, and where its words come from.

Design §5: ``Accept-Language``, ``ui_locales`` and ``?lang=de|en`` choose the language; German is the default.
"""

import io
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask_babel import Babel, Domain, get_locale
from werkzeug.wrappers import Request

FOLDER = Path(__file__).resolve().parent.parent / "translations"
LANGUAGES = {"de": "Deutsch", "en": "English"}
#: dates are shown, with their zone named, as in the country the product is written for
TIME_ZONE = "Europe/Berlin"
COOKIE = "lang"


def _supported(tag: str) -> str | None:
    """Return the language of a tag such as ``en-GB`` where we speak it."""
    language = tag.strip().replace("_", "-").split("-", 1)[0].lower()
    return language if language in LANGUAGES else None


def from_ui_locales(value: str | None) -> str | None:
    """Return the first language of a ``ui_locales`` value (OIDC Core §3.1.2.1) that we speak."""
    return next((found for tag in (value or "").split() if (found := _supported(tag))), None)


def choose_locale(request: Request, cookie: str = COOKIE, *, ui_locales: str | None = None) -> str | None:
    """Return the language of a request, or None for the installation's default.

    A person's own choice (``?lang=``, kept in a cookie) wins over what the portal asks for, in this request
    or in one that is stored; then the browser.

    :param ui_locales: of the stored request.
    """
    return (
        _supported(request.args.get("lang", ""))
        or _supported(request.cookies.get(cookie, ""))
        or from_ui_locales(request.args.get("ui_locales") or ui_locales)
        or _from_browser(request)
    )


def _from_browser(request: Request) -> str | None:
    return next((found for tag in request.accept_languages.values() if (found := _supported(tag))), None)


def load_catalogue(language: str) -> NullTranslations:
    """Return the words of *language*, read from its catalogue; German is the source and has none."""
    path = FOLDER / language / "LC_MESSAGES" / "messages.po"
    if not path.is_file():
        return NullTranslations()
    with path.open("rb") as source:
        catalogue = read_po(source, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


class CatalogueDomain(Domain):
    """Reads the text catalogue itself, so a fresh clone speaks English without a compile step."""

    def get_translations(self) -> NullTranslations:
        """Return the words of the request's language, or none outside a request."""
        locale = get_locale()
        if locale is None:
            return NullTranslations()
        found: NullTranslations | None = self.cache.get(locale.language)
        if found is None:
            found = self.cache[locale.language] = load_catalogue(locale.language)
        return found


class CatalogueBabel(Babel):
    """Flask-Babel with catalogues instead of compiled files."""

    domain_instance = CatalogueDomain()
