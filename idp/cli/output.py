"""How commands answer: tables for people, one JSON document for scripts, colour only where it is wanted."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])

as_json_option: Callable[[_Command], _Command] = click.option(
    "--json", "as_json", is_flag=True, help="Write one JSON document instead of a table."
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask; scripts need this.")


def write_json(value: object) -> None:
    """Write a value as indented JSON with its keys in the order given."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def write_done(sentence: str, *, as_json: bool, **facts: object) -> None:
    """Write what a command did: a sentence, or the facts as JSON."""
    if as_json:
        write_json(facts)
    else:
        click.echo(sentence)


def write_table(rows: Sequence[Mapping[str, object]], *, empty: str) -> None:
    """Write rows under their keys in capitals, or the sentence *empty* where there are none."""
    if not rows:
        click.echo(empty)
        return
    heads = list(rows[0])
    cells = [[cell(row.get(head)) for head in heads] for row in rows]
    widths = [max(len(head), *(len(row[at]) for row in cells)) for at, head in enumerate(heads)]
    click.echo(bold(_line([head.upper().replace("_", " ") for head in heads], widths)))
    for row in cells:
        click.echo(_line(row, widths))


def write_fields(fields: Mapping[str, object]) -> None:
    """Write one thing, a field a line; several values of a field stand under one another."""
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        lines = [cell(part) for part in value] if isinstance(value, list | tuple) else [cell(value)]
        for at, line in enumerate(lines or ["-"]):
            label = name.replace("_", " ") if at == 0 else ""
            click.echo(f"{dim(label.ljust(width))}  {line}")


@contextmanager
def private_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to write that nobody but its owner can read, and that is there whole or not at all.

    :raises click.FileError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        if path.exists() and not path.is_file():  # a pipe or a device, which keeps nothing
            part = path
        else:
            part.unlink(missing_ok=True)  # of somebody who was interrupted: others may read it
        made = 0 if part == path else os.O_CREAT | os.O_EXCL  # what somebody put there meanwhile is not ours
        with os.fdopen(os.open(part, os.O_WRONLY | made, 0o600), "wb") as file:
            yield file
        if part != path:
            part.replace(path)
    except OSError as error:
        raise click.FileError(str(path), error.strerror) from error
    finally:
        if part != path:
            with suppress(OSError):
                part.unlink()


def bold(text: str) -> str:
    """Return the text in bold where colours are wanted."""
    return click.style(text, bold=True) if wants_colour() else text


def dim(text: str) -> str:
    """Return the text fainter where colours are wanted."""
    return click.style(text, dim=True) if wants_colour() else text


def wants_colour() -> bool:
    """Tell whether standard output is a terminal whose user has not set ``NO_COLOR``."""
    return not os.environ.get("NO_COLOR") and sys.stdout.isatty()


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is destroyed; without a terminal and without ``--yes`` the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("this destroys something: say --yes when nobody is there to be asked")
    click.confirm(question, abort=True)


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
    limit = shutil.get_terminal_size((0, 0)).columns if sys.stdout.isatty() else 0
    return line if not limit or len(line) <= limit else line[: limit - 1] + "…"


def cell(value: object) -> str:
    """Return a value as it stands in a table."""
    if value is None or value in ("", []):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    if isinstance(value, list | tuple):
        return " ".join(cell(part) for part in value)
    return str(value)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
