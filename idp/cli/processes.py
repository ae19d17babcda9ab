"""Programs that one of ours starts: they end in order, and none is left behind (design §4)."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

STOP_SECONDS = 10.0
_READY = b"ready\n"
_PARENT_WATCH_SECONDS = 0.5
_PACKAGE_ROOT = Path(__file__).parents[2]


class Child:
    """A program of ours, in a session of its own so that Ctrl-C reaches its parent alone.

    A child that is told its parent's id ends by itself when the parent is gone, however it went: see
    :func:`stop_with_parent`.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        reports: bool = False,
        quiet: bool = False,
    ) -> None:
        """Start ``python -m ARGUMENTS``.

        :param environment: all of the child's environment.
        :param reports: the child takes ``--report-to FD`` and calls :func:`report_ready`.
        :param quiet: its standard output is thrown away; errors still show.
        """
        self._report: int | None = None
        told: int | None = None
        if reports:
            self._report, told = os.pipe()
        more = [] if told is None else ["--report-to", str(told)]
        self._process = subprocess.Popen(  # noqa: S603  (our own modules)
            [sys.executable, "-m", *arguments, *more],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if quiet else None,
            env=with_import_path(environment),
            start_new_session=True,
            pass_fds=[] if told is None else [told],
        )
        if told is not None:
            os.close(told)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def becomes_ready(self) -> bool:
        """Wait until the child reports that it works; False when it ends before."""
        if self._report is None:
            return self._process.poll() is None
        with os.fdopen(self._report, "rb") as report:
            self._report = None
            return report.readline() == _READY

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
        if self._report is not None:
            os.close(self._report)
            self._report = None


def report_ready(descriptor: int) -> None:
    """Tell the parent that waits in :meth:`Child.becomes_ready` that this process works."""
    with os.fdopen(descriptor, "wb") as report:
        report.write(_READY)


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

    threading.Thread(target=watch, name="parent watch", daemon=True).start()


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set, and SIGHUP unless ``nohup`` told it to be ignored."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: stop.set())
    return stop
