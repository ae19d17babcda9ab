"""The codes that people carry from a device to their browser (RFC 8628 §6.1, req 30).

Pure.  Eight consonants of twenty, so that no word comes about and nothing looks like a digit: 34 bit.
"""

import re
import secrets
from typing import Final

ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"
LENGTH: Final = 8

#: spaces and whatever a person, a keyboard or a word processor takes for a hyphen
_BETWEEN: Final = re.compile(r"[\s\-\u00ad\u2010-\u2015\u2212_.]+")
# both cases written out: Unicode has more letters that become these
_CODE: Final = re.compile(f"[{ALPHABET}{ALPHABET.lower()}]{{{LENGTH}}}")


def new_code() -> str:
    """Return a random code as it is hashed and compared."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def read(typed: str) -> str | None:
    """Return the code somebody typed or pasted, in any case and grouping; None for what can be none."""
    code = _BETWEEN.sub("", typed)
    return code.upper() if _CODE.fullmatch(code) else None


def has_the_form(typed: str) -> bool:
    """Tell whether somebody typed as many letters as a code has, be they those of codes or not."""
    letters = _BETWEEN.sub("", typed)
    return len(letters) == LENGTH and letters.isalpha()


def shown(code: str) -> str:
    """Return a code as people read it: ``BCDF-GHJK``."""
    return f"{code[: LENGTH // 2]}-{code[LENGTH // 2 :]}"
