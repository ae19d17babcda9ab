"""What one test leaves behind does not reach the next one."""

from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError

from idp.db import Database
from idp.installation import Installation
from tests.databases import OnServer, on_file


def _rows(database: Database) -> int:
    with database.reading() as db:
        return db.scalars(select(func.count()).select_from(Installation)).one()


def _fill(database: Database) -> None:
    with database.session() as db, db.begin():
        db.add(Installation(id=1))


def test_a_connection_that_was_not_given_back_is_ended(postgresql_database: OnServer) -> None:
    """It holds a row of the last test, and would write into the next one."""
    database = postgresql_database.emptied()
    _fill(database)
    left = database.session()
    left.execute(update(Installation).values(epoch=2))

    again = postgresql_database.emptied()

    assert _rows(again) == 0
    with pytest.raises(OperationalError, match="terminat"):
        left.scalars(select(Installation.id))
    left.invalidate()


def test_connections_that_were_given_back_are_kept(postgresql_database: OnServer) -> None:
    """That is what sharing them is for."""
    database = postgresql_database.emptied()
    _fill(database)
    before = database.engine.pool

    assert postgresql_database.emptied().engine.pool is before
    assert _rows(database) == 0


def test_files_share_statements_and_nothing_else(sqlite_template: Path, tmp_path: Path) -> None:
    """Two at a time: rows of one are not in the other; a statement is compiled once."""
    with (
        on_file(sqlite_template, tmp_path / "one.db") as one,
        on_file(sqlite_template, tmp_path / "two.db") as two,
    ):
        _fill(one)
        assert (_rows(one), _rows(two)) == (1, 0)
        assert one.engine.pool is not two.engine.pool
        assert one.engine._compiled_cache is two.engine._compiled_cache
