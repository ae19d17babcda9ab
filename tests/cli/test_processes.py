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
from tests.infrastructure import _until as until

_OBEDIENT = """
import pathlib, sys
from idp.cli.processes import stop_on_signals
stop = stop_on_signals()
pathlib.Path(sys.argv[1]).touch()
stop.wait()
"""
_DEAF = """
import pathlib, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).touch()
while True:
    signal.pause()
"""
_FAILING = "raise SystemExit(7)"
_COPIES = """
import multiprocessing, os, signal, threading, time
from idp.cli.processes import Copy, stop_on_signals

def obey(loaded):
    while signal.SIGTERM not in signal.sigpending():
        time.sleep(0.01)  # asked before it listens
    assert stop_on_signals().wait(20)
    print("obeyed", loaded == seen, os.getsid(0) == os.getpid(), flush=True)

def ignore():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(tell, b"!")
    time.sleep(60)

multiprocessing.set_start_method("fork")
signal.signal(signal.SIGTERM, lambda *_: None)
seen = object()

def keep():
    copy = Copy(obey, seen)
    copy.ask_to_stop()
    copy.wait()
    copy.stop()

thread = threading.Thread(target=keep)
thread.start()
thread.join()
hear, tell = os.pipe()
copy = Copy(ignore)
os.read(hear, 1)
copy.stop(seconds=0.2)
print(signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
"""
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


def test_a_child_stops(program: Path, tmp_path: Path) -> None:
    """A child ends at SIGTERM; stopping twice is fine."""
    program.write_text(_OBEDIENT, "utf-8")
    child = Child(["sample", str(tmp_path / "ready")], environment=os.environ, quiet=True)
    assert until((tmp_path / "ready").exists, seconds=30)
    assert child.ended() is None
    assert psutil.pid_exists(child.pid)
    child.stop()
    child.stop()
    assert child.ended() == 0


def test_a_child_that_does_not_listen_is_killed(program: Path, tmp_path: Path) -> None:
    """SIGTERM first, then the whole session is killed."""
    program.write_text(_DEAF, "utf-8")
    child = Child(["sample", str(tmp_path / "ready")], environment=os.environ)
    assert until((tmp_path / "ready").exists, seconds=30)
    child.stop(seconds=0.2)
    assert child.ended() == -signal.SIGKILL


def test_a_child_that_fails_has_an_exit_code(program: Path) -> None:
    """The parent learns that it ended, and with which code."""
    program.write_text(_FAILING, "utf-8")
    child = Child(["sample"], environment=os.environ)
    assert child.wait() == 7
    child.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="needs linux: elsewhere processes are not forked")
def test_a_copy_begins_with_what_is_loaded_and_stops() -> None:
    """It hears a signal that came before it listened, and is killed where it does not listen at all."""
    done = subprocess.run([sys.executable, "-c", _COPIES], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("obeyed True True\nFalse\n", "")


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
