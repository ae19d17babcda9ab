"""How workers speak with the hash pool: one request a connection over a Unix socket (RFC 9106).

A request is ``what, deadline, memory, passes, lanes | keyed password | encoded hash``; then the client shuts
its side.  The deadline is of CLOCK_MONOTONIC, which all processes of a machine share.  Where an old portal's
form of hash is to be computed, what follows the head is ``length of the configuration | configuration |
password``.
"""

import errno
import os
import socket
import struct
import time
from pathlib import Path

from idp.errors import Busy

KEYED_BYTES = 32
RETRY_AFTER_SECONDS = 2

HASH, VERIFY, IMPORTED = b"H", b"V", b"I"
HASHED, RIGHT, WRONG, LATE, FAILED = b"h", b"r", b"w", b"l", b"f"
HEADER = struct.Struct("!cdIIB")
LENGTH = struct.Struct("!H")
_LONGEST_MESSAGE = 8192


def request_hash(
    path: Path, keyed: bytes, *, memory_kib: int, time_cost: int, parallelism: int, wait: float
) -> str:
    """Return the encoded Argon2id hash of a keyed password; raises Busy after *wait* seconds or when full."""
    deadline = time.monotonic() + wait
    header = HEADER.pack(HASH, deadline, memory_kib, time_cost, parallelism)
    answer = _ask(path, header + keyed, deadline)
    if answer[:1] != HASHED:
        raise _busy("hashing failed")
    return answer[1:].decode("ascii")


def request_verify(path: Path, encoded: str, keyed: bytes, *, wait: float) -> bool:
    """Compare a keyed password with an encoded hash; raises Busy after *wait* seconds or when full."""
    deadline = time.monotonic() + wait
    answer = _ask(path, HEADER.pack(VERIFY, deadline, 0, 0, 0) + keyed + encoded.encode("ascii"), deadline)
    if answer not in (RIGHT, WRONG):
        raise _busy("hashing failed")
    return answer == RIGHT


def request_imported(path: Path, config: str, password: str, *, wait: float) -> str:
    """Return what an old portal's form makes of a password; raises Busy after *wait* seconds or when full."""
    deadline = time.monotonic() + wait
    form = config.encode()
    message = LENGTH.pack(len(form)) + form + password.encode("utf-8", "surrogatepass")
    answer = _ask(path, HEADER.pack(IMPORTED, deadline, 0, 0, 0) + message, deadline)
    if answer[:1] != HASHED:
        raise _busy("hashing failed")
    return answer[1:].decode("ascii")


def _busy(reason: str) -> Busy:
    return Busy(f"password hashing: {reason}", retry_after=RETRY_AFTER_SECONDS)


def _ask(path: Path, message: bytes, deadline: float) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)
        try:
            connection.connect(os.fspath(path))
        except BlockingIOError:
            raise _busy("queue is full") from None
        except OSError as error:  # a full queue too where connect() says ECONNREFUSED
            raise _busy(f"not reached ({errno.errorcode.get(error.errno or 0)})") from None
        try:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            connection.sendall(message)
            connection.shutdown(socket.SHUT_WR)
            return read_all(connection, deadline)
        except OSError:  # TimeoutError among them
            raise _busy("no answer in time") from None


def read_all(connection: socket.socket, deadline: float) -> bytes:
    """Return what the other side sends until it shuts its side; raises OSError past *deadline*."""
    parts: list[bytes] = []
    while True:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        part = connection.recv(_LONGEST_MESSAGE)
        if not part:
            return b"".join(parts)
        parts.append(part)
        if sum(map(len, parts)) > _LONGEST_MESSAGE:
            raise OSError("message is too long")
