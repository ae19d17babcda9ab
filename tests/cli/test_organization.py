"""``idp organization`` and ``idp apply`` (design §2, Customer number; req 92)."""

from pathlib import Path

import pytest

from tests.cli.terminal import Terminal

FILE = """
[[client]]
client_id = "portal"
client_name = "Portal"
redirect_uris = ["https://portal.example/callback"]

[[catalogue]]
client = "portal"
[[catalogue.permission]]
key = "documents"
name = { de = "Meine Belege", en = "My documents" }
description = { de = "Rechnungen einsehen", en = "View invoices" }
[[catalogue.permission]]
key = "contracts"
name = { de = "Verträge", en = "Contracts" }
description = { de = "Verträge einsehen", en = "View contracts" }

[[organization]]
customer_number = "100200300"
name = "Muster GmbH"
permissions = { portal = ["documents"] }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file for ``idp apply``."""
    path = tmp_path / "muster.toml"
    path.write_text(FILE, "utf-8")
    return path


@pytest.fixture
def filled(terminal: Terminal, file: Path) -> Terminal:
    """A command line on an installation with a portal, an organisation and one member."""
    terminal.ok("apply", str(file))
    terminal.ok("account", "create", "ben", "--no-password")
    terminal.ok("organization", "add-member", "100200300", "ben")
    return terminal


def _status(terminal: Terminal) -> str:
    return str(terminal.json("organization", "show", "100200300")["members"][0]["status"])


def test_apply_twice(terminal: Terminal, file: Path) -> None:
    """The first time everything is made, with secrets shown once; the second time nothing changes."""
    first = terminal.json("apply", str(file))
    assert {change["action"] for change in first} == {"created"}
    assert len(first[0]["client_secret"]) >= 43
    second = terminal.json("apply", str(file))
    assert {change["action"] for change in second} == {"unchanged"}
    assert not any("client_secret" in change for change in second)


def test_apply_dry_run(terminal: Terminal, file: Path) -> None:
    """A dry run says the same and changes nothing."""
    said = terminal.ok("apply", str(file), "--dry-run")
    assert "Nothing was changed." in said
    assert "client_secret" not in said
    assert terminal.json("client", "list") == []
    assert "client_secret of portal" in terminal.ok("apply", str(file))


def test_apply_refuses_a_wrong_file_whole(terminal: Terminal, file: Path) -> None:
    """One wrong name and one unknown key are both said, and nothing at all is made."""
    file.write_text(
        FILE.replace('["documents"]', '["dokuments"]').replace("client_name", "client_nmae"), "utf-8"
    )
    result = terminal.run("apply", str(file))
    assert result.exit_code == 4
    assert "dokuments" in result.stderr
    assert "client_nmae" in result.stderr
    assert terminal.json("organization", "list") == []
    file.write_text("[[client", "utf-8")
    broken = terminal.run("apply", str(file))
    assert broken.exit_code == 1
    assert "cannot be read as TOML" in broken.stderr


@pytest.mark.parametrize("wrong", ["[[client]]", "[client]", "[[clients]]"])
def test_a_secret_in_the_file_is_not_repeated(terminal: Terminal, tmp_path: Path, wrong: str) -> None:
    """Somebody took it for one that can be chosen; messages end in logs of pipelines (design §7)."""
    file = tmp_path / "clients.toml"
    file.write_text(f'{wrong}\nclient_id = "portal"\nclient_secret = "canary"\nclient_secrett = "canary"\n')
    result = terminal.run("apply", str(file))
    assert (result.exit_code, "canary" in result.output) == (4, False), result.output


def test_create_list_show(terminal: Terminal) -> None:
    """An organisation is made, listed, and found by its number; a number is given once."""
    terminal.ok("organization", "create", "Beispiel AG", "100200400", "--join", "number_only")
    made = terminal.json("organization", "create", "Muster GmbH", "100 200 300", "--require-second-factor")
    assert made["customer_number"] == "100200300"
    assert made["require_second_factor"] is True
    assert len(terminal.json("organization", "list")) == 2
    assert "Muster GmbH" in terminal.ok("organization", "list")
    assert "No members." in terminal.ok("organization", "show", "100200300")
    assert terminal.run("organization", "create", "Muster", "100200300").exit_code == 4
    assert terminal.run("organization", "show", "999").exit_code == 3


def test_a_role_there_is_not(filled: Terminal) -> None:
    """The sentence names those there are."""
    refused = filled.run("organization", "add-member", "100200300", "ben", "--role", "admin")
    assert refused.exit_code == 3
    assert "There is no role admin; there are: administrator, member." in refused.stderr


def test_suspend_and_resume(filled: Terminal) -> None:
    """An organisation can be suspended, with confirmation, and resumed."""
    assert filled.run("organization", "suspend", "100200300").exit_code == 2
    assert "is suspended" in filled.ok("organization", "suspend", "100200300", "--yes")
    again = filled.run("organization", "suspend", "100200300", "--yes")
    assert (again.exit_code, "is suspended" in again.stderr) == (4, True)
    assert filled.json("organization", "show", "100200300")["status"] == "suspended"
    assert filled.json("organization", "list")[0]["status"] == "suspended"
    filled.ok("organization", "resume", "100200300")
    assert filled.json("organization", "show", "100200300")["status"] == "active"


def test_the_life_of_a_membership(filled: Terminal) -> None:
    """Active, blocked, active, ended, waiting, active again."""
    member = ("100200300", "ben")
    assert _status(filled) == "active"
    filled.ok("organization", "block-member", *member)
    assert _status(filled) == "blocked"
    filled.ok("organization", "unblock-member", *member)
    filled.ok("organization", "end-member", *member, "--yes")
    assert _status(filled) == "ended"
    filled.ok("organization", "add-member", *member, "--status", "pending")
    filled.ok("organization", "activate-member", *member)
    assert _status(filled) == "active"
    assert filled.run("organization", "activate-member", *member).exit_code == 4


def test_who_is_no_member_is_not_found(filled: Terminal) -> None:
    """A person of another company is no target here (req 91)."""
    filled.ok("account", "create", "felix", "--no-password")
    assert filled.run("organization", "block-member", "100200300", "felix").exit_code == 3


def test_grant_and_withdraw(filled: Terminal) -> None:
    """A person gets what the organisation holds, and nothing else (req 92)."""
    member = ("--member", "ben")
    assert "documents" in filled.ok("organization", "grant", "100200300", "portal", "documents", *member)
    assert "nothing new" in filled.ok("organization", "grant", "100200300", "portal", "documents", *member)
    refused = filled.run("organization", "grant", "100200300", "portal", "contracts", *member)
    assert refused.exit_code == 4
    assert "contracts" in refused.stderr
    assert "contracts" in filled.ok("organization", "grant", "100200300", "portal", "*")
    assert "documents" in filled.ok("organization", "withdraw", "100200300", "portal", "documents", *member)
    assert "contracts" in filled.ok("organization", "withdraw", "100200300", "portal", "contracts")
