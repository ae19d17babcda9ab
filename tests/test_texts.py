"""Languages, words and times below the web (screens §2.1, row Dates)."""

from datetime import UTC, datetime

import pytest

from idp import texts

SUMMER = datetime(2023, 8, 29, 7, 10, tzinfo=UTC)
WINTER = datetime(2022, 2, 21, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "language", "expected"),
    [
        (SUMMER, "de", ["29.08.2023", "09:10 Uhr", "29.08.2023 09:10 Uhr", "MESZ"]),
        (SUMMER, "en", ["29 August 2023", "9:10 am", "29 August 2023, 9:10 am", "CEST"]),
        (WINTER, "de", ["22.02.2022", "00:30 Uhr", "22.02.2022 00:30 Uhr", "MEZ"]),
        (WINTER, "en", ["22 February 2022", "12:30 am", "22 February 2022, 12:30 am", "CET"]),
    ],
)
def test_times(at: datetime, language: str, expected: list[str]) -> None:
    """As people here write them, with the zone of the country; a time of day does not break over lines."""
    found = [say(at, language) for say in (texts.day, texts.clock, texts.moment, texts.zone)]
    assert [part.replace("\u00a0", " ") for part in found] == expected
    assert "\u00a0" in found[1]


@pytest.mark.parametrize(
    ("tag", "language"),
    [("de", "de"), ("de-AT", "de"), ("EN_us", "en"), (" en ", "en"), ("fr", None), ("", None)],
)
def test_languages(tag: str, language: str | None) -> None:
    """Two, whatever the country."""
    assert texts.supported(tag) == language


def test_words() -> None:
    """German is the source, English a catalogue, and what we do not speak stays German."""
    said = [texts.load_catalogue.__wrapped__(language).gettext("Anmelden") for language in ("de", "en", "xx")]
    assert said == ["Anmelden", "Sign in", "Anmelden"]


def test_templates_are_found() -> None:
    """In a checkout at its root, in a wheel inside the package."""
    assert (texts.template_folder() / "base.html").is_file()
