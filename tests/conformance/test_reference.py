"""The page that says which test holds which module of the certification."""

import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
PAGE = TESTS.parent / "docs/reference/conformance.md"


def _defined(file: Path) -> set[str]:
    return set(re.findall(r"^def (test_\w+)\(", file.read_text("utf-8"), re.MULTILINE))


def test_every_named_test_exists_and_every_module_is_named() -> None:
    """In both directions, so that a module that is renamed or new does not get lost."""
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", PAGE.read_text("utf-8"))
    assert [pair for pair in named if pair[1] not in _defined(TESTS / pair[0])] == []
    assert len(set(named)) == len(named)
    modules = {
        (file.relative_to(TESTS).as_posix(), name)
        for file in TESTS.glob("conformance/test_*.py")
        for name in _defined(file)
        if name.startswith("test_oidcc_")
    }
    assert modules - set(named) == set()
