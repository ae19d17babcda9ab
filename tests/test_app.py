"""Putting the parts together: what a process refuses to start with, and what it has once it runs."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from werkzeug.test import Client

from idp import migrations
from idp.accounts.passwords import LocalPasswordHasher, PooledPasswordHasher
from idp.app import build_duties, build_services, create_app
from idp.context import Services
from idp.crypto import MasterKey
from idp.db import Database
from idp.errors import NotReady
from idp.oidc import signing_keys
from idp.settings import Settings
from idp.settings.models import DatabaseSettings, Keys, Password


@pytest.fixture
def installed(tmp_path: Path) -> Settings:
    """Settings of an installation whose tables are there and whose start has never been."""
    settings = Settings(
        database=DatabaseSettings(url=f"sqlite:///{tmp_path}/lotse.db"),
        keys=Keys(directory=tmp_path / "keys"),
        password=Password(memory_kib=8, time_cost=1),
    )
    database = Database(settings.database.url)
    migrations.upgrade(database)
    database.dispose()
    return settings


def test_start_without_tables_names_the_remedy(settings: Settings, tmp_path: Path) -> None:
    """An empty database is not upgraded behind the operator's back."""
    empty = settings.model_copy(update={"database": DatabaseSettings(url=f"sqlite:///{tmp_path}/empty.db")})

    with pytest.raises(NotReady, match="run: idp db upgrade"):
        build_services(empty)


def test_first_start_makes_what_the_next_one_finds(installed: Settings) -> None:
    """Master key, secrets and signing keys are made once; a second process has the same."""
    first, second = build_services(installed), build_services(installed)

    assert first.vault.secrets == second.vault.secrets
    assert (installed.keys.directory / "master-1.key").is_file()
    with second.database.session() as db:
        algorithms = {key.alg for key in signing_keys.listing(second.context(db))}
    assert {"ES256", "RS256"} <= algorithms


def test_start_with_another_master_key_is_refused(installed: Settings) -> None:
    """A lost or exchanged key is said in a sentence, and nothing is made anew with it."""
    build_services(installed)
    other = MasterKey.generate().to_text()
    (installed.keys.directory / "master-1.key").write_text(other)

    with pytest.raises(NotReady, match="master key of this installation is another one"):
        build_services(installed)


def test_passwords_are_hashed_in_the_pool_where_there_is_one(installed: Settings, tmp_path: Path) -> None:
    """A server with a pool never hashes in its own process."""
    pool = installed.model_copy(
        update={"password": Password(memory_kib=8, time_cost=1, pool_socket=tmp_path / "hash.sock")}
    )

    assert isinstance(build_services(installed).passwords, LocalPasswordHasher)
    assert isinstance(build_services(pool).passwords, PooledPasswordHasher)


@pytest.mark.parametrize(
    ("address", "flags"),
    [
        ("https://login.example.de", {"__Host-form", "Secure", "HttpOnly", "Path=/", "SameSite=Lax"}),
        ("http://localhost:8000", {"form", "HttpOnly", "Path=/", "SameSite=Lax"}),
    ],
)
def test_form_cookie_is_secure_over_https(
    settings: Settings, services: Services, address: str, flags: set[str]
) -> None:
    """Flask's cookie has the prefix and the flags of the others (design §2, Cookies)."""
    changed = settings.model_copy(update={"public_url": address})
    browser = Client(create_app(changed, replace(services, settings=changed)))

    cookies = browser.get("/login", base_url=address).headers.getlist("Set-Cookie")

    (form,) = [cookie for cookie in cookies if cookie.removeprefix("__Host-").startswith("form=")]
    assert {
        part.strip().partition("=")[0] if "form=" in part else part.strip() for part in form.split(";")
    } == flags


def test_every_purge_of_the_worker_runs_on_an_empty_installation(services: Services) -> None:
    """Each purge is an operation that takes a limit and says how many rows went."""
    duties = build_duties(services)

    with services.database.session() as db:
        ctx = services.context(db)
        assert {name: purge(ctx, 100) for name, purge in duties.purges.items()} == dict.fromkeys(
            duties.purges, 0
        )
    assert set(duties.purges) == {
        *("accounts", "audit", "flows", "joining", "legacy", "outbox", "sessions", "throttle", "tokens")
    }


def test_what_is_rarely_needed_is_not_loaded() -> None:
    """A start waits for each module; these are for fetches, migrations, databases, addresses, old portals.

    The command is loaded apart.
    """
    rarely = {"alembic", "granian", "h11", "httpcore", "httpx", "mako", "psycopg", "redis", "smtplib"}
    rarely |= {"email_validator", "idp.accounts.legacy.https_endpoint"}
    code = "import sys, idp.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "idp.app" in loaded
    assert rarely.intersection(loaded) == set()
    assert [name for name in loaded if name.startswith(("idp.cli", "idp.migrations."))] == []
