"""Programs of ours end in order, and none outlives the one that started it (design §4)."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from idp.cli import processes
from idp.cli.processes import Child, stop_on_signals

_OBEDIENT = """
import signal, sys
from idp.cli.processes import report_ready, stop_on_signals
stop = stop_on_signals()
report_ready(int(sys.argv[sys.argv.index("--report-to") + 1]))
stop.wait()
"""
_DEAF = """
import signal, sys
from idp.cli.processes import report_ready
signal.signal(signal.SIGTERM, signal.SIG_IGN)
report_ready(int(sys.argv[sys.argv.index("--report-to") + 1]))
while True:
    signal.pause()
"""
_FAILING = "raise SystemExit(7)"
_WATCHFUL = """
import os, signal
from idp.cli.processes import stop_with_parent
stop_with_parent(os.getppid())
print(os.getpid(), flush=True)
while True:
    signal.pause()
"""
_CARELESS = f"""
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {_WATCHFUL!r}], stdout=subprocess.PIPE, text=True)
print(child.stdout.readline().strip(), flush=True)
os._exit(0)
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose module ``sample`` can be run with ``-m``."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "sample.py"


def test_a_child_reports_and_stops(program: Path) -> None:
    """A child is ready when it says so, and ends at SIGTERM; stopping twice is fine."""
    program.write_text(_OBEDIENT, "utf-8")
    child = Child(["sample"], environment=os.environ, reports=True, quiet=True)
    assert child.becomes_ready()
    assert child.ended() is None
    assert psutil.pid_exists(child.pid)
    child.stop()
    child.stop()
    assert child.ended() == 0


def test_a_child_that_does_not_listen_is_killed(program: Path) -> None:
    """SIGTERM first, then the whole session is killed."""
    program.write_text(_DEAF, "utf-8")
    child = Child(["sample"], environment=os.environ, reports=True)
    assert child.becomes_ready()
    child.stop(seconds=0.2)
    assert child.ended() == -signal.SIGKILL


def test_a_child_that_fails_never_becomes_ready(program: Path) -> None:
    """The parent learns that it ended, and with which code."""
    program.write_text(_FAILING, "utf-8")
    child = Child(["sample"], environment=os.environ, reports=True)
    assert not child.becomes_ready()
    assert child.wait() == 7
    child.stop()
    silent = Child(["sample"], environment=os.environ)
    silent.wait()
    assert not silent.becomes_ready()
    unread = Child(["sample"], environment=os.environ, reports=True)
    unread.stop()


def test_a_child_ends_when_its_parent_is_gone() -> None:
    """However the parent went: here it ends without a word."""
    done = subprocess.run([sys.executable, "-c", _CARELESS], capture_output=True, text=True, check=True)
    orphan = int(done.stdout)
    try:
        psutil.Process(orphan).wait(timeout=10)
    except psutil.NoSuchProcess:
        pass
    assert not psutil.pid_exists(orphan)


def test_nohup_is_respected() -> None:
    """SIGHUP stops a program unless it was told to ignore it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        stop = stop_on_signals()
        os.kill(os.getpid(), signal.SIGHUP)
        assert not stop.is_set()
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        stop = stop_on_signals()
        os.kill(os.getpid(), signal.SIGHUP)
        assert stop.is_set()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_the_package_is_found_from_any_folder() -> None:
    """A child's import path begins with the folder this package stands in."""
    found = processes.with_import_path({"PYTHONPATH": "/elsewhere", "LANG": "C"})
    assert found["LANG"] == "C"
    assert found["PYTHONPATH"].split(os.pathsep)[1] == "/elsewhere"
    assert (Path(found["PYTHONPATH"].split(os.pathsep)[0]) / "idp" / "__init__.py").exists()
