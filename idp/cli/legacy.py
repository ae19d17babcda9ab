"""``idp legacy``: old portals, the accounts imported from them, and who linked which.

SLUG names a directory, which `idp apply` makes; WHO is a user name, address or id of an account.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import click

from idp.accounts.legacy.import_file import UnusableFile, read
from idp.cli.account import ended_sentence
from idp.cli.failures import Refused
from idp.cli.output import as_json_option, write_done, write_fields, write_json, write_table
from idp.cli.state import State, pass_state
from idp.management import accounts, legacy_directories, legacy_proof, legacy_wrapping, linking
from idp.management.legacy_import import MOST_TOLD, Import, Report

_TOLD_ON_SCREEN = 20


@click.group()
def legacy() -> None:
    """Old portals: import their accounts, wrap weak hashes, see and undo links."""


@legacy.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--directory", "slug", required=True, metavar="SLUG", help="The directory to import into.")
@click.option("--dry-run", is_flag=True, help="Read and compare everything, and change nothing.")
@as_json_option
@pass_state
def import_(state: State, file: Path, *, slug: str, dry_run: bool, as_json: bool) -> None:
    """Import FILE, .csv or .jsonl, into a directory; again and again, as often as needed.

    Batches are kept as they are done, so an import that was stopped is simply started again.
    """
    if file.suffix.lower() not in (".csv", ".jsonl"):
        raise click.UsageError("the name of FILE must end in .csv or .jsonl")
    began = time.monotonic()
    with state.operation() as ctx:
        run = Import(ctx, slug, dry_run=dry_run)
    with file.open("rb") as stream, _progress(file.stat().st_size, "Importing") as advance:
        try:
            _take_all(state, run, stream, advance, json_lines=file.suffix.lower() == ".jsonl")
        except UnusableFile as error:
            raise Refused(f"{file}: {error}") from None
    with state.operation() as ctx:
        run.finish(ctx)
    _write_report(run.report, dry_run=dry_run, seconds=time.monotonic() - began, as_json=as_json)


def _take_all(
    state: State, run: Import, stream: BinaryIO, advance: Callable[[int], None], *, json_lines: bool
) -> None:
    reading_ctx = state.services.context(state.services.database.reading())
    try:
        for batch in run.batches(reading_ctx, read(stream, json_lines=json_lines)):
            planned = run.plan(reading_ctx, batch)
            with state.operation() as ctx:
                run.take(ctx, planned)
            advance(stream.tell())
    finally:
        reading_ctx.db.close()


@legacy.command("list")
@as_json_option
@pass_state
def list_directories(state: State, *, as_json: bool) -> None:
    """List the legacy directories."""
    with state.reading() as ctx:
        rows = [
            {
                "slug": found.slug,
                "name": found.name_de,
                "kind": found.kind,
                "endpoint": found.endpoint,
                "secret_set": found.bearer is not None,
                "offer_at_sign_in": found.offer_at_sign_in,
                "product_families": list(found.product_families),
            }
            for found in legacy_directories.list_all(ctx)
        ]
    if as_json:
        write_json(rows)
    else:
        write_table(rows, empty="No legacy directories; idp apply makes them.")


@legacy.command()
@as_json_option
@pass_state
def status(state: State, *, as_json: bool) -> None:
    """Say how many accounts each directory has, how many are linked, and which hashes still wait."""
    with state.operation() as ctx:
        found = [asdict(one) for one in legacy_directories.status(ctx)]
    if as_json:
        write_json(found)
        return
    for one in found:
        one["formats"] = [f"{form}: {count}" for form, count in one["formats"].items()]
        write_fields(one)
        click.echo()
    if not found:
        click.echo("No legacy directories; idp apply makes them.")


@legacy.command()
@click.option(
    "--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Hashes made side by side."
)
@as_json_option
@pass_state
def wrap(state: State, *, threads: int, as_json: bool) -> None:
    """Wrap all weak hashes in Argon2id now; the worker does it too, a few each second.

    It may be stopped and started at any time.
    """
    services = state.services
    total = legacy_wrapping.left(services)
    began = time.monotonic()
    done = 0
    with _progress(total, "Wrapping") as advance:
        for count in legacy_wrapping.wrap_all(services, threads=threads):
            done += count
            advance(done)
    seconds = time.monotonic() - began
    rate = round(done / seconds, 1) if done else 0.0
    left = legacy_wrapping.left(services)
    write_done(
        f"Wrapped {done} hashes in {seconds:.0f} s, {rate} a second; {left} are left.",
        as_json=as_json,
        wrapped=done,
        seconds=round(seconds, 1),
        a_second=rate,
        left=left,
    )


@legacy.command()
@click.argument("slug")
@as_json_option
@pass_state
def secret(state: State, slug: str, *, as_json: bool) -> None:
    """Set the secret that the endpoint of SLUG expects; it is typed, or read from standard input."""
    typed = click.prompt("Secret", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    with state.operation() as ctx:
        legacy_directories.set_secret(ctx, slug, typed.strip())
    write_done(f"The secret of {slug} is set; nobody can read it back.", as_json=as_json, slug=slug)


@legacy.command()
@click.argument("who")
@as_json_option
@pass_state
def links(state: State, who: str, *, as_json: bool) -> None:
    """List the old accounts that WHO has linked, undone links too."""
    with state.operation() as ctx:
        found = [asdict(one) for one in legacy_directories.links_of(ctx, accounts.find(ctx, who))]
    if as_json:
        write_json(found)
    else:
        shown = ("id", "directory", "username", "organization_name", "created_at", "undo_until", "undone_at")
        write_table([{name: one[name] for name in shown} for one in found], empty="No links.")


@legacy.command()
@click.argument("slug")
@click.argument("username")
@as_json_option
@pass_state
def unlink(state: State, slug: str, username: str, *, as_json: bool) -> None:
    """Undo the link of the old account USERNAME of SLUG, within 30 days of it."""
    with state.operation() as ctx:
        account_id, link_id = legacy_directories.link_of(ctx, slug, username)
        undone = linking.undo(ctx, account_id, link_id)
    write_done(
        f"The old account is free again. {ended_sentence(undone.ended)}",
        as_json=as_json,
        link=link_id,
        ended=asdict(undone.ended),
    )


@legacy.command("clear-tries")
@click.argument("slug")
@click.argument("username")
@as_json_option
@pass_state
def clear_tries(state: State, slug: str, username: str, *, as_json: bool) -> None:
    """Forget wrong passwords of the old account USERNAME of SLUG: it may be tried again."""
    with state.operation() as ctx:
        legacy_proof.clear_tries(ctx, slug, username)
    write_done(f"Wrong passwords of {username} are forgotten.", as_json=as_json, directory=slug)


@contextmanager
def _progress(length: int, label: str) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal's standard error; what is given is how far it is in all."""
    with click.progressbar(
        length=length, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        yield lambda place: bar.update(place - bar.pos)


def _write_report(report: Report, *, dry_run: bool, seconds: float, as_json: bool) -> None:
    facts: dict[str, Any] = {
        "lines": report.lines,
        "accepted": report.accepted,
        "replaced": report.replaced,
        "unchanged": report.unchanged,
        "not_taken": report.not_taken,
        "weak_hashes": report.weak,
        "security_questions": report.security_questions,
        "seconds": round(seconds, 1),
    }
    reasons, formats = dict(report.reasons.most_common()), dict(report.formats.most_common())
    unmapped = dict(report.unmapped.most_common(_TOLD_ON_SCREEN))
    if as_json:
        refused = [asdict(line) for line in report.refused]
        write_json(
            {**facts, "reasons": reasons, "formats": formats, "unmapped": unmapped, "refused": refused}
        )
        return
    counts = {"formats": formats, "not mapped": unmapped, "reasons": reasons}
    lists = {name: [f"{what}: {count}" for what, count in found.items()] for name, found in counts.items()}
    write_fields({**facts, **lists})
    for line in report.refused[:_TOLD_ON_SCREEN]:
        click.echo(f"line {line.line}: {line.reason}")
    if report.not_taken > _TOLD_ON_SCREEN:
        click.echo(f"… and {report.not_taken - _TOLD_ON_SCREEN} more; --json names the first {MOST_TOLD}.")
    if dry_run:
        click.echo("Nothing was changed.")
