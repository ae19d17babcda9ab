"""The peer: npm ``oidc-provider`` with the bench's configuration, in memory or on PostgreSQL."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.machine import Cpus, Program, program, start, tree
from tests.infrastructure import free_port

PACKAGES = ("oidc-provider@9", "pg@8")


def cache() -> Path:
    """Return the folder for what the benchmark installs, outside the repository."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("BENCH_CACHE", f"{base}/lotse-bench"))


def install() -> Path:
    """Install the peer where it is not yet and return its folder; raises Unable."""
    folder = cache() / "peer"
    npm = program("npm", "apt install nodejs npm")
    if not (folder / "node_modules" / "oidc-provider" / "package.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([npm, "install", "--no-audit", "--no-fund", *PACKAGES], cwd=folder, check=True)
    return folder


def version(folder: Path) -> str:
    """Return the version that is installed."""
    manifest = folder / "node_modules" / "oidc-provider" / "package.json"
    return str(json.loads(manifest.read_text("utf-8"))["version"])


def faster_loop() -> Path | None:
    """Return a folder with uvloop for the load generator, None where it cannot be had: it is only faster."""
    folder = cache() / f"python{sys.version_info.major}.{sys.version_info.minor}"
    if not (folder / "uvloop").exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), "uvloop"]
        if subprocess.run(command, check=False).returncode:
            return None
    return folder


@dataclass(frozen=True, slots=True)
class Peer:
    """The running peer."""

    program: Program
    servers: tuple[psutil.Process, ...]
    config: Path


@contextmanager
def running(folder: Path, bench: Path, installed: Path, cpus: Cpus, *, store: str) -> Iterator[Peer]:
    """Serve the peer.

    :param store: URL of its PostgreSQL database; empty for its memory adapter.
    """
    source = bench / "peers" / "oidc-provider"
    name = "peer-postgresql" if store else "peer-memory"
    port = free_port()
    target = json.loads((source / "peer.json").read_text("utf-8"))
    target |= {"issuer": f"http://127.0.0.1:{port}", "name": name, "scenarios": []}
    config = folder / f"{name}.json"
    config.write_text(json.dumps(target), "utf-8")
    made = start(
        [program("node", "apt install nodejs"), str(source / "server.mjs")],
        f"{target['issuer']}/.well-known/openid-configuration",
        cpu=cpus.server,
        log=folder / f"{name}.log",
        folder=installed,
        environment={
            "PORT": str(port),
            "NODE_ENV": "production",
            "STORE": store,
            "PEER_DIR": str(installed),
        },
    )
    try:
        yield Peer(made, tuple(tree(made.process.pid)), config)
    finally:
        made.stop()
