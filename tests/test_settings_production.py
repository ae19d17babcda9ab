"""``mode = \"production\"`` refuses what is unsafe, each by its key (design §5; req 97, 107)."""

from pathlib import Path
from typing import Any

import pytest

from idp.cli.examination import settings_and_files
from idp.settings import Problem, load_settings
from tests.test_settings import MASTER_KEY, problems

PRODUCTION = {
    "mode": "production",
    "public_url": "https://login.example.de",
    "database.url": "postgresql://lotse@db/lotse",
    "server.trusted_proxies": ["10.1.2.3/32"],
    "mail.host": "mail.example.de",
    "mail.from_address": "konto@example.de",
}


@pytest.mark.parametrize("mode", ["development", "demo"])
def test_http_is_for_development_and_demo(mode: str) -> None:
    """A plain address is accepted outside production alone."""
    settings = load_settings(None, {}, {"mode": mode, "public_url": "http://192.168.1.5:8000"})

    assert settings.issuer == "http://192.168.1.5:8000"
    (problem,) = problems(overrides=PRODUCTION | {"public_url": "http://login.example.de"})
    assert problem == Problem("command line", "public_url", "production needs https")


def test_production_takes_sqlite_only_when_told() -> None:
    """SQLite in production is wanted on purpose (design §2, Storage)."""
    sqlite = PRODUCTION | {"database.url": "sqlite:////var/lib/lotse/lotse.db"}

    assert [problem.key for problem in problems(overrides=sqlite)] == ["database.url"]
    assert load_settings(None, {}, sqlite | {"database.allow_sqlite": True}).secure
    assert load_settings(None, {}, PRODUCTION).mode == "production"


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        ({"server.port": 0}, "server.port"),
        ({"server.trusted_proxies": []}, "server.trusted_proxies"),
        ({"server.trusted_proxies": ["0.0.0.0/0"]}, "server.trusted_proxies"),
        ({"throttle.exempt_networks": ["128.0.0.0/1"]}, "throttle.exempt_networks"),
        ({"throttle.exempt_networks": ["::/0"]}, "throttle.exempt_networks"),
        ({"egress.allow_loopback": True}, "egress.allow_loopback"),
        ({"logging.level": "debug"}, "logging.level"),
        ({"tokens.code_seconds": 61}, "tokens.code_seconds"),
        ({"password.memory_kib": 7167, "password.time_cost": 20}, "password.memory_kib"),
        ({"password.memory_kib": 19456, "password.time_cost": 1}, "password.memory_kib"),
        ({"support.help_url": "http://www.example.de/hilfe"}, "support.help_url"),
        ({"legal.privacy_url": "http://www.example.de"}, "legal.privacy_url"),
        ({"support.help_url": "HTTP://www.example.de"}, "support.help_url"),
        ({"mail.host": None}, "mail.host"),
        ({"mail.security": "none"}, "mail.security"),
        ({"mail.security": "none", "mail.host": "10.0.0.5", "mail.from_address": "k@x.de"}, "mail.security"),
    ],
)
def test_production_refuses_what_is_unsafe(overrides: dict[str, Any], key: str) -> None:
    """What a server on the internet must not have; development may, and the doctor says the same."""
    assert [problem.key for problem in problems(overrides=PRODUCTION | overrides)] == [key]
    assert load_settings(None, {}, overrides).mode == "development"
    later = load_settings(None, {}, PRODUCTION | overrides | {"mode": "development"})
    advice = [finding for finding in settings_and_files(later, None) if finding.state == "advice"]
    assert [finding.check for finding in advice if "production refuses this" in finding.found] == [key]


@pytest.mark.parametrize(
    "overrides",
    [
        {"server.trusted_proxies": ["104.16.0.0/13", "2400:cb00::/32"]},
        {"throttle.exempt_networks": ["10.0.0.0/8", "fc00::/7", "127.0.0.0/8"]},
        {"mail.security": "none", "mail.host": "localhost"},
        {"mail.security": "none", "mail.host": "127.0.0.9"},
        {"mail.security": "none", "mail.host": "::1"},
        {"mail.security": "tls", "mail.port": 465, "mail.username": "x", "mail.password": "y"},
        {"password.memory_kib": 7168, "password.time_cost": 5},
        {"password.memory_kib": 47104, "password.time_cost": 1},
    ],
)
def test_production_takes_what_is_safe(overrides: dict[str, Any]) -> None:
    """A large proxy's networks, private ones, and each of OWASP's costs."""
    assert load_settings(None, {}, PRODUCTION | overrides).mode == "production"


def test_production_refuses_a_folder_of_keys_that_others_change(tmp_path: Path) -> None:
    """The master key opens everything; a folder that does not exist yet is made for its owner alone."""
    wanted = PRODUCTION | {"keys.directory": tmp_path / "keys"}
    assert load_settings(None, {}, wanted).mode == "production"
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys").chmod(0o770)
    (problem,) = problems(overrides=wanted)
    assert (problem.key, "chmod 700" in problem.message) == ("keys.directory", True)
    assert load_settings(None, {}, wanted | {"keys.master_key": MASTER_KEY}).mode == "production"
    (tmp_path / "keys").chmod(0o755)
    assert load_settings(None, {}, wanted).mode == "production"
