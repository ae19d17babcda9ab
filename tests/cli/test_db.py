"""``idp db`` (screens §4.2); that migrations are right is tested in tests/test_migrations.py."""

from pathlib import Path

from sqlalchemy import text

from idp import migrations
from idp.db import Database
from tests.cli.terminal import Terminal, environment_of


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
