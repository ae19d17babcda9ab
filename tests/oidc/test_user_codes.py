"""User codes: their letters, their shape, and how people type them (RFC 8628 §6.1; req 30)."""

import math

import pytest

from idp.oidc import user_codes


def test_a_code_has_34_bit() -> None:
    """Eight consonants of twenty; no vowel makes a word, nothing looks like a digit."""
    assert len(set(user_codes.ALPHABET)) == 20
    assert not set(user_codes.ALPHABET) & set("AEIOUY0123456789")
    assert math.log2(len(user_codes.ALPHABET) ** user_codes.LENGTH) > 34


def test_codes_are_random() -> None:
    """Every letter comes, no two codes are alike."""
    codes = {user_codes.new_code() for _ in range(500)}
    assert len(codes) == 500
    assert {letter for code in codes for letter in code} == set(user_codes.ALPHABET)
    assert all(user_codes.read(code) == code for code in codes)


def test_a_code_is_shown_in_two_groups() -> None:
    """As L-14 has it."""
    assert user_codes.shown("BCDFGHJK") == "BCDF-GHJK"


@pytest.mark.parametrize(
    "typed",
    [
        "BCDF-GHJK",
        "bcdfghjk",
        " bcdf ghjk ",
        "b c d f g h j k",
        "BCDF\u2013GHJK",
        "BCDF\u2011GHJK",
        "BCDF\u00a0GHJK\r\n",
        "BCDF_GHJK",
        "\u00adBCDF\u00ad-\u00adGHJK",
    ],
)
def test_spelling_does_not_matter(typed: str) -> None:
    """Case, hyphens and blanks are people's own."""
    assert user_codes.read(typed) == "BCDFGHJK"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "BCDF-GHJ",
        "BCDF-GHJKL",
        "ABCD-FGHJ",
        "BCDF/GHJK",
        "BCDF-GHJ1",
        "BCDF-GHJ\u212a",
        "BCDFGHJK\0",
        "ß" * 4,
    ],
)
def test_other_texts_are_no_codes(typed: str) -> None:
    """Neither the database nor the throttle is asked about them."""
    assert user_codes.read(typed) is None
