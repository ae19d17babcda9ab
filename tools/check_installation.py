"""Checks an installed Lotse from outside: ``idp demo`` starts in an empty folder, serves and stops.

Usage: ``python tools/check_installation.py PATH-OF-idp``; needs the standard library alone.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

START_SECONDS = 90
STOP_SECONDS = 20


def get(url: str) -> str:
    """Return the body of an answer with status 200; raises URLError."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  (an address the demo wrote itself)
        return str(answer.read().decode("utf-8"))


def wait_for(program: subprocess.Popen[bytes], note: Path, log: Path) -> dict[str, object]:
    """Return what ``demo.json`` says once the issuer answers; ends with the log when it does not."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and program.poll() is None:
        if note.exists():
            demo: dict[str, object] = json.loads(note.read_text("utf-8"))
            try:
                get(f"{demo['issuer']}/health/ready")
            except OSError:
                pass
            else:
                return demo
        time.sleep(0.2)
    raise SystemExit(f"idp demo did not start within {START_SECONDS} s:\n{log.read_text('utf-8')}")


def origins(demo: dict[str, object]) -> set[str]:
    """Return scheme, host and port of each portal that the demo registered."""
    uris: list[str] = []
    for client in demo["clients"]:  # type: ignore[attr-defined]
        uris += client["redirect_uris"]
    return {f"{urlsplit(uri).scheme}://{urlsplit(uri).netloc}" for uri in uris}


def check(demo: dict[str, object]) -> None:
    """Ask for what a first visitor asks for: documents, pages, static files, both portals."""
    issuer = demo["issuer"]
    discovery = json.loads(get(f"{issuer}/.well-known/openid-configuration"))
    assert discovery["issuer"] == issuer, discovery
    assert json.loads(get(discovery["jwks_uri"]))["keys"]
    portals = origins(demo)
    assert len(portals) >= 2, portals
    for page in (f"{issuer}/", f"{issuer}/login", *portals):
        assert "<h1" in get(page), page


def check_stopped(demo: dict[str, object], group: int) -> None:
    """Raise SystemExit when a process of the demo is left, or one of its ports still answers."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        pass
    else:
        os.killpg(group, signal.SIGKILL)
        raise SystemExit("idp demo left a process behind")
    for origin in {str(demo["issuer"]), *origins(demo)}:
        try:
            get(origin)
        except urllib.error.HTTPError:
            pass  # an answer of any status is one
        except OSError:
            continue
        raise SystemExit(f"{origin} still answers after idp demo has ended")


def main(program: str) -> None:
    """Start, check and stop the demo; raises SystemExit with the reason where something is missing."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("LOTSE_", "PYTHON"))
        }
        with log.open("wb") as output:
            demo_program = subprocess.Popen(
                [program, "demo", "--port", "0", "--dir", "data"],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            demo = wait_for(demo_program, Path(folder) / "data" / "demo.json", log)
            check(demo)
            demo_program.send_signal(signal.SIGINT)
            code = demo_program.wait(STOP_SECONDS)
        except BaseException:
            os.killpg(demo_program.pid, signal.SIGKILL)
            raise
        if code:
            raise SystemExit(f"idp demo ended with {code}:\n{log.read_text('utf-8')}")
        check_stopped(demo, demo_program.pid)
    sys.stdout.write(f"{program}: demo starts, serves and stops\n")


if __name__ == "__main__":
    main(sys.argv[1])
