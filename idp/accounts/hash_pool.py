"""The hash pool: a few niced processes an installation that do the Argon2 work (RFC 9106), with a queue.

They accept on one listening Unix socket, and its backlog is the queue: a client that cannot connect at once
is told so, and nothing else in the product ever waits for a password.  A request carries the moment until
which its client waits; a process that takes it later drops it unhashed.  What arrives here is already keyed
with the pepper, so these processes see neither passwords nor the pepper, but for one case: a password typed
for an account of an old portal, whose form of hash is computed here because some of them cost as much.

Run as ``python -m idp.accounts.hash_pool SOCKET``, or by :func:`start_pool`.  SIGTERM stops all; a process
that died is replaced.  Imports stay few: each process is resident as long as the product is.
"""

import argparse
import contextlib
import fcntl
import os
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Protocol

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
from idp.errors import NotReady

NICENESS = 10
SALT_BYTES = 16
TAG_BYTES = 32
_LONGEST_PATH = 100  # bytes of a Unix socket's address, the smallest limit of the systems we run on
_READ_SECONDS = 0.5
_START_SECONDS = 10.0
_LOCK_SECONDS = 2.0
_PAUSE_BEFORE_RESTART = 0.1


class PoolSettings(Protocol):
    """The part of the settings that shapes the pool."""

    @property
    def pool_processes(self) -> int:
        """How many hashes are made at the same time."""
        ...

    @property
    def pool_queue(self) -> int:
        """How many requests may wait."""
        ...


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


class _Supervisor:
    """Owns the socket and keeps the number of processes."""

    def __init__(self, path: Path, *, processes: int, queue: int) -> None:
        self._path = path
        self._wanted = processes
        self._children: set[int] = set()
        self._lock = _lock(path.with_name(path.name + ".lock"))
        self._listener = _listen(path, queue)
        self._lifeline = os.pipe()
        self._signals = os.pipe()
        self._stopping = False

    def run(self, parent: int | None) -> None:
        """Keep the processes alive until SIGTERM, SIGINT, or the end of file *parent*."""
        os.set_blocking(self._signals[1], False)
        signal.set_wakeup_fd(self._signals[1], warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to wake the select below
        self._fill()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        watched = [self._signals[0]]
        if parent is not None:
            watched.append(parent)
        while not self._stopping:
            readable, _, _ = select.select(watched, [], [])
            if parent in readable:
                break
            os.read(self._signals[0], 4096)
            if self._reap() and not self._stopping:
                time.sleep(_PAUSE_BEFORE_RESTART)  # one that dies at once must not keep a core busy
                self._fill()
        self._end()

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _reap(self) -> bool:
        gone = False
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self._children.discard(ended[0])
                gone = True
        return gone

    def _fill(self) -> None:
        while len(self._children) < self._wanted and not self._stopping:
            child = os.fork()
            if child == 0:
                self._become_worker()  # pragma: no cover  (does not return)
            self._children.add(child)

    def _become_worker(self) -> None:  # pragma: no cover  (a forked process, which ends by os._exit)
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(
                signal.SIGINT, signal.SIG_IGN
            )  # Ctrl-C reaches the whole group; the supervisor ends us
            for descriptor in (self._lifeline[1], *self._signals, self._lock):
                os.close(descriptor)
            os.nice(NICENESS)
            work(self._listener, self._lifeline[0])
            status = 0
        finally:
            os._exit(status)

    def _end(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        os.close(self._lifeline[1])  # ends also a process too young to have set what SIGTERM does
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)
        for child in self._children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)


def _lock(path: Path) -> int:
    """Return the descriptor that holds the pool's lock: one supervisor a socket."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    give_up = time.monotonic() + _LOCK_SECONDS  # a predecessor may be ending
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                raise NotReady(f"another hash pool serves {path.with_suffix('')}; stop it first") from None
            time.sleep(0.05)
        else:
            return descriptor


def _listen(path: Path, queue: int) -> socket.socket:
    path.unlink(missing_ok=True)  # of a supervisor that was killed: we hold the lock
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(os.fspath(path))
    finally:
        os.umask(before)
    listener.setblocking(False)
    listener.listen(queue)
    return listener


def prepare_directory(path: Path) -> None:
    """Make the socket's directory for this user alone; raises NotReady where others may write to it."""
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise NotReady(f"{path} is too long for a socket; set password.pool_socket to a shorter path")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.parent.stat()
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
        raise NotReady(
            f"other users may write to {path.parent}; give password.pool_socket a directory of its own"
        )


class Pool:
    """A running pool that ends with this process at the latest."""

    def __init__(self, process: "subprocess.Popen[bytes]", path: Path, own_directory: Path | None) -> None:
        self.path = path
        self._process = process
        self._own_directory = own_directory

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._process.pid

    def stop(self) -> None:
        """End all processes and remove the socket; may be called twice."""
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        if self._own_directory is not None:
            shutil.rmtree(self._own_directory, ignore_errors=True)

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_pool(settings: PoolSettings, path: Path | None = None) -> Pool:
    """Start the pool and return when it answers.

    :param settings: the section ``password``.
    :param path: the socket; without one, in a new private directory that goes with the pool.
    :raises NotReady: it does not start; the text says why.
    """
    own = None
    if path is None:
        own = Path(tempfile.mkdtemp(prefix="lotse-"))
        path = own / "hash.sock"
    prepare_directory(path)
    counts = ["--processes", str(settings.pool_processes), "--queue", str(settings.pool_queue)]
    process = subprocess.Popen(  # noqa: S603  (our own module)
        [sys.executable, "-m", "idp.accounts.hash_pool", str(path), "--with-parent", *counts],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_environment(),
        start_new_session=True,  # Ctrl-C in the foreground is for the parent, which stops us in order
    )
    pool = Pool(process, path, own)
    if not _became_ready(process):
        pool.stop()
        raise NotReady(f"the hash pool did not start at {path}")
    return pool


def _environment() -> dict[str, str]:
    """Return ours without the settings, where the master key may stand."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOTSE_")}
    return kept | {"PYTHONPATH": str(Path(__file__).parents[2])}


def _became_ready(process: "subprocess.Popen[bytes]") -> bool:
    if process.stdout is None:
        return False
    readable, _, _ = select.select([process.stdout], [], [], _START_SECONDS)
    return bool(readable) and process.stdout.readline() == b"ready\n"


def main(arguments: list[str] | None = None) -> None:
    """Run a pool in the foreground."""
    parser = argparse.ArgumentParser(prog="python -m idp.accounts.hash_pool", description="Hash passwords.")
    parser.add_argument("socket", type=Path)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--queue", type=int, default=20)
    parser.add_argument("--with-parent", action="store_true", help="stop when standard input ends")
    options = parser.parse_args(arguments)
    try:
        prepare_directory(options.socket)
        supervisor = _Supervisor(options.socket, processes=options.processes, queue=options.queue)
    except (NotReady, OSError) as error:
        raise SystemExit(str(error)) from None
    supervisor.run(sys.stdin.fileno() if options.with_parent else None)


if __name__ == "__main__":
    main()
