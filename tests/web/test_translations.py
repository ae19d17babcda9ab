"""The catalogue: every German text has its English one, and no other."""

import re

import pytest
from babel.messages.catalog import Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from idp.texts import FOLDER, load_catalogue, template_folder

ENDS = frozenset(".?!:,;")
ROOT = template_folder().parent
CATALOGUE = FOLDER / "en" / "LC_MESSAGES" / "messages.po"


def _texts() -> set[str | tuple[str, ...]]:
    """Return every text of code and templates; of plural texts the pair."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as source:
        methods, options = parse_mapping_cfg(source)
    keywords = {"_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}
    found: set[str | tuple[str, ...]] = set()
    for folder in ("idp", "templates"):
        own = [
            (pattern.removeprefix(f"{folder}/"), name)
            for pattern, name in methods
            if pattern.startswith(folder)
        ]
        own_options = {pattern.removeprefix(f"{folder}/"): value for pattern, value in options.items()}
        for _path, _line, text, _comments, _context in extract_from_dir(
            ROOT / folder, own, own_options, keywords
        ):
            found.add(text)
    return found


def _catalogue() -> list[Message]:
    with CATALOGUE.open("rb") as source:
        return [message for message in read_po(source, locale="en") if message.id]


def _placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)", text))


def test_every_text_is_translated_and_none_is_left_over() -> None:
    """Both languages are complete; a changed sentence does not leave its old translation behind (req 117)."""
    texts = _texts()
    assert len(texts) > 150
    translated = {
        message.id if isinstance(message.id, str) else tuple(message.id) for message in _catalogue()
    }
    assert texts - translated == set()
    assert translated - texts == set()


def _faults(message: Message) -> list[str]:
    """Return what is wrong with a translation: empty, uncertain, other placeholders, another end."""
    sources = message.id if isinstance(message.id, tuple) else (message.id,)
    targets = message.string if isinstance(message.string, tuple) else (message.string,)
    faults = ["fuzzy"] if message.fuzzy else []
    if len(sources) != len(targets):
        return [*faults, "number of plural forms"]
    for source, target in zip(sources, targets, strict=True):
        if not target.strip():
            return [*faults, "empty"]
        if _placeholders(source) != _placeholders(target):
            faults.append("placeholders")
        if (source[-1] in ENDS) != (target[-1] in ENDS):
            faults.append("end of sentence")
    return faults


def test_translations_fit_their_sources() -> None:
    """No text is empty or uncertain, loses a value, or ends as something else."""
    assert {str(message.id): faults for message in _catalogue() if (faults := _faults(message))} == {}


@pytest.mark.parametrize(
    ("source", "target", "fault"),
    [
        ("Ab %(until)s.", "From then.", "placeholders"),
        ("Weiter", "", "empty"),
        ("Weiter", "Continue.", "end of sentence"),
        (("Ein Tag", "%(num)d Tage"), ("One day",), "number of plural forms"),
    ],
)
def test_a_translation_that_does_not_fit_is_found(
    source: str | tuple[str, ...], target: str | tuple[str, ...], fault: str
) -> None:
    """The check above sees what it is for."""
    assert fault in _faults(Message(source, target))


def test_catalogue_is_read_without_a_compile_step() -> None:
    """A fresh clone speaks English; German is the source; an unknown language falls back to it."""
    assert load_catalogue("en").gettext("Anmelden") == "Sign in"
    assert load_catalogue("de").gettext("Anmelden") == "Anmelden"
    assert load_catalogue("xx").gettext("Anmelden") == "Anmelden"
