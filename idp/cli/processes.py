"""Programs that one of ours starts: they end in order, and none is left behind (design §4)."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

STOP_SECONDS = 10.0
_PARENT_WATCH_SECONDS = 0.5
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What tells a program of ours to end."""
_PACKAGE_ROOT = Path(__file__).parents[2]


class Child:
    """A program of ours, in a session of its own so that Ctrl-C reaches its parent alone.

    A child that is told its parent's id ends by itself when the parent is gone, however it went: see
    :func:`stop_with_parent`.
    """

    def __init__(
        self, arguments: Sequence[str], *, environment: Mapping[str, str], quiet: bool = False
    ) -> None:
        """Start ``python -m ARGUMENTS``.

        :param environment: all of the child's environment.
        :param quiet: its standard output is thrown away; errors still show.
        """
        self._process = subprocess.Popen(  # noqa: S603  (our own modules)
            [sys.executable, "-m", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if quiet else None,
            env=with_import_path(environment),
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def ended(self) -> int | None:
        """Return the exit code, None while the child runs."""
        return self._process.poll()

    def wait(self) -> int:
        """Wait for the end and return the exit code."""
        return self._process.wait()

    def ask_to_stop(self) -> None:
        """Send SIGTERM; a child that has ended already is left alone."""
        if self._process.poll() is None:
            self._process.terminate()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Ask the child to end, wait, and kill its whole session when it does not; may be called twice."""
        self.ask_to_stop()
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it ended between the two lines
            self._process.wait()


class Copy:
    """A process that begins with all that this one has loaded, as far as the system has that (Linux).

    It is in a session of its own, as a :class:`Child` is.  Signals that stop wait until it hears them, with
    :func:`stop_on_signals`: it inherits the handlers of this process, to which they would be lost.
    """

    def __init__(self, target: Callable[..., object], *arguments: object) -> None:
        """Start it; it ends with *target*."""
        self._process = multiprocessing.Process(target=_in_own_session, args=(target, arguments))
        with held_back(*STOPPING):
            self._process.start()

    def wait(self) -> None:
        """Wait for the end."""
        self._process.join()

    def ask_to_stop(self) -> None:
        """Send SIGTERM; a process that has ended already is left alone."""
        self._process.terminate()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Ask it to end, wait, and kill it when it does not; may be called twice."""
        self.ask_to_stop()
        self._process.join(seconds)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _in_own_session(target: Callable[..., object], arguments: tuple[object, ...]) -> None:
    os.setsid()
    target(*arguments)


def with_import_path(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which ``python -m idp`` finds this very package from any folder."""
    paths = [str(_PACKAGE_ROOT), environment.get("PYTHONPATH", "")]
    return {**environment, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def stop_with_parent(parent: int) -> None:
    """Send ourselves SIGTERM, within a second, when the process *parent* that started us is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_WATCH_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    with held_back(*STOPPING):
        threading.Thread(target=watch, name="parent watch", daemon=True).start()


@contextmanager
def held_back(*numbers: signal.Signals) -> Iterator[None]:
    """Let signals wait meanwhile; threads and processes that are started here never hear them of themselves.

    The system gives a signal to any thread that does not hold it back (signal(7)).  Its handler runs in the
    main thread, which nothing wakes where another one was interrupted.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set, and SIGHUP unless ``nohup`` told it to be ignored."""
    stop = threading.Event()
    for number in STOPPING:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: stop.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)  # a parent may hold them back until now
    return stop
