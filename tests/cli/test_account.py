"""``idp account`` (screens §4.2): passwords never stand in the command line."""

import click
import pytest

from idp.cli.account import account
from idp.cli.state import State
from idp.oidc import consent
from idp.oidc.clients import load_clients
from idp.oidc.consent import Extent
from tests.cli.terminal import Terminal

PASSWORD = "Leise rieselt der Sand 8"


def _anna(terminal: Terminal) -> str:
    made = terminal.json(
        *("account", "create", "anna", "--email", "anna@muster.example", "--given-name", "Anna"),
        *("--family-name", "Albrecht", "--password-stdin"),
        typed=PASSWORD + "\n",
    )
    return str(made["id"])


def test_create_list_show(terminal: Terminal) -> None:
    """An account is made with a password from standard input, and found by name, address and id."""
    account_id = _anna(terminal)
    for who in ("anna", "ANNA", "anna@muster.example", account_id):
        shown = terminal.json("account", "show", who)
        assert (shown["id"], shown["name"], shown["status"]) == (account_id, "Anna Albrecht", "active")
    assert [row["username"] for row in terminal.json("account", "list")] == ["anna"]
    assert "anna@muster.example" in terminal.ok("account", "list")
    assert "Anna Albrecht" in terminal.ok("account", "show", "anna")
    assert PASSWORD not in terminal.ok("audit", "export")


def test_a_common_password_is_refused(terminal: Terminal) -> None:
    """The password rule holds for operators too (req 53)."""
    result = terminal.run("account", "create", "anna", "--password-stdin", typed="123456789012345\n")
    assert result.exit_code == 4
    assert terminal.json("account", "list") == []


def test_without_a_terminal_the_password_comes_from_standard_input(terminal: Terminal) -> None:
    """Nobody is there to be asked: the command says which flag to use."""
    result = terminal.run("account", "create", "anna")
    assert result.exit_code == 2
    assert "--password-stdin" in result.stderr


def test_no_flag_takes_a_secret() -> None:
    """Other users of the machine can read a command line, so no flag has a password as its value."""
    assert isinstance(account, click.Group)
    for command in account.commands.values():
        for parameter in command.params:
            if "password" in (parameter.name or ""):
                assert isinstance(parameter, click.Option)
                assert parameter.is_flag


def test_block_and_unblock(terminal: Terminal) -> None:
    """A block is at once and can be lifted; blocking twice is refused."""
    _anna(terminal)
    assert terminal.json("account", "block", "anna", "--reason", "Verdacht") == {
        "status": "blocked",
        "ended": {"sessions": 0, "authorizations": 0, "notices": []},
    }
    assert terminal.json("account", "show", "anna")["status"] == "blocked"
    assert terminal.run("account", "block", "anna").exit_code == 4
    terminal.ok("account", "unblock", "anna")
    assert terminal.json("account", "show", "anna")["status"] == "active"
    reasons = [entry["reason"] for entry in terminal.json("audit", "tail", "--event", "account.blocked")]
    assert reasons == ["Verdacht"]


def test_clear_tries(terminal: Terminal) -> None:
    """Who was stopped may try again; the log says why."""
    account_id = _anna(terminal)
    assert terminal.json("account", "clear-tries", "anna", "--reason", "am Telefon") == {
        "account": account_id
    }
    assert "are forgotten" in terminal.ok("account", "clear-tries", "anna@muster.example")
    reasons = [
        entry["reason"] for entry in terminal.json("audit", "tail", "--event", "account.tries_cleared")
    ]
    assert sorted(reasons, key=str) == [None, "am Telefon"]


def test_set_password_and_delete(terminal: Terminal) -> None:
    """A new password is set; a deletion must be confirmed."""
    _anna(terminal)
    assert "The password is set" in terminal.ok(
        "account", "set-password", "anna", "--password-stdin", typed="Ein anderer langer Satz 3\n"
    )
    assert terminal.run("account", "delete", "anna").exit_code == 2
    terminal.ok("account", "delete", "anna", "--yes")
    assert terminal.json("account", "list")[0]["status"] == "deleted"


def test_what_is_wrong_with_a_password_is_said(terminal: Terminal) -> None:
    """How long it is and has to be; which kinds of character are missing."""
    create = ("account", "create", "anna", "--password-stdin")
    short = terminal.run(*create, typed="kurz\n")
    assert (short.exit_code, "has 4 characters and needs at least 15" in short.stderr) == (4, True)
    long = terminal.run(*create, typed="x" * 200 + "\n")
    assert (long.exit_code, "at most 128" in long.stderr) == (4, True)
    plain = terminal.run(*create, typed="nurkleinesohnezahl\n", LOTSE_PASSWORD__PROFILE="amt24")
    assert (plain.exit_code, "special, digit, upper" in plain.stderr) == (4, True), plain.stderr


def test_an_account_without_password(terminal: Terminal) -> None:
    """An operator can make an account that cannot sign in yet."""
    assert "Created account inga" in terminal.ok("account", "create", "inga", "--no-password")


@pytest.mark.parametrize("verb", ["show", "block", "unblock", "clear-tries"])
def test_unknown_accounts(terminal: Terminal, verb: str) -> None:
    """Who does not exist is "not found"."""
    assert terminal.run("account", verb, "nobody").exit_code == 3


def test_consents(terminal: Terminal) -> None:
    """What a person lets a portal have is listed and taken back, once (req 16)."""
    account_id = _anna(terminal)
    terminal.ok("client", "create", "Wetter", "--redirect", "https://wetter.example/callback")
    assert terminal.json("account", "consents", "anna") == []
    assert "lets no portal have anything" in terminal.ok("account", "consents", "anna")
    state = State()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in terminal.environment.items():
            patch.setenv(name, value)
        with state.operation() as ctx:
            everything = Extent(frozenset({"openid", "email"}))
            consent.decide(ctx, account_id, load_clients(ctx.db)["wetter"], everything, everything)
        state.close()
    (row,) = terminal.json("account", "consents", "anna")
    assert (row["client_id"], row["scope"], row["claims"]) == ("wetter", "email openid", [])
    assert "email openid" in terminal.ok("account", "consents", "anna")
    answer = terminal.json("account", "withdraw-consent", "anna", "wetter")
    assert answer["ended"]["authorizations"] == 0
    assert "consent.withdrawn" in terminal.ok("audit", "export")
    result = terminal.run("account", "withdraw-consent", "anna", "wetter")
    assert result.exit_code == 3
    assert "idp account consents" in result.stderr
