"""Runs commands as a person at a terminal would."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from idp.cli import cli


@dataclass(frozen=True)
class Terminal:
    """Runs commands in the environment of one installation."""

    environment: Mapping[str, str]

    def run(self, *arguments: str, typed: str | None = None, **environment: str) -> Result:
        """Run a command to its end; a failure we do not know is raised."""
        result = CliRunner().invoke(
            cli, arguments, input=typed, env={**self.environment, **environment}, prog_name="idp"
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def ok(self, *arguments: str, typed: str | None = None) -> str:
        """Run a command that must succeed and return what it wrote."""
        result = self.run(*arguments, typed=typed)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str, typed: str | None = None) -> Any:
        """Run a command with ``--json`` and return its answer."""
        return json.loads(self.ok(*arguments, "--json", typed=typed))


def environment_of(folder: Path) -> dict[str, str]:
    """Return the environment of an installation in a folder; a hash costs next to nothing."""
    return {
        "LOTSE_DATABASE__URL": f"sqlite:///{folder}/lotse.db",
        "LOTSE_KEYS__DIRECTORY": str(folder / "keys"),
        "LOTSE_PASSWORD__MEMORY_KIB": "8",
        "LOTSE_PASSWORD__TIME_COST": "1",
    }
