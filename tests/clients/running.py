"""The example clients as a process of their own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.infrastructure import free_port


def config_for(issuer: str) -> dict[str, Any]:
    """A configuration with free ports."""
    config: dict[str, Any] = {"issuer": issuer, "host": "127.0.0.1", "trust_ca": None}
    for name in ("customer_portal", "support_portal", "orders_api"):
        port = free_port()
        config[name] = {
            "port": port,
            "base_url": f"http://127.0.0.1:{port}",
            "client_id": name.replace("_", "-"),
            "client_secret": "secret",
        }
    return config


@contextmanager
def running_clients(config: dict[str, Any], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The process, from its ready line on."""
    path = folder / "clients.json"
    path.write_text(json.dumps(config))
    process = subprocess.Popen(
        [sys.executable, "-m", "clients", "--config", path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("customer_portal=http://")
        yield process
    finally:
        process.kill()
        process.communicate()
