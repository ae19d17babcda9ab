"""The plan of a demo and what follows from it: addresses, settings file, portals, fingerprint (design §5)."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from idp.cli import cli
from idp.cli.demo import fingerprint
from idp.cli.demo.announcement import announcement
from idp.cli.demo.command import refuse_foreign_folder, refuse_production
from idp.cli.demo.old_portal import OLD_ACCOUNTS
from idp.cli.demo.people import EVERYTHING, PEOPLE
from idp.cli.demo.plan import Plan
from idp.cli.demo.registrations import document
from idp.cli.failures import Refused, Unready
from idp.settings import load_settings


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A plan with every flag at its default."""
    return Plan(folder=str(tmp_path), host="127.0.0.1", port=8000)


def test_addresses(plan: Plan) -> None:
    """Issuer on the port, the others on the next three."""
    assert plan.issuer == "http://localhost:8000"
    assert plan.customer_portal == "http://localhost:8001"
    assert plan.support_portal == "http://localhost:8002"
    assert plan.orders_api == "http://localhost:8003"
    assert replace(plan, port=80).issuer == "http://localhost"  # browsers send it so


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),  # noqa: S104  (a text here)
        ("::", "http://[::1]:8000"),
        ("::1", "http://[::1]:8000"),
    ],
)
def test_own_address(plan: Plan, host: str, expected: str) -> None:
    """How the provider is reached on this machine, whatever it listens on."""
    assert replace(plan, host=host).own_address == expected


def test_the_settings_file_is_accepted(plan: Plan, tmp_path: Path) -> None:
    """What the demo writes is a valid settings file, in demo mode, on SQLite in its folder."""
    authority = tmp_path / 'ca "1".pem'
    authority.write_text("-", "utf-8")
    proxied = replace(plan, public_url="https://login.example", trust_ca=str(authority))
    for each in (plan, proxied):
        plan.settings_file.write_text(each.settings(), "utf-8")
        settings = load_settings(plan.settings_file, environ={})
        assert settings.mode == "demo"
        assert settings.public_url == each.issuer
        assert settings.database.url == f"sqlite:///{tmp_path}/lotse.db"
        assert settings.keys.directory == tmp_path / "keys"
        assert settings.egress.allow_loopback
        assert bool(settings.server.trusted_proxies) is bool(each.public_url)
    assert settings.egress.trust_ca_file == authority


def test_a_plan_survives_the_way_to_another_process(plan: Plan) -> None:
    """Nothing is lost in its text."""
    full = replace(plan, client_redirects=("a", "b"), client_logout_redirects=("c",), trust_ca="/ca.pem")
    assert Plan.from_json(full.to_json()) == full


def test_portals(plan: Plan) -> None:
    """Each program gets its own port, address and secret."""
    config = plan.portals({"customer-portal": "1", "support-portal": "2", "orders-api": "3"})
    assert [
        config[name]["client_secret"] for name in ("customer_portal", "support_portal", "orders_api")
    ] == [*("1", "2", "3")]
    assert config["support_portal"]["port"] == 8002
    assert config["issuer"] == plan.issuer


def test_the_probes_are_made_only_when_asked_for(plan: Plan) -> None:
    """Without the flag there are the four clients of the demo."""
    assert len(document(plan)["client"]) == 4
    clients = document(replace(plan, client_redirects=("https://rp.example/cb",)))["client"]
    assert [client["client_id"] for client in clients[4:]] == ["probe", "probe-public"]


def test_the_catalogue_has_what_people_are_given(plan: Plan) -> None:
    """Every permission of the cast is in the catalogue of the customer portal, in its order."""
    (catalogue,) = document(plan)["catalogue"]
    assert tuple(entry["key"] for entry in catalogue["permission"]) == EVERYTHING
    assert {key for person in PEOPLE for key in person.permissions} <= set(EVERYTHING)


def test_the_announcement_names_everybody(plan: Plan) -> None:
    """Passwords and app secrets are printed: nobody has to open a file."""
    text = announcement(plan, seconds=2.04)
    assert "after 2.0 s" in text
    for person in PEOPLE:
        assert person.username in text
        assert person.password is None or person.password in text
    for old in OLD_ACCOUNTS:
        assert f"{old.username}" in text
        assert old.password in text


def test_fingerprint(plan: Plan, tmp_path: Path) -> None:
    """A folder counts as prepared for exactly this plan while all its files are there."""
    assert not fingerprint.is_prepared(plan)
    for name in ("lotse.db", "demo.json", "portals.json", "client-secrets.json"):
        tmp_path.joinpath(name).touch()
    fingerprint.note(plan)
    assert fingerprint.is_prepared(plan)
    assert not fingerprint.is_prepared(replace(plan, port=9000))
    tmp_path.joinpath("demo.json").unlink()
    assert not fingerprint.is_prepared(plan)
    tmp_path.joinpath("demo.json").touch()
    fingerprint.forget(plan)
    assert not fingerprint.is_prepared(plan)


@pytest.mark.parametrize("mode", ["production", "development"])
def test_production_is_refused_by_file_and_environment(tmp_path: Path, mode: str) -> None:
    """Wherever it stands that this is production, the demo does not start."""
    config = tmp_path / "lotse.toml"
    config.write_text(f'mode = "{mode}"\n', "utf-8")
    if mode == "production":
        with pytest.raises(Refused):
            refuse_production(config, {})
        with pytest.raises(Refused):
            refuse_production(None, {"LOTSE_MODE": mode})
    else:
        refuse_production(config, {})
        refuse_production(None, {"LOTSE_MODE": mode})
    config.write_text("mode = ", "utf-8")
    with pytest.raises(Unready, match="cannot be read"):
        refuse_production(config, {})


def test_a_folder_of_another_installation_is_refused(tmp_path: Path) -> None:
    """The demo writes only into folders that are new or its own."""
    refuse_foreign_folder(tmp_path / "new")
    tmp_path.joinpath("lotse.db").touch()
    with pytest.raises(Refused, match="--dir"):
        refuse_foreign_folder(tmp_path)
    tmp_path.joinpath("lotse.toml").write_text('mode = "production"\n', "utf-8")
    with pytest.raises(Refused):
        refuse_foreign_folder(tmp_path)
    tmp_path.joinpath("lotse.toml").write_text('mode = "demo"\n', "utf-8")
    refuse_foreign_folder(tmp_path)


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("http://login.example", 2),
        ("http://localhost.example", 2),
        ("ftp://localhost", 2),
        ("login.example", 2),
        ("http://[::1", 2),
        ("https://login.example", 5),
        ("http://localhost:9000", 5),
        ("http://127.0.0.1:9000/", 5),
        ("http://[::1]:9000", 5),
    ],
)
def test_the_public_address_is_a_tls_proxys(tmp_path: Path, address: str, code: int) -> None:
    """Passwords and cookies go there: plain http is for this machine. Here the port is taken (5)."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        words = ["demo", "--dir", str(tmp_path / "data"), "--port", port, "--public-url", address]
        refused = CliRunner().invoke(cli, words)
    assert (refused.exit_code, "--public-url" in refused.output) == (code, code == 2), refused.output
    assert not (tmp_path / "data").exists()
