"""Writes ``docs/reference/cli.md`` from the commands themselves; a test says when it is out of date.

Usage: ``python tools/cli_reference.py``.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from idp.cli import cli

TARGET = Path(__file__).parents[1] / "docs" / "reference" / "cli.md"

_HEAD = """\
# Command line

Written by `tools/cli_reference.py` from the commands themselves.

Every command is `idp NOUN VERB`. Settings come from the file of `--config` or `LOTSE_CONFIG` and from the
environment (`LOTSE_SECTION__KEY`). Tables are for people; `--json` writes one JSON document. Commands that
destroy something ask, or want `--yes`. No flag takes a secret as its value. `NO_COLOR` switches colours off.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | failed |
| 2 | wrong usage |
| 3 | not found |
| 4 | refused by a rule of this installation |
| 5 | not ready: settings, database or a program must be put right first |
"""


def reference() -> str:
    """Return the page."""
    context = click.Context(cli, info_name="idp")
    parts = [_HEAD, *(part for name in cli.list_commands(context) for part in _sections(context, name))]
    return "\n".join(parts)


def _sections(parent: click.Context, name: str) -> Iterator[str]:
    """Yield the section of a command, then those of its verbs."""
    group = parent.command
    if not isinstance(group, click.Group):
        return
    command = group.get_command(parent, name)
    if command is None:
        return
    context = click.Context(command, info_name=name, parent=parent)
    top = parent.parent is None
    yield f"{'##' if top else '###'} {context.command_path}\n\n{_text(command)}\n"
    if isinstance(command, click.Group):
        for verb in command.list_commands(context):
            yield from _sections(context, verb)
    else:
        yield f"```\n{context.command_path} {_usage(context)}\n```\n"
        rows = [row for parameter in command.params for row in _row(parameter, context)]
        if rows:
            yield "\n".join(["| option | meaning |", "|---|---|", *rows, ""])


def _text(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "").replace("\b\n", "")


def _usage(context: click.Context) -> str:
    return " ".join(context.command.collect_usage_pieces(context))


def _row(parameter: click.Parameter, context: click.Context) -> Iterator[str]:
    """Yield the row of an option that is not hidden."""
    record = parameter.get_help_record(context)
    if record is None or not isinstance(parameter, click.Option):
        return
    option, text = (part.replace("|", "\\|") for part in record)
    yield f"| `{option}` | {' '.join(text.split())} |"


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(reference(), "utf-8")
