"""The list of common passwords that nobody may choose (NIST SP 800-63B-4 §3.1.1.2, OWASP ASVS 6.2.4).

The data file is made by ``tools/build_blocklist.py`` from a published list; its notice stands beside it.
It holds sorted five-byte BLAKE2b digests of the folded passwords and is mapped, not read: workers share its
pages and starting costs nothing.  One in two million other passwords is taken for a listed one.
"""

import hashlib
import mmap
import unicodedata
from functools import cache
from pathlib import Path
from typing import Protocol

DIGEST_BYTES = 5
HEADER = b"lotse blocklist 1 blake2b-40\n\n\n\n"  # 32 bytes, so that the file says what it is

_PATH = Path(__file__).with_name("data") / "common_passwords.bin"


class Blocklist(Protocol):
    """Tells whether a password is one that attackers try first."""

    def __contains__(self, password: object) -> bool:
        """Compare the whole password, whatever its letter case and Unicode composition."""
        ...


def fold(text: str) -> str:
    """Return *text* without differences of letter case and Unicode composition."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def digest(password: str) -> bytes:
    """Return the entry under which a password is listed."""
    folded = fold(password).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(folded, digest_size=DIGEST_BYTES).digest()


class MappedBlocklist:
    """A blocklist file, searched in place.

    :raises ValueError: the file is not one that ``tools/build_blocklist.py`` made.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        whole = (len(self._data) - len(HEADER)) % DIGEST_BYTES == 0
        if not whole or self._data[: len(HEADER)] != HEADER:
            raise ValueError(f"{path.name} is not a blocklist")

    def __len__(self) -> int:
        return (len(self._data) - len(HEADER)) // DIGEST_BYTES

    def _entry(self, index: int) -> bytes:
        start = len(HEADER) + index * DIGEST_BYTES
        return self._data[start : start + DIGEST_BYTES]

    def __contains__(self, password: object) -> bool:
        if not isinstance(password, str):
            return False
        wanted = digest(password)
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self._entry(middle) < wanted:
                low = middle + 1
            else:
                high = middle
        return low < len(self) and self._entry(low) == wanted


@cache
def common_passwords() -> MappedBlocklist:
    """Return the list that ships with the product; mapped at first use, once a process."""
    return MappedBlocklist(_PATH)
