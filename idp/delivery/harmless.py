"""Names of people, companies and portals in a mail: shown, but no link, telephone number or header (C12).

Mail programs make links of what looks like one, also in plain text.  So a name keeps its letters and loses
what a link is made of; whoever registers as ``www.evil.example`` is announced as ``www. evil. example``.
"""

import re
import unicodedata

LONGEST = 60
"""Characters of a name; longer ones are cut."""

_MOST_DIGITS = 6
_DOTS = re.compile(r"([.\u3002\uff61\u2024])(?=\S)")
_PARTS_OF_LINKS = re.compile(r"[@:/\\<>\[\]{}()|\"`]+")


def harmless(text: str) -> str:
    """Return a name that no program makes a link of: one line, no addresses, at most 60 characters."""
    composed = unicodedata.normalize("NFKC", text)
    seen = "".join(_visible(sign) for sign in composed)
    loose = _DOTS.sub(r"\1 ", _PARTS_OF_LINKS.sub(" ", seen))
    if sum(sign.isdigit() for sign in loose) > _MOST_DIGITS:
        loose = "".join(sign for sign in loose if not sign.isdigit() and sign != "+")
    words = " ".join(loose.split())
    return words if len(words) <= LONGEST else words[: LONGEST - 1].rstrip() + "…"


def _visible(sign: str) -> str:
    """Return a blank for what breaks a line, nothing for what is not seen, such as a change of direction."""
    category = unicodedata.category(sign)
    if category[0] == "Z" or category == "Cc":
        return " "
    return "" if category[0] == "C" else sign
