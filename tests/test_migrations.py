"""Migrations: up, down and up again, several at once, and tables that equal the models, on both engines."""

import importlib
import multiprocessing
import pkgutil
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, column, inspect, table, text

import idp
from idp import migrations
from idp.db import Base, Database
from idp.errors import NotReady
from idp.migrations.runner import make_config, script_head
from tests.infrastructure import PostgreSQL

_PARALLEL = 4


@pytest.fixture
def empty_url(
    engine_name: str, tmp_path: Path, request: pytest.FixtureRequest, worker_number: int
) -> Iterator[str]:
    """The URL of a database without tables."""
    if engine_name == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    name = f"migrations_{worker_number}"
    yield server.create_database(name)
    server.drop_database(name)


@pytest.fixture
def empty(empty_url: str) -> Iterator[Database]:
    """A database without tables."""
    database = Database(empty_url)
    yield database
    database.dispose()


def _tables(database: Database) -> set[str]:
    inspect(database.reader).clear_cache()
    return set(inspect(database.reader).get_table_names())


def test_up_down_up(empty: Database) -> None:
    """A database goes to the newest revision, back to nothing, and up again, and then equals the models."""
    assert migrations.current(empty) is None
    migrations.upgrade(empty)
    assert _tables(empty) == {*Base.metadata.tables, "alembic_version"}
    migrations.downgrade(empty, "base")
    assert _tables(empty) == {"alembic_version"}
    assert migrations.current(empty) is None
    migrations.upgrade(empty)
    assert migrations.is_current(empty)
    assert migrations.check(empty) == []


def test_each_step_goes_down_and_up(empty: Database) -> None:
    """Each revision is taken back and applied again alone."""
    migrations.upgrade(empty)
    for number in range(int(migrations.HEAD), 0, -1):
        migrations.downgrade(empty, f"{number - 1:04d}" if number > 1 else "base")
        migrations.upgrade(empty, f"{number:04d}")
        migrations.downgrade(empty, f"{number - 1:04d}" if number > 1 else "base")
    migrations.upgrade(empty)
    assert migrations.check(empty) == []


def test_check_names_differences(empty: Database) -> None:
    """What another hand added or dropped is named, a line each."""
    migrations.upgrade(empty)
    with empty.engine.begin() as connection:
        connection.execute(text("ALTER TABLE account ADD COLUMN shoe_size INTEGER"))
        connection.execute(text("DROP TABLE revoked_jti"))
        connection.execute(text("ALTER TABLE client DROP COLUMN logo_uri"))
    found = migrations.check(empty)
    assert "surplus column shoe_size of account" in found
    assert "missing column logo_uri of client" in found
    assert "missing table revoked_jti" in found
    assert "missing index ix_revoked_jti_expires_at" in found


def test_a_second_upgrade_changes_nothing(empty: Database) -> None:
    """An upgrade of a current database keeps its rows."""
    migrations.upgrade(empty)
    with empty.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO role (key, name_de, name_en) VALUES ('m', 'Mitglied', 'Member')")
        )
    migrations.upgrade(empty)
    with empty.reader.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM role")).scalar_one() == 1


def _upgrade_at_once(url: str, barrier: Barrier) -> None:
    database = Database(url)
    barrier.wait()
    migrations.upgrade(database)
    database.dispose()


def test_four_upgrades_at_once(empty_url: str, empty: Database) -> None:
    """Four processes that start on an empty database all succeed, and the tables are made once."""
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(_PARALLEL)
    processes = [spawn.Process(target=_upgrade_at_once, args=(empty_url, barrier)) for _ in range(_PARALLEL)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * _PARALLEL
    assert migrations.check(empty) == []


def test_rows_that_point_nowhere_are_refused(tmp_path: Path) -> None:
    """On SQLite foreign keys are off while tables are rebuilt; what they would have refused still fails."""
    database = Database(f"sqlite:///{tmp_path}/broken.db")
    migrations.upgrade(database, "0001")
    with database.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute("PRAGMA foreign_keys=OFF")
        driver.execute(
            "INSERT INTO client_secret (id, client_id, hash, created_at) VALUES ('s', 'gone', x'00', 0)"
        )
        driver.execute("PRAGMA foreign_keys=ON")
    with pytest.raises(NotReady, match="client_secret"):
        migrations.upgrade(database)
    assert migrations.current(database) == "0001"
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
    database.dispose()


def test_upgrade_does_not_queue_behind_a_long_transaction(postgresql: PostgreSQL, worker_number: int) -> None:
    """On PostgreSQL a table that somebody holds makes the upgrade give up, with a sentence, unchanged."""
    name = f"held_{worker_number}"
    database = Database(postgresql.create_database(name))
    migrations.upgrade(database, "0001")
    with database.reader.connect() as holder:
        holder.exec_driver_sql("BEGIN; LOCK TABLE client IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(NotReady, match="another transaction"):
            migrations.upgrade(database)
        holder.exec_driver_sql("ROLLBACK")
    assert migrations.current(database) == "0001"
    database.dispose()
    postgresql.drop_database(name)


def test_require_current_says_the_remedy(tmp_path: Path) -> None:
    """A database without tables, at an older revision, or out of reach is refused with what to do."""
    database = Database(f"sqlite:///{tmp_path}/new.db")
    with pytest.raises(NotReady, match="no tables yet; run: idp db upgrade"):
        migrations.require_current(database)
    migrations.upgrade(database, "0001")
    with pytest.raises(NotReady, match=r"at revision 0001, .* run: idp db upgrade"):
        migrations.require_current(database)
    migrations.upgrade(database)
    migrations.require_current(database)
    database.dispose()
    away = Database(f"sqlite:///{tmp_path}/no/such/folder.db")
    with pytest.raises(NotReady, match=r"check database\.url"):
        migrations.require_current(away)
    away.dispose()


def test_tables_of_a_newer_release_are_left_alone(empty: Database) -> None:
    """Neither way leads to tables this program knows; what does is said, by whichever command meets them."""
    migrations.upgrade(empty)
    with empty.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    sentence = "revision 9999, made by a newer release: start that one, or restore the backup"
    for command in (
        migrations.require_current,
        migrations.upgrade,
        lambda database: migrations.downgrade(database, "base"),
    ):
        with pytest.raises(NotReady, match=sentence):
            command(empty)
    assert migrations.current(empty) == "9999"


def test_every_script_is_known() -> None:
    """What is newer than this program is told by the revision alone, without loading Alembic."""
    scripts = ScriptDirectory.from_config(make_config()).walk_revisions()
    assert [script.revision for script in scripts if not migrations.is_known(script.revision)] == []


def test_head_is_the_newest_script() -> None:
    """``HEAD`` is what the scripts say; the server compares with it without loading Alembic."""
    assert script_head() == migrations.HEAD


def test_every_table_is_known_to_migrations() -> None:
    """Importing every module of the package adds no table that ``idp.migrations.models`` leaves out."""
    before: MetaData = importlib.import_module("idp.migrations.models").metadata
    known = set(before.tables)
    for module in pkgutil.walk_packages(idp.__path__, "idp."):
        if not module.name.startswith(("idp.migrations.env", "idp.migrations.versions", "idp.__main__")):
            importlib.import_module(module.name)
    assert set(Base.metadata.tables) == known


def test_new_columns_keep_what_is_there(empty: Database) -> None:
    """Clients and their secrets survive a step up and a step down."""
    migrations.upgrade(empty, "0002")
    client = {
        "id": "c1",
        "client_id": "portal",
        "client_name": "Portal",
        "kind": "web",
        "version": 1,
        "first_party": True,
        "scope": "openid",
        "token_endpoint_auth_method": "client_secret_basic",
        "id_token_signed_response_alg": "ES256",
        "require_pkce": True,
        "strict_revocation": False,
        "require_membership": False,
        "backchannel_logout_session_required": True,
        "subject_type": "public",
        "created_at": 0,
        "updated_at": 0,
    }
    for name in ("redirect_uris", "post_logout_redirect_uris", "grant_types", "response_types"):
        client[name] = "[]"
    client |= {"audiences": "[]", "default_acr_values": "[]"}
    with empty.engine.begin() as connection:
        connection.execute(table("client", *map(column, client)).insert(), client)
        secret = "INSERT INTO client_secret (id, client_id, hash, created_at) VALUES ('s1', 'c1', :hash, 0)"
        connection.execute(text(secret), {"hash": b"x"})
    migrations.upgrade(empty)
    with empty.engine.begin() as connection:
        assert connection.execute(text("SELECT access_token_format FROM client")).all() == [("jwt",)]
    migrations.downgrade(empty, "0002")
    with empty.engine.begin() as connection:
        assert connection.execute(text("SELECT client_id FROM client_secret")).all() == [("c1",)]
