"""Names in mails: they stay names (C12)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.delivery.harmless import LONGEST, harmless

#: what mail programs make a link of
LINK = re.compile(r"://|www\.\S|\w@\w|[^\W\d]{2,}\.[^\W\d]{2,}")


@pytest.mark.parametrize(
    "name",
    [
        "Anna Muster",
        "Łukasz Żółć",
        "Nguyễn Thị Ánh",
        "O’Brien-Smith",
        "D'Arcy",
        "李小龙",
        "Анна Петрова",
        "محمد علي",
        "Muster & Söhne GmbH",
        "Dr. Müller",
        "4711 GmbH",
    ],
)
def test_a_name_stays_as_it_is(name: str) -> None:
    """In any script, with everything that names have."""
    assert harmless(name) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("www.evil.example", "www. evil. example"),
        ("https://evil.example/x?y=1", "https evil. example x?y=1"),
        ("evil．example", "evil. example"),
        ("evil。example", "evil。 example"),
        ("eve@evil.example", "eve evil. example"),
        ("tel:+49 900 1234567 anrufen", "tel anrufen"),
        ("Anna\r\nBcc: eve@evil.example", "Anna Bcc eve evil. example"),
        ("Anna\u2028Muster\0", "Anna Muster"),
        ("Anna \u202egro.live\u202c", "Anna gro. live"),
        ('<a href="//evil">Hier</a>', "a href= evil Hier a"),
        ("[Hier](evil)", "Hier evil"),
        ("St.John", "St. John"),
        ("x" * 80, "x" * (LONGEST - 1) + "…"),
        ("\u200b\u202e", ""),
    ],
)
def test_what_is_no_name_comes_apart(name: str, shown: str) -> None:
    """Letters stay, so that one sees who it was; a link it is no more."""
    assert harmless(name) == shown


@given(st.text())
def test_no_text_becomes_a_link_or_a_line(name: str) -> None:
    """Whatever is typed."""
    shown = harmless(name)
    assert len(shown) <= LONGEST
    assert shown.splitlines() == ([shown] if shown else [])
    assert not LINK.search(shown)
