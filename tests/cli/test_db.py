"""``idp db`` (screens §4.2); that migrations are right is tested in tests/test_migrations.py."""

from pathlib import Path

from sqlalchemy import select, text

from idp import migrations
from idp.app import build_services
from idp.authentication import live_sessions
from idp.db import Database
from idp.installation import Installation
from idp.settings import load_settings
from tests.authentication.people import begin
from tests.cli.terminal import Terminal, environment_of
from tests.installation import unit_of_work


def test_upgrade_and_current(tmp_path: Path) -> None:
    """An upgrade says what it did; a second one says that there was nothing to do."""
    terminal = Terminal(environment_of(tmp_path))
    assert terminal.json("db", "current") == {
        "current": None,
        "needed": migrations.HEAD,
        "up_to_date": False,
    }
    assert terminal.ok("db", "current").startswith("Revision none;")
    assert "from no tables to revision" in terminal.ok("db", "upgrade")
    assert "already" in terminal.ok("db", "upgrade")
    assert terminal.json("db", "current")["up_to_date"] is True


def test_check_finds_tables_changed_by_hand(terminal: Terminal) -> None:
    """Tables that differ are named, and scripts can tell by the exit code."""
    assert "what this program expects" in terminal.ok("db", "check")
    assert terminal.json("db", "check") == {"differences": []}
    database = Database(terminal.environment["LOTSE_DATABASE__URL"])
    with database.engine.begin() as connection:
        connection.execute(text("DROP TABLE revoked_jti"))
    database.dispose()
    result = terminal.run("db", "check")
    assert result.exit_code == 5
    assert "missing table revoked_jti" in result.stderr
    assert terminal.run("db", "check", "--json").exit_code == 5


def test_what_lives_again_in_a_restored_database_ends(terminal: Terminal) -> None:
    """Revocations since the backup are lost, so everybody signs in again; others notice at once (F16)."""
    services = build_services(load_settings(environ=terminal.environment))
    value, _ = begin(services)
    row = select(Installation.epoch, Installation.snapshot_version)
    with unit_of_work(services) as ctx:
        epoch, version = ctx.db.execute(row).one()
        assert live_sessions.find(ctx, value) is not None
    assert terminal.run("db", "restored").exit_code == 2  # nobody is there to be asked
    terminal.ok("db", "restored", "--yes")
    with unit_of_work(services) as ctx:
        assert live_sessions.find(ctx, value) is None
        assert tuple(ctx.db.execute(row).one()) == (epoch + 1, version + 1)
    services.database.dispose()
    (entry,) = terminal.json("audit", "tail", "--event", "installation.restored")
    assert (entry["actor_kind"], entry["new"]) == ("operator", epoch + 1)
