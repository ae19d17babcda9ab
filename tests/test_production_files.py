"""The files of ``docs/how-to/production``, but for what the proxies do: see ``test_production_proxies``."""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from idp.settings import load_settings
from idp.settings.models import Settings
from tests.proxies import CADDY, FOLDER, NGINX, program

UNIT = (FOLDER / "lotse.service").read_text("utf-8")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The settings with what the unit's credentials give."""
    secrets = {
        "database-url": "postgresql://lotse:x@127.0.0.1/lotse",
        "master-key": "A" * 43 + "=",
        "mail-password": "x",
    }
    for name, text in secrets.items():
        (tmp_path / name).write_text(text)
    given = dict(re.findall(r"^Environment=(LOTSE_\w+)=(.+)$", UNIT, re.MULTILINE))
    environment = {key: value.replace("%d", str(tmp_path)) for key, value in given.items()}
    return load_settings(FOLDER / "lotse.toml", environment)


def test_the_settings_are_sound_for_production(settings: Settings) -> None:
    """With the three secrets as the unit hands them over."""
    assert settings.mode == "production"
    assert settings.keys.master_key is not None
    assert settings.database.url.startswith("postgresql://")
    assert settings.mail.password is not None


@pytest.mark.parametrize("query", ["", "?sslmode=verify-full&sslrootcert=/etc/ssl/lotse/ca.crt"])
def test_a_drill_looks_at_the_restored_database(tmp_path: Path, query: str) -> None:
    """Whatever follows the name in the address; user and password may be named like the database."""
    page = (FOLDER.parent / "production.md").read_text("utf-8")
    [line] = re.findall(r"^LOTSE_DATABASE__URL=.*$", page, re.MULTILINE)
    (tmp_path / "database-url").write_text(f"postgresql://lotse:/lotse@db/lotse{query}\n")
    shown = line.replace("/etc/lotse", str(tmp_path)).replace(
        "lotse-idp doctor", "printenv LOTSE_DATABASE__URL"
    )
    done = subprocess.run(["sh", "-c", shown], capture_output=True, text=True, check=True)
    assert done.stdout == f"postgresql://lotse:/lotse@db/lotse_drill{query}\n"


def test_commands_get_what_the_unit_gets(tmp_path: Path) -> None:
    """As the unit's user, with its three secrets, whatever a password holds; without one nothing runs."""
    secrets = {
        "database-url": "postgresql://l:a$b@db/l",
        "master-key": "A" * 43 + "=",
        "mail-password": "a 'b\"",
    }
    for name, text in secrets.items():
        (tmp_path / name).write_text(text + "\n")
    environment, arguments = _as_root((FOLDER / "lotse-idp").read_text("utf-8"), tmp_path)
    assert arguments == ["-c", "account", "show", "a b"]
    assert environment == {
        "LOTSE_CONFIG": f"{tmp_path}/lotse.toml",
        "LOTSE_DATABASE__URL": secrets["database-url"],
        "LOTSE_KEYS__MASTER_KEY": secrets["master-key"],
        "LOTSE_MAIL__PASSWORD": secrets["mail-password"],
    }
    drill = {"LOTSE_DATABASE__URL": "postgresql://l@db/restored", "LOTSE_CONFIG": "other.toml"}
    environment, _ = _as_root((FOLDER / "lotse-idp").read_text("utf-8"), tmp_path, **drill)
    assert drill.items() <= environment.items()  # what the caller sets holds, as in a drill of a restore
    (tmp_path / "master-key").unlink()
    with pytest.raises(subprocess.CalledProcessError) as failed:
        _as_root((FOLDER / "lotse-idp").read_text("utf-8"), tmp_path)
    assert failed.value.stdout == ""


def test_a_mail_server_without_a_password(tmp_path: Path) -> None:
    """What the page takes out leaves files that ask for none, and settings that are sound."""
    for name in ("lotse.toml", "lotse.service", "lotse-idp"):
        shutil.copy(FOLDER / name, tmp_path)
    (tmp_path / "database-url").write_text("postgresql://lotse:x@127.0.0.1/lotse")
    (tmp_path / "master-key").write_text("A" * 43 + "=")
    page = (FOLDER.parent / "production.md").read_text("utf-8")
    commands = "\n".join(re.findall(r"^sed .+$", page, re.MULTILINE))
    commands = commands.replace("/etc/lotse", str(tmp_path)).replace("/usr/local/sbin", str(tmp_path))
    subprocess.run(["sh", "-euc", commands], check=True, cwd=tmp_path)
    environment, _ = _as_root((tmp_path / "lotse-idp").read_text("utf-8"), tmp_path)
    assert environment.keys() == {"LOTSE_CONFIG", "LOTSE_DATABASE__URL", "LOTSE_KEYS__MASTER_KEY"}
    assert load_settings(Path(environment["LOTSE_CONFIG"]), environment).mail.password is None
    unit = (tmp_path / "lotse.service").read_text("utf-8")
    assert "MAIL" not in unit
    assert "mail" not in "".join(re.findall(r"LoadCredential=.+", unit))


def _as_root(script: str, folder: Path, **given: str) -> tuple[dict[str, str], list[str]]:
    """Return the settings and arguments that idp gets from a script, with *folder* for ``/etc/lotse``."""
    to_user = "setpriv --reuid=lotse --regid=lotse --init-groups --no-new-privs "
    assert f"exec {to_user}/opt/lotse/bin/idp " in script  # not every machine of tests has the user
    script = script.replace(to_user, "").replace("/etc/lotse", str(folder))
    shown = f"{sys.executable} -c 'import json, os, sys; print(json.dumps([dict(os.environ), sys.argv]))'"
    command = ["sh", "-c", script.replace("/opt/lotse/bin/idp", shown), "lotse-idp", "account", "show", "a b"]
    own = {key: value for key, value in os.environ.items() if not key.startswith("LOTSE_")}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=own | given)
    environment, arguments = json.loads(done.stdout)
    return {key: value for key, value in environment.items() if key.startswith("LOTSE_")}, arguments


def test_the_page_runs_no_command_without_its_secrets() -> None:
    """In the shell of root, idp is the script that has them."""
    page = (FOLDER.parent / "production.md").read_text("utf-8")
    commands = re.findall(r"^```(?:console)?\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    words = [word for block in commands for line in block.splitlines() for word in line.split()[:2]]
    assert "lotse-idp" in words
    assert not {"idp", "runuser", "/opt/lotse/bin/idp"} & set(words)


def test_all_files_name_one_host_and_port(settings: Settings) -> None:
    """A portal, the certificate and the proxy agree."""
    host = settings.public_url.removeprefix("https://")
    target = f"{settings.server.host}:{settings.server.port}"
    assert set(re.findall(r"server_name ([^;]+);", NGINX)) == {host}
    assert f"server {target};" in NGINX
    assert re.search(rf"^{re.escape(host)} {{", CADDY, re.MULTILINE)
    assert f"reverse_proxy {target} {{" in CADDY
    assert settings.server.trusted_proxies
    assert str(settings.keys.directory).startswith("/var/lib/lotse/")


def test_the_unit_locks_the_server_in() -> None:
    """No rights, nothing writable but its state, secrets as credentials, SIGTERM to the parent alone."""
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(UNIT)
    service = unit["Service"]
    assert service["User"] == "lotse"
    assert service["KillMode"] == "mixed"
    assert service["CapabilityBoundingSet"] == ""
    assert service["ProtectSystem"] == "strict"
    assert service["NoNewPrivileges"] == service["ProtectHome"] == service["PrivateTmp"] == "yes"
    assert service["ExecStart"].endswith("/bin/idp --config /etc/lotse/lotse.toml serve")
    assert not any(key.startswith("ReadWritePaths") for key in service)


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """``systemd-analyze verify``: no unknown key, no wrong value."""
    verify = [program("systemd-analyze", package="systemd"), "verify", "--man=no"]
    binary = shutil.which("true")
    (tmp_path / "lotse.service").write_text(UNIT.replace("/opt/lotse/bin/idp", str(binary)))
    done = subprocess.run([*verify, tmp_path / "lotse.service"], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if "lotse.service" in line]
    assert [
        line for line in said if "Unknown" in line or "Failed to parse" in line or "Invalid" in line
    ] == []
