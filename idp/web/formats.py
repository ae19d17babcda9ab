"""Dates and times as people write them, in the request's language.

Rule: reference/screens.md §2.1, row Dates; the words are :mod:`idp.texts`.
"""

from datetime import date, datetime, timedelta

from babel import Locale, UnknownLocaleError
from flask_babel import format_date, get_locale
from markupsafe import Markup

from idp import texts


def _language() -> str:
    locale = get_locale()
    return "de" if locale is None else str(locale.language)


def clock(at: datetime) -> str:
    """Return the time of day of an aware datetime: ``14:35 Uhr`` or ``2:35 pm``; no line breaks inside."""
    return texts.clock(at, _language())


def earliest(at: datetime) -> str:
    """Return the same of when something is possible again: the next full minute, never one too soon."""
    return clock(at + timedelta(minutes=1, microseconds=-1))


def moment(at: datetime) -> str:
    """Return day and time of an aware datetime: ``29.08.2023 09:10 Uhr`` or ``29 August 2023, 9:10 am``."""
    return texts.moment(at, _language())


def day(at: datetime) -> str:
    """Return the day of an aware datetime: ``29.08.2023`` or ``29 August 2023``."""
    return texts.day(at, _language())


def birthday(claim: str) -> str:
    """Return a ``birthdate`` as people write it; one without its year, or a year alone, as it is."""
    try:
        day = date.fromisoformat(claim)
    except ValueError:
        return claim
    return str(format_date(day, "dd.MM.yyyy" if _language() == "de" else "d MMMM yyyy"))


def language_name(tag: str) -> str:
    """Return what a language tag names, ``Deutsch (Deutschland)``; a tag that nobody knows as it is."""
    try:
        return Locale.parse(tag, sep="-").get_display_name(get_locale() or "de") or tag
    except (ValueError, UnknownLocaleError):
        return tag


def time_element(at: datetime) -> Markup:
    """Return a ``<time>`` element that carries the exact moment for machines."""
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(timespec="seconds"), moment(at))
