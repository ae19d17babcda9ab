"""``python -m clients``: three programs in one process, started and stopped with a word."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients.running import config_for, running_clients
from tests.infrastructure import free_port

pytestmark = pytest.mark.enable_socket


def failing(path: Path) -> str:
    """What the program says when it cannot start; it must end by itself, with 1."""
    ended = subprocess.run(
        [sys.executable, "-m", "clients", "--config", path], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    return ended.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_three_run_without_the_issuer_and_stop_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """They start before the issuer does, say where they are, serve, and end with 0 without a word more."""
    config = config_for(f"http://127.0.0.1:{free_port()}")
    with running_clients(config, tmp_path) as process:
        with httpx.Client(trust_env=False, timeout=30) as http:
            assert "Jetzt anmelden" in http.get(config["customer_portal"]["base_url"]).text
            assert "Wie können wir helfen" in http.get(config["support_portal"]["base_url"]).text
            assert http.get(config["orders_api"]["base_url"]).json()["issuer"] == config["issuer"]
            assert http.get(config["orders_api"]["base_url"] + "/orders").status_code == 401
            away = http.get(config["customer_portal"]["base_url"] + "/login")
            assert away.status_code == 503
            assert away.headers["Server"] == "portal"
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "Traceback" not in errors
        assert "GET /" not in output + errors


def test_taken_port_is_said_in_a_sentence(tmp_path: Path) -> None:
    """The port and the remedy are named."""
    config = config_for("http://127.0.0.1:1")
    path = tmp_path / "clients.json"
    path.write_text(json.dumps(config))
    with socket.create_server(("127.0.0.1", config["support_portal"]["port"])):
        said = failing(path)
    assert f"port {config['support_portal']['port']}" in said
    assert "choose another port" in said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"issuer": None}, "issuer is not usable"),
        ({"orders_api": {}}, "base_url is missing"),
        ({"orders_api": []}, "not the JSON"),
        ({"trust_ca": "/nowhere.pem"}, "No such file"),
    ],
)
def test_unusable_configuration_is_said_in_a_sentence(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    """What is missing or wrong is named."""
    path = tmp_path / "clients.json"
    path.write_text(json.dumps({**config_for("http://127.0.0.1:1"), **change}))
    assert words in failing(path)


def test_missing_and_broken_files_are_said_in_a_sentence(tmp_path: Path) -> None:
    """So are a file that is not there and one that is not JSON."""
    assert "cannot be read" in failing(tmp_path / "none.json")
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    assert "not the JSON" in failing(broken)


def test_clients_end_with_the_program_that_started_them(tmp_path: Path) -> None:
    """With ``--stop-with-parent`` nothing is left behind when the starting program is killed."""
    config = config_for("http://127.0.0.1:1")
    path = tmp_path / "clients.json"
    path.write_text(json.dumps(config))
    reader, writer = os.pipe()
    program = (
        "import subprocess, sys, time;"
        f"command = [sys.executable, '-m', 'clients', '--config', {str(path)!r}, '--stop-with-parent'];"
        f"subprocess.Popen(command, stdout={writer}, pass_fds=[{writer}]); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], pass_fds=[writer])
    os.close(writer)
    with os.fdopen(reader) as output:
        assert output.readline().startswith("customer_portal=")
        parent.kill()
        parent.wait()
        # The pipe's end is the children's end: nobody is left who could write into it.
        assert output.read() == ""
