"""``idp demo`` as a process of its own, for tests that look at it from outside (design §5)."""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from idp.cli.demo.plan import PORTS
from tests.infrastructure import free_port


@dataclass
class Demo:
    """A running demo."""

    process: "subprocess.Popen[str]"
    folder: Path
    shown: str

    @property
    def facts(self) -> dict[str, Any]:
        """What ``demo.json`` says."""
        found: dict[str, Any] = json.loads((self.folder / "demo.json").read_text("utf-8"))
        return found

    def tree(self) -> list[psutil.Process]:
        """The demo's process and all that descend from it."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def person(self, username: str) -> dict[str, Any]:
        """One of the people."""
        return next(person for person in self.facts["people"] if person["username"] == username)

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=30)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


def launch(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Start the process; what it says comes through its standard output."""
    return subprocess.Popen(
        [sys.executable, "-m", "idp", "demo", "--dir", str(folder), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def start(folder: Path, *arguments: str) -> Demo:
    """Start a demo, on free ports where none is named, and return when it says that it is ready."""
    chosen = () if "--port" in arguments else ("--port", str(free_port(PORTS)))
    process = launch(folder, *chosen, *arguments)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Stop with"):
            return Demo(process, folder, "".join(lines))
    process.stdout.close()
    raise AssertionError(f"ended with {process.wait()}: " + "".join(lines))


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run a demo that is expected to refuse, and return exit code and what it said."""
    process = launch(folder, *arguments)
    said, _ = process.communicate(timeout=60)
    return process.returncode, said
