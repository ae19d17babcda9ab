"""``idp organization waiting``, ``approve``, ``decline``, ``letters``: people who ask to join a company."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from idp.cli.organization import membership_of, organization
from idp.cli.output import as_json_option, private_file, write_done, write_json, write_table
from idp.cli.state import State, pass_state
from idp.management import join_approval, join_letters, organizations
from idp.management.join_letters import Due


@organization.command()
@click.argument("number", required=False)
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@as_json_option
@pass_state
def waiting(state: State, number: str | None, *, limit: int, as_json: bool) -> None:
    """List who waits to be let in, the longest first; with NUMBER for one organisation."""
    with state.operation() as ctx:
        company = None if number is None else organizations.find(ctx, number).id
        found = [asdict(one) for one in join_approval.waiting(ctx, company, limit=limit)]
    if as_json:
        write_json(found)
    else:
        write_table(found, empty="Nobody waits.")


@organization.command()
@click.argument("number")
@click.argument("who")
@as_json_option
@pass_state
def approve(state: State, number: str, who: str, *, as_json: bool) -> None:
    """Let a person in who waits, and write to them; once more changes nothing."""
    with state.operation() as ctx:
        done = join_approval.approve(ctx, *membership_of(ctx, number, who))
    sentence = f"{who} is active in {number}." if done else f"{who} is active in {number} already."
    write_done(sentence, as_json=as_json, status="active", changed=done)


@organization.command()
@click.argument("number")
@click.argument("who")
@click.option("--reason", help="A sentence for the audit log; the person does not read it.")
@as_json_option
@pass_state
def decline(state: State, number: str, who: str, *, reason: str | None, as_json: bool) -> None:
    """Do not let a person in who waits, and write to them; once more changes nothing."""
    with state.operation() as ctx:
        done = join_approval.decline(ctx, *membership_of(ctx, number, who), reason=reason)
    sentence = f"{who} is declined at {number}." if done else f"{who} is no member of {number} already."
    write_done(sentence, as_json=as_json, status="ended", changed=done)


@organization.command()
@click.argument("number", required=False)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The PDF to write.")
@click.option("--dry-run", is_flag=True, help="Say which letters would be made, and make none.")
@click.option("--again", is_flag=True, help="Also those made before; the codes of the old letters are void.")
@as_json_option
@pass_state
def letters(
    state: State, number: str | None, *, out: Path | None, dry_run: bool, again: bool, as_json: bool
) -> None:
    """Make the letters with codes for those who wait where the policy is posted_code, a page each.

    Each letter is made once.  Who has no postal address gets none: see idp organization update --address.
    """
    if out is None and not dry_run:
        raise click.UsageError("say where to with --out FILE, or --dry-run")
    with state.operation() as ctx:
        company = None if number is None else organizations.find(ctx, number).id
        due = join_letters.due(ctx, company, again=again)
        made = [] if dry_run else join_letters.make(ctx, due)
        if out is not None and made:
            from idp.delivery import posted_letters  # only here: it is slow to import

            with private_file(out) as file:  # before anything is committed
                file.write(posted_letters.render(ctx.settings, made, at=ctx.now))
    _report(due, made=len(made), out=out, dry_run=dry_run, as_json=as_json)


def _report(due: Sequence[Due], *, made: int, out: Path | None, dry_run: bool, as_json: bool) -> None:
    homeless = sorted({one.customer_number for one in due if not one.address})
    if as_json:
        shown = [asdict(one) for one in due] if dry_run else None
        facts = {"made": made, "out": str(out) if out and made else None, "without_address": homeless}
        write_json(facts | ({"due": shown} if dry_run else {}))
        return
    if dry_run:
        write_table([_row(one) for one in due], empty="No letters to make.")
    else:
        click.echo(f"{made} letters written to {out}." if made else "No letters to make.")
    if homeless:
        click.echo(f"Without an address, so without a letter: {', '.join(homeless)}.", err=True)


def _row(one: Due) -> dict[str, object]:
    return {
        "customer_number": one.customer_number,
        "organization": one.organization,
        "person": one.person,
        "asked_at": one.asked_at,
        "letter_at": one.letter_at,
        "address": list(one.address),
    }


__all__ = ["organization"]
