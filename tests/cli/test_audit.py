"""``idp audit`` and ``idp jobs run --once`` (design §2, Audit)."""

import json
from pathlib import Path

import pytest

from idp.db import Database
from tests.cli.terminal import Terminal


def _filled(terminal: Terminal) -> Terminal:
    terminal.ok("organization", "create", "Muster GmbH", "100200300")
    terminal.ok("account", "create", "anna", "--email", "anna@muster.example", "--no-password")
    terminal.ok("organization", "add-member", "100200300", "anna")
    return terminal


def _execute(terminal: Terminal, statement: str) -> None:
    database = Database(terminal.environment["LOTSE_DATABASE__URL"])
    with database.engine.begin() as connection:
        connection.exec_driver_sql(statement)
    database.dispose()


def test_tail_is_newest_first_and_names_the_operator(terminal: Terminal) -> None:
    """What an operator did is in the log, with who did it."""
    _filled(terminal)
    entries = terminal.json("audit", "tail")
    assert [entry["event"] for entry in entries[:3]] == [
        "membership.created",
        "account.created",
        "organization.created",
    ]
    assert {entry["actor_kind"] for entry in entries[:3]} == {"operator"}
    assert all(entry["actor_id"] for entry in entries[:3])
    assert "membership.created" in terminal.ok("audit", "tail", "-n", "1")


def test_tail_can_be_narrowed(terminal: Terminal) -> None:
    """By account, by organisation, by event."""
    _filled(terminal)
    events = [entry["event"] for entry in terminal.json("audit", "tail", "--account", "anna")]
    assert events == ["membership.created", "account.created"]
    about = [entry["event"] for entry in terminal.json("audit", "tail", "--organization", "100200300")]
    assert about == ["membership.created", "organization.created"]
    assert len(terminal.json("audit", "tail", "--event", "account.created")) == 1
    assert terminal.run("audit", "tail", "--event", "nothing.happened").exit_code == 2


def test_export_writes_lines_and_an_event(terminal: Terminal, tmp_path: Path) -> None:
    """An export is JSON lines, to a file too, and is itself in the log."""
    _filled(terminal)
    file = tmp_path / "export.jsonl"
    terminal.ok("audit", "export", "-o", str(file))
    events = [json.loads(line)["event"] for line in file.read_text("utf-8").splitlines()]
    assert "account.created" in events
    assert terminal.json("audit", "tail", "-n", "1")[0]["event"] == "audit.exported"
    assert terminal.ok("audit", "export", "--until", "2020-01-01") == ""


def test_an_export_is_its_owners_alone(terminal: Terminal, tmp_path: Path) -> None:
    """It has names and addresses; where a file is there that others can read, it takes its place."""
    _filled(terminal)
    file = tmp_path / "exported" / "log.jsonl"
    assert terminal.run("audit", "export", "-o", str(file)).exit_code == 1  # no such folder
    file.parent.mkdir()
    for old in (file, file.with_name(f".{file.name}.part")):
        old.write_text("old")
        old.chmod(0o644)
    terminal.ok("audit", "export", "-o", str(file))
    assert "anna" in file.read_text("utf-8")
    assert [(path, path.stat().st_mode & 0o777) for path in file.parent.iterdir()] == [(file, 0o600)]
    terminal.ok("audit", "export", "-o", "/dev/null")
    assert Path("/dev/null").is_char_device()


def test_a_period_that_ends_before_it_begins(terminal: Terminal) -> None:
    """Wrong usage: an empty export would pass for a quiet period, and be an event."""
    refused = terminal.run("audit", "export", "--since", "2026-02-02", "--until", "2026-02-01")
    assert (refused.exit_code, "--since" in refused.stderr, refused.stdout) == (2, True, "")
    assert "audit.exported" not in terminal.ok("audit", "tail")
    assert terminal.run("audit", "export", "--since", "2026-02-02", "--until", "2026-02-02").exit_code == 0


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE audit_event SET old = '{\"a', new = '{\"a' WHERE event = 'account.created'",
        "UPDATE audit_personal SET origin = X'01020304' WHERE event_id IN"
        " (SELECT id FROM audit_event WHERE event = 'account.created')",
    ],
)
def test_a_damaged_event_hides_no_other(terminal: Terminal, tmp_path: Path, damage: str) -> None:
    """What of it cannot be read is named; tail and export go on (I4)."""
    _filled(terminal)
    _execute(terminal, damage)
    entries = terminal.json("audit", "tail", "-n", "3")
    unreadable = {entry["event"]: entry["unreadable"] for entry in entries}
    damaged = unreadable.pop("account.created")
    assert damaged in (["old", "new"], ["origin"])
    assert unreadable == {"membership.created": [], "organization.created": []}
    assert f"unreadable: {', '.join(damaged)}" in terminal.ok("audit", "tail")
    file = tmp_path / "export.jsonl"
    terminal.ok("audit", "export", "-o", str(file))
    exported = {line["event"]: line["unreadable"] for line in map(json.loads, file.read_text().splitlines())}
    assert exported["account.created"] == damaged
    assert exported["membership.created"] == []


def test_verify_finds_one_flipped_byte(terminal: Terminal) -> None:
    """The log verifies once it is sealed, and not after a reason was rewritten."""
    _filled(terminal)
    terminal.ok("jobs", "run", "--once")
    verified = terminal.json("audit", "verify")
    assert verified["ok"] is True
    assert verified["not_yet_sealed"] == 0
    head = verified["head"]
    assert "yes" in terminal.ok("audit", "verify", "--head", head)
    _execute(terminal, "UPDATE audit_event SET reason = 'x' WHERE event = 'account.created'")
    result = terminal.run("audit", "verify", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["problems"]
    assert "not as it was written" in result.stderr


def test_verify_refuses_a_head_it_cannot_read(terminal: Terminal) -> None:
    """A head is given as ``verify`` writes it."""
    for head in ("yesterday", "0:" + "00" * 32, "-1:" + "00" * 32):
        assert terminal.run("audit", "verify", "--head", head).exit_code == 2
    assert terminal.run("audit", "verify", "--head", "7:" + "00" * 32).exit_code == 1
