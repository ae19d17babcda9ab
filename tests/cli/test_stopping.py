"""A stop of ``idp serve`` fails no request, whoever asks for it and however often (design §4)."""

import ctypes
import http.client
import re
import signal
import socket
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

import psutil
import pytest

from tests.cli.servers import FORM, Start, answers, open_form, serve, served
from tests.infrastructure import _until as until


def _closes(connection: http.client.HTTPConnection) -> bool:
    """Tell whether a server process lets go of a connection after an answer, since it is about to stop."""
    connection.request("GET", "/jwks", headers={"Host": "localhost:8000"})
    answer = connection.getresponse()
    answer.read()
    return answer.will_close


class Visitor(threading.Thread):
    """Asks again and again, on one connection as long as it stays open, until nobody listens any more."""

    def __init__(self, port: int, *, keep: bool, again: bool = True) -> None:
        super().__init__(daemon=True)
        self.served = 0
        self.failed: list[str] = []
        self._port = port
        self._keep = keep
        #: come back when a connection was closed
        self._again = again

    def run(self) -> None:
        while self._again or not self.served:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
                connection.connect()
            except OSError:
                return  # nothing was asked: the balancer's next server takes it
            self._talk(connection)
            connection.close()

    def _talk(self, connection: http.client.HTTPConnection) -> None:
        open_ = True
        while open_:
            try:
                connection.request("GET", "/jwks", headers={"Host": "localhost:8000"})
                answer = connection.getresponse()
                assert answer.status == 200
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
                return
            self.served += 1
            open_ = self._keep and not answer.will_close


@pytest.mark.skipif(
    sys.platform != "linux", reason="needs linux: elsewhere the last moment's connections end"
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("keep", [True, False], ids=["kept", "new"])
def test_a_stop_fails_no_request(start: Start, keep: bool, number: signal.Signals) -> None:
    """Every request that was sent before or while the server stops is answered (F8, A9)."""
    process, port = serve(start, workers=2)
    visitors = [Visitor(port, keep=keep) for _ in range(6)]
    for visitor in visitors:
        visitor.start()
    assert until(lambda: all(visitor.served > 20 for visitor in visitors), seconds=60)
    if number != signal.SIGTERM:  # a terminal tells all of them
        for child in served(process):
            child.send_signal(number)
    process.send_signal(number)
    for visitor in visitors:
        visitor.join(timeout=60)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert [visitor.failed for visitor in visitors] == [[]] * len(visitors)


@pytest.mark.skipif(
    sys.platform != "linux", reason="needs linux: elsewhere the last moment's connections end"
)
def test_a_stop_waits_for_what_is_under_way(start: Start) -> None:
    """A form whose second half comes only after the signal is answered like any other (F8)."""
    process, port = serve(start, workers=2)
    begun = [open_form(port, len(FORM), FORM[:10]) for _ in range(8)]
    kept = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    assert not _closes(kept)
    process.send_signal(signal.SIGTERM)
    assert until(lambda: _closes(kept), seconds=30)
    _finish(begun, FORM[10:])
    process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="linux alone has such rights")
def test_a_stop_without_rights(start: Start) -> None:
    """As the systemd unit runs it: newer Linux lets such a process not filter its own port (F8).

    What is open is let go in order; who connects in the last moment may be turned away.
    """
    process, port = serve(start, workers=2, preexec_fn=_drop_network_rights)
    visitors = [Visitor(port, keep=True, again=False) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    begun = [open_form(port, len(FORM), FORM[:10]) for _ in range(4)]
    assert until(lambda: all(visitor.served > 20 for visitor in visitors), seconds=60)
    process.send_signal(signal.SIGTERM)
    for visitor in visitors:
        visitor.join(timeout=60)  # it was let go
    _finish(begun, FORM[10:])
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "")
    assert [visitor.failed for visitor in visitors] == [[]] * len(visitors)


def _drop_network_rights() -> None:
    """Take CAP_NET_ADMIN from what is executed next, root or not (prctl(2), PR_CAPBSET_DROP)."""
    ctypes.CDLL(None).prctl(24, 12, 0, 0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells of signals")
def test_nohup_is_respected(start: Start) -> None:
    """Who was told to ignore the end of the terminal does (nohup(1))."""
    process, port = serve(start, workers=1, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    (before,) = served(process)
    for told in (before, process):
        told.send_signal(signal.SIGHUP)
    assert answers(f"http://127.0.0.1:{port}/jwks")
    assert [server.pid for server in served(process)] == [before.pid]
    ignored = int(re.findall(r"SigIgn:\s*(\w+)", Path(f"/proc/{process.pid}/status").read_text())[0], 16)
    assert ignored >> signal.SIGHUP - 1 & 1


def _finish(begun: Iterable[socket.socket], rest: bytes) -> None:
    for connection in begun:
        connection.sendall(rest)
    for connection in begun:
        with connection:
            assert connection.recv(12) == b"HTTP/1.1 401"


@pytest.mark.skipif(sys.platform != "linux", reason="needs linux: elsewhere processes are not forked")
def test_what_is_under_way_is_finished_though_the_parent_is_gone(start: Start) -> None:
    """Killed, it tells nobody: they stop by themselves, however often they are told to (F1)."""
    process, port = serve(start, workers=2)
    servers = served(process)
    begun = [open_form(port, len(FORM), FORM[:10]) for _ in range(8)]
    tree = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    for server in servers * 3:
        server.terminate()
    assert until(lambda: not answers(f"http://127.0.0.1:{port}/jwks"), seconds=30)
    _finish(begun, FORM[10:])
    assert psutil.wait_procs(tree, timeout=30)[1] == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells of threads")
def test_a_signal_reaches_the_thread_that_waits_for_it(start: Start) -> None:
    """The system may give it to any that does not hold it back, and nothing would wake the main one then."""
    process, _ = serve(start, workers=2)
    told = {signal.SIGTERM, signal.SIGINT}
    main, *others = _held_back(process.pid)
    assert not told & main
    assert len(others) >= 3  # who keeps the worker, and who watches the processes
    assert all(told <= held for held in others)
    assert until(lambda: len(served(process)) == 2, seconds=60)
    for server in served(process):
        waiting, *others = _held_back(server.pid)
        assert signal.SIGINT in waiting  # the system counts what it waits for as not held back
        assert all({*told, signal.SIGUSR1} <= held for held in others)


def _held_back(pid: int) -> list[set[int]]:
    """Return which signals each thread of a process holds back, the main one first (proc(5), SigBlk)."""
    threads = sorted(Path(f"/proc/{pid}/task").iterdir(), key=lambda thread: int(thread.name))
    found = [re.findall(r"SigBlk:\s*(\w+)", (thread / "status").read_text())[0] for thread in threads]
    return [{number for number in range(1, 65) if int(mask, 16) >> number - 1 & 1} for mask in found]
