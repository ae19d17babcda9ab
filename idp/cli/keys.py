"""``idp keys``: signing keys (OIDC Core §10.1.1) and the master key that seals secrets at rest."""

import time

import click

from idp.audit.events import Event
from idp.audit.log import record
from idp.cli.failures import Failure
from idp.cli.output import as_json_option, cell, confirm, write_done, write_json, write_table, yes_option
from idp.cli.state import State, pass_state
from idp.crypto import Sealer, add_master_key
from idp.installation import Resealing, is_resealed, reseal, snapshot_changed
from idp.oidc import signing_keys

_ADOPTED_SECONDS = 2.0
"""Longer than servers take to notice a change of keys."""
_SHOWN = 20


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
@as_json_option
@pass_state
def rotate(state: State, *, now: bool, as_json: bool) -> None:
    """Let the next keys sign where their time has come; old signatures stay valid."""
    with state.operation() as ctx:
        waiting = signing_keys.too_young(ctx) if now else {}
        promoted = signing_keys.rotate(ctx, force=now)
    lines = [f"These keys sign now: {', '.join(promoted)}." if promoted else "No key is due yet; see --now."]
    lines += [
        f"{kid} waits: portals may not know it before {cell(until)}. Repeat the command then."
        for kid, until in waiting.items()
    ]
    write_done("\n".join(lines), as_json=as_json, promoted=promoted, waiting=waiting)


@keys.command()
@click.argument("kid")
@yes_option
@as_json_option
@pass_state
def retire(state: State, kid: str, *, yes: bool, as_json: bool) -> None:
    """Take a key out of use at once: what it signed no longer verifies."""
    confirm(f"Everything signed with {kid} stops being valid. Retire it?", yes=yes)
    with state.operation() as ctx:
        signing_keys.retire(ctx, kid)
    write_done(f"{kid} is out of use.", as_json=as_json, kid=kid, state="removed")


@keys.command("rotate-master")
@as_json_option
@pass_state
def rotate_master(state: State, *, as_json: bool) -> None:
    """Make a new master key and seal every stored secret with it, while the server runs.

    With several machines, give each the new file master-NUMBER.key first, under the next number: a key that
    has sealed nothing yet is the new one.

    Where the key is given by keys.master_key, put the new one there first and leave the old one as a file
    master-NUMBER.key in keys.directory; then this command seals everything with the new one.
    """
    settings = state.settings.keys
    services = state.services
    sealer = services.vault.sealer
    with state.reading() as ctx:
        used = is_resealed(ctx.db, sealer)
    if settings.master_key is None and used:
        add_master_key(settings.directory)
        sealer.refresh()
    changed = _seal_all(state, sealer).changed
    with state.operation() as ctx:
        # The servers read their signing keys again, meet the new master key, and seal with it from then on.
        snapshot_changed(ctx.db)
        record(ctx, Event.MASTER_KEY_ROTATED, new=sealer.current.id.hex())
    time.sleep(_ADOPTED_SECONDS)
    last = _seal_all(state, sealer)
    changed += last.changed
    key_id = sealer.current.id.hex()
    sentence = (
        f"Sealed {changed} records with the master key {key_id}.\n"
        f"Keep the older keys in {settings.directory} as long as you keep backups made before now."
    )
    write_done(sentence, as_json=as_json, master_key_id=key_id, sealed=changed, unreadable=last.broken)
    if last.broken:
        raise Failure(_not_opened(last.broken))


def _seal_all(state: State, sealer: Sealer) -> Resealing:
    """Seal what an older key sealed, in short transactions, and return what came of it."""
    found = Resealing()
    more = True
    while more:
        with state.operation() as ctx:
            more = reseal(ctx.db, sealer, found)
    return found


def _not_opened(broken: list[str]) -> str:
    shown = broken[:_SHOWN] + ([f"and {len(broken) - _SHOWN} more"] if len(broken) > _SHOWN else [])
    what = (
        "1 record does not open and was left as it is"
        if len(broken) == 1
        else (f"{len(broken)} records do not open and were left as they are")
    )
    return "\n  ".join([f"{what}:", *shown])
