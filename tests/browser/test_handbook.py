"""The German handbook says what the pages say, and its pictures are taken here (``make handbook``)."""

import os
import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from tests.browser.house import Visits
from tests.browser.scenes import SCENES

ROOT = Path(__file__).parents[2]
HANDBOOK = ROOT / "docs" / "handbuch"
CHAPTERS = sorted(path for path in HANDBOOK.glob("*.md") if path.name != "README.md")
_PICTURE = re.compile(r"!\[([^\]]+)\]\(bilder/([a-z-]+)\.png\)")
_WORDS = re.compile(r"\*\*([^*]+)\*\*")
TAKE = os.environ.get("LOTSE_HANDBOOK") == "take"

each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def said() -> re.Pattern[str]:
    """All texts of the pages; what is filled in there may be anything."""
    with (ROOT / "idp/translations/en/LC_MESSAGES/messages.po").open("rb") as file:
        texts = [str(message.id) for message in read_po(file) if message.id]
    return re.compile("|".join(re.sub(r"%\\\(\w+\\\)s", ".+", re.escape(text)) for text in texts))


@each_chapter
def test_words(chapter: Path, said: re.Pattern[str]) -> None:
    """Titles of pictures and words in bold type are texts of ours; every picture is of a known page."""
    text = chapter.read_text("utf-8")
    titles, names = zip(*_PICTURE.findall(text), strict=True)
    words = {*titles, *_WORDS.findall(text)}
    assert {word for word in words if not said.fullmatch(word)} == set()
    assert set(names) <= SCENES.keys()


def test_every_picture_is_shown() -> None:
    """None is missing, and none is left over from a page that went."""
    named = {name for chapter in CHAPTERS for _, name in _PICTURE.findall(chapter.read_text("utf-8"))}
    assert named == {path.stem for path in (HANDBOOK / "bilder").glob("*.png")}


if TAKE:  # in a normal run the pages stand before axe

    @each_chapter
    def test_pictures(visits: Visits, chapter: Path) -> None:
        """Each picture's title is its page's heading; each word in bold type stands on one of the pages."""
        text, shown = chapter.read_text("utf-8"), ""
        for title, name in _PICTURE.findall(text):
            visitor = visits.new(color_scheme="light", viewport={"width": 760, "height": 600})
            page = SCENES[name](visits, visitor).page
            assert page.locator("h1").inner_text() == title, name
            shown += page.locator("body").inner_text() + "\n"
            page.locator("main").screenshot(path=HANDBOOK / "bilder" / f"{name}.png")
            page.context.close()
        assert {word for word in _WORDS.findall(text) if word not in shown} == set()
