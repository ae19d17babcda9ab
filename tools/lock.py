"""Writes the locked requirements, with hashes, from what ``pyproject.toml`` admits (PEP 735 groups included).

``python tools/lock.py`` keeps versions that still fit; ``python tools/lock.py --upgrade`` takes the newest.
"""

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
#: what only older Pythons than the one that locks need: redis on Debian 12's 3.11.2
OLDER_PYTHONS = ["async-timeout>=4.0.3"]
HEADER = "# Locked by tools/lock.py; do not edit. Installed with pip --require-hashes.\n"


def group(project: dict[str, Any], name: str) -> list[str]:
    """Return the requirements of a dependency group with those it includes."""
    found: list[str] = []
    for entry in project["dependency-groups"][name]:
        found += [entry] if isinstance(entry, str) else group(project, entry["include-group"])
    return found


def compile_lock(target: Path, requirements: list[str], arguments: list[str]) -> None:
    """Write one lock; *arguments* go to pip-compile."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "requirements.in"
        source.write_text("\n".join(requirements) + "\n")
        # extras stay: for "x[more]" pip looks at the newest x first, and stops where the hash is missing
        options = [f"--{what}" for what in ("quiet", "generate-hashes", "no-strip-extras", "allow-unsafe")]
        options += [f"--no-{what}" for what in ("header", "annotate")]
        options += [f"--no-emit-{what}" for what in ("index-url", "trusted-host", "find-links", "options")]
        command = [sys.executable, "-m", "piptools", "compile", *options]
        environment = {key: value for key, value in os.environ.items() if key != "PIP_FIND_LINKS"}
        subprocess.run(
            [*command, *arguments, f"--output-file={target}", str(source)], check=True, env=environment
        )
    target.write_text(HEADER + target.read_text().removeprefix(HEADER))


def main() -> None:
    """Lock everything first, then what runs and what builds with the same versions."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    runtime = [*project["project"]["dependencies"], *OLDER_PYTHONS]
    for extra in project["project"]["optional-dependencies"].values():
        runtime += extra
    everything = ROOT / "requirements-dev.txt"
    upgrade = ["--upgrade"] if "--upgrade" in sys.argv[1:] else []
    compile_lock(everything, [*runtime, *group(project, "dev")], upgrade)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as versions:
        # a constraint names no extras
        versions.write(re.sub(r"(?m)^([\w.-]+)\[[^]]*\]", r"\1", everything.read_text("utf-8")))
        versions.flush()
        same = ["--constraint", versions.name, "--upgrade"]
        compile_lock(ROOT / "requirements.txt", runtime, same)
        compile_lock(ROOT / "requirements-build.txt", group(project, "build"), same)


if __name__ == "__main__":
    main()
