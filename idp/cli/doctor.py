"""``idp doctor``: what an operator would look at first, each finding with its remedy (screens §4.2)."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from idp.app import open_services
from idp.cli import examination
from idp.cli.failures import Unready
from idp.cli.findings import OK, PROBLEM, Finding, problem
from idp.cli.output import as_json_option, bold, dim, write_json
from idp.cli.state import State, pass_state
from idp.db import Database
from idp.errors import NotReady
from idp.settings import Settings, SettingsError


@click.command()
@as_json_option
@pass_state
def doctor(state: State, *, as_json: bool) -> None:
    """Look at all that an installation needs; ends with 5 where one thing is wrong.

    Advice is no failure: it works, and would better be otherwise.
    """
    findings = list(_findings(state))
    wrong = sum(finding.state == PROBLEM for finding in findings)
    if as_json:
        write_json({"ok": not wrong, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            _write(finding)
    if wrong:
        raise Unready(f"{wrong} of {len(findings)} findings need a hand")


def _findings(state: State) -> Iterator[Finding]:
    try:
        settings = state.settings
    except SettingsError as error:
        for each in error.problems:
            yield problem(each.key or "settings", each.message, f"Correct it: {each.where}")
        return
    config = Path(state.config) if state.config else None
    yield from examination.settings_and_files(settings, config)
    yield from _running(settings)
    yield from examination.redis_of(settings)
    yield from examination.mail_of(settings)
    yield from examination.seen_from_outside(settings)


def _running(settings: Settings) -> Iterator[Finding]:
    """Yield what the database shows; its secrets only where it is whole and they were made."""
    database = Database(settings.database.url, pool_size=1)
    try:
        found = list(examination.database_of(settings, database))
    finally:
        database.dispose()
    yield from found
    if any(each.check == "master key" or (each.state == PROBLEM and each.check != "clock") for each in found):
        return
    try:
        services = open_services(settings)
    except NotReady as error:
        yield problem("master key", str(error), "See: docs/how-to/keys.md")
        return
    try:
        with services.database.reading() as db:
            yield from examination.at_work(services.context(db), services)
    finally:
        services.database.dispose()


def _write(finding: Finding) -> None:
    label = finding.state.ljust(len(PROBLEM))
    shown = dim(label) if finding.state == OK else bold(label)
    click.echo(f"{shown}  {finding.check}: {finding.found}")
    if finding.remedy:
        click.echo(f"{' ' * len(PROBLEM)}  → {finding.remedy}")
