"""F2: PostgreSQL is stopped as by a power cut and started again, under load."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.faults import load
from tests.faults.installation import running
from tests.faults.invariants import invariants
from tests.faults.ledger import Ledger, Line, by_kind
from tests.infrastructure import PostgreSQL, _as_postgresql, find_postgresql

NORMAL_WITHIN_SECONDS = 5
DOWN_SECONDS = 2


def run(folder: Path, seconds: float) -> Iterator[Line]:
    """Stop it at once, leave it down for a moment, and start it."""
    ledger = Ledger()
    with running(folder, workers=2) as installation:
        try:
            with load.base_load(installation, ledger):
                time.sleep(seconds / 3)
                ledger.block(installation.block, "person0")
                _control(installation.postgresql, "stop", "-m", "immediate", check=True)
                time.sleep(DOWN_SECONDS)
                log = f"{installation.postgresql.folder}/log2"
                _control(installation.postgresql, "start", "-w", "-l", log, check=True)
                up = time.monotonic()
                works = load.works(installation, ledger, NORMAL_WITHIN_SECONDS)
                time.sleep(seconds / 3)
            yield load.rates(ledger)
            yield from _answers(ledger, works, up)
            calm = up + NORMAL_WITHIN_SECONDS
            yield from invariants(ledger, installation, works=works, calm=calm, interrupted=1)
        finally:
            _control(installation.postgresql, "stop", "-m", "immediate")


def _answers(ledger: Ledger, works: bool, up: float) -> Iterator[Line]:
    failures = ledger.failures()
    others = [seen for seen in failures if seen.status not in (0, 503)]
    silent = sum(seen.status == 503 and not seen.retry_after for seen in failures)
    refused = sum(seen.status == 503 for seen in failures)
    counted = f"{refused} answers 503, {silent} without Retry-After; others that failed: {by_kind(others)}"
    yield Line("only 503 with Retry-After", refused > 0 and not others and not silent, counted)
    unanswered = sum(seen.status == 0 for seen in failures)
    yield Line("each request is answered", not unanswered, f"{unanswered} of {len(ledger.seen)} not")
    last = max((seen.ended for seen in failures), default=up) - up
    held = works and last <= NORMAL_WITHIN_SECONDS
    counted = f"the last failure was {last:.1f} s after PostgreSQL was up"
    yield Line(f"normal within {NORMAL_WITHIN_SECONDS} s", held, counted)


def _control(server: PostgreSQL, *arguments: str, check: bool = False) -> None:
    """Run pg_ctl as the user the cluster belongs to; a start takes the options of the last one.

    :param check: raise an error where it fails.
    """
    data = Path(server.folder) / "data"
    options = (data / "postmaster.opts").read_text().split(maxsplit=1)[1].strip()
    more = ["-o", options.partition(' "-D" ')[0] or options] if arguments[0] == "start" else []
    command = [str(find_postgresql() / "pg_ctl"), *arguments, *more, "-D", str(data)]
    subprocess.run(
        command, check=check, cwd=server.folder, capture_output=True, timeout=60, **_as_postgresql()
    )
