"""``idp db``: the tables of the database, upgraded by hand before a new release is started (screens §4.2)."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from idp import migrations
from idp.audit.events import Event
from idp.audit.log import record
from idp.cli.failures import Unready
from idp.cli.output import as_json_option, confirm, write_done, write_json, yes_option
from idp.cli.state import State, pass_state
from idp.db import Database
from idp.installation import begin_epoch


@click.group()
def db() -> None:
    """The database's tables."""


@db.command()
@as_json_option
@pass_state
def upgrade(state: State, *, as_json: bool) -> None:
    """Bring the tables to the newest revision; safe when several machines do so at once."""
    with _database(state) as database:
        before = migrations.current(database)
        migrations.upgrade(database)
        after = migrations.current(database)
    if before == after:
        sentence = f"The database is at revision {after} already."
    else:
        sentence = f"The database went from {before or 'no tables'} to revision {after}."
    write_done(sentence, as_json=as_json, before=before, current=after)


@db.command()
@as_json_option
@pass_state
def current(state: State, *, as_json: bool) -> None:
    """Show the revision of the tables, and the one this program needs."""
    with _database(state) as database:
        found = migrations.current(database)
    if as_json:
        write_json({"current": found, "needed": migrations.HEAD, "up_to_date": found == migrations.HEAD})
    else:
        click.echo(f"Revision {found or 'none'}; this program needs {migrations.HEAD}.")


@db.command()
@as_json_option
@pass_state
def check(state: State, *, as_json: bool) -> None:
    """Compare the tables with what this program expects; ends with 5 where they differ."""
    with _database(state) as database:
        migrations.require_current(database)
        found = migrations.check(database)
    if as_json:
        write_json({"differences": found})
    if found:
        listed = "" if as_json else "\n" + "\n".join(f"  {line}" for line in found)
        raise Unready(f"the tables were changed by another hand:{listed}")
    if not as_json:
        click.echo("The tables are what this program expects.")


@db.command()
@yes_option
@as_json_option
@pass_state
def restored(state: State, *, yes: bool, as_json: bool) -> None:
    """End all sessions and tokens after the database was restored from a backup.

    What was revoked since the backup lives again in it, and nobody knows any more what that was.
    """
    confirm("Everybody has to sign in again. Was the database restored from a backup?", yes=yes)
    with state.operation() as ctx:
        epoch = begin_epoch(ctx.db)
        record(ctx, Event.INSTALLATION_RESTORED, new=epoch)
    sentence = "Sessions and tokens from before the restore count no longer; everybody signs in again."
    write_done(sentence, as_json=as_json, epoch=epoch)


@contextmanager
def _database(state: State) -> Iterator[Database]:
    settings = state.settings.database
    database = Database(settings.url, pool_size=1, statement_timeout_ms=settings.statement_timeout_ms)
    try:
        yield database
    finally:
        database.dispose()
