"""What a fault happens to: ``idp serve`` on a private PostgreSQL, with people and a portal."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from idp import migrations
from idp.app import build_services
from idp.context import Actor, Services
from idp.db import Database
from idp.management import accounts, clients
from idp.settings import load_settings
from tests.faults.receiver import receiving
from tests.infrastructure import PostgreSQL, free_port, start_postgresql

PEOPLE = 40
NEWCOMERS = tuple(f"newcomer{number}" for number in range(20))
"""At these nobody guesses."""
PROBE = "probe"
PASSWORD = "Sieben Kraniche im Sturm"
REDIRECT = "https://portal.example/callback"
PORTAL = "portal"
SCOPE = "openid profile email"
START_SECONDS = 90
_OPERATOR = Actor(kind="operator", id="faults")


@dataclass(frozen=True, slots=True)
class Installation:
    """The running product."""

    issuer: str
    secret: str
    services: Services
    server: subprocess.Popen[bytes]
    postgresql: PostgreSQL
    #: sessions whose end reached the portal, by what it calls them
    delivered: Counter[str]

    def workers(self) -> list[psutil.Process]:
        """Return the processes that answer requests."""
        return [child for child in psutil.Process(self.server.pid).children() if _listens(child)]

    def deliverer(self) -> psutil.Process | None:
        """Return the process that delivers messages and seals the log, if it is there.

        To be asked where all that answer requests listen: until then they look the same.
        """
        children = psutil.Process(self.server.pid).children()
        return next((child for child in children if _serves(child) and not _listens(child)), None)

    def memory_mib(self) -> float:
        """Return what the processes that answer requests hold."""
        return float(sum(process.memory_info().rss for process in self.workers())) / 2**20

    def files(self) -> int:
        """Return how many files and connections they have open."""
        return sum(process.num_fds() for process in self.workers())

    def block(self, username: str) -> float:
        """Block a person and return when that had committed."""
        with self.services.database.session() as db, db.begin():
            ctx = self.services.context(db, actor=_OPERATOR)
            accounts.block(ctx, accounts.find(ctx, username))
        return time.monotonic()


def _serves(process: psutil.Process) -> bool:
    try:
        return "serve" in process.cmdline()
    except psutil.Error:
        return False


def _listens(process: psutil.Process) -> bool:
    try:
        return any(held.status == psutil.CONN_LISTEN for held in process.net_connections("tcp"))
    except psutil.Error:
        return False


@contextmanager
def running(folder: Path, *, workers: int, more: str = "") -> Iterator[Installation]:
    """Prepare and serve an installation; *more* are lines of its settings."""
    with receiving() as (address, delivered):
        yield from _running(folder, workers, more, address, delivered)


def _running(
    folder: Path, workers: int, more: str, logout_uri: str, delivered: Counter[str]
) -> Iterator[Installation]:
    postgresql = start_postgresql(durable=True)
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    file = folder / "lotse.toml"
    file.write_text(
        f'public_url = "{issuer}"\n[server]\nport = {port}\nworkers = {workers}\n'
        f'trusted_proxies = ["127.0.0.1/32"]\n[database]\nurl = "{postgresql.create_database("lotse")}"\n'
        f'[keys]\ndirectory = "{folder / "keys"}"\n[egress]\nallow_loopback = true\n{more}',
        "utf-8",
    )
    try:
        services, secret = _prepare(file, logout_uri)
        with (folder / "server.log").open("wb") as log:
            server = subprocess.Popen(
                [sys.executable, "-m", "idp", "--config", str(file), "serve"],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            )
        try:
            _wait_for(issuer, server, folder / "server.log")
            yield Installation(issuer, secret, services, server, postgresql, delivered)
        finally:
            server.terminate()
            server.wait(30)
            services.database.dispose()
    finally:
        postgresql.stop()


def _prepare(file: Path, logout_uri: str) -> tuple[Services, str]:
    settings = load_settings(file, environ={})
    database = Database(settings.database.url)
    migrations.upgrade(database)
    database.dispose()
    services = build_services(settings)
    usernames = (*(f"person{number}" for number in range(PEOPLE)), *NEWCOMERS, PROBE)
    return services, populate(services, logout_uri, usernames)


def populate(services: Services, logout_uri: str, usernames: Iterable[str]) -> str:
    """Register the portal and people and return the portal's secret."""
    with services.database.session() as db:
        ctx = services.context(db, actor=_OPERATOR)
        made = clients.create(
            ctx,
            {
                "client_id": PORTAL,
                "client_name": "Portal",
                "kind": "web",
                "first_party": True,
                "redirect_uris": [REDIRECT],
                "backchannel_logout_uri": logout_uri,
                "grant_types": ["authorization_code", "refresh_token"],
                "scope": SCOPE,
            },
        )
        for username in usernames:
            accounts.create(ctx, username=username, password=PASSWORD)
        db.commit()
    assert made.secret is not None
    return made.secret


def _wait_for(issuer: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{issuer}/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text("utf-8")[-2000:])
