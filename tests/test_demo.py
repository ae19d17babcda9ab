"""``idp demo`` as scripts and evaluators use it: started, looked at, stopped (design §5)."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import psutil
import pytest
from click.testing import CliRunner

from idp.cli import cli
from idp.cli.demo.plan import PORTS
from tests.demo_process import Demo, run, start
from tests.infrastructure import free_port

CALLBACK = "http://localhost:9/callback"
_START = ("--client-redirect", CALLBACK, "--client-logout-redirect", "http://localhost:9/bye")
_MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo for the tests of this module that only look."""
    running = start(tmp_path_factory.mktemp("demo") / "data", *_START)
    yield running
    if running.process.poll() is None:
        running.stop()


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    """Follows redirects and keeps cookies."""
    with httpx.Client(follow_redirects=True, timeout=30) as client:
        yield client


def _submit(browser: httpx.Client, page: httpx.Response, **fields: str) -> httpx.Response:
    """Send the form of a page, as a browser does."""
    action = re.search(r'<form[^>]* action="([^"]*)"', page.text)
    token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page.text)
    assert action is not None
    assert token is not None
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(str(page.url)))
    return browser.post(
        urljoin(str(page.url), action[1].replace("&amp;", "&")),
        data={"csrf_token": token[1], **fields},
        headers={"Origin": origin},
    )


def test_every_part_answers(demo: Demo, browser: httpx.Client) -> None:
    """Discovery names the issuer; the sign-in page, both portals and the API answer."""
    facts = demo.facts
    configuration = browser.get(facts["issuer"] + "/.well-known/openid-configuration").json()
    assert configuration["issuer"] == facts["issuer"]
    assert browser.get(configuration["jwks_uri"]).json()["keys"]
    assert "Anmelden" in browser.get(facts["issuer"] + "/login").text
    assert browser.get(facts["customer_portal"]).status_code == 200
    assert browser.get(facts["support_portal"]).status_code == 200
    assert browser.get(facts["orders_api"] + "/orders").status_code == 401


def test_ports_are_neighbours(demo: Demo) -> None:
    """Portals and API stand on the ports after the provider's."""
    names = ("issuer", "customer_portal", "support_portal", "orders_api")
    first, *others = (urlsplit(demo.facts[name]).port for name in names)
    assert first is not None
    assert others == [first + 1, first + 2, first + 3]


def test_it_prints_what_to_open_and_who_can_sign_in(demo: Demo) -> None:
    """Addresses, people with passwords and app secrets, and what to do next."""
    for name in ("issuer", "customer_portal", "support_portal", "outbox"):
        assert demo.facts[name] in demo.shown
    for person in demo.facts["people"]:
        assert person["username"] in demo.shown
        assert (person["password"] or "-") in demo.shown
        assert (person["totp_secret"] or "-") in demo.shown


def test_demo_json_has_the_cast(demo: Demo) -> None:
    """The names that scripts outside rely on, and the people of the design."""
    people = {person["username"]: person for person in demo.facts["people"]}
    assert list(people) == ["anna", "ben", "clara", "dora", "emil", "inga", "paul", "felix", "olga"]
    assert {name for person in people.values() for name in person} >= {
        *("role", "username", "email", "password", "totp_secret", "organization")
    }
    assert {name for name, person in people.items() if person["totp_secret"]} == {"anna", "clara", "olga"}
    assert all(len(person["password"]) >= 15 for person in people.values() if person["password"])
    assert people["anna"]["role"] == "administrator"
    assert people["felix"]["organization"] == "Beispiel AG"
    assert demo.facts["organizations"] == [
        {"name": "Muster GmbH", "customer_number": "100200300", "has_administrator": True},
        {"name": "Beispiel AG", "customer_number": "100200400", "has_administrator": False},
    ]
    assert [found["username"] for found in demo.facts["legacy"]] == ["smueller", "kweber", "tkranz"]
    assert {found["customer_number"] for found in demo.facts["legacy"]} == {"100200300", "100200400"}


def test_demo_json_is_for_its_owner_alone(demo: Demo) -> None:
    """It holds secrets, and the folder a database with people."""
    assert demo.folder.stat().st_mode & 0o077 == 0
    for name in ("demo.json", "portals.json", "client-secrets.json", "lotse.toml"):
        assert (demo.folder / name).stat().st_mode & 0o077 == 0


def test_the_doctor_finds_a_demo_sound(demo: Demo) -> None:
    """Whoever tries the product out tries this command, too; what production wants is advice."""
    doctor = CliRunner().invoke(cli, ["--config", str(demo.folder / "lotse.toml"), "doctor"])
    assert doctor.exit_code == 0, doctor.output


def test_probe_clients(demo: Demo, browser: httpx.Client) -> None:
    """``--client-redirect`` adds a confidential and a public client; the secret works."""
    clients = {client["client_id"]: client for client in demo.facts["clients"]}
    probe, public = clients["probe"], clients["probe-public"]
    assert probe["token_endpoint_auth_method"] == "client_secret_basic"
    assert probe["redirect_uris"] == public["redirect_uris"] == [CALLBACK]
    assert probe["post_logout_redirect_uris"] == ["http://localhost:9/bye"]
    assert public["client_secret"] is None
    assert public["token_endpoint_auth_method"] == "none"
    configuration = browser.get(demo.facts["issuer"] + "/.well-known/openid-configuration").json()
    answer = browser.post(
        configuration["token_endpoint"],
        data={"grant_type": "client_credentials"},
        auth=("probe", probe["client_secret"]),
    )
    assert answer.status_code == 200, answer.text
    seen = browser.post(
        configuration["introspection_endpoint"],
        data={"token": answer.json()["access_token"]},
        auth=("probe", probe["client_secret"]),
    )
    assert seen.json()["active"] is True


def test_ben_signs_in_and_the_second_portal_needs_no_password(demo: Demo, browser: httpx.Client) -> None:
    """The main thing: from the portal to the sign-in page and back, then single sign-on."""
    ben = demo.person("ben")
    page = browser.get(demo.facts["customer_portal"] + "/login")
    assert str(page.url).startswith(demo.facts["issuer"])
    home = _submit(browser, page, username="ben", password=ben["password"])
    assert str(home.url).startswith(demo.facts["customer_portal"])
    assert "Ben" in home.text
    second = browser.get(demo.facts["support_portal"] + "/login")
    assert str(second.url).startswith(demo.facts["support_portal"])


def test_a_device_without_a_browser(demo: Demo, browser: httpx.Client) -> None:
    """``python -m clients.device_cli``: a code, a click in somebody's browser, the verified claims."""
    command = [sys.executable, "-m", "clients.device_cli", "--issuer", demo.facts["issuer"]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        lines = iter(program.stdout.readline, "Waiting …\n")
        address = next(line.removeprefix("Or open ").strip() for line in lines if line.startswith("Or open"))
        page = _submit(browser, browser.get(address), code=address.rpartition("=")[2])
        ben = demo.person("ben")
        page = _submit(browser, page, username="ben", password=ben["password"])
        assert "Beispielterminal" in page.text
        confirmation = re.search(r'name="confirmation" value="([^"]+)"', page.text)
        assert confirmation is not None
        page = _submit(browser, page, confirmation=confirmation[1], choice="connect")
        assert "Gerät verbunden" in page.text
        said = program.stdout.read()
        assert program.wait(timeout=60) == 0
    claims = json.loads(said[said.index("{") :])
    assert claims["iss"] == demo.facts["issuer"]
    assert claims["aud"] == "device-cli"
    assert claims["organization"]["name"] == "Muster GmbH"


@pytest.mark.parametrize("username", ["dora", "emil"])
def test_who_may_not_enter_stays_outside(demo: Demo, browser: httpx.Client, username: str) -> None:
    """Who is blocked or waits does not reach the portal, also with the right password (req 23)."""
    page = browser.get(demo.facts["customer_portal"] + "/login")
    after = _submit(browser, page, username=username, password=demo.person(username)["password"])
    assert str(after.url).startswith(demo.facts["issuer"])


def test_outbox_is_a_page_and_json(demo: Demo, browser: httpx.Client) -> None:
    """People read a page, scripts a list."""
    page = browser.get(demo.facts["outbox"])
    assert page.status_code == 200
    assert page.text.count("<h1>") == 1
    answer = browser.get(demo.facts["outbox"], headers={"Accept": "application/json"})
    assert answer.headers["content-type"] == "application/json"
    assert {message["kind"] for message in answer.json()} <= {"mail"}  # other tests sign in before


def test_a_second_demo_in_the_same_folder_is_refused(demo: Demo) -> None:
    """Two would fight over one database."""
    code, said = run(demo.folder, "--port", "0")
    assert code == 5
    assert "a demo runs in" in said
    assert "--dir" in said


def test_a_taken_port_is_said_with_the_remedy(tmp_path: Path) -> None:
    """Nothing is written; the sentence names the port and another way."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1] - 1
        code, said = run(tmp_path / "data", "--port", str(port))
    assert code == 5
    assert f"port {port + 1} on 127.0.0.1 cannot be used" in said or f"port {port} on" in said
    assert "idp demo --port 0" in said
    assert not (tmp_path / "data").exists()


@pytest.mark.slow
def test_a_redirect_uri_that_breaks_the_rules_is_refused(tmp_path: Path) -> None:
    """The demo registers nothing that an operator could not register (req 1)."""
    code, said = run(tmp_path / "data", "--port", "0", "--client-redirect", "http://portal.example/cb")
    assert code == 4
    assert "redirect_uris" in said
    assert not (tmp_path / "data" / "demo.json").exists()


def test_production_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """People with known passwords never come near a production installation."""
    monkeypatch.setenv("LOTSE_MODE", "production")
    code, said = run(tmp_path / "data", "--port", "0")
    assert code == 4
    assert "mode is production" in said
    assert not (tmp_path / "data").exists()


def _until_gone(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Wait until processes have ended and return those that have not."""
    _, alive = psutil.wait_procs(processes, timeout=30)
    return alive


def _free(ports: range) -> Callable[[], bool]:
    def check() -> bool:
        for port in ports:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        return True

    return check


@pytest.mark.slow
def test_stop_and_start_again(tmp_path: Path) -> None:
    """Ctrl-C ends every process and frees the ports; the next start keeps people, changes and secrets."""
    folder = tmp_path / "data"
    running = start(folder)
    before, tree = running.facts, running.tree()
    first = urlsplit(before["issuer"]).port or 0
    config = str(folder / "lotse.toml")
    blocked = [sys.executable, "-m", "idp", "--config", config, "account", "block", "ben"]
    subprocess.run(blocked, check=True, capture_output=True)
    assert running.stop(signal.SIGINT) == 0
    assert _until_gone(tree) == []
    assert _free(range(first, first + 4))()

    again = start(folder, "--port", str(first))
    secrets = {client["client_id"]: client["client_secret"] for client in again.facts["clients"]}
    assert secrets == {client["client_id"]: client["client_secret"] for client in before["clients"]}
    show = [sys.executable, "-m", "idp", "--config", config, "account", "show", "ben", "--json"]
    done = subprocess.run(show, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout)["status"] == "blocked"
    tree = again.tree()
    assert again.stop(signal.SIGTERM) == 0
    assert _until_gone(tree) == []


def _memory(process: psutil.Process) -> int:
    """Return a process's share in bytes: what several use together counts once (only Linux knows that)."""
    size = process.memory_full_info()
    return int(getattr(size, "pss", size.uss))


@pytest.mark.slow
def test_memory_in_use_and_nothing_left_after_a_kill(
    tmp_path: Path, browser: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All processes together take at most 400 MB after a sign-in; killed outright, none is left behind."""
    for name in [name for name in os.environ if name.startswith("COVERAGE")]:
        monkeypatch.delenv(name)  # its tracer would be measured too, and a kill leaves it nothing to report
    running = start(tmp_path / "data")
    page = browser.get(running.facts["customer_portal"] + "/login")
    _submit(browser, page, username="ben", password=running.person("ben")["password"])
    browser.get(running.facts["support_portal"] + "/login")
    tree = running.tree()
    memory = sum(_memory(process) for process in tree)
    assert running.stop(signal.SIGKILL) == -signal.SIGKILL
    assert len(tree) >= 7
    assert _until_gone(tree[1:]) == []
    assert 100 * _MEGABYTE < memory <= 400 * _MEGABYTE


@pytest.mark.slow
def test_a_part_that_dies_ends_the_demo(tmp_path: Path) -> None:
    """A demo without portals is none: it says which part ended, and stops the rest."""
    running = start(tmp_path / "data")
    tree = running.tree()
    portals = next(process for process in tree if "clients" in process.cmdline())
    portals.kill()
    said = running.process.stdout.read() if running.process.stdout else ""
    assert running.process.wait(timeout=30) == 1
    assert "the portals ended by itself" in said
    assert _until_gone(tree) == []
    if running.process.stdout:
        running.process.stdout.close()


@pytest.mark.slow
def test_behind_a_proxy(tmp_path: Path) -> None:
    """With ``--public-url`` the issuer is the proxy's address, and the server answers to that name."""
    port = free_port(PORTS)
    running = start(tmp_path / "data", "--port", str(port), "--public-url", "https://login.example")
    path = f"http://127.0.0.1:{port}/.well-known/openid-configuration"
    answer = httpx.get(path, headers={"Host": "login.example"})
    assert answer.json()["issuer"] == "https://login.example"
    assert running.stop() == 0
