"""Letters on paper, as one PDF, a page each (DIN 5008 form B, for envelopes with a window).

The texts are German, as the companies are that get them; the font has the letters of European languages.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol, cast
from unicodedata import combining, normalize

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from idp.settings import Settings
from idp.texts import day

_FONTS: Final = Path(__file__).parent / "data"
_FONT: Final = "letter"
_LEFT, _RIGHT = 25.0, 20.0
#: DIN 5008 form B: the address field from above, and how far apart its lines are
_RETURN_TOP, _ADDRESS_TOP, _ADDRESS_LINE, _ADDRESS_WIDTH = 57.7, 62.7, 4.5, 80.0
_SUBJECT_TOP: Final = 103.4
_FOLD_MARKS: Final = (105.0, 210.0, 148.5)
_SIZE, _SMALL, _CODE, _ADDRESS = 11, 8, 20, 10
_LINE: Final = 5.5


class Facts(Protocol):
    """What stands in a letter with a code."""

    @property
    def organization(self) -> str: ...
    @property
    def customer_number(self) -> str: ...
    @property
    def address(self) -> Sequence[str]: ...
    @property
    def person(self) -> str: ...
    @property
    def asked_at(self) -> datetime: ...
    @property
    def code(self) -> str: ...
    @property
    def until(self) -> datetime: ...


def render(settings: Settings, letters: Iterable[Facts], *, at: datetime) -> bytes:
    """Return the letters as a PDF of as many pages."""
    pdf = FPDF(format="A4")
    pdf.add_font(_FONT, "", _FONTS / "hyperlegible-next-regular.ttf")
    pdf.add_font(_FONT, "B", _FONTS / "hyperlegible-next-bold.ttf")
    pdf.set_margins(_LEFT, 20, _RIGHT)
    pdf.set_auto_page_break(False)
    pdf.set_title(f"Briefe von {settings.product.name}")
    pdf.set_lang("de-DE")
    pdf.set_creation_date(at)
    has = frozenset(pdf.fonts[_FONT].cmap) & frozenset(pdf.fonts[f"{_FONT}B"].cmap)  # type: ignore[union-attr]  # of files
    for letter in letters:
        pdf.add_page()
        _Page(pdf, has, settings, letter, at).write()
    return bytes(pdf.output())


class _Page:
    """One letter on its page."""

    def __init__(
        self, pdf: FPDF, has: frozenset[int], settings: Settings, letter: Facts, at: datetime
    ) -> None:
        self._pdf = pdf
        self._has = has
        self._settings = settings
        self._letter = letter
        self._at = at

    def write(self) -> None:
        self._marks()
        self._address()
        self._body()
        self._foot()

    def _marks(self) -> None:
        self._pdf.set_line_width(0.1)
        for top in _FOLD_MARKS:
            self._pdf.line(4, top, 8, top)

    def _address(self) -> None:
        pdf, letter = self._pdf, self._letter
        self._font("B", 16)
        pdf.set_xy(_LEFT, 20)
        self._cell(self._settings.product.name, 8)
        self._font("", _SMALL)
        pdf.set_xy(_LEFT, _RETURN_TOP)
        self._cell(self._settings.product.name, 4)
        pdf.line(_LEFT, _RETURN_TOP + 4, _LEFT + _ADDRESS_WIDTH, _RETURN_TOP + 4)
        self._font("", _ADDRESS)
        pdf.set_xy(_LEFT, _ADDRESS_TOP)
        name = self._wrapped(letter.organization, _ADDRESS_WIDTH)[:2]
        for line in [*name, *letter.address]:
            self._cell(line, _ADDRESS_LINE, width=_ADDRESS_WIDTH)

    def _body(self) -> None:
        letter, pdf = self._letter, self._pdf
        self._font("", _SIZE)
        pdf.set_xy(_LEFT, _SUBJECT_TOP - 10)
        pdf.cell(0, _LINE, self._shown(day(self._at, "de")), align="R")
        pdf.set_xy(_LEFT, _SUBJECT_TOP)
        self._font("B", _SIZE)
        self._text(f"Ihr Code für den Zugang zu {self._settings.product.name}")
        self._font("", _SIZE)
        self._text("Guten Tag,")
        self._text(
            f"am {day(letter.asked_at, 'de')} hat jemand für Ihr Unternehmen mit der Kundennummer"
            f" {letter.customer_number} einen Zugang beantragt."
        )
        self._text(f"Name, wie angegeben: {letter.person}")
        self._text(
            "Gehört diese Person zu Ihrem Unternehmen und soll sie den Zugang haben?"
            " Dann geben Sie ihr diesen Code:"
        )
        self._font("B", _CODE)
        self._text(letter.code, line=10)
        self._font("", _SIZE)
        self._text(
            f"Sie meldet sich mit ihrem Konto an und gibt den Code auf dieser Seite ein:\n"
            f"{self._settings.issuer}/join/code"
        )
        self._text(
            f"Der Code gilt bis zum {day(letter.until, 'de')}, nur einmal und nur für diese Person."
            " Wir fragen nie am Telefon oder per E-Mail danach."
        )
        self._text(
            "Kennen Sie die Person nicht, werfen Sie den Brief weg. Ohne den Code sieht sie nichts von Ihrem"
            " Unternehmen."
        )
        self._text(f"Mit freundlichen Grüßen\n{self._settings.product.name}")

    def _foot(self) -> None:
        support = self._settings.support
        ways = [way for way in (support.phone, support.mail) if way]
        if ways:
            self._font("", _SMALL)
            self._pdf.set_xy(_LEFT, 277)
            self._cell(f"Hilfe: {' · '.join(ways)}", 4)

    def _font(self, style: str, size: int) -> None:
        self._pdf.set_font(_FONT, style, size)

    def _text(self, text: str, *, line: float = _LINE) -> None:
        self._pdf.multi_cell(0, line, self._shown(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self._pdf.ln(_LINE / 2)

    def _cell(self, text: str, height: float, *, width: float = 0) -> None:
        self._pdf.cell(width, height, self._shown(text), new_x=XPos.LEFT, new_y=YPos.NEXT)

    def _wrapped(self, text: str, width: float) -> list[str]:
        shown = self._shown(text)
        found = self._pdf.multi_cell(width, _ADDRESS_LINE, shown, dry_run=True, output="LINES", align="L")
        return cast(list[str], found)

    def _shown(self, text: str) -> str:
        """Return a text in signs that the font has: without an accent it lacks, else with a question mark."""
        return "".join(sign if sign == "\n" else self._sign(sign) for sign in normalize("NFC", text))

    def _sign(self, sign: str) -> str:
        if ord(sign) in self._has:
            return sign
        base = "".join(part for part in normalize("NFKD", sign) if not combining(part))
        return base if base and all(ord(part) in self._has for part in base) else "?"
