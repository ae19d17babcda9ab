"""``idp apply``: makes clients, catalogues, organisations and directories what a file says (screens §4.2)."""

import tomllib
from pathlib import Path

import click

from idp.cli.failures import Failure, Refused
from idp.cli.organization import warn_of_number
from idp.cli.output import as_json_option, write_json, write_table
from idp.cli.state import State, pass_state
from idp.management.apply import Change
from idp.management.apply import apply as apply_document
from idp.oidc.metadata_reader import InvalidMetadata


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@as_json_option
@pass_state
def apply(state: State, file: Path, *, dry_run: bool, as_json: bool) -> None:
    """Make clients, permissions, organisations and legacy directories what FILE (TOML) says.

    What it does not name stays.

    Secrets of clients that are new are shown this once.
    """
    document = _read(file)
    with state.operation() as ctx:
        try:
            changes = apply_document(ctx, document, dry_run=dry_run)
        except InvalidMetadata as error:
            listed = "".join(f"\n  {problem}" for problem in error.problems)
            raise Refused(f"{file} is refused, nothing was changed:{listed}") from error
        for change in changes:
            if change.kind == "organization":
                warn_of_number(ctx, change.name)
    if as_json:
        write_json([_document(change) for change in changes])
        return
    rows = [
        {"kind": change.kind, "name": change.name, "action": change.action, "detail": change.detail}
        for change in changes
    ]
    write_table(rows, empty=f"{file} names nothing.")
    for change in changes:
        if change.secret is not None:
            click.echo(f"client_secret of {change.name}  {change.secret}")
    if dry_run:
        click.echo("Nothing was changed.")


def _read(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Failure(f"{file} cannot be read as TOML: {error}") from error


def _document(change: Change) -> dict[str, object]:
    secret = {} if change.secret is None else {"client_secret": change.secret}
    return {
        "kind": change.kind,
        "name": change.name,
        "action": change.action,
        "detail": list(change.detail),
        **secret,
    }
