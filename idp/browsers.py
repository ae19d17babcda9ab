"""What browser a ``User-Agent`` names, in our words: nothing the other side wrote is repeated."""

from typing import NamedTuple

#: first match counts: most browsers name others as well
_BROWSERS = (
    ("Edg", "Microsoft Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)


class Seen(NamedTuple):
    """A browser and the system it runs on; either is empty where it says nothing we know."""

    browser: str
    system: str


def recognise(user_agent: str) -> Seen:
    """Return what a ``User-Agent`` names."""
    return Seen(*(_first(user_agent, known) for known in (_BROWSERS, _SYSTEMS)))


def _first(user_agent: str, known: tuple[tuple[str, str], ...]) -> str:
    return next((name for mark, name in known if mark in user_agent), "")
