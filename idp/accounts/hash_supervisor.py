"""The hash pool's first process: it owns the socket and keeps the number of those that hash.

They begin with the first request, or a second after the pool; until then requests wait in the socket's
backlog.

Run as ``python -m idp.accounts.hash_supervisor SOCKET``, or by :func:`idp.accounts.hash_pool.start_pool`.
SIGTERM stops all; a process that died is replaced.
"""

import argparse
import contextlib
import fcntl
import os
import select
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

from idp.errors import NotReady

NICENESS = 10
_LONGEST_PATH = 100  # bytes of a Unix socket's address, the smallest limit of the systems we run on
_LOCK_SECONDS = 2.0
_PAUSE_BEFORE_FIRST = 1.0
_PAUSE_BEFORE_RESTART = 0.1

#: serves a listening socket until the other end of a pipe is closed
Work = Callable[[socket.socket, int], None]


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
        # who starts another supervisor may hold them back
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        watched = [self._signals[0]]
        if parent is not None:
            watched.append(parent)
        select.select([*watched, self._listener.fileno()], [], [], _PAUSE_BEFORE_FIRST)
        self._fill()
        while not self._stopping:
            missing = len(self._children) < self._wanted
            readable, _, _ = select.select(watched, [], [], _PAUSE_BEFORE_FIRST if missing else None)
            if parent in readable:
                break
            if self._signals[0] in readable:
                os.read(self._signals[0], 4096)
            if (self._reap() or missing) and not self._stopping:
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
        # imported here: the server's first answer, for which somebody waits, does not wait for Argon2
        from idp.accounts.hash_work import work

        while len(self._children) < self._wanted and not self._stopping:
            try:
                child = os.fork()
            except OSError:
                return  # no room for a process now: the next look comes in a second
            if child == 0:
                self._become_worker(work)  # pragma: no cover  (does not return)
            self._children.add(child)

    def _become_worker(self, work: Work) -> None:  # pragma: no cover  (a fork, which ends by os._exit)
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


def main(arguments: list[str] | None = None) -> None:
    """Run a pool in the foreground."""
    program = "python -m idp.accounts.hash_supervisor"
    parser = argparse.ArgumentParser(prog=program, description="Hash passwords.")
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
