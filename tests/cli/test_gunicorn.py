"""gunicorn as the second server: the same application, without ``idp serve`` (stack §2)."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.terminal import Terminal
from tests.infrastructure import free_port

START_SECONDS = 60
APPLICATION = "idp.cli.serve:application()"


@pytest.fixture
def credentials(terminal: Terminal) -> tuple[str, str]:
    """Name and secret of a client that the server knows from its start."""
    made = terminal.json("client", "create", "Auftragsdienst", "--kind", "machine")
    return made["client_id"], made["client_secret"]


@pytest.fixture
def issuer(terminal: Terminal, credentials: tuple[str, str], tmp_path: Path) -> Iterator[str]:
    """The address of gunicorn with two threads, serving the terminal's installation."""
    program = Path(sys.executable).parent / "gunicorn"
    assert shutil.which(program), "gunicorn is an extra that the locked environment has"
    port = free_port()
    address = f"http://localhost:{port}"
    log = tmp_path / "gunicorn.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [program, "--bind", f"127.0.0.1:{port}", "--threads", "2", APPLICATION],
            env={**os.environ, **terminal.environment, "LOTSE_PUBLIC_URL": address},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(f"{address}/health/ready", server, log)
        yield address
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the address answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(address, timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text("utf-8"))


@pytest.mark.slow
def test_machine_endpoints_and_pages_answer_under_gunicorn(issuer: str, credentials: tuple[str, str]) -> None:
    """A token is issued, introspected and refused, and a page is shown, as under granian.

    gunicorn takes a SCRIPT_NAME from proxies of this machine, whose callers may have sent it.
    """
    with httpx.Client(base_url=issuer) as browser:
        metadata = browser.get("/.well-known/openid-configuration").json()
        grant = {"grant_type": "client_credentials"}
        issued = browser.post(metadata["token_endpoint"], data=grant, auth=credentials)
        token = issued.json()["access_token"]
        known = browser.post(metadata["introspection_endpoint"], data={"token": token}, auth=credentials)
        refused = browser.post(metadata["token_endpoint"], data=grant, auth=(credentials[0], "wrong"))
        page = browser.get("/login")

        below = [
            browser.get(f"{issuer}{place}/account", headers={"SCRIPT_NAME": place})
            for place in ("//evil.example", "/idp")
        ]

    assert metadata["issuer"] == issuer
    assert (issued.status_code, known.json()["active"]) == (200, True)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert page.status_code == 200
    assert page.text.count("<h1") == 1
    assert [(answer.status_code, answer.headers.get("Location")) for answer in below] == [(400, None)] * 2
