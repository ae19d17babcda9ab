"""``idp serve`` and ``idp jobs run``: processes that start and end together (design §3)."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from granian._granian import ListenerSpec

from idp.app import build_services
from idp.cli.web_server import HEADER_SECONDS, UNREAD_SECONDS, limit_unread
from idp.delivery import mails
from idp.settings import load_settings
from tests.cli.servers import FORM, Start, answers, open_form, serve, served
from tests.cli.terminal import Terminal
from tests.infrastructure import _until as until
from tests.infrastructure import free_port

_LIMITED = """
import resource
from idp.cli.web_server import allow_files
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 900))
allow_files({wanted})
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def _worker(process: "subprocess.Popen[str]", but: int = 0) -> psutil.Process | None:
    """Return the copy of the process that has a session of its own."""
    parent = psutil.Process(process.pid)
    for child in parent.children():
        try:
            copy = child.cmdline() == parent.cmdline() and os.getsid(child.pid) == child.pid
        except (psutil.Error, ProcessLookupError):
            continue  # it has ended
        if copy and child.pid != but:
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
    """It answers, replaces a worker that died, and leaves no process behind: not even one just replaced."""
    port = free_port()
    process = start("serve", "--workers", "1", "--port", str(port), LOTSE_LOGGING__LEVEL="info")
    url = f"http://127.0.0.1:{port}/.well-known/openid-configuration"
    assert until(lambda: answers(url), seconds=60)
    _read_until(process, "worker started")
    first = _worker(process)
    assert first is not None
    first.kill()
    assert until(lambda: _worker(process, but=first.pid) is not None, seconds=30)
    tree = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert psutil.wait_procs(tree, timeout=30)[1] == []


@pytest.mark.slow
def test_server_processes_that_are_killed_come_back(start: Start) -> None:
    """Also the same one twice within seconds, where granian itself would give up (F1)."""
    process, port = serve(start, workers=1)
    url = f"http://127.0.0.1:{port}/jwks"
    for _ in range(3):
        (server,) = served(process)
        if sys.platform == "linux":
            assert os.sched_getscheduler(server.pid) == os.SCHED_BATCH, "its threads interrupt each other"
        server.kill()
        assert until(lambda gone=server.pid: [p.pid for p in served(process)] not in ([], [gone]), seconds=60)
        assert until(lambda: answers(url), seconds=60)
    assert process.poll() is None


@pytest.mark.slow
def test_a_head_that_comes_slowly_is_cut_off(start: Start) -> None:
    """After ten seconds, however steadily it trickles; an idle connection holds nobody up (F13, req 29)."""
    _, port = serve(start, workers=1)
    url = f"http://127.0.0.1:{port}/jwks"
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for connection in slow:
        connection.settimeout(HEADER_SECONDS * 3)
        connection.sendall(b"GET /jwks HTTP/1.1\r\nHost: localhost:8000\r\nX-Slow: ")
    assert answers(url)
    for connection in slow:
        with connection:
            assert connection.recv(100) in (b"", b"HTTP/1.1 408 Request Timeout")


@pytest.mark.slow
def test_bodies_that_come_slowly_hold_nobody_up(start: Start) -> None:
    """Many more than there are threads: others are answered, and the slow ones get 408 (F13, req 29)."""
    _, port = serve(start, workers=1)
    url = f"http://127.0.0.1:{port}/jwks"
    slow = [open_form(port, 100, b"a=b") for _ in range(40)]
    in_parts = open_form(port, len(FORM), FORM[:10])
    assert answers(url)
    with open_form(port, len(FORM), FORM) as whole:
        assert whole.recv(12) == b"HTTP/1.1 401"
    with in_parts:
        in_parts.sendall(FORM[10:])
        assert in_parts.recv(12) == b"HTTP/1.1 401"
    for connection in slow:
        connection.sendall(b"x")
    for connection in slow:
        with connection:
            assert connection.recv(12) == b"HTTP/1.1 408"
    assert answers(url)


@pytest.mark.skipif(sys.platform != "linux", reason="the option is Linux's")
def test_an_answer_that_nobody_reads_is_not_waited_for_without_end() -> None:
    """The system ends connections whose caller takes nothing: those of our port have that limit (F13)."""
    _, made = limit_unread((ListenerSpec("127.0.0.1", free_port(), 16), None))
    with socket.socket(fileno=os.dup(made.get_fd())) as listening:
        listening.setblocking(True)
        listening.listen()
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as taken:
            limit = taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert limit == UNREAD_SECONDS * 1000


def test_bodies_framed_in_every_way(start: Start) -> None:
    """In chunks, cut short, and so long that nobody reads them (req 29); none where a head is asked for."""
    _, port = serve(start, workers=1)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Host": "localhost:8000", "Content-Type": "application/x-www-form-urlencoded"}
    for body, status in ((FORM, 401), (iter([FORM[:5], FORM[5:]]), 401), (FORM, 401)):
        connection.request("POST", "/token", body, headers)
        answer = connection.getresponse()
        assert b"invalid_client" in answer.read()
        assert answer.status == status
    lengths = []
    for method, path in (("HEAD", "/jwks"), ("HEAD", "/authorize"), ("GET", "/jwks")):
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()  # a body that nobody expects would stand before the next one
        lengths.append((answer.getheader("Content-Length"), len(answer.read())))
    (head, nothing), (refused, no_more), (got, real) = lengths
    assert (head, nothing, no_more) == (got, 0, 0)
    assert (got, refused) == (str(real), str(len("ask by GET\n")))
    connection.request("POST", "/token", iter([b"x" * 4096] * 16 + [b"x"]), headers)
    assert connection.getresponse().status == 400
    connection.close()
    with open_form(port, 100, FORM) as cut:
        cut.shutdown(socket.SHUT_WR)
        assert cut.recv(12) in (b"HTTP/1.1 400", b"")
    with open_form(port, 70_000, b"") as long:
        assert long.recv(12) == b"HTTP/1.1 413"


@pytest.mark.slow
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


@pytest.mark.parametrize(("number", "ends"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 1)])
def test_work_that_is_done_once_is_stopped_as_any_command(
    terminal: Terminal, start: Start, number: signal.Signals, ends: int
) -> None:
    """While it waits for a mail server that says nothing, too."""
    services = build_services(load_settings(environ=terminal.environment))
    with services.database.session() as db, db.begin():
        mail = mails.PasswordChanged(means="link")
        mails.post(services.context(db), mail, to="ben@muster.example", locale="de")
    services.database.dispose()
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(60)
        given = {"host": "127.0.0.1", "port": str(server.getsockname()[1]), "security": "none"}
        given |= {"from_address": "konto@lotse.example"}
        process = start(
            *("jobs", "run", "--once"),
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell may let it be ignored
            **{f"LOTSE_MAIL__{key.upper()}": value for key, value in given.items()},
        )
        connection, _ = server.accept()
        with connection:
            process.send_signal(number)
            process.communicate(timeout=30)
    assert process.returncode == ends


@pytest.mark.slow
def test_open_files_are_allowed_as_far_as_the_system_lets_us() -> None:
    """Each open connection is one: the usual 1,024 would end before the limit of connections does."""
    for wanted, given in ((50, 100), (500, 500), (5000, 900)):
        done = subprocess.run(
            [sys.executable, "-c", _LIMITED.format(wanted=wanted)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert int(done.stdout) == given
