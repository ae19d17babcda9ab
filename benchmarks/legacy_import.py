"""How fast old accounts are imported and wrapped: ``python -m benchmarks.legacy_import --accounts 100000``.

Starts a PostgreSQL of its own, writes a CSV file of made-up accounts (half salted SHA-1, half bcrypt),
imports it with ``idp legacy import`` and wraps a sample with ``idp legacy wrap``.  Says wall clock, CPU time
of the command and its largest size in memory; on a busy machine the CPU time is the figure to trust.
"""

import argparse
import base64
import csv
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests import infrastructure

_DIRECTORY = """
[[legacy_directory]]
slug = "servicewelt"
name = { de = "Servicewelt", en = "Servicewelt" }
"""


def write_file(path: Path, accounts: int) -> None:
    """Write a file of accounts whose names, addresses and hashes all differ."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["username", "hash", "email", "customer_number", "given_name", "family_name", "permissions"]
        )
        for at in range(accounts):
            salt = at.to_bytes(8, "big")
            digest = hashlib.sha256(salt).digest()
            text = base64.b64encode(digest).decode().replace("+", ".").replace("=", "")
            weak = "{SSHA}" + base64.b64encode(digest[:20] + salt).decode()
            strong = f"$2y$10${text[:22]}{text[12:43]}"
            name = f"kunde{at:07d}"
            row = [name, weak if at % 2 else strong, f"{name}@firma.example", f"{at % 200_000:09d}"]
            writer.writerow([*row, "Vera", name, "Belege"])


def run(environment: dict[str, str], *arguments: str) -> tuple[str, float, float, float]:
    """Run a command; return what it wrote, seconds, CPU seconds and its largest size in MB."""
    began = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "idp", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, time.monotonic() - began, cpu, after.ru_maxrss / 1024


def measure(accounts: int, wrapped: int) -> dict[str, Any]:
    """Import twice and wrap, on a PostgreSQL of this run."""
    server = infrastructure.start_postgresql()
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _measure(server.create_database("legacy"), Path(folder), accounts, wrapped)
    finally:
        server.stop()


def _measure(url: str, folder: Path, accounts: int, wrapped: int) -> dict[str, Any]:
    environment = os.environ | {"LOTSE_DATABASE__URL": url, "LOTSE_KEYS__DIRECTORY": str(folder / "keys")}
    all_of_them, sample = folder / "all.csv", folder / "sample.csv"
    write_file(all_of_them, accounts)
    write_file(sample, wrapped)
    (folder / "apply.toml").write_text(_DIRECTORY)
    (folder / "sample.toml").write_text(_DIRECTORY.replace('"servicewelt"', '"sample"'))
    run(environment, "db", "upgrade")
    for name in ("apply.toml", "sample.toml"):
        run(environment, "apply", str(folder / name))
    figures: dict[str, Any] = {"accounts": accounts}
    run(environment, "legacy", "import", str(sample), "--directory", "sample")
    wrap, seconds, cpu, _ = run(environment, "legacy", "wrap", "--json")
    figures["wrap"] = {"seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1), **json.loads(wrap)}
    for name in ("first", "again"):
        importing = ("legacy", "import", str(all_of_them), "--directory", "servicewelt", "--json")
        text, seconds, cpu, size = run(environment, *importing)
        report = json.loads(text)
        figures[name] = {
            "accepted": report["accepted"],
            "unchanged": report["unchanged"],
            "seconds": round(seconds, 1),
            "cpu_seconds": round(cpu, 1),
            "cpu_microseconds_each": round(cpu / accounts * 1e6, 1),
            "megabytes": round(size, 1),
        }
    return figures


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.legacy_import", description=__doc__)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--wrapped", type=int, default=400, help="accounts of the sample, half of them weak")
    options = parser.parse_args()
    print(json.dumps(measure(options.accounts, options.wrapped), indent=2))


if __name__ == "__main__":
    main()
