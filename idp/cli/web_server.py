"""granian as we run it: bounded connections, workers that always come back, a stop that fails no request.

The parent's part; what a worker process does when it is told to stop is in :mod:`idp.cli.draining`.
"""

import os
import resource
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from granian._granian import RSGIWorker, WorkerSignal
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer, WorkerProcess

from idp.cli.arrivals import Arrivals, AtOnce
from idp.cli.draining import DRAIN_SIGNAL, HELD_BACK, wait_until_stopped
from idp.cli.processes import held_back
from idp.logging import get_logger
from idp.settings.models import Server
from idp.web.gateway import Gateway

HEADER_SECONDS = 10
"""How long a head may take (req 29, F13); granian ends a connection that is idle so long as well."""
CONNECTIONS = 2048
"""Open connections a worker takes, slow and idle ones included; more wait in the system's queue."""
DRAIN_SECONDS = 1.0
"""How long connections that are open go on being answered, each with ``Connection: close``."""
KILL_AFTER_SECONDS = 10
UNREAD_SECONDS = 30
"""How long an answer may lie unread before its connection is ended (F13)."""
SIGN_INS = 4
"""Sign-ins that a process answers at the same time, most of which is waiting for a hash."""
_HTTP = HTTP1Settings(header_read_timeout=HEADER_SECONDS * 1000, max_buffer_size=65_536)
_FILES_BESIDE_CONNECTIONS = 512
_SHORT_LIFE_SECONDS = 1.0

log = get_logger(__name__)


class WebServer(MPServer):
    """The server processes of one machine."""

    def __init__(self, load: Callable[[int], Gateway], settings: Server) -> None:
        """Take the settings, and what makes a process's application, given its parent's process id."""
        super().__init__(
            load.__qualname__,
            interface=Interfaces.WSGI,
            address=settings.host,
            port=settings.port,
            workers=settings.workers,
            blocking_threads=settings.threads,
            backlog=CONNECTIONS,
            http=HTTPModes.http1,
            websockets=False,
            log_level=LogLevels.warning,
            log_dictconfig={"loggers": {"_granian": {"propagate": True}}},  # among our own lines
            respawn_failed_workers=True,
            workers_kill_timeout=KILL_AFTER_SECONDS,
        )
        self._load = load
        #: process number → how many of it in a row ended soon after their birth
        self._early_ends: Counter[int] = Counter()

    def serve(self, *_: object, **__: object) -> None:
        """Serve until SIGTERM or SIGINT; processes begin with all that this one has loaded."""
        allow_files(CONNECTIONS + _FILES_BESIDE_CONNECTIONS)
        target = partial(serve_whole_requests, threads=self.blocking_threads)
        try:
            # the parent's id from the parent: it may have ended before its child could ask
            super().serve(target, target_loader=partial(self._load, os.getpid()), wrap_loader=False)
        except BaseException:
            for worker in self.wrks:  # or this process would wait for them to end by themselves
                worker.kill()  # type: ignore[no-untyped-call]  # granian leaves it untyped
            raise

    def startup(self, spawn_target: Any, target_loader: Any) -> None:
        """Begin to listen; what ``nohup`` told to ignore goes on being ignored."""
        hang_up = signal.getsignal(signal.SIGHUP)
        super().startup(spawn_target, target_loader)  # type: ignore[no-untyped-call]  # as above
        if hang_up == signal.SIG_IGN:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def signal_handler_reload(self, *_: object) -> None:
        """Stop when the terminal is closed; granian would replace its processes without draining them."""
        self.signal_handler_interrupt()  # type: ignore[no-untyped-call]  # as above

    def _spawn_workers(self, spawn_target: Any, target_loader: Any) -> None:
        """Start the processes; they and the threads that watch them leave signals to who waits for them."""
        with held_back(*HELD_BACK):
            super()._spawn_workers(spawn_target, target_loader)  # type: ignore[no-untyped-call]  # as above

    def _respawn_workers(
        self, workers: Sequence[int], spawn_target: Any, target_loader: Any, delay: float = 0
    ) -> None:
        """Replace workers that ended: at once, but one that ends soon again and again after a pause.

        granian itself gives up where one ends twice within some seconds.
        """
        for number in workers:
            early = time.monotonic() - self.wrks[number].birth < _SHORT_LIFE_SECONDS
            self._early_ends[number] = self._early_ends[number] + 1 if early else 0
        if any(self._early_ends[number] > 1 for number in workers):
            time.sleep(_SHORT_LIFE_SECONDS)
        for number in workers:
            while not (self._replace(number, spawn_target, target_loader) or self.interrupt_signal):
                time.sleep(_SHORT_LIFE_SECONDS)
        if self.interrupt_signal or self.interrupt_children:
            self.main_loop_interrupt.set()  # granian forgets what happened while it looked at something else

    def _replace(self, number: int, spawn_target: Any, target_loader: Any) -> bool:
        """Put another process in the place of one that ended; False where the system has no room for it."""
        worker = self._spawn_worker(idx=number, target=spawn_target, callback_loader=target_loader)
        try:
            with held_back(*HELD_BACK):
                worker.start()  # type: ignore[no-untyped-call]  # granian leaves it untyped
        except (OSError, RuntimeError) as error:  # no process, or no thread to watch it
            log.error("server process cannot be started", reason=str(error))
            if worker.inner.pid is not None:
                worker.kill()  # type: ignore[no-untyped-call]  # as above
            return False
        self.wrks[number] = worker
        return True

    def _stop_workers(self) -> None:
        """Let workers take no new connections and finish what they have, then end them."""
        for worker in self.wrks:
            _send(worker.inner.pid, DRAIN_SIGNAL)
        time.sleep(DRAIN_SECONDS)
        super()._stop_workers()  # type: ignore[no-untyped-call]  # granian leaves it untyped
        self.interrupt_children.clear()  # one that ended meanwhile is no failure of the stop


@WorkerProcess.wrap_target  # type: ignore[untyped-decorator]  # granian leaves it untyped
def serve_whole_requests(
    number: int, application: Gateway, listener: Any, ipc: Any, *_: object, threads: int
) -> None:
    """Serve in this process until SIGTERM, as granian does for WSGI, but by way of :class:`Arrivals`."""
    stopped = threading.Event()
    let_work_finish()
    listener = limit_unread(listener)
    stop = WorkerSignal()
    stop.add_cb(stopped.set)
    server = RSGIWorker(  # type: ignore[call-arg]  # granian does not type what its workers in Rust take
        number, listener, ipc, py_threads=threads, backpressure=CONNECTIONS, http_mode="1", http1_opts=_HTTP
    )
    server.serve_mtr(  # type: ignore[attr-defined]  # as above
        Arrivals(application, known_as=application.known_as, sign_ins=SIGN_INS), AtOnce, stop
    )
    wait_until_stopped(application.close_connections)
    stop.set()  # once: a third time would wait for ever, and no other thread would run meanwhile
    stopped.wait()


def let_work_finish() -> None:
    """Have threads of this process that wake not interrupt the one that runs (sched(7), SCHED_BATCH).

    Else the thread that sends answers takes the CPU for each of them; so it finds several at a time.
    """
    if sys.platform != "linux":
        return
    try:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except PermissionError:
        pass  # a sandbox forbids it: all is as it was, only slower


def limit_unread(listener: Any) -> Any:
    """Return granian's listener, whose connections end when nobody reads or acknowledges what we send.

    hyper waits for ever: a few thousand callers that ask and never read would take every place there is.
    """
    if sys.platform != "linux":
        return listener
    specification, built = listener
    built = built or specification.build()
    with socket.socket(fileno=os.dup(built.get_fd())) as listening:
        # connections inherit it (tcp(7)); the system counts while the caller's window stays closed
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
    return None, built


def allow_files(wanted: int) -> None:
    """Raise this process's limit of open files, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))


def _send(pid: int | None, number: signal.Signals) -> None:
    try:
        if pid is not None:
            os.kill(pid, number)
    except ProcessLookupError:
        pass  # it ended by itself


__all__ = ["WebServer", "allow_files", "limit_unread"]
