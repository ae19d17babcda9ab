"""``idp organization waiting``, ``approve``, ``decline``, ``letters``, ``update``."""

import json
import stat
from pathlib import Path

import pytest

from idp.cli.state import State
from idp.management import accounts, joining
from tests.cli.terminal import Terminal

NUMBER = "100200300"
MEMBER = (NUMBER, "ben")


@pytest.fixture
def filled(terminal: Terminal) -> Terminal:
    """Muster GmbH, and Ben who waits to be let in."""
    terminal.ok("organization", "create", "Muster GmbH", NUMBER)
    terminal.ok("account", "create", "ben", "--no-password", "--email", "ben@muster.example")
    terminal.ok("organization", "add-member", *MEMBER, "--status", "pending")
    return terminal


def test_approve(filled: Terminal) -> None:
    """Once more changes nothing; who is blocked is not let in so; unknown names are not found."""
    assert "ben" in filled.ok("organization", "waiting")
    assert [found["username"] for found in filled.json("organization", "waiting", NUMBER)] == ["ben"]
    assert filled.json("organization", "approve", *MEMBER) == {"status": "active", "changed": True}
    assert filled.json("organization", "approve", *MEMBER) == {"status": "active", "changed": False}
    assert "already" in filled.ok("organization", "approve", *MEMBER)
    assert filled.ok("organization", "waiting") == "Nobody waits.\n"
    filled.ok("organization", "block-member", *MEMBER)
    assert filled.run("organization", "approve", *MEMBER).exit_code == 4
    assert filled.run("organization", "approve", NUMBER, "nobody").exit_code == 3
    assert filled.run("organization", "approve", "999", "ben").exit_code == 3


def test_decline(filled: Terminal) -> None:
    """The same for a no; the reason stands in the log."""
    declined = filled.json("organization", "decline", *MEMBER, "--reason", "unknown here")
    assert declined == {"status": "ended", "changed": True}
    assert "already" in filled.ok("organization", "decline", *MEMBER)
    assert filled.run("organization", "approve", *MEMBER).exit_code == 4
    assert "unknown here" in filled.ok("audit", "tail", "--json")


def test_update(filled: Terminal) -> None:
    """What is named changes, the rest stays; an address has few lines."""
    lines = ("--address", "Hafenstraße 1", "--address", "20457 Hamburg")
    changed = filled.json("organization", "update", NUMBER, "--join", "posted_code", *lines)
    assert changed == {"changed": ["address", "join_policy"]}
    assert filled.ok("organization", "update", NUMBER, "--join", "posted_code") == "Changed: nothing.\n"
    shown = filled.json("organization", "show", NUMBER)
    assert (shown["join_policy"], shown["address"]) == ("posted_code", ["Hafenstraße 1", "20457 Hamburg"])
    assert filled.run("organization", "update", NUMBER, "--address", "x" * 41).exit_code == 4


def test_letters(filled: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run makes none; each is made once, readable to its owner alone; who has no address is named."""
    out = tmp_path / "letters.pdf"
    filled.ok("organization", "update", NUMBER, "--join", "posted_code")
    filled.ok("organization", "decline", *MEMBER)
    _ask(filled, monkeypatch)
    assert filled.run("organization", "letters").exit_code == 2
    homeless = filled.run("organization", "letters", "--out", str(out))
    assert (homeless.exit_code, NUMBER in homeless.stderr, out.exists()) == (0, True, False)
    filled.ok("organization", "update", NUMBER, "--address", "Hafenstraße 1", "--address", "20457 Hamburg")
    assert "Muster GmbH" in filled.ok("organization", "letters", "--dry-run")
    assert len(filled.json("organization", "letters", "--dry-run")["due"]) == 1
    nowhere = filled.run("organization", "letters", "--out", str(tmp_path / "no" / "letters.pdf"))
    assert nowhere.exit_code == 1  # and nothing counts as made
    assert "1 letters" in filled.ok("organization", "letters", "--out", str(out))
    assert out.read_bytes().startswith(b"%PDF")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert filled.ok("organization", "letters", "--out", str(out)) == "No letters to make.\n"
    assert filled.json("organization", "letters", NUMBER, "--out", str(out), "--again") == {
        "made": 1,
        "out": str(out),
        "without_address": [],
    }
    assert filled.run("organization", "letters", "999", "--dry-run").exit_code == 3


@pytest.mark.parametrize(("number", "digits", "said"), [("K-17", "9", True), ("K-17", "0", False)])
def test_a_number_nobody_could_type(
    terminal: Terminal, tmp_path: Path, number: str, digits: str, *, said: bool
) -> None:
    """Such a company is made, for people can be added to it; the operator hears that nobody finds it."""
    setting = {"LOTSE_ORGANIZATIONS__NUMBER_DIGITS": digits}
    made = terminal.run("organization", "create", "Kontor", number, "--json", **setting)
    assert (made.exit_code, json.loads(made.stdout)["customer_number"]) == (0, number)
    assert (f"Nobody can type {number}" in made.stderr, "number_digits" in made.stderr) == (said, said)
    file = tmp_path / "companies.toml"
    file.write_text(f'[[organization]]\ncustomer_number = "{number}A"\nname = "Lager"\n')
    for arguments in (("--dry-run",), (), ()):
        applied = terminal.run("apply", str(file), *arguments, **setting)
        assert (applied.exit_code, f"Nobody can type {number}A" in applied.stderr) == (0, said)


def _ask(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask as the person would on the page."""
    for name, value in terminal.environment.items():
        monkeypatch.setenv(name, value)
    state = State()
    with state.operation() as ctx:
        joining.ask(ctx, accounts.find(ctx, "ben"), NUMBER)
    state.close()
