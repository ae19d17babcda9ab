"""``idp keys``: signing keys (OIDC Core §10.1.1) and the master key that seals secrets at rest."""

import click

from idp.cli.output import as_json_option, confirm, write_json, write_table, yes_option
from idp.cli.state import State, pass_state
from idp.oidc import signing_keys


@click.group()
def keys() -> None:
    """Signing keys and the master key."""


@keys.command("list")
@as_json_option
@pass_state
def list_keys(state: State, *, as_json: bool) -> None:
    """List all signing keys, newest first; never their private parts."""
    with state.operation() as ctx:
        rows = [
            {
                "kid": key.kid,
                "alg": key.alg,
                "state": key.state,
                "created_at": key.created_at,
                "activated_at": key.activated_at,
                "retired_at": key.retired_at,
                "removed_at": key.removed_at,
            }
            for key in signing_keys.listing(ctx)
        ]
    if as_json:
        write_json(rows)
    else:
        write_table(rows, empty="No signing keys.")


@keys.command()
@click.option("--now", is_flag=True, help="Also where the active key is young.")
@pass_state
def rotate(state: State, *, now: bool) -> None:
    """Let the next keys sign where their time has come; old signatures stay valid."""
    with state.operation() as ctx:
        promoted = signing_keys.rotate(ctx, force=now)
    click.echo(
        f"These keys sign now: {', '.join(promoted)}." if promoted else "No key is due yet; see --now."
    )


@keys.command()
@click.argument("kid")
@yes_option
@pass_state
def retire(state: State, kid: str, *, yes: bool) -> None:
    """Take a key out of use at once: what it signed no longer verifies."""
    confirm(f"Everything signed with {kid} stops being valid. Retire it?", yes=yes)
    with state.operation() as ctx:
        signing_keys.retire(ctx, kid)
    click.echo(f"{kid} is out of use.")
