"""Hashes of people's passwords: NFC, keyed with the pepper, Argon2id (NIST SP 800-63B-4 §3.1.1.2, RFC 9106).

A stored hash reads ``$lotse$p=VERSION$argon2id$v=19$m=…,t=…,p=…$SALT$TAG``.  VERSION names the pepper, so
a new one takes effect account by account, at each next sign-in; so do new costs.
"""

import base64
import hashlib
import hmac
import logging
import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from argon2 import Parameters, extract_parameters, low_level
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from idp.accounts.hash_protocol import request_hash, request_imported, request_verify
from idp.crypto import Verification

WAIT_SECONDS = 2.0
SALT_BYTES = 16
TAG_BYTES = 32

_ENCODED = re.compile(r"\$lotse\$p=([0-9]{1,6})(\$argon2id\$[A-Za-z0-9+/=,$]+)", re.ASCII)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Costs:
    """What one hash costs: memory in KiB, passes over it, lanes."""

    memory_kib: int = 19_456
    time_cost: int = 2
    parallelism: int = 1

    def match(self, found: Parameters) -> bool:
        """Tell whether a stored hash was made at this cost."""
        return (found.memory_cost, found.time_cost, found.parallelism) == (
            self.memory_kib,
            self.time_cost,
            self.parallelism,
        )


class LocalPasswordHasher:
    """Hashes in the calling process: for commands and tests; servers use :class:`PooledPasswordHasher`.

    :param peppers: by version; new hashes use the highest.
    """

    def __init__(self, peppers: Mapping[int, bytes], costs: Costs) -> None:
        self._peppers = dict(peppers)
        self._newest = max(self._peppers)
        self._costs = costs

    def hash(self, password: str) -> str:
        """Return the encoded hash of a new password."""
        return f"$lotse$p={self._newest}{self._make(self._key(password, self._newest))}"

    def verify(self, encoded: str, password: str) -> Verification:
        """Compare; a hash that cannot be read costs as much as one that does not match."""
        version, stored = self._split(encoded)
        if version is None:
            _log.error("a stored password hash has an unknown form or pepper")
            self.verify_nothing(password)
            return Verification(valid=False)
        valid = self._compare(stored, self._key(password, version))
        current = version == self._newest and self._costs.match(extract_parameters(stored))
        return Verification(valid=valid, needs_rehash=valid and not current)

    def verify_nothing(self, password: str) -> None:
        """Spend what ``verify`` spends, for an account that does not exist (req 59)."""
        salt, tag = _base64(os.urandom(SALT_BYTES)), _base64(os.urandom(TAG_BYTES))
        costs = f"m={self._costs.memory_kib},t={self._costs.time_cost},p={self._costs.parallelism}"
        self._compare(f"$argon2id$v=19${costs}${salt}${tag}", self._key(password, self._newest))

    def imported_digest(self, config: str, password: str) -> str:
        """Return what an old portal's form of hash makes of a password."""
        # imported here: most installations have no old portal
        from idp.accounts.legacy.hash_formats import compute

        return compute(config, password)

    def _split(self, encoded: str) -> tuple[int | None, str]:
        found = _ENCODED.fullmatch(encoded)
        if found is None or int(found[1]) not in self._peppers:
            return None, ""
        try:
            extract_parameters(found[2])
        except InvalidHashError:
            return None, ""
        return int(found[1]), found[2]

    def _key(self, password: str, version: int) -> bytes:
        text = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
        return hmac.digest(self._peppers[version], text, hashlib.sha256)

    def _make(self, keyed: bytes) -> str:
        return low_level.hash_secret(
            keyed,
            os.urandom(SALT_BYTES),
            self._costs.time_cost,
            self._costs.memory_kib,
            self._costs.parallelism,
            TAG_BYTES,
            low_level.Type.ID,
        ).decode("ascii")

    def _compare(self, stored: str, keyed: bytes) -> bool:
        try:
            return low_level.verify_secret(stored.encode("ascii"), keyed, low_level.Type.ID)
        except VerifyMismatchError:
            return False


class PooledPasswordHasher(LocalPasswordHasher):
    """Has the installation's hash pool do the work; its methods raise Busy where that is full or away.

    :param path: the pool's socket.
    :param wait: seconds after which a caller gives up.
    """

    def __init__(
        self, path: Path, peppers: Mapping[int, bytes], costs: Costs, *, wait: float = WAIT_SECONDS
    ) -> None:
        super().__init__(peppers, costs)
        self._path = path
        self._wait = wait

    def imported_digest(self, config: str, password: str) -> str:
        """Return what an old portal's form of hash makes of a password; the pool computes it."""
        return request_imported(self._path, config, password, wait=self._wait)

    def _make(self, keyed: bytes) -> str:
        return request_hash(
            self._path,
            keyed,
            memory_kib=self._costs.memory_kib,
            time_cost=self._costs.time_cost,
            parallelism=self._costs.parallelism,
            wait=self._wait,
        )

    def _compare(self, stored: str, keyed: bytes) -> bool:
        return request_verify(self._path, stored, keyed, wait=self._wait)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).rstrip(b"=").decode("ascii")
