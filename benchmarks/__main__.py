"""``make bench``: start product and peer, measure both in turns, print the ratios; see README.md here."""

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import demo, peer, product
from benchmarks.load import Load, median, run
from benchmarks.machine import Unable, cpus, pin, pss_mib, tree
from benchmarks.peer import Peer
from benchmarks.product import Product
from benchmarks.report import Report, Row
from benchmarks.scenarios import MEMORY, POSTGRESQL, PRODUCT, SCENARIOS, Scenario
from tests.infrastructure import PostgreSQL, ProgramMissing, start_postgresql

ROOT = Path(__file__).parent.parent
Servers = Mapping[str, Product | Peer]


def main() -> int:
    """Return 0 where every demand holds, 1 where one does not, 2 where nothing could be measured."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # what was started is stopped
    try:
        chosen = _chosen(options.scenario)
        load = Load(
            bench=bench_folder(),
            cpus=cpus(),
            connections=options.connections,
            seconds=options.seconds,
            faster_loop=peer.faster_loop(),
        )
        with _servers(load, with_peer=not options.product_only) as servers:
            if options.hold:
                return _hold(servers)
            report = _measure(load, servers, chosen, options.runs, options.warm_up)
        if not options.product_only:
            report.demo_mib = demo.measure()
    except (Unable, ProgramMissing) as missing:
        print(missing, file=sys.stderr)
        return 2
    _write(report, options.out)
    return 0 if report.holds else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--connections", type=int, default=16, help="requests in flight (default: 16)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a run (default: 3)")
    parser.add_argument(
        "--warm-up", type=float, default=10.0, help="length of a run before those that count (default: 10)"
    )
    parser.add_argument("--runs", type=int, default=3, help="runs of each, whose median counts (default: 3)")
    parser.add_argument(
        "--scenario", action="append", metavar="WORD", help="only those with this in the name"
    )
    parser.add_argument("--product-only", action="store_true", help="leave the peer out")
    parser.add_argument(
        "--hold", action="store_true", help="start everything, say where, and wait for Ctrl-C"
    )
    parser.add_argument("--out", type=Path, help="write NAME.md and NAME.json")
    return parser.parse_args()


def _chosen(words: list[str] | None) -> list[Scenario]:
    chosen = [item for item in SCENARIOS if not words or any(word in item.name for word in words)]
    if not chosen:
        listed = ", ".join(item.name for item in SCENARIOS)
        raise Unable(f"No scenario has that in its name; there are: {listed}")
    return chosen


def bench_folder() -> Path:
    """Return the folder with load generator and peer's configuration; raises Unable."""
    folder = Path(os.environ.get("BENCH_DIR") or ROOT.parent / "shared" / "bench").resolve()
    for name in ("oidc_load.py", "peers/oidc-provider/server.mjs"):
        if not (folder / name).exists():
            raise Unable(
                f"{folder / name} is missing: set BENCH_DIR to the folder that holds the load generator."
            )
    return folder


@contextmanager
def _servers(load: Load, *, with_peer: bool) -> Iterator[Servers]:
    """Start PostgreSQL with durable commits, the product and the forms of the peer."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lotse-bench-")))
        database = start_postgresql(durable=True)
        stack.callback(database.stop)
        pin(tree(database.pid), load.cpus.others)
        secret = product.prepare(folder, database.create_database("lotse"))
        ours = product.running(folder, load.cpus, secret)
        servers: dict[str, Product | Peer] = {PRODUCT: stack.enter_context(ours)}
        if with_peer:
            installed = peer.install()
            for name, store in _stores(database):
                made = peer.running(folder, load.bench, installed, load.cpus, store=store)
                servers[name] = stack.enter_context(made)
        yield servers


def _stores(database: PostgreSQL) -> Iterator[tuple[str, str]]:
    yield MEMORY, ""
    yield POSTGRESQL, database.create_database("peer").replace("postgresql://", "postgres://")


def _measure(load: Load, servers: Servers, chosen: list[Scenario], runs: int, warm_up: float) -> Report:
    report = Report(_heading(load, runs, warm_up, with_peer=len(servers) > 1))
    idle = {name: pss_mib(found.servers) for name, found in servers.items()}
    for scenario in chosen:
        print(f"{scenario.name} …", file=sys.stderr, flush=True)
        _row(replace(load, seconds=warm_up), servers, scenario, 1)  # compilers learn what is asked often
        report.rows.append(_row(load, servers, scenario, runs))
    for name, found in servers.items():
        report.servers[name] = {
            "start_seconds": found.program.start_seconds,
            "idle_mib": idle[name],
            "loaded_mib": pss_mib(found.servers),
        }
    return report


def _row(load: Load, servers: Servers, scenario: Scenario, runs: int) -> Row:
    """Measure product and peer in turns, so that a slow minute of the machine slows both."""
    ours: list[dict[str, Any]] = []
    theirs: list[dict[str, Any]] = []
    wanted = {"name": scenario.name, "kind": scenario.kind}
    for _ in range(runs):
        ours.append(_run(load, servers[PRODUCT], {**wanted, **scenario.product}))
        if scenario.peer in servers:
            theirs.append(_run(load, servers[scenario.peer], {**wanted, **scenario.against}))
    return Row(scenario, median(ours), median(theirs) if theirs else None)


def _run(load: Load, server: Product | Peer, scenario: dict[str, Any]) -> dict[str, Any]:
    return run(load, server.config, server.servers[0], scenario)


def _heading(load: Load, runs: int, warm_up: float, *, with_peer: bool) -> str:
    when = datetime.now(UTC).date().isoformat()
    against = f", peer oidc-provider {peer.version(peer.cache() / 'peer')}" if with_peer else ""
    return (
        f"{when}, Python {platform.python_version()}{against}; {load.connections} connections, "
        f"medians of {runs} runs of {load.seconds:g} s after one of {warm_up:g} s; one CPU serves, "
        "PostgreSQL commits durably on the other."
    )


def _hold(servers: Servers) -> int:
    for name, found in servers.items():
        print(f"{name}: pid {found.servers[0].pid}, {found.config}", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass
    return 0


def _write(report: Report, out: Path | None) -> None:
    print(report.markdown())
    if out is not None:
        out.with_suffix(".md").write_text(report.markdown(), "utf-8")
        out.with_suffix(".json").write_text(json.dumps(report.as_dict(), indent=1) + "\n", "utf-8")
    for row in report.rows:
        if not row.holds:
            print(f"{row.scenario.name}: {row.ratio} of the peer, at least {row.scenario.least} is demanded")


if __name__ == "__main__":
    sys.exit(main())
