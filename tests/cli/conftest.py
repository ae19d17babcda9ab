"""A command line with an installation of its own: SQLite, prepared once a run and copied for each test."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.cli.servers import Start
from tests.cli.terminal import Terminal, environment_of


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tables, master key and signing keys; making RSA keys takes seconds."""
    folder = tmp_path_factory.mktemp("prepared")
    terminal = Terminal(environment_of(folder))
    terminal.ok("db", "upgrade")
    assert len(terminal.json("keys", "list")) == 4
    return folder


@pytest.fixture
def terminal(prepared: Path, tmp_path: Path) -> Terminal:
    """A command line on a fresh installation."""
    shutil.copytree(prepared, tmp_path / "installation")
    return Terminal(environment_of(tmp_path / "installation"))


@pytest.fixture
def start(terminal: Terminal) -> Iterator[Start]:
    """Starts programs of ours; what still runs when the test ends is killed."""
    started: list[subprocess.Popen[str]] = []

    def launch(
        *arguments: str, preexec_fn: Callable[[], object] | None = None, **environment: str
    ) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "idp", *arguments],
            env={**os.environ, **terminal.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=preexec_fn,
        )
        started.append(process)
        return process

    yield launch
    for process in started:
        tree = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        for running in (process, *tree):
            running.kill()
        process.communicate(timeout=30)  # what holds its output open has outlived it
