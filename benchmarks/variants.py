"""The product against itself: a filled database, SQLite, and two server processes (design §6).

``python -m benchmarks.variants`` measures in turns, so that a slow minute slows both, and compares the CPU
that the server processes used for a request.  See README.md here.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from benchmarks import peer, product
from benchmarks.__main__ import bench_folder
from benchmarks.load import Load, run
from benchmarks.machine import Unable, cpus, pin, tree
from benchmarks.product import Product
from benchmarks.scenarios import SCENARIOS, Scenario
from tests.infrastructure import ProgramMissing, start_postgresql

AS_IT_IS, FILLED, SQLITE, TWO = "as it is", "filled", "SQLite", "two processes"
#: CPU of a request, divided by that of the product as it is, must stay below; None where nothing is demanded
MOST = {FILLED: 1.1, SQLITE: None, TWO: 1.15}


def main() -> int:
    """Return 0 where every demand holds, 1 where one does not, 2 where nothing could be measured."""
    options = _options()
    load = Load(bench_folder(), cpus(), options.connections, options.seconds, peer.faster_loop())
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lotse-bench-")))
            made = _products(folder, load, options.only or list(MOST), stack)
            return _compare(load, made, options.runs, options.warm_up)
    except (Unable, ProgramMissing) as missing:
        print(missing, file=sys.stderr)
        return 2


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.variants", description=__doc__)
    parser.add_argument("--connections", type=int, default=16, help="requests in flight (default: 16)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a run (default: 3)")
    parser.add_argument(
        "--warm-up", type=float, default=2.0, help="length of a run before those that count (default: 2)"
    )
    parser.add_argument("--runs", type=int, default=3, help="runs of each, whose median counts (default: 3)")
    parser.add_argument("--only", action="append", choices=list(MOST), help="only this variant")
    return parser.parse_args()


def _products(folder: Path, load: Load, wanted: Sequence[str], stack: ExitStack) -> dict[str, Product]:
    database = start_postgresql(durable=True)
    stack.callback(database.stop)
    pin(tree(database.pid), load.cpus.others)
    made = {}
    for name in (AS_IT_IS, *wanted):
        own = folder / name.replace(" ", "-")
        own.mkdir()
        url = f"sqlite:///{own / 'lotse.db'}" if name == SQLITE else database.create_database(own.name)
        secret = product.prepare(own, url)
        if name == FILLED:
            print("filling …", file=sys.stderr, flush=True)
            fill(url)
        workers = 2 if name == TWO else 1
        made[name] = stack.enter_context(product.running(own, load.cpus, secret, workers=workers))
    return made


def fill(url: str) -> None:
    """Put the rows of years into a prepared database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute((Path(__file__).parent / "fill.sql").read_bytes())
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _compare(load: Load, made: dict[str, Product], runs: int, warm_up: float) -> int:
    holds = True
    print("| scenario |", " | ".join(f"{name}: ms of CPU, of as it is, p50 ms" for name in made), "|")
    print("|---" * (len(made) + 1), "|", sep="")
    for scenario in SCENARIOS:
        print(f"{scenario.name} …", file=sys.stderr, flush=True)
        for server in made.values():  # each process has to learn what it remembers
            _cost(replace(load, seconds=warm_up), server, scenario)
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in made}
        for _ in range(runs):
            for name, server in made.items():
                taken[name].append(_cost(load, server, scenario))
        costs = {name: median(cost for cost, _ in values) for name, values in taken.items()}
        cells = []
        for name, values in taken.items():
            ratio = costs[name] / costs[AS_IT_IS]
            most = MOST.get(name)
            holds = holds and (most is None or ratio <= most)
            cells.append(f"{costs[name]:.2f}, {ratio:.2f}, {median(p50 for _, p50 in values):.1f}")
        print(f"| {scenario.name} | {' | '.join(cells)} |", flush=True)
    return 0 if holds else 1


def _cost(load: Load, server: Product, scenario: Scenario) -> tuple[float, float]:
    """Return milliseconds of CPU for an answer, warm-up included on all sides, and the median time."""
    wanted: dict[str, Any] = {"name": scenario.name, "kind": scenario.kind, **scenario.product}
    before = _spent(server)
    report = run(load, server.config, server.servers[0], wanted)
    return 1000 * (_spent(server) - before) / (report["per_s"] * load.seconds), report["p50_ms"]


def _spent(server: Product) -> float:
    spent = (process.cpu_times() for process in server.servers)
    return float(sum(times.user + times.system for times in spent))


if __name__ == "__main__":
    sys.exit(main())
