"""What ends by itself is started again, however it ended, and nothing serves on alone (design §3, §4; F1)."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from idp.accounts.passwords import Costs, PooledPasswordHasher
from idp.cli.failures import Unready
from idp.cli.ports import claimed
from idp.errors import Busy
from tests.cli.servers import Start, answers, serve, served
from tests.cli.terminal import Terminal
from tests.infrastructure import _until as until
from tests.infrastructure import free_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs linux: elsewhere nothing is forked")

_WITHOUT_ROOM = """
import os, pathlib, sys, time
folder, parent, fork = pathlib.Path(sys.argv.pop(1)), os.getpid(), os.fork

def sometimes():
    if os.getpid() == parent and (folder / "no room").exists():
        raise BlockingIOError(11, "Resource temporarily unavailable")
    child = fork()
    if child == 0 and (folder / "late").exists():
        while os.getppid() == parent:
            time.sleep(0.01)
    return child

os.fork = sometimes
from idp.cli import main
main()
"""


@pytest.fixture
def strange(terminal: Terminal, tmp_path: Path) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A server whose system forks nothing, or slowly, while a file stands in its folder."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", _WITHOUT_ROOM, str(tmp_path), "serve", "--workers", "2", "--port", str(port)],
        env={**os.environ, **terminal.environment, "LOTSE_LOGGING__LEVEL": "error"},
        text=True,
    )
    assert until(lambda: answers(f"http://127.0.0.1:{port}/jwks"), seconds=60)
    tree = psutil.Process(process.pid).children(recursive=True)
    yield process, port
    with contextlib.suppress(psutil.NoSuchProcess):
        tree += psutil.Process(process.pid).children(recursive=True)
    for running in (process, *tree):
        with contextlib.suppress(psutil.NoSuchProcess):
            running.kill()
    process.wait(30)


def _supervisor(process: "subprocess.Popen[str]") -> int | None:
    for child in psutil.Process(process.pid).children():
        with contextlib.suppress(psutil.Error):
            if "idp.accounts.hash_supervisor" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                return child.pid
    return None


def _worker(process: "subprocess.Popen[str]") -> psutil.Process | None:
    """Return the copy of the process that has a session of its own."""
    parent = psutil.Process(process.pid)
    for child in parent.children():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if child.cmdline() == parent.cmdline() and os.getsid(child.pid) == child.pid:
                return child
    return None


def test_the_hash_pool_comes_back(start: Start, tmp_path: Path) -> None:
    """At the same place, so that passwords are compared again; and it ends with the server."""
    socket = tmp_path / "pool" / "s"
    process, _ = serve(start, workers=1, LOTSE_PASSWORD__POOL_SOCKET=str(socket))
    first = _supervisor(process)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert until(lambda: _supervisor(process) not in (None, first), seconds=30)
    assert until(lambda: _hashes(socket), seconds=30)
    tree = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert psutil.wait_procs(tree, timeout=10)[1] == []
    assert not socket.exists()


def test_a_moment_without_room_is_waited_out(
    strange: tuple["subprocess.Popen[str]", int], tmp_path: Path
) -> None:
    """No process can be forked for a while: the rest serves on, and all are there again afterwards."""
    process, port = strange
    assert until(lambda: len(served(process)) == 2 and _worker(process) is not None, seconds=60)
    (tmp_path / "no room").touch()
    worker = _worker(process)
    assert worker is not None
    for ended in (worker, served(process)[0]):
        ended.kill()
    assert until(lambda: len(served(process)) == 1 and _worker(process) is None, seconds=30)
    assert answers(f"http://127.0.0.1:{port}/jwks")
    (tmp_path / "no room").unlink()
    assert until(lambda: len(served(process)) == 2 and _worker(process) is not None, seconds=60)
    process.terminate()
    assert process.wait(30) == 0


def test_a_stop_is_heard_while_there_is_no_room(
    strange: tuple["subprocess.Popen[str]", int], tmp_path: Path
) -> None:
    """The process that is missing is not waited for."""
    process, _ = strange
    assert until(lambda: len(served(process)) == 2, seconds=60)
    (tmp_path / "no room").touch()
    served(process)[0].kill()
    assert until(lambda: len(served(process)) == 1, seconds=30)
    process.terminate()
    assert process.wait(30) == 0


def test_a_process_whose_parent_ended_before_it_looked_ends_too(
    strange: tuple["subprocess.Popen[str]", int], tmp_path: Path
) -> None:
    """Else it would serve for ever, alone: no mails, no seal, and the port is taken."""
    process, port = strange
    assert until(lambda: len(served(process)) == 2 and _worker(process) is not None, seconds=60)
    (tmp_path / "late").touch()
    before, young = served(process), _worker(process)
    for server in before:
        server.kill()
    known = {server.pid for server in before}
    assert until(lambda: len(_forked(process, known | {young.pid if young else 0})) == 2, seconds=30)
    forked = _forked(process, known)
    process.kill()
    assert psutil.wait_procs(forked, timeout=30)[1] == []
    assert not answers(f"http://127.0.0.1:{port}/jwks")


def _forked(process: "subprocess.Popen[str]", but: set[int]) -> list[psutil.Process]:
    parent, found = psutil.Process(process.pid), []
    for child in parent.children():
        with contextlib.suppress(psutil.Error):
            if child.cmdline() == parent.cmdline() and child.pid not in but and child.status() != "zombie":
                found.append(child)
    return found


def test_a_process_that_ends_while_all_stop_is_no_failure(start: Start) -> None:
    """A stop that lost nothing to the parent says so by its exit code."""
    process, _ = serve(start, workers=2)
    assert until(lambda: len(served(process)) == 2, seconds=60)
    ended = served(process)[0]
    process.terminate()
    ended.kill()
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_port_is_claimed_before_anybody_listens_there(start: Start) -> None:
    """Server processes share their port among themselves, not with those of another installation."""
    port = free_port()
    with claimed("127.0.0.1", port, remedy=""):
        refused = start("serve", "--port", str(port), LOTSE_LOGGING__LEVEL="error")
        _, said = refused.communicate(timeout=60)
    assert refused.returncode == 5
    assert "another program listens there" in said
    _, taken = serve(start, workers=1)
    with pytest.raises(Unready, match="another program"), claimed("127.0.0.1", taken, remedy=""):
        pass


def _hashes(socket: Path) -> bool:
    try:
        return bool(PooledPasswordHasher(socket, {1: b"p" * 32}, Costs(8, 1, 1)).hash("geheim"))
    except Busy:
        return False
