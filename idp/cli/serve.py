"""``idp serve``: server processes, worker and hash pool, started and stopped together (design §3).

What is heavy is imported where the command runs, once no collection of garbage interrupts it any more.
"""

import gc
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from idp.cli.failures import Failure, in_a_sentence
from idp.cli.ports import claimed, require_free
from idp.cli.processes import STOP_SECONDS, STOPPING, Copy, held_back, stop_on_signals, stop_with_parent
from idp.cli.state import State, pass_state
from idp.logging import get_logger

if TYPE_CHECKING:
    from idp.accounts.hash_pool import Pool
    from idp.settings import Settings
    from idp.web.gateway import Gateway

_PAUSE_SECONDS = 1.0
_ANOTHER_PORT = "Stop that program, or choose another port: idp serve --port NUMBER"

log = get_logger(__name__)


@click.command()
@click.option("--host", help="Address to listen on; default: server.host.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port to listen on; default: server.port.")
@click.option("--workers", type=click.IntRange(1, 64), help="Server processes; default: server.workers.")
@click.option("--with-parent", type=int, hidden=True, help="End with this process.")
@pass_state
def serve(
    state: State, host: str | None, port: int | None, workers: int | None, with_parent: int | None
) -> None:
    """Run the server with its worker and its hash pool until SIGTERM or Ctrl-C."""
    flags = {"server.host": host, "server.port": port, "server.workers": workers}
    if with_parent is not None:
        stop_with_parent(with_parent)
    with ExitStack() as running:
        with _no_collections():
            settings = _load(state.config, flags)
            from idp.accounts.hash_pool import start_pool
            from idp.cli.web_server import WebServer
        address = settings.server.host, settings.server.port
        running.enter_context(claimed(*address, remedy=_ANOTHER_PORT))
        pool = running.enter_context(start_pool(settings.password, settings.password.pool_socket))
        _export(state.config, flags, pool.path)
        if sys.platform == "linux":
            multiprocessing.set_start_method("fork", force=True)
        running.enter_context(PoolKeeper(pool))
        running.enter_context(WorkerKeeper())
        WebServer(application, settings.server).serve()


@contextmanager
def _no_collections() -> Iterator[None]:
    """Collect no garbage here, and what lives afterwards never: it stays, and no collection needs to walk it.

    Memory to which no collection writes stays shared with the processes that are forked.
    """
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def _load(config: Path | None, flags: Mapping[str, object]) -> "Settings":
    """Load what our processes begin with, and try it: what is wrong is said once.

    :raises NotReady: the installation cannot serve.
    """
    from idp.logging import configure
    from idp.settings import load_settings

    settings = load_settings(config, overrides=flags)
    configure(level=settings.logging.level, format=settings.logging.format)
    require_free(settings.server.host, settings.server.port, remedy=_ANOTHER_PORT)
    from idp.app import build_services, load_models

    load_models()
    build_services(settings).database.dispose()  # each process opens connections of its own
    return settings


def application(parent: int | None = None) -> "Gateway":
    """Return the WSGI application for any server; its process ends with the one that started it.

    :param parent: that process; None: ask the system.
    """
    from idp.app import create_app
    from idp.logging import configure
    from idp.settings import load_settings

    stop_with_parent(parent or os.getppid())
    with _failures_logged("server process cannot start"):
        settings = load_settings()
        configure(level=settings.logging.level, format=settings.logging.format)
        made = create_app(settings)
    gc.collect()
    gc.freeze()  # what was loaded lives as long as the process: no collection needs to walk it again
    return made


def worker_process(parent: int) -> None:
    """Be the worker of ``idp serve`` until it ends, or tells us to."""
    stop = stop_on_signals()
    stop_with_parent(parent)
    from idp.app import build_duties, build_services
    from idp.logging import configure
    from idp.settings import load_settings
    from idp.worker import work

    with _failures_logged("worker cannot start"):
        settings = load_settings()
        configure(level=settings.logging.level, format=settings.logging.format)
        services = build_services(settings)
    work(services, build_duties(services), stop)
    services.database.dispose()


@contextmanager
def _failures_logged(event: str) -> Iterator[None]:
    """End this process where it fails for a reason we know: ``idp serve`` has tried the same before."""
    try:
        with in_a_sentence():
            yield
    except Failure as failure:
        log.error(event, why=failure.format_message())
        sys.exit(failure.exit_code)


class PoolKeeper:
    """Starts the hash pool again where it has ended: without it nobody signs in."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="pool keeper", daemon=True)

    def __enter__(self) -> "PoolKeeper":
        with held_back(*STOPPING):
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()

    def _keep(self) -> None:
        while True:
            code = self._pool.wait()
            if self._stopping.wait(_PAUSE_SECONDS):
                return
            log.error("the hash pool ended and is started again", code=code)
            try:
                self._pool.start_again()
            except OSError as error:  # no room for a process now
                log.error("the hash pool cannot be started", reason=str(error))


class WorkerKeeper:
    """Keeps one worker running, which begins a moment later: who waits for an answer goes first."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._worker: Copy | None = None
        self._thread = threading.Thread(target=self._keep, name="worker keeper", daemon=True)

    def __enter__(self) -> "WorkerKeeper":
        with held_back(*STOPPING):
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        if self._worker is not None:
            self._worker.ask_to_stop()
        self._thread.join(STOP_SECONDS)
        if self._worker is not None:
            self._worker.stop()

    def _keep(self) -> None:
        while not self._stopping.wait(_PAUSE_SECONDS):
            try:
                self._worker = worker = Copy(worker_process, os.getpid())
            except OSError as error:  # no room for a process now
                log.error("worker cannot be started", reason=str(error))
                continue
            if self._stopping.is_set():
                worker.ask_to_stop()
            worker.wait()


def _export(config: Path | None, flags: Mapping[str, object], pool_socket: Path) -> None:
    """Hand settings to the processes that start from here on: they load them like any other command."""
    values = {**flags, "password.pool_socket": pool_socket}
    if config is not None:
        os.environ["LOTSE_CONFIG"] = str(config.resolve())
    for key, value in values.items():
        if value is not None:
            os.environ["LOTSE_" + key.replace(".", "__").upper()] = str(value)
