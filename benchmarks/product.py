"""An installation of the product under load: made by its own operations, served by its own command."""

import compileall
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.machine import Cpus, Program, pin, start, tree
from idp import migrations
from idp.app import build_services
from idp.context import Actor, Context
from idp.db import Database
from idp.management import accounts, clients
from idp.settings import load_settings
from tests.infrastructure import free_port

CLIENTS = 50
PEOPLE = 1000  # nobody comes to the limit of sessions, whose surplus a sign-in has to end
PASSWORD = "Sieben Kraniche im Sturm"  # noqa: S105  (exists only on the bench)
REDIRECT = "http://127.0.0.1:9/cb"
SCOPE = "openid profile email"

ROOT = Path(__file__).parent.parent
_DRIVER = Path(__file__).parent / "people.py"


@dataclass(frozen=True, slots=True)
class Product:
    """The running product."""

    issuer: str
    program: Program
    #: the processes that answer requests
    servers: tuple[psutil.Process, ...]
    #: what the load generator reads
    config: Path


@contextmanager
def running(folder: Path, cpus: Cpus, secret: str, *, workers: int = 1) -> Iterator[Product]:
    """Serve what :func:`prepare` made, server processes alone on the serving CPU."""
    compileall.compile_dir(ROOT / "idp", quiet=1)  # as pip does: what is installed compiles nothing to start
    settings = folder / "lotse.toml"
    issuer = load_settings(settings, environ={}).issuer
    config = folder / "product.json"
    config.write_text(json.dumps(_target(issuer, secret)), "utf-8")
    program = start(
        [sys.executable, "-m", "idp", "--config", str(settings), "serve", "--workers", str(workers)],
        f"{issuer}/.well-known/openid-configuration",
        cpu=cpus.server,
        log=folder / "product.log",
        folder=ROOT,
        environment={},
    )
    try:
        servers = _servers(program)
        pin((process for process in tree(program.process.pid) if process not in servers), cpus.others)
        yield Product(issuer, program, servers, config)
    finally:
        program.stop()


def _settings(issuer: str, database_url: str, folder: Path) -> str:
    """Return a configuration as in production, but for the cost of a hash and who may sign in how often."""
    port = issuer.rpartition(":")[2]
    return f"""public_url = "{issuer}"
[server]
port = {port}
[database]
url = "{database_url}"
[keys]
directory = "{folder / "keys"}"
[password]
memory_kib = 8
time_cost = 1
[throttle]
exempt_networks = ["127.0.0.0/8"]
"""


def prepare(folder: Path, database_url: str) -> str:
    """Make settings, tables, clients and people in *folder*; returns the secret of the client under load."""
    file = folder / "lotse.toml"
    file.write_text(_settings(f"http://127.0.0.1:{free_port()}", database_url, folder), "utf-8")
    settings = load_settings(file, environ={})
    database = Database(settings.database.url)
    migrations.upgrade(database)
    database.dispose()
    services = build_services(settings)
    with services.database.session() as db:
        ctx = services.context(db, actor=Actor(kind="operator", id="benchmarks"))
        secrets = [_client(ctx, number) for number in range(CLIENTS)]
        for number in range(PEOPLE):
            _person(ctx, number)
        db.commit()
    services.database.dispose()
    return secrets[0]


def _client(ctx: Context, number: int) -> str:
    client_id = f"bench-{number}"
    made = clients.create(
        ctx,
        {
            "client_id": client_id,
            "client_name": f"Bench {number}",
            "kind": "web",
            "first_party": True,
            "redirect_uris": [REDIRECT],
            "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
            "scope": f"{SCOPE} api",
            "audiences": [client_id],
        },
    )
    assert made.secret is not None
    return made.secret


def _person(ctx: Context, number: int) -> None:
    username = f"person{number}"
    names = {"name": f"Person {number}", "given_name": "Person", "family_name": str(number)}
    accounts.create(
        ctx, username=username, password=PASSWORD, emails=[f"{username}@bench.example"], profile=names
    )


def _target(issuer: str, secret: str) -> dict[str, Any]:
    """Return what the load generator has to know."""
    return {
        "name": "lotse",
        "issuer": issuer,
        "client_id": "bench-0",
        "client_secret": secret,
        "redirect_uri": REDIRECT,
        "username": "person0",
        "password": PASSWORD,
        "people": PEOPLE,
        "scope": SCOPE,
        "login_driver": str(_DRIVER),
        "scenarios": [],
    }


def _servers(program: Program) -> tuple[psutil.Process, ...]:
    """Return the processes that answer: those below granian's own that hold the listening socket."""
    return tuple(
        process
        for process in tree(program.process.pid)[1:]
        if any(socket.status == psutil.CONN_LISTEN for socket in process.net_connections("tcp"))
    )
