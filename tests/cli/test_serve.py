"""``idp serve`` and ``idp jobs run``: processes that start and end together (design §3)."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.cli.terminal import Terminal
from tests.infrastructure import _until as until
from tests.infrastructure import free_port

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(terminal: Terminal) -> Iterator[Start]:
    """Starts programs of ours; what still runs when the test ends is killed."""
    started: list[subprocess.Popen[str]] = []

    def launch(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "idp", *arguments],
            env={**os.environ, **terminal.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield launch
    for process in started:
        process.kill()
        process.communicate()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, headers={"Host": "localhost:8000"}).status_code == 200
    except httpx.TransportError:
        return False


def _worker(process: "subprocess.Popen[str]", but: int = 0) -> psutil.Process | None:
    for child in psutil.Process(process.pid).children():
        if child.pid != but and "jobs" in child.cmdline():
            return child
    return None


def _read_until(process: "subprocess.Popen[str]", text: str) -> None:
    """Return when the process, or a child that shares its output, has said something."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return
    raise AssertionError(said)


def test_serve_keeps_its_worker_and_stops_everything(start: Start) -> None:
    """It answers, replaces a worker that died, and leaves no process behind."""
    port = free_port()
    process = start("serve", "--workers", "1", "--port", str(port), LOTSE_LOGGING__LEVEL="info")
    url = f"http://127.0.0.1:{port}/.well-known/openid-configuration"
    assert until(lambda: _answers(url), seconds=60)
    _read_until(process, "worker started")  # one that dies before has told why: the server stops too
    first = _worker(process)
    assert first is not None
    first.kill()
    assert until(lambda: _worker(process, but=first.pid) is not None, seconds=30)
    tree = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert psutil.wait_procs(tree, timeout=30)[1] == []


def test_a_database_without_tables_stops_the_server_with_one_sentence(start: Start, tmp_path: Path) -> None:
    """The remedy is said once, and the exit code is "not ready"."""
    url = f"sqlite:///{tmp_path}/new.db"
    process = start("serve", "--port", str(free_port()), LOTSE_DATABASE__URL=url)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 5
    assert said.count("run: idp db upgrade") == 1
    assert "Traceback" not in said


def test_a_taken_port_is_said_with_the_remedy(terminal: Terminal) -> None:
    """Nothing is started."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        result = terminal.run("serve", "--port", str(listener.getsockname()[1]))
    assert result.exit_code == 5
    assert "idp serve --port" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_alone_works_until_a_signal(start: Start, number: int) -> None:
    """``idp jobs run`` can run without a server, for instance on another machine."""
    process = start("jobs", "run")
    assert process.stdout is not None
    assert "worker started" in process.stdout.readline()
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 0
