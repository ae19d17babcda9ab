"""What single values of a registration may be: names, words, scopes (RFC 7591 §2, RFC 6749 §3.3)."""

import difflib
import re
import unicodedata
from collections.abc import Callable, Collection
from typing import Final

OPENID_SCOPES: Final = ("openid", "profile", "email", "phone", "address", "organization", "permissions")
"""Scopes with a meaning of our own; a client's other scopes belong to its resource servers."""
OFFLINE: Final = "offline_access"
"""Needs the refresh grant, and the person's consent at every client (OIDC Core §11)."""
PERSON_SCOPES: Final = frozenset({*OPENID_SCOPES, OFFLINE})
"""Scopes that mean nothing where no person takes part."""
MAX_SCOPES: Final = 50
_SLUG: Final = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_KEY: Final = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")
_SCOPE: Final = re.compile(r"[a-z0-9]+(?:[._:/-][a-z0-9]+)*")


def is_slug(text: str) -> bool:
    """Tell whether a text can be a client_id: small letters and digits, single ``-_.`` between."""
    return len(text) <= 64 and _SLUG.fullmatch(text) is not None


def is_key(text: str) -> bool:
    """Tell whether a text can be the key of a permission: small letters and digits, single ``_`` between."""
    return len(text) <= 64 and _KEY.fullmatch(text) is not None


def scope_problem(text: str) -> str | None:
    """Check a text of scopes, and find slips of the pen in those about people."""
    words = text.split(" ") if text else []
    if len(words) > MAX_SCOPES or len(text) > 1024:
        return f"must have at most {MAX_SCOPES} scopes in 1024 characters"
    for word in words:
        if len(word) > 64 or not _SCOPE.fullmatch(word):
            return "must be words of small letters, digits and -, _, ., :, / with one space between"
        near = difflib.get_close_matches(word, PERSON_SCOPES, n=1, cutoff=0.8)
        if near and ":" not in word and word not in PERSON_SCOPES:  # a slip; "orders:read" is an API's own
            return f"knows no {word}: is {near[0]} meant?"
    return None


def one_of(words: Collection[str]) -> Callable[[str], str | None]:
    """Return the check that a text is one of *words*."""

    def check(text: str) -> str | None:
        return None if text in words else f"must be one of {', '.join(words)}"

    return check


def slug_problem(text: str) -> str | None:
    """Check a text that names a client or a product."""
    if is_slug(text):
        return None
    return "must have 1 to 64 small letters and digits, with single -, _ or . between them"


def name_problem(text: str) -> str | None:
    """Check a name that pages show: nothing invisible, nothing that turns the direction of writing."""
    if not text.strip() or text != text.strip() or len(text) > 128:
        return "must have 1 to 128 characters and no space at its ends"
    if any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} for character in text):
        return "must have visible characters only"
    return None
