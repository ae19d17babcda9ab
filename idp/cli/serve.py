"""``idp serve``: server processes, worker and hash pool, started and stopped together (design §3)."""

import gc
import os
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from idp.accounts.hash_pool import start_pool
from idp.cli.draining import drain_on_signal
from idp.cli.failures import Failure, in_a_sentence
from idp.cli.ports import require_free
from idp.cli.processes import Child, stop_with_parent
from idp.cli.state import State, pass_state
from idp.settings import load_settings

if TYPE_CHECKING:
    from idp.web.gateway import Gateway

_RESTART_PAUSE_SECONDS = 1.0


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
    settings = load_settings(state.config, overrides=flags)
    if with_parent is not None:
        stop_with_parent(with_parent)
    remedy = "Stop that program, or choose another port: idp serve --port NUMBER"
    require_free(settings.server.host, settings.server.port, remedy=remedy)
    from idp.cli.web_server import WebServer  # granian is needed only here

    with ExitStack() as running:
        pool = running.enter_context(start_pool(settings.password, settings.password.pool_socket))
        _export(state.config, flags, pool.path)
        keeper = running.enter_context(WorkerKeeper())
        from idp.app import load_models

        load_models()  # server processes have what is loaded here, also one that replaces another
        try:
            WebServer("idp.cli.serve:server_process", settings.server).serve()
        except SystemExit:
            keeper.exit_code = keeper.exit_code or 1  # granian gave up; the worker may have said why before
    raise SystemExit(keeper.exit_code)


def server_process() -> "Gateway":
    """Return the application of a process of ``idp serve``, which is told before it is stopped."""
    made = application()
    drain_on_signal(made.close_connections)
    return made


def application() -> "Gateway":
    """Return the WSGI application for any server; its process ends with the one that started it."""
    from idp.app import create_app
    from idp.logging import configure, get_logger

    stop_with_parent(os.getppid())
    try:
        with in_a_sentence():
            settings = load_settings()
            configure(level=settings.logging.level, format=settings.logging.format)
            made = create_app(settings)
    except Failure as failure:
        # The worker, which needs the same, has told the operator; several of us would repeat it.
        get_logger(__name__).error("server process cannot start", why=failure.format_message())
        sys.exit(failure.exit_code)
    gc.collect()
    gc.freeze()  # what was loaded lives as long as the process: no collection needs to walk it again
    return made


class WorkerKeeper:
    """Keeps one worker running; when it cannot even start, the server stops too."""

    def __init__(self) -> None:
        self.exit_code = 0
        self._stopping = threading.Event()
        self._child = self._start()
        self._thread = threading.Thread(target=self._keep, name="worker keeper", daemon=True)

    def __enter__(self) -> "WorkerKeeper":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._child.ask_to_stop()
        self._thread.join()
        self._child.stop()

    def _keep(self) -> None:
        if not self._child.becomes_ready() and not self._stopping.is_set():
            self.exit_code = self._child.wait() or Failure.exit_code  # it has said why
            if self._stopping.is_set():
                return
            os.kill(os.getpid(), signal.SIGTERM)
            return
        while True:
            self._child.wait()
            if self._stopping.wait(_RESTART_PAUSE_SECONDS):
                return
            self._child.stop()
            self._child = self._start()
            if self._stopping.is_set():
                self._child.ask_to_stop()

    @staticmethod
    def _start() -> Child:
        arguments = ["idp", "jobs", "run", "--with-parent", str(os.getpid())]
        return Child(arguments, environment=os.environ, reports=True)


def _export(config: Path | None, flags: Mapping[str, object], pool_socket: Path) -> None:
    """Hand settings to the processes that start from here on: they load them like any other command."""
    values = {**flags, "password.pool_socket": pool_socket}
    if config is not None:
        os.environ["LOTSE_CONFIG"] = str(config.resolve())
    for key, value in values.items():
        if value is not None:
            os.environ["LOTSE_" + key.replace(".", "__").upper()] = str(value)
