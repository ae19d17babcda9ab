"""``idp keys``: signing keys and the master key (OIDC Core §10.1.1; stack of secrets at rest)."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from idp.accounts.models import Identifier
from idp.app import build_services
from idp.cli import keys
from idp.crypto import MasterKey
from idp.oidc import signing_keys
from idp.oidc.models import SigningKey
from idp.settings import load_settings
from tests.cli.terminal import Terminal
from tests.world import move_back


@pytest.fixture(autouse=True)
def nobody_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server runs here that would need time to notice."""
    monkeypatch.setattr(keys, "_ADOPTED_SECONDS", 0.0)


def _states(terminal: Terminal) -> dict[str, str]:
    return {key["kid"]: key["state"] for key in terminal.json("keys", "list")}


def test_list_shows_no_private_part(terminal: Terminal) -> None:
    """Each algorithm has an active and a next key; only public facts are listed."""
    listed = terminal.json("keys", "list")
    assert sorted((key["alg"], key["state"]) for key in listed) == [
        (alg, state) for alg in ("ES256", "RS256") for state in ("active", "next")
    ]
    assert {name for key in listed for name in key} == {
        *("kid", "alg", "state", "created_at", "activated_at", "retired_at", "removed_at")
    }
    assert "ES256" in terminal.ok("keys", "list")


def test_rotate_waits_until_a_key_is_due(terminal: Terminal) -> None:
    """A key that relying parties may not know yet does not sign, whatever the operator says (req 33)."""
    assert "No key is due" in terminal.ok("keys", "rotate")
    assert terminal.json("keys", "rotate") == {"promoted": [], "waiting": {}}
    result = terminal.run("keys", "rotate", "--now")
    assert result.exit_code == 4
    assert "wait until then" in result.stderr


def test_rotate_says_which_key_has_to_wait(terminal: Terminal) -> None:
    """A new algorithm holds up nobody: the others change at once, and the command says when to come again."""
    services = build_services(load_settings(environ=terminal.environment))
    move_back(services, (SigningKey.created_at,), timedelta(hours=2))
    services.database.dispose()
    redirect = ["--redirect", "https://portal.example/callback"]
    terminal.ok("client", "create", "Portal", *redirect, "--id-token-alg", "EdDSA")
    young = next(
        key["kid"] for key in terminal.json("keys", "list") if (key["alg"], key["state"]) == ("EdDSA", "next")
    )
    lines = terminal.ok("keys", "rotate", "--now").splitlines()
    assert lines[0].startswith("These keys sign now: ")
    assert lines[1].startswith(f"{young} waits: portals may not know it before ")


def test_retire_takes_a_key_out_of_use_at_once(terminal: Terminal) -> None:
    """The emergency brake must be confirmed; then the next key signs and another one waits."""
    kid = next(key["kid"] for key in terminal.json("keys", "list") if key["state"] == "active")
    assert terminal.run("keys", "retire", kid).exit_code == 2
    terminal.ok("keys", "retire", kid, "--yes")
    states = _states(terminal)
    assert states[kid] == "removed"
    assert sorted(states.values()) == ["active", "active", "next", "next", "removed"]
    assert terminal.run("keys", "retire", "unknown", "--yes").exit_code == 3


def test_rotate_master_seals_everything_anew(terminal: Terminal) -> None:
    """After a rotation the old master key is not needed any more, and the log still verifies."""
    terminal.ok("account", "create", "anna", "--email", "anna@muster.example", "--no-password")
    folder = Path(terminal.environment["LOTSE_KEYS__DIRECTORY"])
    assert "Sealed" in terminal.ok("keys", "rotate-master")
    assert sorted(path.name for path in folder.iterdir()) == ["master-1.key", "master-2.key"]
    assert (folder / "master-2.key").stat().st_mode & 0o777 == 0o600
    (folder / "master-1.key").unlink()
    assert terminal.json("account", "show", "anna")["emails"] == ["anna@muster.example"]
    terminal.ok("jobs", "run", "--once")
    assert terminal.json("audit", "verify")["ok"] is True
    assert terminal.json("audit", "tail", "--event", "master_key.rotated")


def test_rotate_master_takes_a_key_that_was_handed_out_before(terminal: Terminal) -> None:
    """A new file that has sealed nothing yet is the new key: so each machine has it before it seals."""
    folder = Path(terminal.environment["LOTSE_KEYS__DIRECTORY"])
    (folder / "master-2.key").touch(mode=0o600)
    (folder / "master-2.key").write_text("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
    handed_out = MasterKey.from_text((folder / "master-2.key").read_text()).id.hex()
    assert terminal.json("keys", "rotate-master")["master_key_id"] == handed_out
    assert sorted(path.name for path in folder.iterdir()) == ["master-1.key", "master-2.key"]
    terminal.ok("keys", "rotate-master")
    assert (folder / "master-3.key").exists()


def test_rotate_master_goes_on_past_what_does_not_open(terminal: Terminal) -> None:
    """A damaged record is named, everything else is sealed anew, and scripts can tell by the exit code."""
    terminal.ok("account", "create", "anna", "--email", "anna@muster.example", "--no-password")
    terminal.ok("account", "create", "ben", "--email", "ben@muster.example", "--no-password")
    services = build_services(load_settings(environ=terminal.environment))
    damaged = services.vault.seal(b"x", table="identifier", row="another")
    with services.database.session() as db, db.begin():
        first = db.scalars(select(Identifier.id).order_by(Identifier.id).limit(1)).one()
        db.execute(update(Identifier).where(Identifier.id == first).values(sealed=damaged))
    services.database.dispose()
    result = terminal.run("keys", "rotate-master")
    assert result.exit_code == 1
    assert f"1 record does not open and was left as it is:\n  identifier {first}" in result.stderr
    (Path(terminal.environment["LOTSE_KEYS__DIRECTORY"]) / "master-1.key").unlink()
    assert terminal.json("account", "show", "ben")["emails"] == ["ben@muster.example"]


def test_rotate_master_where_the_key_is_configured(terminal: Terminal) -> None:
    """A key from the environment is the new one; the file it replaces still opens what it sealed."""
    terminal.ok("account", "create", "anna", "--email", "anna@muster.example", "--no-password")
    configured = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    result = terminal.run("keys", "rotate-master", LOTSE_KEYS__MASTER_KEY=configured)
    assert result.exit_code == 0, result.output
    folder = Path(terminal.environment["LOTSE_KEYS__DIRECTORY"])
    assert [path.name for path in folder.iterdir()] == ["master-1.key"]
    (folder / "master-1.key").unlink()
    shown = terminal.run("account", "show", "anna", LOTSE_KEYS__MASTER_KEY=configured)
    assert "anna@muster.example" in shown.stdout


def test_a_running_server_takes_the_new_master_key(terminal: Terminal) -> None:
    """What it reads next is sealed with the new key: it opens that, and seals with it from then on."""
    services = build_services(load_settings(environ=terminal.environment))
    old = services.vault.sealer.current
    terminal.ok("keys", "rotate-master")
    with services.database.session() as db:
        ring, _published = signing_keys.load_ring(services.context(db))
    services.database.dispose()
    assert ring is not None
    assert services.vault.sealer.current != old
    sealed = services.vault.seal(b"x", table="t", row="1")
    assert services.vault.sealer.is_current(sealed)
