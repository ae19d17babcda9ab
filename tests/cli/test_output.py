"""Tables for people, JSON for scripts, colours only where they are wanted (screens §4.2)."""

import json
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from pathlib import Path

import click
import pytest

from idp.cli import output

NOON = datetime(2026, 3, 1, 13, 0, tzinfo=timezone(timedelta(hours=1)))


class Colour(Enum):
    """Something with a value."""

    GREEN = "green"


def test_a_table_has_its_columns_under_one_another(capsys: pytest.CaptureFixture[str]) -> None:
    """Heads in capitals, cells aligned, gaps as a hyphen."""
    rows = [
        {"name": "anna", "last_seen": NOON, "tags": ["a", "b"], "active": True},
        {"name": "bo", "last_seen": None, "tags": [], "active": False},
    ]
    output.write_table(rows, empty="Nobody.")
    assert capsys.readouterr().out.splitlines() == [
        "NAME  LAST SEEN             TAGS  ACTIVE",
        "anna  2026-03-01 12:00 UTC  a b   yes",
        "bo    -                     -     no",
    ]


def test_an_empty_table_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to list is said."""
    output.write_table([], empty="Nobody.")
    assert capsys.readouterr().out == "Nobody.\n"


def test_fields_stand_under_one_another(capsys: pytest.CaptureFixture[str]) -> None:
    """A field a line, several values below one another."""
    output.write_fields({"client_id": "portal", "uris": ["one", "two"], "secrets": []})
    assert capsys.readouterr().out.splitlines() == [
        "client id  portal",
        "uris       one",
        "           two",
        "secrets    -",
    ]


def test_json_has_times_in_utc_and_umlauts(capsys: pytest.CaptureFixture[str]) -> None:
    """Times are RFC 3339 in UTC; what has no JSON form is a bug."""
    output.write_json({"at": NOON, "colour": Colour.GREEN, "file": Path("a/b"), "name": "Größe"})
    text = capsys.readouterr().out
    assert "Größe" in text
    assert json.loads(text) == {
        "at": "2026-03-01T12:00:00Z",
        "colour": "green",
        "file": "a/b",
        "name": "Größe",
    }
    with pytest.raises(TypeError, match="object has no JSON form"):
        output.write_json(object())


def test_colours_only_on_a_terminal_and_never_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    """``NO_COLOR`` and a pipe switch colours off."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert output.bold("x") == "x"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert output.bold("x") == click.style("x", bold=True)
    assert output.dim("x") == click.style("x", dim=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert output.bold("x") == "x"
    assert output.dim("x") == "x"


def test_on_a_terminal_a_line_is_cut_at_its_edge(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wide table does not wrap; in a pipe nothing is cut."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "20")
    rows = [{"name": "x" * 40}]
    output.write_table(rows, empty="")
    assert "x" * 40 in capsys.readouterr().out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    output.write_table(rows, empty="")
    assert capsys.readouterr().out.splitlines()[1] == "x" * 19 + "…"


def test_confirm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal a destructive command needs ``--yes``; on one it asks."""
    output.confirm("Really?", yes=True)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    with pytest.raises(click.UsageError):
        output.confirm("Really?", yes=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("click.confirm", lambda question, abort: question)
    output.confirm("Really?", yes=False)


def test_moments_are_shown_in_utc() -> None:
    """Tables show minutes in UTC."""
    assert output.cell(datetime(2026, 3, 1, 12, 0, tzinfo=UTC)) == "2026-03-01 12:00 UTC"
