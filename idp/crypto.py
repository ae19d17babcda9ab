"""Random values, hashes of high-entropy secrets, and encryption at rest with AES-256-GCM (NIST SP 800-38D).

A sealed record is ``0x01 | master key id (4 bytes) | nonce (12 bytes) | ciphertext and tag``; its associated
data is ``table:row``, so a value copied to another row does not open.
"""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from idp.errors import NotReady

_FORMAT = b"\x01"
_ID_BYTES = 4
_NONCE_BYTES = 12
_LEAST_BYTES = len(_FORMAT) + _ID_BYTES + _NONCE_BYTES + 16
MASTER_KEY_BYTES = 32


def random_token(size: int = 32) -> str:
    """Return *size* random bytes as URL-safe text (32 bytes: 43 characters, 256 bit)."""
    return secrets.token_urlsafe(size)


def sha256(text: str) -> bytes:
    """Return the SHA-256 of a high-entropy secret, as it is stored and looked up."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def same(left: bytes, right: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(left, right)


def b64url(data: bytes) -> str:
    """Return unpadded base64url text (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


class SealBroken(Exception):
    """A sealed value does not open: wrong key, wrong row, or changed bytes."""


class KeyUnknown(SealBroken):
    """A sealed value names a master key that is not at hand; it may come, as while keys are rotated."""


@dataclass(frozen=True, slots=True)
class MasterKey:
    """The 256-bit key that seals every secret at rest; lives outside the database."""

    key: bytes

    def __post_init__(self) -> None:
        if len(self.key) != MASTER_KEY_BYTES:
            raise NotReady(f"the master key has {len(self.key)} bytes, it needs {MASTER_KEY_BYTES}")

    def __repr__(self) -> str:
        return f"MasterKey({self.id.hex()})"

    @property
    def id(self) -> bytes:
        """The key id that stands in each record; tells nothing about the key."""
        return hashlib.sha256(b"lotse master key id" + self.key).digest()[:_ID_BYTES]

    @classmethod
    def generate(cls) -> "MasterKey":
        """Return a new random key."""
        return cls(secrets.token_bytes(MASTER_KEY_BYTES))

    @classmethod
    def from_text(cls, text: str) -> "MasterKey":
        """Return the key written as base64; raises NotReady when it is not 32 bytes of base64."""
        try:
            return cls(base64.b64decode(text.strip(), validate=True))
        except binascii.Error as error:
            raise NotReady("the master key is not base64") from error

    def to_text(self) -> str:
        """Return the key as base64 text with a line end, as it stands in its file."""
        return base64.b64encode(self.key).decode("ascii") + "\n"


class Sealer:
    """Seals with the first master key, opens with any of them.

    :param keys: newest first.
    :param reload: reads the keys again; a record of a key unknown here says that the master key was rotated
        meanwhile, and then this process seals with the new one too.
    """

    def __init__(
        self, keys: Iterable[MasterKey], *, reload: Callable[[], Iterable[MasterKey]] | None = None
    ) -> None:
        self._reload = reload
        self._use(keys)

    @property
    def current(self) -> MasterKey:
        """The key that seals."""
        return self._keys[0]

    def refresh(self) -> None:
        """Read the master keys again, where this sealer knows how; raises NotReady when there are none."""
        if self._reload is not None:
            self._use(self._reload())

    def seal(self, plain: bytes, *, table: str, row: str) -> bytes:
        """Return *plain* sealed for one row of one table."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        _, head, cipher, _ = self._keys
        return head + nonce + cipher.encrypt(nonce, plain, f"{table}:{row}".encode())

    def open(self, sealed: bytes, *, table: str, row: str) -> bytes:
        """Return what was sealed; raises SealBroken for any other key, row or byte.

        :raises KeyUnknown: its master key is not at hand.
        """
        if sealed[:1] != _FORMAT or len(sealed) < _LEAST_BYTES:
            raise SealBroken(f"{table}: unknown format")
        key_id, nonce = sealed[1:5], sealed[5:17]
        if key_id not in self._keys[3]:
            self.refresh()
        cipher = self._keys[3].get(key_id)
        if cipher is None:
            raise KeyUnknown(f"{table}: unknown master key {key_id.hex()}")
        try:
            return cipher.decrypt(nonce, sealed[17:], f"{table}:{row}".encode())
        except InvalidTag as error:
            raise SealBroken(f"{table}: sealed value does not open") from error

    def is_current(self, sealed: bytes) -> bool:
        """Tell whether a record is sealed with the newest master key."""
        return sealed[:5] == self._keys[1]

    def _use(self, keys: Iterable[MasterKey]) -> None:
        ordered = list(keys)
        if not ordered:
            raise NotReady("no master key")
        ciphers = {key.id: AESGCM(key.key) for key in ordered}
        newest = ordered[0]
        # one assignment: other threads see the old keys or the new ones
        self._keys = newest, _FORMAT + newest.id, ciphers[newest.id], ciphers


def load_master_keys(directory: Path, *, configured: str | None = None, make: bool = True) -> list[MasterKey]:
    """Return the master keys, newest first.

    :param directory: holds ``master-N.key`` files (0600); the highest N is the newest.
    :param configured: a key given by environment or mounted secret; it goes before the files.
    :param make: make the first one where there is none; not where one has sealed secrets already.
    :raises NotReady: a file is readable by others, cannot be read or holds no key, or there is none and none
        may be made.
    """
    keys = [MasterKey.from_text(configured)] if configured else []
    for path in sorted(directory.glob("master-*.key"), key=_key_number, reverse=True):
        key = _read(path)
        if key not in keys:
            keys.append(key)
    if not keys and not make:
        raise NotReady(
            f"there is no master key in {directory.absolute()}, and nothing else opens the secrets in the "
            "database; bring back its file, or set keys.master_key"
        )
    return keys or [add_master_key(directory, number=1)]


def add_master_key(directory: Path, *, number: int | None = None) -> MasterKey:
    """Write a new master key file and return the key; a second writer of a number gets the first's key."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if number is None:
        number = 1 + max((_key_number(path) for path in directory.glob("master-*.key")), default=0)
    path = directory / f"master-{number}.key"
    draft = directory / f".master-{number}.{os.getpid()}.{secrets.token_hex(4)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(MasterKey.generate().to_text())
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # fails where another process was first: then its key counts
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return _read(path)


def _read(path: Path) -> MasterKey:
    try:
        if path.stat().st_mode & 0o077:
            raise NotReady(f"{path} is readable by other users; run: chmod 600 {path}")
        return MasterKey.from_text(path.read_text("ascii"))
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise NotReady(f"{path} cannot be read as a master key: {reason}") from error


def _key_number(path: Path) -> int:
    number = path.stem.partition("-")[2]
    if not number.isdigit():
        raise NotReady(f"{path} is not named master-NUMBER.key")
    return int(number)


@dataclass(frozen=True, slots=True)
class Verification:
    """What a password check found."""

    valid: bool
    needs_rehash: bool = False


class PasswordHasher(Protocol):
    """Hashes people's passwords; implementations are in ``idp.accounts.passwords``."""

    def hash(self, password: str) -> str:
        """Return the encoded hash of a new password; raises Busy."""
        ...

    def verify(self, encoded: str, password: str) -> Verification:
        """Compare a typed password with a stored hash; raises Busy."""
        ...

    def verify_nothing(self, password: str) -> None:
        """Spend what ``verify`` spends, for an account that does not exist; raises Busy."""
        ...

    def imported_digest(self, config: str, password: str) -> str:
        """Return what an old portal's form of hash makes of a password; raises Busy."""
        ...
