"""Wheel build hook: compiles the message catalogues and maps ``templates/`` into the package (hatchling)."""

import os
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def compile_catalogues(root: Path) -> list[Path]:
    """Write the ``.mo`` beside each newer ``.po`` of *root*; returns what was written."""
    written = []
    for source in sorted((root / "idp" / "translations").glob("*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        with source.open("rb") as file:
            catalogue = read_po(file, locale=source.parts[-3])
        draft = target.with_suffix(f".{os.getpid()}")
        with draft.open("wb") as file:
            write_mo(file, catalogue)
        draft.replace(target)  # a server that reads meanwhile sees the old file or the new one
        written.append(target)
    return written


class BuildHook(BuildHookInterface[Any]):
    """Called by hatchling for the wheel, and for the editable installation of a checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Prepare files; *version* is ``standard``, or ``editable``: templates are read from the root."""
        root = Path(self.root)
        compile_catalogues(root)
        if self.target_name == "wheel" and version == "standard":
            build_data["force_include"][str(root / "templates")] = "idp/templates"


if __name__ == "__main__":
    compile_catalogues(Path(__file__).parent.parent)
