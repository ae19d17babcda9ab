"""The components of the hosted pages on one page, for designers, screenshots and the accessibility check.

Look: reference/screens.md §3.1; at ``/dev/ui`` in demo mode only.
"""

import re

from flask import Flask, render_template
from flask_babel import gettext

from idp.settings import Settings
from idp.web.assets import load_assets

_COLOUR = re.compile(r"--idp-([a-z-]+): (?:light-dark\(|#|var\(--idp-action\))")


def colours() -> list[str]:
    """Return the names of the colours that a brand may change, as the style sheet declares them."""
    return _COLOUR.findall(load_assets().files["css/app.css"].plain.decode())


def style_guide() -> str:
    """Show every component once, with an error, a filled and an empty state."""
    errors = [("code", gettext("Der Code hat 6 Ziffern. Sie haben %(typed)s eingegeben.", typed=5))]
    return render_template("pages/style_guide.html", tokens=colours(), sample_errors=errors)


def init_app(app: Flask, settings: Settings) -> None:
    """Add the page where people and data are made up."""
    if settings.mode == "demo":
        app.add_url_rule("/dev/ui", "style_guide", style_guide)
