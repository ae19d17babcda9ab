"""What people read: languages, their words, where templates lie, how times are written.

Pages take it with the request's language (``idp.web.locales``, ``idp.web.formats``), mails with the
recipient's (``idp.delivery.rendering``).  Rule for dates: reference/screens.md §2.1.
"""

import io
from datetime import datetime
from functools import cache
from pathlib import Path

from babel.dates import format_datetime, get_timezone, get_timezone_name
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

_PACKAGE = Path(__file__).resolve().parent
FOLDER = _PACKAGE / "translations"
LANGUAGES = {"de": "Deutsch", "en": "English"}
#: dates are shown, with their zone named, as in the country the product is written for
TIME_ZONE = "Europe/Berlin"
#: whose short names of zones people here know: CEST, not GMT+2
_NAMES_OF_ZONES = {"de": "de", "en": "en_GB"}


def template_folder() -> Path:
    """Return the folder of the templates: inside the package when installed, else at the checkout's root."""
    inside = _PACKAGE / "templates"
    return inside if inside.is_dir() else _PACKAGE.parent / "templates"


def supported(tag: str) -> str | None:
    """Return the language of a tag such as ``en-GB`` where we speak it."""
    language = tag.strip().replace("_", "-").split("-", 1)[0].lower()
    return language if language in LANGUAGES else None


@cache
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


def clock(at: datetime, language: str) -> str:
    """Return the time of day of an aware datetime: ``14:35 Uhr`` or ``2:35 pm``; no line breaks inside."""
    if language == "de":
        return _format(at, "HH:mm\u00a0'Uhr'", language)
    return _format(at, "h:mm\u00a0a", language).lower()


def moment(at: datetime, language: str) -> str:
    """Return day and time of an aware datetime: ``29.08.2023 09:10 Uhr`` or ``29 August 2023, 9:10 am``."""
    if language == "de":
        return _format(at, "dd.MM.yyyy HH:mm\u00a0'Uhr'", language)
    return f"{day(at, language)}, {clock(at, language)}"


def day(at: datetime, language: str) -> str:
    """Return the day of an aware datetime: ``29.08.2023`` or ``29 August 2023``."""
    return _format(at, "dd.MM.yyyy" if language == "de" else "d MMMM yyyy", language)


def zone(at: datetime, language: str) -> str:
    """Return what the zone is called at that moment: ``MESZ`` or ``CEST``."""
    local = at.astimezone(get_timezone(TIME_ZONE))
    return str(get_timezone_name(local, width="short", locale=_NAMES_OF_ZONES[language]))


def _format(at: datetime, pattern: str, language: str) -> str:
    return str(format_datetime(at, pattern, tzinfo=get_timezone(TIME_ZONE), locale=language))
