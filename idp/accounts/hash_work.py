"""What a process of the hash pool does: it takes one request after the other, and hashes (RFC 9106)."""

import contextlib
import os
import select
import socket
import time

from argon2 import low_level
from argon2.exceptions import Argon2Error, VerifyMismatchError

from idp.accounts.hash_protocol import (
    FAILED,
    HASHED,
    HEADER,
    IMPORTED,
    KEYED_BYTES,
    LATE,
    LENGTH,
    RIGHT,
    VERIFY,
    WRONG,
    read_all,
)

SALT_BYTES = 16
TAG_BYTES = 32
_READ_SECONDS = 0.5


def answer(message: bytes) -> bytes:
    """Return the reply to one request; work whose client no longer waits is not begun."""
    if message[:1] == IMPORTED:
        return _imported(message)
    if len(message) < HEADER.size + KEYED_BYTES:
        return FAILED
    what, deadline, memory_kib, time_cost, parallelism = HEADER.unpack_from(message)
    keyed = message[HEADER.size : HEADER.size + KEYED_BYTES]
    encoded = message[HEADER.size + KEYED_BYTES :]
    if time.monotonic() >= deadline:
        return LATE
    try:
        if what == VERIFY:
            low_level.verify_secret(encoded, keyed, low_level.Type.ID)
            return RIGHT
        salt = os.urandom(SALT_BYTES)
        return HASHED + low_level.hash_secret(
            keyed, salt, time_cost, memory_kib, parallelism, TAG_BYTES, low_level.Type.ID
        )
    except VerifyMismatchError:
        return WRONG
    except Argon2Error:  # out of memory, or a hash of another kind
        return FAILED


def _imported(message: bytes) -> bytes:
    """Return what an old portal's form of hash makes of a password."""
    # imported here: most installations have no old portal, and these processes stay small
    from idp.accounts.legacy.hash_formats import compute

    if len(message) < HEADER.size + LENGTH.size:
        return FAILED
    if time.monotonic() >= HEADER.unpack_from(message)[1]:
        return LATE
    (length,) = LENGTH.unpack_from(message, HEADER.size)
    form, typed = message[HEADER.size + LENGTH.size :][:length], message[HEADER.size + LENGTH.size + length :]
    try:
        return HASHED + compute(form.decode(), typed.decode("utf-8", "surrogatepass")).encode()
    except ValueError:  # a configuration that this release does not know
        return FAILED


def _serve_one(connection: socket.socket) -> None:
    """Answer one client; one that vanished or stalls costs at most half a second."""
    with connection, contextlib.suppress(OSError):
        connection.settimeout(_READ_SECONDS)
        message = read_all(connection, time.monotonic() + _READ_SECONDS)
        connection.sendall(answer(message))


def work(listener: socket.socket, lifeline: int) -> None:
    """Serve until the supervisor is gone, which closes the other end of *lifeline*."""
    while True:
        readable, _, _ = select.select([listener.fileno(), lifeline], [], [])
        if lifeline in readable:
            return
        try:
            connection, _ = listener.accept()
        except BlockingIOError:  # another process was faster
            continue
        _serve_one(connection)
