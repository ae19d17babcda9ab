"""``make faults``: breaks one thing after the other under load and says what held.

Usage: ``python -m tests.faults [F1 F2 F4 F12 F13 F14] [--seconds N]``.  Ends with 1 where one did not hold.
Latencies count on a machine that nobody else uses.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.faults import (
    f01_killed_workers,
    f02_database_restart,
    f04_redis,
    f12_login_flood,
    f13_slow_connections,
    f14_bad_input,
)

FAULTS = {
    "F1": f01_killed_workers.run,
    "F2": f02_database_restart.run,
    "F4": f04_redis.run,
    "F12": f12_login_flood.run,
    "F13": f13_slow_connections.run,
    "F14": f14_bad_input.run,
}


def main() -> int:
    """Run the faults that were asked for and return the exit code."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"of {', '.join(FAULTS)}; default: all")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each lasts (default: 60)")
    chosen = parser.parse_args()
    if unknown := set(chosen.faults) - set(FAULTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    failed = 0
    for name in chosen.faults or FAULTS:
        module = sys.modules[FAULTS[name].__module__]
        print(f"\n{module.__doc__ or name}", flush=True)
        with tempfile.TemporaryDirectory(prefix="lotse-fault-") as folder:
            for line in FAULTS[name](Path(folder), chosen.seconds):
                failed += not line.held
                print(f"  {'held  ' if line.held else 'BROKEN'}  {line.what:<46} {line.counted}", flush=True)
    print(f"\n{failed} broken" if failed else "\nEverything held.")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
