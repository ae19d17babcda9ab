"""What a browser is called where its owner reads it."""

from flask_babel import gettext

from idp.browsers import recognise


def device_words(user_agent: str) -> str:
    """Return browser and system in our words; nothing of what the browser itself wrote."""
    seen = recognise(user_agent)
    if seen.browser and seen.system:
        return str(gettext("%(browser)s auf %(system)s", browser=seen.browser, system=seen.system))
    return seen.browser or seen.system or str(gettext("Unbekanntes Gerät"))
