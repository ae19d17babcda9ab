"""Which language a page speaks, and where its words come from.

Design §5: ``Accept-Language``, ``ui_locales`` and ``?lang=de|en`` choose the language; German is the default.
"""

from collections.abc import Iterable

from babel.support import NullTranslations
from flask_babel import Babel, Domain, get_locale
from werkzeug.wrappers import Request

from idp.texts import load_catalogue, supported

COOKIE = "lang"


def from_ui_locales(value: str | None) -> str | None:
    """Return the first language of a ``ui_locales`` value (OIDC Core §3.1.2.1) that we speak."""
    return next((found for tag in (value or "").split() if (found := supported(tag))), None)


def asked_for(pairs: Iterable[tuple[str, str]]) -> str | None:
    """Return the ``ui_locales`` of what a portal posts, for pages that refuse it."""
    return next((value for name, value in pairs if name == "ui_locales"), None)


def choose_locale(
    request: Request, cookie: str = COOKIE, *, ui_locales: str | None = None, account: str | None = None
) -> str | None:
    """Return the language of a request, or None for the installation's default.

    A person's own choice (``?lang=``, kept in a cookie) wins over what the portal asks for, in this request
    or in one that is stored; then the account of who is signed in, then the browser.

    :param ui_locales: of the stored request.
    :param account: the language of the account.
    """
    return (
        supported(request.args.get("lang", ""))
        or supported(request.cookies.get(cookie, ""))
        or from_ui_locales(request.args.get("ui_locales") or ui_locales)
        or supported(account or "")
        or _from_browser(request)
    )


def _from_browser(request: Request) -> str | None:
    return next((found for tag in request.accept_languages.values() if (found := supported(tag))), None)


class CatalogueDomain(Domain):
    """Reads the text catalogue itself, so a fresh clone speaks English without a compile step."""

    def get_translations(self) -> NullTranslations:
        """Return the words of the request's language, or none outside a request."""
        locale = get_locale()
        return NullTranslations() if locale is None else load_catalogue(locale.language)


class CatalogueBabel(Babel):
    """Flask-Babel with catalogues instead of compiled files."""

    domain_instance = CatalogueDomain()
