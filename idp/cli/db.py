"""``idp db``: the tables of the database, upgraded by hand before a new release is started (screens §4.2)."""

import click

from idp import migrations
from idp.cli.failures import Unready
from idp.cli.output import as_json_option, write_json
from idp.cli.state import State, pass_state
from idp.db import Database


@click.group()
def db() -> None:
    """The database's tables."""


@db.command()
@pass_state
def upgrade(state: State) -> None:
    """Bring the tables to the newest revision; safe when several machines do so at once."""
    database = _database(state)
    before = migrations.current(database)
    migrations.upgrade(database)
    after = migrations.current(database)
    if before == after:
        click.echo(f"The database is at revision {after} already.")
    else:
        click.echo(f"The database went from {before or 'no tables'} to revision {after}.")
    database.dispose()


@db.command()
@as_json_option
@pass_state
def current(state: State, as_json: bool) -> None:
    """Show the revision of the tables, and the one this program needs."""
    database = _database(state)
    found = migrations.current(database)
    database.dispose()
    if as_json:
        write_json({"current": found, "needed": migrations.HEAD, "up_to_date": found == migrations.HEAD})
    else:
        click.echo(f"Revision {found or 'none'}; this program needs {migrations.HEAD}.")


@db.command()
@as_json_option
@pass_state
def check(state: State, as_json: bool) -> None:
    """Compare the tables with what this program expects; ends with 5 where they differ."""
    database = _database(state)
    migrations.require_current(database)
    found = migrations.check(database)
    if as_json:
        write_json({"differences": found})
    database.dispose()
    if found:
        listed = "" if as_json else "\n" + "\n".join(f"  {line}" for line in found)
        raise Unready(f"the tables were changed by another hand:{listed}")
    if not as_json:
        click.echo("The tables are what this program expects.")


def _database(state: State) -> Database:
    settings = state.settings.database
    return Database(settings.url, pool_size=1, statement_timeout_ms=settings.statement_timeout_ms)
