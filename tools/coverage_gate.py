"""Holds branch coverage per package: 100 % where a gap is a hole in the protocol or a right, 95 % elsewhere.

Usage: ``python tools/coverage_gate.py coverage.json`` with the report of ``coverage json``.
"""

import json
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

COMPLETE = {"idp/oidc", "idp/authentication", "idp/organizations"}
ELSEWHERE = 95.0


@dataclass
class Package:
    """What is covered of one package, and the gaps in it."""

    covered: int = 0
    total: int = 0
    gaps: list[str] = field(default_factory=list)

    @property
    def percent(self) -> float:
        """Covered statements and branches of all, in per cent."""
        return 100.0 * self.covered / self.total if self.total else 100.0

    def add(self, path: str, report: dict[str, Any]) -> None:
        """Count one file."""
        summary = report["summary"]
        self.covered += summary["covered_lines"] + summary["covered_branches"]
        self.total += summary["num_statements"] + summary["num_branches"]
        lines = [str(line) for line in report["missing_lines"]]
        branches = [f"{start}->{end if end > 0 else 'exit'}" for start, end in report["missing_branches"]]
        if lines or branches:
            self.gaps.append(f"{path}: {', '.join(lines + branches)}")


def package_of(path: str) -> str:
    """Return the package that a file's gate belongs to; modules beside the packages count as one."""
    parts = PurePosixPath(path).parts
    return "/".join(parts[:2]) if parts[0] == "idp" and len(parts) > 2 else parts[0]


def required(package: str) -> float:
    """Return the per cent a package must reach."""
    return 100.0 if package in COMPLETE else ELSEWHERE


def measure(files: dict[str, Any]) -> dict[str, Package]:
    """Return the packages of a report's files."""
    packages: defaultdict[str, Package] = defaultdict(Package)
    for path, report in files.items():
        packages[package_of(path)].add(path, report)
    return dict(sorted(packages.items()))


def main(path: str) -> int:
    """Print a line a package and the gaps of those that fall short; returns the exit code."""
    packages = measure(json.loads(Path(path).read_text("utf-8"))["files"])
    short = {name for name, package in packages.items() if package.percent < required(name)}
    for name, package in packages.items():
        mark = "BELOW" if name in short else "ok"
        sys.stdout.write(f"{package.percent:6.2f} %  of {required(name):3.0f}  {mark:5}  {name}\n")
        if name in short:
            sys.stdout.write("".join(f"               {gap}\n" for gap in package.gaps))
    missing = COMPLETE - packages.keys()
    for name in sorted(missing):
        sys.stdout.write(f"  none      of 100  BELOW  {name}: not measured\n")
    return 1 if short or missing else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("Name the report: python tools/coverage_gate.py coverage.json")
    raise SystemExit(main(sys.argv[1]))
