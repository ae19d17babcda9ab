"""The files of ``docs/how-to/production``: loaded by the programs they are for where those are installed."""

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from idp.settings import load_settings
from idp.settings.models import Settings

FOLDER = Path(__file__).parent.parent / "docs" / "how-to" / "production"
NGINX = (FOLDER / "nginx.conf").read_text("utf-8")
CADDY = (FOLDER / "Caddyfile").read_text("utf-8")
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


def test_nginx_passes_on_what_counts() -> None:
    """TLS 1.2 and 1.3, Host unchanged, the caller's address set, no query logged (req 58, 101, 103)."""
    for line in (
        "ssl_protocols       TLSv1.2 TLSv1.3;",
        "proxy_set_header Host $host;",
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_request_buffering     on;",
        "client_max_body_size        64k;",
    ):
        assert line in NGINX
    (logged,) = re.findall(r"log_format lotse ([^;]+);", NGINX)
    assert "$uri" in logged
    assert not re.search(r"\$request\b|\$request_uri|\$args|\$http_", logged)
    assert "add_header" not in NGINX  # ours would be sent twice


def test_nginx_takes_the_file(tmp_path: Path) -> None:
    """``nginx -t``, with a certificate of a minute; without nginx its braces and semicolons."""
    statements = [line.split("#")[0].strip() for line in NGINX.splitlines()]
    assert NGINX.count("{") == NGINX.count("}")
    assert all(re.search(r"[;{}']$", line) for line in statements if line)
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        return
    subject = ["-subj", "/CN=login.example.de", "-days", "1", "-nodes", "-newkey", "rsa:2048"]
    files = ["-keyout", tmp_path / "privkey.pem", "-out", tmp_path / "fullchain.pem"]
    subprocess.run(["openssl", "req", "-x509", *subject, *files], check=True, capture_output=True)
    text = NGINX.replace("/etc/ssl/lotse", str(tmp_path)).replace("/var/log/nginx", str(tmp_path))
    (tmp_path / "lotse.conf").write_text(text)
    whole = f"pid {tmp_path}/pid; error_log stderr;\nevents {{}}\nhttp {{ include {tmp_path}/lotse.conf; }}\n"
    (tmp_path / "nginx.conf").write_text(whole)
    done = subprocess.run(
        [program, "-t", "-e", "stderr", "-p", tmp_path, "-c", tmp_path / "nginx.conf"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_caddy_takes_the_file() -> None:
    """``caddy adapt`` where it is installed; blocks close, bodies are waited for, no query is logged."""
    assert CADDY.count("{") == CADDY.count("}")
    for line in ("protocols tls1.2 tls1.3", "request_buffers 64KiB", "request>uri regexp", "keepalive 5s"):
        assert line in CADDY
    program = shutil.which("caddy")
    if program is not None:
        command = [program, "adapt", "--adapter", "caddyfile", "--config", FOLDER / "Caddyfile"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


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
    """``systemd-analyze verify`` where it is installed: no unknown key, no wrong value."""
    program = shutil.which("systemd-analyze")
    if program is None:
        return
    binary = shutil.which("true")
    (tmp_path / "lotse.service").write_text(UNIT.replace("/opt/lotse/bin/idp", str(binary)))
    done = subprocess.run(
        [program, "verify", "--man=no", tmp_path / "lotse.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if "lotse.service" in line]
    assert [
        line for line in said if "Unknown" in line or "Failed to parse" in line or "Invalid" in line
    ] == []
