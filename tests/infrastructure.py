"""Programs that tests and benchmarks start for themselves: PostgreSQL, Redis; and where Chromium is.

Nothing here uses a server that already runs: each is private, on a free port of the loopback address, and
its data are deleted when it stops.
"""

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg import sql

START_SECONDS = 30
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--no-first-run",
    *(f"--disable-{part}" for part in ("background-networking", "component-update", "sync", "gpu", "quic")),
]
_USER = "lotse"
#: two runs on one machine begin at different places
_ports = itertools.count(os.getpid() * 5, 5)
#: a Popen that is forgotten while its program runs warns; these outlive the function that starts them
_started: list[subprocess.Popen[bytes]] = []


class ProgramMissing(Exception):
    """A program is not installed; the text says how to get it."""


class StartFailed(Exception):
    """A program ended, or did not answer in time; the text is the end of its log."""


def free_port(count: int = 1) -> int:
    """Return the first of *count* neighbouring ports of the loopback address that nobody uses.

    They lie below those the system takes for outgoing connections, and each process of a test run has its own
    thousand: what is free now is still free when the program that was told it begins to listen.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw19").removeprefix("gw"))
    while True:
        row = range(11_000 + 1000 * (worker % 20) + next(_ports) % 990, 32_000)[:count]
        if all(map(_free, row)):
            return row[0]


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def find_postgresql() -> Path:
    """Return the folder of PostgreSQL's programs, the newest of several; raises ProgramMissing."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True
    )
    if found := shutil.which("initdb"):
        folders.insert(0, Path(found).resolve().parent)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise ProgramMissing("PostgreSQL is not installed: apt install postgresql")


def find_redis() -> str:
    """Return the path of redis-server; raises ProgramMissing."""
    if found := shutil.which("redis-server"):
        return found
    raise ProgramMissing("Redis is not installed: apt install redis-server")


def find_headless() -> str:
    """Return the path of Chromium without the parts that draw windows, else as :func:`find_chromium` does.

    It takes half the time: a page opens in 70 ms instead of 270.
    """
    return shutil.which("chromium-headless-shell") or find_chromium()


def find_chromium() -> str:
    """Return the path of Chromium or Chrome; raises ProgramMissing."""
    mac = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
    for name in ("chromium", "chromium-browser", "google-chrome", mac):
        if found := shutil.which(name):
            return found
    raise ProgramMissing("Chromium is not installed: apt install chromium")


@dataclass(frozen=True, slots=True)
class Server:
    """A program started here; plain data, so that another process can stop it."""

    pid: int
    port: int
    folder: str

    def stop(self) -> None:
        """End the program at once and delete its data; it may have ended already."""
        for number in (signal.SIGINT, signal.SIGKILL):  # SIGINT is PostgreSQL's fast shutdown
            if not _alive(self.pid):
                break
            os.killpg(self.pid, number)
            _until(lambda: not _alive(self.pid), seconds=10)
        shutil.rmtree(self.folder, ignore_errors=True)


class PostgreSQL(Server):
    """A private cluster with one superuser who needs no password."""

    def url(self, database: str = "postgres") -> str:
        """Return the SQLAlchemy URL of one of its databases."""
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str, *, template: str = "template0") -> str:
        """Create a database, replacing one of that name, and return its URL."""
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self._run(create.format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database and the connections to it."""
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def answers(self) -> bool:
        """Tell whether it takes connections."""
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)


class Redis(Server):
    """A private Redis without persistence."""

    def url(self, number: int = 0) -> str:
        """Return the URL of one of its sixteen databases."""
        return f"redis://127.0.0.1:{self.port}/{number}"

    def answers(self) -> bool:
        """Tell whether it takes commands."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


Running = TypeVar("Running", PostgreSQL, Redis)


def start_postgresql(*, durable: bool = False) -> PostgreSQL:
    """Start a private cluster.

    :param durable: commits wait for the disk, as benchmarks need and tests do not.
    :raises ProgramMissing: PostgreSQL is not installed.
    :raises StartFailed: with the end of its log.
    """
    programs = find_postgresql()
    folder = Path(tempfile.mkdtemp(prefix="lotse-postgresql-", dir=_short_temporary_folder()))
    who = _as_postgresql()
    if who:
        shutil.chown(folder, who["user"])
    data, port = folder / "data", free_port()
    options = ["--auth=trust", f"--username={_USER}", "--no-locale", "--encoding=UTF8", "--no-sync"]
    made = subprocess.run(
        [programs / "initdb", *options, "-D", data],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
        **who,
    )
    if made.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        raise StartFailed(made.stderr[-2000:])
    parameters = {
        "port": port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": folder,
        "max_connections": 200,
        "shared_buffers": "64MB",
        "timezone": "UTC",
    }
    if not durable:
        parameters |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    command = [programs / "postgres", "-D", data, *(f"--{key}={value}" for key, value in parameters.items())]
    pid = _start(command, folder, **who)
    return _wait(PostgreSQL(pid, port, str(folder)))


def start_redis() -> Redis:
    """Start a private Redis; raises ProgramMissing or StartFailed."""
    program = find_redis()
    folder, port = Path(tempfile.mkdtemp(prefix="lotse-redis-")), free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    return _wait(Redis(_start([program, *options, "--dir", str(folder)], folder), port, str(folder)))


def _start(command: Sequence[str | Path], folder: Path, **who: Any) -> int:
    """Start a program as leader of its own process group, so that it is stopped with its children."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
            **who,
        )
    _started.append(process)
    return process.pid


def _wait(server: Running) -> Running:
    """Return the server once it answers; raises StartFailed."""
    if _until(lambda: server.answers() or not _alive(server.pid), seconds=START_SECONDS) and _alive(
        server.pid
    ):
        return server
    log = (Path(server.folder) / "log").read_text("utf-8", "replace")[-2000:]
    server.stop()
    raise StartFailed(log)


def _alive(pid: int) -> bool:
    """Tell whether a process runs; a child of ours that ended is collected."""
    try:
        ended, _ = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        ended = 0  # another process started it
    if ended:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _until(condition: Callable[[], bool], *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return met


def _as_postgresql() -> dict[str, Any]:
    """Return how to start PostgreSQL, which refuses to be root, as an unprivileged user."""
    if os.geteuid() != 0:
        return {}
    users = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = users.get("postgres") or users["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _short_temporary_folder() -> str | None:
    """Return /tmp where it exists: others may enter it, and a socket's path must stay under 100 bytes."""
    return "/tmp" if os.access("/tmp", os.W_OK) else None  # noqa: S108  (mkdtemp makes a private folder in it)
