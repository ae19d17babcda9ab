"""What the pages of documentation say: their code blocks and commands."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "docs" / "examples"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@cache
def pages() -> list[Path]:
    """Return every page of documentation."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md")])


def blocks(*languages: str) -> Iterator[tuple[str, str]]:
    """Yield page and text of each code block in one of some languages."""
    for page in pages():
        for language, text in BLOCK.findall(page.read_text("utf-8")):
            if language in languages:
                yield str(page.relative_to(ROOT)), text


def commands() -> list[tuple[str, list[str]]]:
    """Return page and words of each ``idp`` command in the code blocks."""
    found = []
    for page, text in blocks("console", "sh", "bash"):
        for line in text.replace("\\\n", " ").splitlines():
            typed = line.removeprefix("$ ")
            if typed is line and line.startswith(("#", " ")):
                continue
            words = shlex.split(typed, comments=True) if "idp " in typed else []
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                words.pop(0)
            if words and words[0] == "idp":
                found.append((page, words[1:]))
    return found
