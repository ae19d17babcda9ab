"""A mail's texts: subject, plain text and HTML from one template, in the recipient's language.

Each template says once what is said; ``parts.txt`` and ``parts.html`` give paragraphs, code and action their
two shapes, so that neither can tell what the other does not (decision 0045).
"""

import hashlib
import re
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache, partial
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from idp.browsers import recognise
from idp.delivery.harmless import harmless
from idp.delivery.mails import Mail
from idp.settings import Settings
from idp.texts import day, load_catalogue, moment, template_folder, zone

TEXT, HTML = "txt", "html"

#: facts that are ours; every other text is a name that somebody chose
_OURS = frozenset({"code", "link", "user_agent"})
#: pages that mails lead to, below our own address (req 68)
_PAGES = {
    "start": "/",
    "forgot": "/password/forgot",
    "account": "/account",
    "portals": "/account/portals",
    "recovery": "/account/recovery",
    "sessions": "/account/sessions",
}
_GAPS = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Rendered:
    """What the recipient reads."""

    subject: str
    text: str
    html: str


def render(settings: Settings, mail: Mail, language: str, *, at: datetime, until: datetime) -> Rendered:
    """Return a mail's texts.

    :param at: when that happened which the mail tells.
    :param until: how long its code and link hold.
    """
    facts = _facts(settings, mail, language, at, until)
    shapes = {}
    for shape in (TEXT, HTML):
        template = _environment(shape, language).get_template(f"email/{mail.name}.html")
        shapes[shape] = template.render(facts)
        if shape == TEXT:
            subject = "".join(template.blocks["subject"](template.new_context(facts)))
    text = _GAPS.sub("\n\n", shapes[TEXT]).strip() + "\n"
    return Rendered(subject=" ".join(subject.split()), text=text, html=shapes[HTML])


def _facts(settings: Settings, mail: Mail, language: str, at: datetime, until: datetime) -> dict[str, Any]:
    given: dict[str, Any] = asdict(mail)
    shown = {
        name: harmless(value) if isinstance(value, str) and name not in _OURS else value
        for name, value in given.items()
    }
    return {
        "mail": shown,
        "device": recognise(given.get("user_agent", "")),
        "language": language,
        "at": at,
        "until": until,
        "product": settings.product.name,
        "support": settings.support,
        "host": urlsplit(settings.issuer).netloc,
        "pages": {name: f"{settings.issuer}{path}" for name, path in _PAGES.items()},
        "band": partial(band, settings.issuer),
    }


@cache
def _environment(shape: str, language: str) -> Environment:
    """Return the templates in one shape and language; only the HTML is escaped."""
    environment = Environment(
        loader=FileSystemLoader(template_folder()),
        autoescape=shape == HTML,  # noqa: S701  (plain text has no markup to escape)
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(load_catalogue(language), newstyle=True)  # type: ignore[attr-defined]  # of the extension
    environment.filters["moment"] = lambda at: f"{moment(at, language)} ({zone(at, language)})"
    environment.filters["day"] = partial(day, language=language)
    environment.globals.update(base=f"email/base.{shape}", parts=f"email/parts.{shape}")
    return environment


@cache
def band(issuer: str, colour: str) -> str:
    """Return this installation's fine lines as a CSS image: mail programs show no SVG, and load nothing."""
    seed = hashlib.sha256(issuer.encode()).digest()
    angles = (28 + seed[0] % 30, 122 + seed[1] % 30)
    gaps = (5 + seed[2] % 4, 7 + seed[3] % 6)
    return ",".join(
        f"repeating-linear-gradient({angle}deg,{colour} 0 1px,transparent 1px {gap}px)"
        for angle, gap in zip(angles, gaps, strict=True)
    )
