"""The hash pool: a few niced processes an installation that do the Argon2 work (RFC 9106), with a queue.

They accept on one listening Unix socket, and its backlog is the queue: a client that cannot connect at once
is told so, and nothing else in the product ever waits for a password.  A request carries the moment until
which its client waits; a process that takes it later drops it unhashed.  What arrives here is already keyed
with the pepper, so these processes see neither passwords nor the pepper, but for one case: a password typed
for an account of an old portal, whose form of hash is computed here because some of them cost as much.

Here one is started.  Its processes are :mod:`idp.accounts.hash_supervisor`, which owns the socket, and below
it some that run :mod:`idp.accounts.hash_work`.  Both import little: they are resident as long as the product
is.
"""

import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from idp.accounts.hash_supervisor import prepare_directory
from idp.errors import NotReady

_START_SECONDS = 10.0


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


class Pool:
    """A running pool that ends with this process at the latest."""

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        path: Path,
        own_directory: Path | None,
        counts: Sequence[str] = (),
    ) -> None:
        self.path = path
        self._process = process
        self._own_directory = own_directory
        self._counts = counts

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._process.pid

    def wait(self) -> int:
        """Return the exit code of the supervisor once it has ended."""
        return self._process.wait()

    def start_again(self) -> None:
        """Start another supervisor where one has ended, on the same socket: who asks it notices nothing.

        :raises OSError: the system has no room for another process now.
        """
        ended, self._process = self._process, _launch(self.path, self._counts)
        _close_pipes(ended)

    def stop(self) -> None:
        """End all processes and remove the socket; may be called twice."""
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _close_pipes(self._process)
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
    process = _launch(path, counts)
    pool = Pool(process, path, own, counts)
    if not _became_ready(process):
        pool.stop()
        raise NotReady(f"the hash pool did not start at {path}")
    return pool


def _launch(path: Path, counts: Sequence[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603  (our own module)
        [sys.executable, "-m", "idp.accounts.hash_supervisor", str(path), "--with-parent", *counts],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_environment(),
        start_new_session=True,  # Ctrl-C in the foreground is for the parent, which stops us in order
    )


def _close_pipes(process: "subprocess.Popen[bytes]") -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _environment() -> dict[str, str]:
    """Return ours without the settings, where the master key may stand."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOTSE_")}
    return kept | {"PYTHONPATH": str(Path(__file__).parents[2])}


def _became_ready(process: "subprocess.Popen[bytes]") -> bool:
    if process.stdout is None:
        return False
    readable, _, _ = select.select([process.stdout], [], [], _START_SECONDS)
    return bool(readable) and process.stdout.readline() == b"ready\n"
