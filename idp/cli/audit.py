"""``idp audit``: the hash-chained log of what happened (design §2, Audit)."""

import sys
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from idp.audit import log
from idp.audit.events import Event
from idp.audit.verification import Verification
from idp.audit.verification import verify as verify_log
from idp.cli.failures import Failure
from idp.cli.output import as_json_option, private_file, write_fields, write_json, write_table
from idp.cli.state import State, pass_state
from idp.management import accounts, organizations

_MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])


@click.group()
def audit() -> None:
    """The audit log: read, verify, export.  Times are UTC."""


@audit.command()
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--account", metavar="WHO", help="Only what this account did or suffered.")
@click.option("--organization", metavar="NUMBER", help="Only what concerns this organisation.")
@click.option("--event", type=click.Choice([event.value for event in Event]), help="Only this event.")
@as_json_option
@pass_state
def tail(
    state: State,
    *,
    limit: int,
    account: str | None,
    organization: str | None,
    event: str | None,
    as_json: bool,
) -> None:
    """Show the newest events, newest first."""
    with state.reading() as ctx:
        found = log.tail(
            ctx,
            limit=limit,
            account=accounts.find(ctx, account) if account else None,
            organization=organizations.find(ctx, organization).id if organization else None,
            event=Event(event) if event else None,
        )
    if as_json:
        write_json([asdict(entry) for entry in found])
        return
    rows = [
        {
            "time": entry.at,
            "event": entry.event,
            "actor": " ".join(filter(None, (entry.actor_kind, entry.actor_id))),
            "target": " ".join(filter(None, (entry.target_kind, entry.target_id))),
            "client": entry.client,
            "reason": f"unreadable: {', '.join(entry.unreadable)}" if entry.unreadable else entry.reason,
        }
        for entry in found
    ]
    write_table(rows, empty="No events.")


@audit.command()
@click.option(
    "--head",
    metavar="POSITION:CHAIN",
    help="Position and chain value noted at an earlier check: they must still be there.",
)
@as_json_option
@pass_state
def verify(state: State, *, head: str | None, as_json: bool) -> None:
    """Check that no event was changed, removed or moved; ends with 1 where one was."""
    known = None if head is None else _head(head)
    with state.snapshot() as ctx:  # while retention cuts the log or events are sealed
        result = verify_log(ctx, known_head=known)
    facts = _facts(result)
    if as_json:
        write_json({**facts, "problems": [asdict(problem) for problem in result.problems]})
    else:
        write_fields(facts)
    if not result.ok:
        lines = [f"  position {p.position or '-'}: {p.what}" for p in result.problems]
        raise Failure("\n".join(["the audit log is not as it was written:", *lines]))


@audit.command()
@click.option("--since", type=_MOMENT, help="First moment; default: the beginning.")
@click.option("--until", type=_MOMENT, help="First moment that is left out; default: now.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default="-",
    help="A file that only its owner can read; default: standard output.",
)
@pass_state
def export(state: State, *, since: datetime | None, until: datetime | None, output: Path) -> None:
    """Write all events of a period as JSON lines; the export itself is an event."""
    if since and until and since > until:
        raise click.BadParameter("must not be later than --until", param_hint="--since")
    with state.operation() as ctx:
        period = log.begin_export(ctx, since=_utc(since), until=_utc(until))
    opened = nullcontext(sys.stdout.buffer) if str(output) == "-" else private_file(output)
    with state.reading() as ctx, opened as file:
        for line in log.export(ctx, period):
            file.write(f"{line}\n".encode())


def _facts(result: Verification) -> dict[str, object]:
    return {
        "ok": result.ok,
        "events": result.events,
        "seals": result.seals,
        "not_yet_sealed": result.unsealed,
        "erased_personal_parts": result.erased,
        "head": f"{result.position}:{result.head.hex()}",
    }


def _head(text: str) -> tuple[int, bytes]:
    position, _, chain = text.partition(":")
    try:
        head = int(position), bytes.fromhex(chain)
    except ValueError as error:
        raise click.BadParameter("must be as idp audit verify writes it", param_hint="--head") from error
    if head[0] < 1:
        raise click.BadParameter("must be of a log with events: position 1 or more", param_hint="--head")
    return head


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
