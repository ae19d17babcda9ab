"""One run of the load generator, and the median of several."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.machine import Cpus, Unable

#: shares of a CPU above which answers per second say more about the machine than about the server
MAX_FOREIGN = 0.15
MAX_GENERATOR = 0.9


@dataclass(frozen=True, slots=True)
class Load:
    """How load is made."""

    bench: Path
    cpus: Cpus
    connections: int
    seconds: float
    #: PYTHONPATH with uvloop
    faster_loop: Path | None


@dataclass(frozen=True, slots=True)
class Figures:
    """What one server gave, as medians of its runs."""

    per_second: float
    #: answers per second of CPU that the serving process used
    per_cpu_second: float
    p50_ms: float
    p99_ms: float
    #: share of a CPU: the server's, the generator's, and what others took of the server's CPU
    server_cpu: float
    generator_cpu: float
    foreign_cpu: float
    #: true where the whole CPU was the server's and the generator kept up
    undisturbed: bool
    what: str


def run(load: Load, config: Path, server: psutil.Process, scenario: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the generator reports of one run; raises Unable where a request failed."""
    target = json.loads(config.read_text("utf-8"))
    file = config.with_name("run.json")
    file.write_text(json.dumps({**target, "scenarios": [dict(scenario)]}), "utf-8")
    command = ["taskset", "-c", str(load.cpus.others), sys.executable, str(load.bench / "oidc_load.py")]
    command += ["--config", str(file), "-c", str(load.connections), "-d", str(load.seconds), "-w", "1"]
    command += ["-r", "1", "--retries", "0", "--watch", str(server.pid)]
    command += ["--server-cpu", str(load.cpus.server)]
    path = {"PYTHONPATH": str(load.faster_loop)} if load.faster_loop else {}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **path})
    if done.returncode:
        raise Unable(f"the load generator failed:\n{done.stderr[-2000:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    if not report["per_s"] or report["errors"]:
        raise Unable(
            f"{target['name']}, {scenario['name']}: {report.get('errors')} failed, {report['error']}"
        )
    return report


def median(runs: Sequence[Mapping[str, Any]]) -> Figures:
    """Return the medians of several runs."""

    def of(name: str) -> float:
        values: list[float] = [run[name] for run in runs]
        return round(statistics.median(values), 3)

    foreign, generator = of("foreign_cpu"), of("generator_cpu")
    return Figures(
        per_second=of("per_s"),
        per_cpu_second=round(statistics.median(run["per_s"] / run["server_cpu"] for run in runs), 1),
        p50_ms=of("p50_ms"),
        p99_ms=of("p99_ms"),
        server_cpu=of("server_cpu"),
        generator_cpu=generator,
        foreign_cpu=foreign,
        undisturbed=foreign <= MAX_FOREIGN and generator <= MAX_GENERATOR,
        what=str(runs[0]["sample"]),
    )
