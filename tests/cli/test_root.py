"""The command line as a whole: help, exit codes, failures in a sentence with the remedy (screens §4.2)."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from idp import __version__
from idp.cli import cli
from idp.cli.failures import Failure, in_a_sentence
from idp.errors import Busy, NotReady, Refusal
from tests.cli.terminal import Terminal


def test_help_lists_every_noun_and_each_can_be_asked(terminal: Terminal) -> None:
    """Every noun that ``--help`` lists exists and explains itself."""
    text = terminal.ok("--help")
    context = click.Context(cli, info_name="idp")
    for noun in cli.list_commands(context):
        assert noun in text
        assert "Usage: idp" in terminal.ok(noun, "--help")


def test_version(terminal: Terminal) -> None:
    """``--version`` names product and version."""
    assert terminal.ok("--version") == f"Lotse, version {__version__}\n"


def test_python_m_idp_is_the_same_command(tmp_path: Path) -> None:
    """``python -m idp`` works from any folder."""
    done = subprocess.run(
        [sys.executable, "-m", "idp", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"Lotse, version {__version__}\n"


def test_wrong_usage_ends_with_2(terminal: Terminal) -> None:
    """An unknown noun and an unknown flag are wrong usage."""
    for arguments in (["cliend", "list"], ["client", "list", "--jason"]):
        assert terminal.run(*arguments).exit_code == 2


def test_what_does_not_exist_ends_with_3(terminal: Terminal) -> None:
    """A name that is not there is "not found", with the command that lists what is."""
    result = terminal.run("client", "show", "nobody")
    assert result.exit_code == 3
    assert result.stderr == "idp: There is no client nobody; see: idp client list\n"


def test_what_a_rule_forbids_ends_with_4(terminal: Terminal) -> None:
    """A refusal of the domain is "refused by policy"."""
    terminal.ok("client", "create", "Portal", "--redirect", "https://portal.example/cb")
    result = terminal.run("client", "create", "Portal", "--redirect", "https://portal.example/cb")
    assert result.exit_code == 4
    assert "There is a client portal already" in result.stderr


def test_refused_settings_end_with_5_and_show_all_problems(terminal: Terminal) -> None:
    """Two wrong settings are both named, before anything is done."""
    result = terminal.run("client", "list", LOTSE_SERVER__PORT="high", LOTSE_SERVR__HOST="::1")
    assert result.exit_code == 5
    assert "LOTSE_SERVER__PORT" in result.stderr
    assert "LOTSE_SERVR__HOST: unknown variable" in result.stderr


def test_a_database_without_tables_ends_with_5(terminal: Terminal, tmp_path: Path) -> None:
    """Nothing upgrades tables behind the operator's back."""
    result = terminal.run("client", "list", LOTSE_DATABASE__URL=f"sqlite:///{tmp_path}/new.db")
    assert result.exit_code == 5
    assert result.stderr == "idp: the database has no tables yet; run: idp db upgrade\n"


def test_a_database_out_of_reach_ends_with_5(terminal: Terminal) -> None:
    """A database that does not answer is said, with the setting to look at."""
    for arguments in (["client", "list"], ["db", "upgrade"]):
        result = terminal.run(*arguments, LOTSE_DATABASE__URL="sqlite:////no/such/folder/lotse.db")
        assert result.exit_code == 5
        assert "check database.url" in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (Refusal("account.unknown"), 3, "There is no such account; see: idp account list"),
        (Refusal("permission.not_held", keys=["a", "b"]), 4, "does not hold: a, b."),
        (Refusal("new.code", limit=3), 4, "Refused: new.code (limit 3)"),
        (Refusal("new.code"), 4, "Refused: new.code"),
        (Refusal("client.status"), 4, "… is in that state already"),
        (NotReady("no key"), 5, "no key"),
        (Busy("the hash pool is full"), 5, "the hash pool is full"),
    ],
)
def test_each_kind_of_failure_has_its_code(error: Exception, code: int, text: str) -> None:
    """What operations raise becomes a sentence and an exit code."""
    with pytest.raises(Failure) as caught, in_a_sentence():
        raise error
    assert caught.value.exit_code == code
    assert text in caught.value.format_message()


def test_a_bug_is_not_worded() -> None:
    """What nobody expected stays an exception with its place."""
    with pytest.raises(ZeroDivisionError), in_a_sentence():
        raise ZeroDivisionError


def _verbs(command: click.Command, path: str) -> list[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        return [(path, command)]
    context = click.Context(command)
    found = []
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        found += _verbs(inner, f"{path} {name}".strip())
    return found


def test_every_verb_answers_in_json() -> None:
    """``--json`` is everywhere but where a command runs until it is stopped or writes JSON anyway."""
    without = {
        path
        for path, command in _verbs(cli, "")
        if not any("--json" in parameter.opts for parameter in command.params)
    }
    assert without == {"audit export", "demo", "jobs run", "serve"}
