"""Which passwords are accepted, as a pure rule (NIST SP 800-63B-4 §3.1.1.2; OWASP ASVS 5.0 6.2).

Characters are Unicode code points of the NFC form.  Nothing is cut, trimmed or changed in case.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from idp.accounts.blocklist import Blocklist, common_passwords, fold
from idp.errors import Refusal

Profile = Literal["modern", "amt24", "sage"]
CharacterClass = Literal["special", "digit", "upper", "lower"]

MAXIMUM = 128
MAXIMUM_BYTES = 1024
ALONE_MINIMUM = 15
MINIMUM = 8
CLASSES: tuple[CharacterClass, ...] = ("special", "digit", "upper", "lower")

#: a context word shorter than this occurs in passwords by accident ("Bo", "Al")
_SHORTEST_WORD = 3
#: what is left of a password without the person's own words must be worth this many characters
_OWN_MINIMUM = 8


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a page says before anyone types: lengths in characters, and classes that must occur."""

    minimum: int
    maximum: int
    classes: tuple[CharacterClass, ...]


def requirements(
    *, profile: Profile, single_factor: bool, allow_short_single_factor: bool = False
) -> Requirements:
    """Return the rule of a profile.

    :param single_factor: the password alone can sign this account in.
    :param allow_short_single_factor: waives the 15 characters of ``modern`` for such accounts.
    """
    alone = profile == "modern" and single_factor and not allow_short_single_factor
    return Requirements(
        minimum=ALONE_MINIMUM if alone else MINIMUM,
        maximum=MAXIMUM,
        classes=CLASSES if profile == "amt24" else (),
    )


def password_problems(
    password: str,
    *,
    profile: Profile,
    single_factor: bool,
    context_words: Iterable[str] = (),
    service_words: Iterable[str] = (),
    allow_short_single_factor: bool = False,
    blocklist: Blocklist | None = None,
) -> list[Refusal]:
    """Return everything that is wrong with a new password; empty means accepted.

    :param context_words: the person's names, user name and addresses.
    :param service_words: the names of the service and of the organisation.
    :param blocklist: other than the one that ships.
    :returns: ``password.long`` (alone, nothing else is looked at), ``password.short`` (length, minimum),
        ``password.class`` (missing: names of :data:`CLASSES`), ``password.common``, ``password.personal``,
        ``password.context``.
    """
    rule = requirements(
        profile=profile, single_factor=single_factor, allow_short_single_factor=allow_short_single_factor
    )
    if is_too_long(password):
        return [Refusal("password.long", maximum=rule.maximum)]
    text = unicodedata.normalize("NFC", password)
    listed = common_passwords() if blocklist is None else blocklist
    problems = []
    if len(text) < rule.minimum:
        problems.append(Refusal("password.short", length=len(text), minimum=rule.minimum))
    missing = tuple(name for name in rule.classes if not any(map(_CLASS_TESTS[name], text)))
    if missing:
        problems.append(Refusal("password.class", missing=missing))
    if text and text in listed:
        problems.append(Refusal("password.common"))
    own, service = _words(context_words), _words(service_words)
    if _is_little_more_than(own | service, text, listed):
        personal = any(word in fold(text) for word in own)
        problems.append(Refusal("password.personal" if personal else "password.context"))
    return problems


def is_too_long(password: str) -> bool:
    """Tell whether a password exceeds 128 characters or 1024 bytes; cheap for any length."""
    if len(password) > MAXIMUM_BYTES or len(password.encode("utf-8", "surrogatepass")) > MAXIMUM_BYTES:
        return True
    return len(unicodedata.normalize("NFC", password)) > MAXIMUM


_CLASS_TESTS = {
    "special": lambda character: not character.isalnum(),
    "digit": str.isdigit,
    "upper": str.isupper,
    "lower": str.islower,
}


def _is_little_more_than(words: set[str], password: str, listed: Blocklist) -> bool:
    """Tell whether a password is little more than words that a guesser knows beforehand.

    A passphrase may mention a name; a name before a year or before a common password is refused.
    """
    folded = fold(password)
    rest = folded
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word, "")
    return rest != folded and (len(rest) < _OWN_MINIMUM or rest in listed)


def _words(entries: Iterable[str]) -> set[str]:
    """Return the entries and their parts, folded."""
    found: set[str] = set()
    for entry in map(fold, entries):
        found.update((entry, *re.split(r"[\W_]+", entry)))
    return {word for word in found if len(word) >= _SHORTEST_WORD}
