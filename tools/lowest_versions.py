"""Prints the lowest versions ``pyproject.toml`` admits as constraints, so that CI tests the claim.

Usage: ``python tools/lowest_versions.py > lowest.txt``, then ``pip install --constraint lowest.txt …``.
"""

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def lowest(requirement: str) -> str:
    """Return ``name==version`` for the lower bound of a requirement; raises ValueError where it has none."""
    parsed = Requirement(requirement)
    bounds = [part.version for part in parsed.specifier if part.operator in (">=", "~=", "==")]
    if len(bounds) != 1:
        raise ValueError(f"{requirement!r} needs exactly one lower bound")
    return f"{canonicalize_name(parsed.name)}=={bounds[0]}"


def constraints(dependencies: list[str], extras: dict[str, list[str]]) -> list[str]:
    """Return the constraints of the dependencies and of every extra."""
    requirements = [*dependencies, *(item for extra in extras.values() for item in extra)]
    return sorted(lowest(requirement) for requirement in requirements)


def main() -> None:
    """Print them, one a line."""
    project = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
    sys.stdout.write("\n".join(constraints(project["dependencies"], project["optional-dependencies"])) + "\n")


if __name__ == "__main__":
    main()
