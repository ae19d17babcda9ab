"""Letters on paper: what stands on them, where, a page each, in any script (DIN 5008)."""

from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from typing import Any

from pypdf import PdfReader

from idp.delivery.posted_letters import render
from idp.management.join_letters import Letter
from idp.settings import Settings
from tests.delivery.samples import AT, SETTINGS

LETTER = Letter(
    organization="Muster GmbH",
    customer_number="100200300",
    address=("Hafenstraße 1", "20457 Hamburg"),
    person="Ben Brandt",
    asked_at=AT,
    code="BCDF-GHJK-LMNP",
    until=AT + timedelta(days=30),
)


def changed(**facts: Any) -> Letter:
    return replace(LETTER, **facts)


def pages(*letters: Letter, settings: Settings = SETTINGS) -> list[str]:
    reader = PdfReader(BytesIO(render(settings, letters, at=AT)))
    return [" ".join(page.extract_text().split()) for page in reader.pages]


def test_what_a_letter_says() -> None:
    """Whom it is for, who asks, the code, where to type it and until when, and what to do in doubt."""
    [page] = pages(LETTER)
    for said in (
        "Muster GmbH Hafenstraße 1 20457 Hamburg",
        "01.03.2026",
        "Kundennummer 100200300",
        "Name, wie angegeben: Ben Brandt",
        "BCDF-GHJK-LMNP",
        "https://login.example.de/join/code",
        "gilt bis zum 31.03.2026",
        "Kennen Sie die Person nicht, werfen Sie den Brief weg.",
        "Hilfe: 0341 555 01 00 · hilfe@lotse.example",
    ):
        assert said in page, said


def test_a_page_each_however_much_there_is_to_say() -> None:
    """The longest names and addresses stay on their page; without a support contact there is no foot."""
    long = changed(organization="Sehr langer Name einer Firma " * 8, address=("W" * 40,) * 4, person="W" * 60)
    found = pages(LETTER, long, LETTER, settings=Settings(public_url="https://login.example.de"))
    assert len(found) == 3
    assert all("BCDF-GHJK-LMNP" in page and "Hilfe:" not in page for page in found)


def test_the_address_stands_in_the_window() -> None:
    """Every line between 45 and 90 mm from above, within 20 to 105 mm (DIN 5008 form B)."""
    placed: list[tuple[str, float, float]] = []

    def note(text: str, _user: Any, matrix: Any, _font: Any, _size: Any) -> None:
        placed.append((text.strip(), matrix[4] / 72 * 25.4, 297 - matrix[5] / 72 * 25.4))

    long = changed(organization="Gesellschaft für lange Namen " * 4, address=("W", "X", "Y", "Z"))
    page = PdfReader(BytesIO(render(SETTINGS, [long], at=AT))).pages[0]
    page.extract_text(visitor_text=note)
    lines = [(left, top) for text, left, top in placed if text in {"W", "X", "Y", "Z"} or "lange" in text]
    assert len(lines) >= 5
    assert all(20 <= left <= 105 and 45 <= top <= 90 for left, top in lines)


def test_signs_the_font_has_not() -> None:
    """Polish and Czech are there; an accent that is not is left out; other scripts are marked."""
    [page] = pages(changed(person="Łucja Žižková Ḿ 李"))
    assert "Łucja Žižková M ?" in page
