"""``idp doctor``: each thing that is wrong is named with its remedy; nothing is made or changed."""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from idp import egress, migrations
from idp.audit import sealer
from idp.audit.events import Event
from idp.audit.log import record
from idp.cli import examination
from idp.cli.findings import ADVICE, OK, PROBLEM, Finding
from idp.cli.state import State
from idp.context import Origin
from idp.db import Database, Look
from idp.delivery import outbox
from idp.settings import Settings, load_settings
from tests.cli.terminal import Terminal, environment_of
from tests.infrastructure import free_port
from tests.installation import unit_of_work

DISCOVERY = {"issuer": "https://login.example.de"}
ANOTHER_KEY = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="
HSTS = {"strict-transport-security": "max-age=63072000; includeSubDomains"}


@pytest.fixture
def terminal(terminal: Terminal) -> Terminal:
    """A command line on an installation whose worker has run."""
    state = state_of(terminal)
    with unit_of_work(state.services, now=datetime.now(UTC)) as ctx:
        sealer.seal(ctx)
    state.close()
    return terminal


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the public address answers."""
    said: dict[str, Any] = {"error": egress.EgressRefused("localhost: not https")}

    def fetch(url: str, **_: Any) -> egress.Response:
        if said["error"]:
            raise said["error"]
        return egress.Response(said["status"], said["body"], said["headers"])

    monkeypatch.setattr(egress, "fetch", fetch)
    return said


def findings(terminal: Terminal, exit_code: int = 0, **environment: str) -> dict[str, Mapping[str, str]]:
    """Return what the doctor finds, by what was looked at."""
    result = terminal.run("doctor", "--json", **environment)
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["ok"]) == (exit_code, exit_code == 0), result.output
    return {finding["check"]: finding for finding in answer["findings"]}


def states(found: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {check: finding["state"] for check, finding in found.items()}


def test_a_sound_installation(terminal: Terminal) -> None:
    """Everything is looked at; what production would refuse is advice."""
    found = states(findings(terminal))
    for check in ("database", "clock", "master key", "signing keys", "worker"):
        assert found[check] == OK
    assert found["database.url"] == found["server.trusted_proxies"] == ADVICE
    text = terminal.ok("doctor")
    file = terminal.environment["LOTSE_DATABASE__URL"].removeprefix("sqlite:///")
    assert f"ok       database: sqlite {file} answers" in text
    assert "  → " in text


def test_settings_that_are_refused(terminal: Terminal) -> None:
    """Every problem, each with its place; nothing else is looked at."""
    found = findings(terminal, 5, LOTSE_MODE="production", LOTSE_SERVER__PORT="99999")
    assert states(found) == dict.fromkeys(
        (
            "server.port",
            "public_url",
            "database.url",
            "server.trusted_proxies",
            "password.memory_kib",
            "mail.host",
        ),
        PROBLEM,
    )
    assert found["server.port"]["remedy"] == "Correct it: LOTSE_SERVER__PORT"
    alone = terminal.run("doctor", LOTSE_SERVER__PORT="99999")
    assert alone.stderr == "idp: 1 of 1 findings need a hand\n"


def content(folder: Path) -> tuple[list[str], list[str]]:
    """Return the files of an installation, and all that stands in its database."""
    with closing(sqlite3.connect(folder / "lotse.db")) as connection:
        rows = list(connection.iterdump())
    return sorted(str(path) for path in folder.rglob("*")), rows


def test_nothing_is_changed(terminal: Terminal, tmp_path: Path) -> None:
    """Neither in an installation that works, nor in one whose start has never been."""
    before = content(tmp_path / "installation")
    findings(terminal)
    assert content(tmp_path / "installation") == before

    (tmp_path / "new").mkdir()
    new = Terminal(environment_of(tmp_path / "new"))
    new.ok("db", "upgrade")
    before = content(tmp_path / "new")
    assert "first start makes" in findings(new, 5)["master key"]["remedy"]
    assert content(tmp_path / "new") == before
    key = {"LOTSE_KEYS__MASTER_KEY": ANOTHER_KEY}
    assert findings(new, **key)["master key"]["state"] == ADVICE
    assert content(tmp_path / "new") == before


def test_a_master_key_that_is_lost(terminal: Terminal, tmp_path: Path) -> None:
    """Where it sealed secrets, nobody is told to have another one made, and no command makes one."""
    (tmp_path / "installation" / "keys" / "master-1.key").unlink()
    before = content(tmp_path / "installation")
    found = findings(terminal, 5)["master key"]
    assert found["remedy"] == "Bring its file back, or set keys.master_key."
    assert "nothing else opens" in found["found"]
    for command in (
        ["serve", "--port", str(free_port())],
        ["jobs", "run", "--once"],
        ["keys", "rotate-master"],
    ):
        refused = terminal.run(*command)
        assert (refused.exit_code, "there is no master key" in refused.stderr) == (5, True), refused.output
    assert content(tmp_path / "installation") == before


def test_a_new_installation(tmp_path: Path) -> None:
    """No database and no master key: both are said, and neither is made."""
    terminal = Terminal(environment_of(tmp_path))
    found = findings(terminal, 5)
    assert found["database"]["remedy"] == "Run: idp db upgrade"
    assert found["master key"]["state"] == PROBLEM
    assert "signing keys" not in found
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_away(terminal: Terminal) -> None:
    """It is one finding, not a failure of the doctor."""
    found = findings(terminal, 5, LOTSE_DATABASE__URL="postgresql://lotse@127.0.0.1:1/lotse")
    assert found["database"]["found"].startswith("does not answer (OperationalError ")
    assert "Connection refused" in found["database"]["found"]


def test_another_revision(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables of another release are not read."""
    monkeypatch.setattr(migrations, "HEAD", "9999")
    found = findings(terminal, 5)
    assert found["database"]["remedy"] == "Run: idp db upgrade"
    assert found["database"]["found"].endswith("this program needs 9999")
    assert "worker" not in found


def test_the_revision_of_a_newer_release(terminal: Terminal) -> None:
    """No upgrade leads there; what does is said."""
    database = Database(terminal.environment["LOTSE_DATABASE__URL"])
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.dispose()
    found = findings(terminal, 5)["database"]
    assert found["found"] == "is at revision 9999, made by a newer release"
    assert found["remedy"] == "Start that one, or restore the backup taken before its upgrade."
    assert terminal.run("db", "upgrade").exit_code == 5


def test_a_clock_that_is_off(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than two seconds apart, tokens are refused (A3); the rest is looked at all the same."""
    monkeypatch.setattr(Database, "look", lambda _: Look(datetime.now(UTC) - timedelta(seconds=5), True))
    found = findings(terminal, 5)
    assert found["clock"]["state"] == PROBLEM
    assert found["worker"]["state"] == OK


def test_files_that_others_read(terminal: Terminal, tmp_path: Path) -> None:
    """The file of the settings and those of secrets; the group may read."""
    config = tmp_path / "lotse.toml"
    config.write_text("")
    config.chmod(0o640)
    assert "files" not in findings(terminal, LOTSE_CONFIG=str(config))
    for mode in (0o644, 0o660):
        config.chmod(mode)
        found = findings(terminal, 5, LOTSE_CONFIG=str(config))
        assert found["files"]["remedy"] == f"chmod o=,g-w {config}"


def test_the_database_s_file_is_its_owner_s_alone(terminal: Terminal, tmp_path: Path) -> None:
    """As its keys are: it is made so, with what stands beside it, and looked at like the other files."""
    (tmp_path / "new").mkdir()
    Terminal(environment_of(tmp_path / "new")).ok("db", "upgrade")
    made = tmp_path / "new" / "lotse.db"
    assert made.stat().st_mode & 0o777 == 0o600
    database = Database(f"sqlite:///{made}")
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM throttle")
        beside = {path.name: path.stat().st_mode & 0o777 for path in made.parent.glob("lotse.db-*")}
    database.dispose()
    assert beside == {"lotse.db-wal": 0o600, "lotse.db-shm": 0o600}
    file = Path(terminal.environment["LOTSE_DATABASE__URL"].removeprefix("sqlite:///"))
    file.chmod(0o644)
    assert findings(terminal, 5)["files"]["remedy"] == f"chmod o=,g-w {file}"


def test_another_master_key(terminal: Terminal) -> None:
    """It does not open the database's secrets (req 107)."""
    folder = Path(terminal.environment["LOTSE_KEYS__DIRECTORY"])
    for path in folder.glob("*.key"):
        path.write_text(ANOTHER_KEY)
    before = content(folder.parent)
    found = findings(terminal, 5)
    assert content(folder.parent) == before
    assert "another one" in found["master key"]["found"]


def test_keys_that_are_missing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the worker does not make the next one."""
    monkeypatch.setattr(examination.signing_keys, "listing", lambda _: [])
    assert "ES256, RS256" in findings(terminal, 5)["signing keys"]["found"]


def state_of(terminal: Terminal) -> State:
    state = State()
    state.__dict__["settings"] = load_settings(None, dict(terminal.environment))
    return state


def test_a_worker_that_does_not_run(terminal: Terminal) -> None:
    """Events wait to be sealed, or messages to be sent, longer than a worker would let them."""
    state = state_of(terminal)
    long_ago = datetime.now(UTC) - timedelta(minutes=5)
    with unit_of_work(state.services, now=long_ago) as ctx:
        outbox.enqueue(ctx, outbox.BACKCHANNEL_LOGOUT, "https://x.example", {}, expires_at=long_ago)
    assert findings(terminal, 5)["worker"]["found"].startswith("messages wait")
    with unit_of_work(state.services, now=long_ago) as ctx:
        record(ctx, Event.MASTER_KEY_ROTATED, new="x")
    assert findings(terminal, 5)["worker"]["found"].startswith("audit events wait")
    state.close()


@pytest.mark.parametrize(
    ("addresses", "state"),
    [
        (["10.0.0.7"] * 5, ADVICE),
        (["127.0.0.1"] * 5, ADVICE),
        (["10.0.0.7"] * 4 + ["203.0.113.5"], OK),
        (["10.0.0.7"] * 4, None),
    ],
)
def test_a_proxy_that_hides_everybody(terminal: Terminal, addresses: list[str], state: str | None) -> None:
    """All sign-ins come from the proxy: it sends no X-Forwarded-For, or is not trusted (req 58)."""
    made = state_of(terminal)
    for address in addresses:
        with unit_of_work(made.services, now=datetime.now(UTC), origin=Origin(ip=address)) as ctx:
            record(ctx, Event.SIGN_IN_SUCCEEDED)
    made.close()
    found = findings(terminal, LOTSE_SERVER__TRUSTED_PROXIES="10.0.0.0/24")
    assert found.get("proxy", {}).get("state") == state


@pytest.mark.parametrize(
    ("url", "check"),
    [
        ("postgresql://lotse@db.example/lotse", "database.url"),
        ("postgresql://lotse@10.0.0.1/lotse?sslmode=prefer", "database.url"),
        ("postgresql://lotse@db.example/lotse?sslmode=verify-full", None),
        ("postgresql://lotse@127.0.0.1/lotse", None),
        ("postgresql://lotse@localhost/lotse", None),
    ],
)
def test_connections_without_tls(url: str, check: str | None) -> None:
    """To another machine they are advised against."""
    settings = load_settings(None, {"LOTSE_DATABASE__URL": url})
    assert [finding.check for finding in examination._transport(settings)] == [check] * (check is not None)


@pytest.mark.parametrize("password", ["kY/CANARY9", "[CANARY", "a:CANARY"])
def test_no_part_of_a_password_passes_for_the_host(terminal: Terminal, password: str) -> None:
    """The URL is read as the database's driver reads it (design §7)."""
    url = f"postgresql://lotse:{password}@127.0.0.1:1/lotse"
    result = terminal.run("doctor", LOTSE_DATABASE__URL=url)
    assert result.exit_code == 5
    assert "database: does not answer" in result.stdout
    assert "database.url: 127.0.0.1" not in result.stdout  # TLS is for other machines
    assert "CANARY" not in result.output


def test_addresses_that_cannot_be_read(terminal: Terminal) -> None:
    """They are findings without what was written there, and nothing else is looked at."""
    found = findings(
        terminal,
        5,
        LOTSE_DATABASE__URL="postgresql://lotse:a@CANARY/b@127.0.0.1/lotse",
        LOTSE_REDIS__URL="redis://:aaCANARY/bb@127.0.0.1:6379/0",
    )
    assert states(found) == {"database.url": PROBLEM, "redis.url": PROBLEM}
    assert "CANARY" not in str(found)


def test_redis(terminal: Terminal, redis_url: str) -> None:
    """Where one is configured it must answer."""
    assert findings(terminal, LOTSE_REDIS__URL=redis_url)["redis"]["state"] == OK
    assert findings(terminal, 5, LOTSE_REDIS__URL="redis://127.0.0.1:1/0")["redis"]["state"] == PROBLEM
    remote = load_settings(None, {"LOTSE_REDIS__URL": "redis://redis.example"})
    assert [finding.check for finding in examination._transport(remote)] == ["redis.url"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"error": egress.EgressFailed("x: no name")}, {"public_url": PROBLEM}),
        ({"error": egress.EgressRefused("x: not public")}, {"public_url": ADVICE}),
        ({"status": 421}, {"public_url": PROBLEM}),
        ({"status": 502}, {"public_url": PROBLEM}),
        ({"body": b'{"issuer":"https://other.example"}'}, {"public_url": PROBLEM}),
        ({"body": b"[]"}, {"public_url": PROBLEM}),
        ({"headers": {}}, {"public_url": OK, "hsts": PROBLEM}),
        ({"headers": {"strict-transport-security": "max-age=3600"}}, {"public_url": OK, "hsts": PROBLEM}),
        ({}, {"public_url": OK, "hsts": OK}),
    ],
)
def test_the_public_address(outside: dict[str, Any], said: dict[str, Any], expected: dict[str, str]) -> None:
    """As a portal reads it: our issuer, Host passed on, Strict-Transport-Security (req 101, 103)."""
    outside |= {"error": None, "status": 200, "body": json.dumps(DISCOVERY).encode(), "headers": HSTS} | said
    settings = Settings(public_url="https://login.example.de")
    found: list[Finding] = list(examination.seen_from_outside(settings))
    assert {finding.check: finding.state for finding in found} == expected


def test_http_has_no_strict_transport(outside: dict[str, Any]) -> None:
    """In development nothing is missed."""
    body = b'{"issuer":"http://localhost:8000"}'
    outside |= {"error": None, "status": 200, "body": body, "headers": {}}
    assert [finding.check for finding in examination.seen_from_outside(Settings())] == ["public_url"]
