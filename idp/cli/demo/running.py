"""The demo's processes: prepared, started, watched, and stopped together (design §5)."""

import fcntl
import http.client
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import click

from idp.cli.demo.announcement import announcement
from idp.cli.demo.fingerprint import is_prepared
from idp.cli.demo.plan import PORTS, Plan
from idp.cli.failures import Failure, Unready
from idp.cli.processes import Child, stop_on_signals

_START_SECONDS = 60.0
_LOOK_SECONDS = 0.05
_WATCH_SECONDS = 0.2


class Ended(Failure):
    """A part of the demo ended by itself; it has said why on standard error."""

    def __init__(self, name: str, code: int) -> None:
        super().__init__(f"the {name} ended by itself, with code {code}")
        self.code = code


def run(plan: Plan) -> int:
    """Run the demo until a signal comes and return the exit code.

    :raises Failure: the data cannot be prepared, or a part ends by itself.
    """
    began = time.monotonic()
    stop = stop_on_signals()
    Path(plan.folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone_in(plan), _parts() as parts:
        plan.settings_file.touch(0o600)
        plan.settings_file.chmod(0o600)  # one of an older demo was everybody's to read
        plan.settings_file.write_text(plan.settings(), "utf-8")
        environment = _environment(os.environ)
        code = _prepare(plan, environment, parts, stop)
        if code is not None:
            return code
        _start(plan, environment, parts)
        if _wait_until_ready(plan, parts, stop):
            click.echo(announcement(plan, seconds=time.monotonic() - began))
            while not stop.wait(_WATCH_SECONDS):
                _require_running(parts)
    return 0


def _prepare(
    plan: Plan, environment: Mapping[str, str], parts: dict[str, Child], stop: threading.Event
) -> int | None:
    """Have tables and people made where they are not; returns an exit code where the run ends here."""
    if is_prepared(plan):
        return None
    child = parts["preparation"] = Child(["idp.cli.demo.prepare", plan.to_json()], environment=environment)
    while child.ended() is None:
        if stop.wait(_LOOK_SECONDS):
            return 0
    del parts["preparation"]
    return child.ended() or None


def _start(plan: Plan, environment: Mapping[str, str], parts: dict[str, Child]) -> None:
    serve = ["idp", "--config", str(plan.settings_file), "serve", "--with-parent", str(os.getpid())]
    clients = ["clients", "--config", str(plan.path("portals.json")), "--stop-with-parent"]
    parts["provider"] = Child(serve, environment=environment)
    parts["portals"] = Child(clients, environment=environment, quiet=True)


def _wait_until_ready(plan: Plan, parts: Mapping[str, Child], stop: threading.Event) -> bool:
    """Wait until every part answers; False when a signal came first."""
    deadline = time.monotonic() + _START_SECONDS
    provider = urlsplit(plan.own_address)
    waiting = [(provider.port, "/.well-known/openid-configuration", urlsplit(plan.issuer).netloc)]
    waiting += [(plan.port + at, "/", f"localhost:{plan.port + at}") for at in range(1, PORTS)]
    while waiting:
        if stop.wait(_LOOK_SECONDS):
            return False
        _require_running(parts)
        if time.monotonic() > deadline:
            raise Unready(f"the demo did not answer within {_START_SECONDS:.0f} seconds")
        waiting = [
            (port, path, name)
            for port, path, name in waiting
            if not _answers(provider.hostname, port, path, name)
        ]
    return True


def _answers(host: str | None, port: int | None, path: str, name: str) -> bool:
    """Tell whether an address answers a request that names it, whatever it answers."""
    connection = http.client.HTTPConnection(host or "127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": name})
        return connection.getresponse().status < http.client.INTERNAL_SERVER_ERROR
    except OSError:
        return False
    finally:
        connection.close()


def _require_running(parts: Mapping[str, Child]) -> None:
    for name, child in parts.items():
        code = child.ended()
        if code is not None:
            raise Ended(name, code)


@contextmanager
def _parts() -> Iterator[dict[str, Child]]:
    """Yield the running children by name; whatever happens, none outlives the block."""
    parts: dict[str, Child] = {}
    try:
        yield parts
    finally:
        for child in parts.values():
            child.ask_to_stop()
        for child in parts.values():
            child.stop()


@contextmanager
def _alone_in(plan: Plan) -> Iterator[None]:
    """Hold the folder: a second demo in it would fight over ports and data."""
    with plan.path("demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unready(
                f"a demo runs in {plan.folder} already; stop it, or name another folder with --dir"
            ) from error
        yield


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without settings: another installation's must not reach the demo."""
    return {name: value for name, value in environ.items() if not name.startswith("LOTSE_")}
