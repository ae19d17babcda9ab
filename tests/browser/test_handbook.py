"""The German handbook says what the pages say, and its pictures are taken here (``make handbook``)."""

import os
import re
from pathlib import Path

import pytest

from tests.browser.house import Visits
from tests.browser.scenes import SCENES

HANDBOOK = Path(__file__).parents[2] / "docs" / "handbuch"
CHAPTERS = sorted(path for path in HANDBOOK.glob("*.md") if path.name != "README.md")
_PICTURE = re.compile(r"!\[([^\]]+)\]\(bilder/([a-z-]+)\.png\)")
_WORDS = re.compile(r"\*\*([^*]+)\*\*")
TAKE = os.environ.get("LOTSE_HANDBOOK") == "take"


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_chapter(visits: Visits, chapter: Path) -> None:
    """Each picture's title is its page's heading, and each word in bold type stands on one of the pages."""
    text = chapter.read_text("utf-8")
    shown = ""
    for title, name in _PICTURE.findall(text):
        visitor = visits.new(color_scheme="light", viewport={"width": 760, "height": 600})
        page = SCENES[name](visits, visitor).page
        assert page.locator("h1").inner_text() == title, name
        # what a person can read, and what stands in fields and behind marks for screen readers
        shown += page.locator("body").inner_text() + "\n"
        if TAKE:
            page.locator("main").screenshot(path=HANDBOOK / "bilder" / f"{name}.png")
        assert (HANDBOOK / "bilder" / f"{name}.png").is_file(), f"{name}: make handbook"
        page.context.close()
    words = set(_WORDS.findall(text))
    assert words
    assert {word for word in words if word not in shown} == set()


def test_every_picture_is_shown() -> None:
    """No picture is left over from a page that went."""
    named = {name for chapter in CHAPTERS for _, name in _PICTURE.findall(chapter.read_text("utf-8"))}
    assert named == {path.stem for path in (HANDBOOK / "bilder").glob("*.png")}
