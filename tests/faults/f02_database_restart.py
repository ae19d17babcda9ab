"""F2: PostgreSQL is stopped as by a power cut and started again, under load."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.faults import load
from tests.faults.installation import running
from tests.faults.ledger import Ledger, Line, invariants
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
                blocked = {"person0": installation.block("person0")}
                _control(installation.postgresql, "stop", "-m", "immediate")
                time.sleep(DOWN_SECONDS)
                _control(
                    installation.postgresql, "start", "-w", "-l", f"{installation.postgresql.folder}/log2"
                )
                works = load.works(installation, NORMAL_WITHIN_SECONDS)
                time.sleep(seconds / 3)
            wrong = [seen for seen in ledger.seen if seen.status >= 500 and seen.status != 503]
            silent = sum(seen.status == 503 and not seen.retry_after for seen in ledger.seen)
            refused = sum(seen.status == 503 for seen in ledger.seen)
            unanswered = sum(seen.status == 0 for seen in ledger.seen)
            counted = f"{refused} answers 503, {len(wrong)} other 5xx, {silent} without Retry-After"
            yield Line("only 503 with Retry-After", not wrong and not silent, counted)
            yield Line("each request is answered", not unanswered, f"{unanswered} of {len(ledger.seen)} not")
            yield Line("normal within 5 s", works, "yes" if works else "no")
            yield from invariants(ledger, installation, blocked, works)
        finally:
            _control(installation.postgresql, "stop", "-m", "immediate")


def _control(server: PostgreSQL, *arguments: str) -> None:
    """Run pg_ctl as the user the cluster belongs to; a start takes the options of the last one."""
    data = Path(server.folder) / "data"
    options = (data / "postmaster.opts").read_text().split(maxsplit=1)[1].strip()
    more = ["-o", options.partition(' "-D" ')[0] or options] if arguments[0] == "start" else []
    command = [find_postgresql() / "pg_ctl", *arguments, *more, "-D", data]
    subprocess.run(
        command, check=False, cwd=server.folder, capture_output=True, timeout=60, **_as_postgresql()
    )
