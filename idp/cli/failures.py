"""How a command fails: one sentence with the remedy on standard error, and a code for scripts.

0 done · 1 failed · 2 wrong usage · 3 not found · 4 refused by policy · 5 not ready (screens §4.2)
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from idp.errors import Busy, NotReady, Refusal

#: PostgreSQL's state (appendix A) or how SQLite's names of errors begin → what it is, and what to do
_DATABASE = {
    "25006": "takes no writes: it is a standby; let database.url name the primary",
    "57014": "is busy: a statement took too long; try again",
    "40P01": "is busy: two transactions waited for each other; try again",
    "55P03": "is busy: another transaction holds what is needed; try again",
    "53100": "has no room left on its disk; make some, and try again",
    "SQLITE_BUSY": "is busy: somebody else writes; try again",
    "SQLITE_FULL": "has no room left on its disk; make some, and try again",
    "SQLITE_READONLY": "cannot be written by this user: let it write the file and its folder",
}


class Failure(click.ClickException):
    """Ends the command with a sentence; the class has the exit code."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the sentence to standard error."""
        click.echo(f"idp: {self.format_message()}", err=True, file=file)


class NotFound(Failure):
    """What was named does not exist."""

    exit_code = 3


class Refused(Failure):
    """The rules of this installation forbid it."""

    exit_code = 4


class Unready(Failure):
    """Settings, database or programs must be put right first."""

    exit_code = 5


@contextmanager
def in_a_sentence() -> Iterator[None]:
    """Turn every failure we know into a :class:`Failure`; what remains is a bug and shows where it is."""
    try:
        yield
    except Refusal as refusal:
        from idp.cli.wording import sentence  # words are needed only here

        kind = NotFound if refusal.code.endswith(".unknown") else Refused
        raise kind(sentence(refusal)) from None
    except (NotReady, Busy) as problem:
        raise Unready(str(problem)) from problem
    except Exception as error:
        failure = _of_settings_or_database(error)
        if failure is None:
            raise
        raise failure from error


def _of_settings_or_database(error: Exception) -> Failure | None:
    """Word what settings and database raise, by loaded modules: most commands load neither."""
    settings = sys.modules.get("idp.settings")
    if settings is not None and isinstance(error, settings.SettingsError):
        return Unready(f"the settings are refused:\n{error}")
    sqlalchemy = sys.modules.get("sqlalchemy.exc")
    if sqlalchemy is None or not isinstance(error, sqlalchemy.DBAPIError):
        return None
    code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", None) or ""
    for known, words in _DATABASE.items():
        if code.startswith(known):
            return Unready(f"the database {words}")
    if isinstance(error, sqlalchemy.OperationalError):
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        return Unready(f"the database does not answer ({reason}); check database.url")
    return None
