"""A command line with an installation of its own: SQLite, prepared once a run and copied for each test."""

import shutil
from pathlib import Path

import pytest

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
