"""The database's schema, step by step: upgrade, current revision, and whether tables match the models.

Alembic is imported where it runs: the server asks only :func:`is_current` and stays small.
"""

from sqlalchemy import inspect, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.sql import column, table

from idp.db import Database
from idp.errors import NotReady

HEAD = "0008"
"""The newest revision; a test holds it equal to what the scripts say."""


def current(database: Database) -> str | None:
    """Return the revision the database is at, None where it has no tables yet."""
    with database.reader.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(
            select(column("version_num")).select_from(table("alembic_version"))
        ).scalar()


def is_current(database: Database) -> bool:
    """Tell whether the database is at the newest revision this program knows."""
    return current(database) == HEAD


def is_known(revision: str | None) -> bool:
    """Tell whether a revision is one of this program's, or that of no tables; all others are newer."""
    return revision is None or revision in {f"{number + 1:04d}" for number in range(int(HEAD))}


def require_current(database: Database) -> None:
    """Raise NotReady, with the remedy, unless the database is at the newest revision."""
    try:
        found = current(database)
    except OperationalError as error:
        raise NotReady(f"the database does not answer ({_first_line(error)}); check database.url") from error
    _refuse_newer(found)
    if found is None:
        raise NotReady("the database has no tables yet; run: idp db upgrade")
    if found != HEAD:
        raise NotReady(f"the database is at revision {found}, this program needs {HEAD}; run: idp db upgrade")


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the tables to *revision*; safe when several processes do so at once.

    :raises NotReady: another transaction holds a table for more than two seconds, or they are a newer
        release's.
    """
    from idp.migrations.runner import run_upgrade

    _refuse_newer(current(database))
    run_upgrade(database, revision)


def downgrade(database: Database, revision: str) -> None:
    """Take the tables back to *revision* (``base``: none at all), with the data in them."""
    from idp.migrations.runner import run_downgrade

    _refuse_newer(current(database))
    run_downgrade(database, revision)


def check(database: Database) -> list[str]:
    """Return, in words, each difference between the database's tables and the models."""
    from idp.migrations.runner import differences

    return differences(database)


def _refuse_newer(found: str | None) -> None:
    if not is_known(found):
        raise NotReady(
            f"the database is at revision {found}, made by a newer release: start that one, or restore the "
            "backup taken before its upgrade"
        )


def _first_line(error: Exception) -> str:
    return str(error.__cause__ or error).strip().partition("\n")[0]


__all__ = ["HEAD", "check", "current", "downgrade", "is_current", "is_known", "require_current", "upgrade"]
