"""Which new passwords are accepted, profile by profile."""

from typing import Any

import pytest

from idp.accounts.password_policy import password_problems, requirements
from idp.errors import Refusal

GOOD = "neun blaue Fahrräder"


def problems(password: str, **changes: Any) -> list[Refusal]:
    rule: dict[str, Any] = {"profile": "modern", "single_factor": True} | changes
    return password_problems(password, **rule)


def codes(password: str, **changes: Any) -> list[str]:
    return [problem.code for problem in problems(password, **changes)]


def test_15_characters_where_the_password_stands_alone() -> None:
    """(req 49)"""
    assert problems("zwölf Bäuml 12") == [Refusal("password.short", length=14, minimum=15)]
    assert problems("zwölf Bäuml 123") == []


def test_8_characters_where_a_second_factor_is_enforced() -> None:
    """(req 49)"""
    assert problems("Wg7 ätöq", single_factor=False) == []
    assert problems("Wg7 ätö", single_factor=False) == [Refusal("password.short", length=7, minimum=8)]


def test_operator_may_waive_the_15_characters() -> None:
    assert problems("Wg7 ätöq", allow_short_single_factor=True) == []
    assert codes("Wg7 ätö", allow_short_single_factor=True) == ["password.short"]


def test_modern_profile_demands_no_character_classes() -> None:
    """(req 50)"""
    assert problems("neun blaue fahrrder") == []


@pytest.mark.parametrize(
    ("password", "missing"),
    [
        ("xkqzwvut", ("special", "digit", "upper")),
        ("XKQZWV7T", ("special", "lower")),
        ("Xkqzwvu7", ("special",)),
        ("Xkqzwvu-", ("digit",)),
        ("漢字漢字漢字漢字", ("special", "digit", "upper", "lower")),
    ],
)
def test_amt24_profile_names_the_missing_classes(password: str, missing: tuple[str, ...]) -> None:
    assert problems(password, profile="amt24") == [Refusal("password.class", missing=missing)]


def test_amt24_and_sage_accept_8_characters() -> None:
    assert problems("Xkqzw-u7", profile="amt24") == []
    assert codes("Xkqz-u7", profile="amt24") == ["password.short"]
    assert problems("xkqzwvut", profile="sage") == []
    assert codes("xkqzwvu", profile="sage") == ["password.short"]


@pytest.mark.parametrize("profile", ["modern", "amt24", "sage"])
def test_128_characters_are_allowed_and_129_are_not_in_every_profile(profile: str) -> None:
    """(req 49)"""
    tail = "Xy-7 ö"
    assert codes("ab" * 61 + tail, profile=profile) == []
    assert problems("ab" * 61 + tail + "c", profile=profile) == [Refusal("password.long", maximum=128)]


def test_length_counts_composed_characters_whatever_was_typed() -> None:
    """(req 49)"""
    composed, decomposed = "ä", "a\u0308"
    assert codes(decomposed * 128) == []
    assert codes(decomposed * 129) == ["password.long"]
    assert problems(decomposed * 14) == problems(composed * 14) != []


@pytest.mark.parametrize("password", ["x" * 1025, "😀" * 257, "x" * 5_000_000, "e" + "\u0301\u0316" * 600])
def test_over_1024_bytes_is_refused(password: str) -> None:
    """(req 29)"""
    assert codes(password) == ["password.long"]


@pytest.mark.parametrize(
    "password", ["\0 nul und mehr als 15", "漢字かな交じり文でも使えます。はい", " leading and trailing "]
)
def test_every_character_is_allowed(password: str) -> None:
    """(req 49)"""
    assert problems(password) == []


@pytest.mark.parametrize("password", ["password123", "PassWord1234", "Passwort1", "P@ssw0rd"])
@pytest.mark.parametrize("profile", ["modern", "sage", "amt24"])
def test_common_passwords_are_refused_in_every_profile_whatever_their_case(
    password: str, profile: str
) -> None:
    """(req 51)"""
    assert "password.common" in codes(password, profile=profile, single_factor=False)


WORDS = ["Anna", "Müller-Lüdenscheidt", "anna.m@muster.example"]
SERVICE = ["Lotse", "Muster GmbH"]


@pytest.mark.parametrize(
    "password",
    [
        "anna.m@muster.example",
        "MU\u0308LLER-lüdenscheidt7",
        "Lüdenscheidt-2026",
        "lotse-muster-anna",
        "AnnaMusterPassword123",
    ],
)
def test_little_more_than_own_words_is_refused(password: str) -> None:
    """(req 51)"""
    assert codes(password, context_words=WORDS, service_words=SERVICE) == ["password.personal"]
    assert codes(password) == []


@pytest.mark.parametrize("password", ["Lotse.Muster.2026", "lotse-lotse-lotse"])
def test_little_more_than_the_name_of_the_service_is_refused(password: str) -> None:
    """(req 51)"""
    assert codes(password, context_words=["Paul"], service_words=SERVICE) == ["password.context"]
    assert codes(password) == []


def test_passphrase_may_mention_a_name() -> None:
    assert codes("Anna backt drei Kuchen", context_words=WORDS) == []


def test_words_too_short_to_mean_anything_are_ignored() -> None:
    assert codes("Xq7-bo-lpw", single_factor=False, context_words=["Bo", ""]) == []


def test_all_problems_are_told_at_once() -> None:
    assert codes("anna", profile="amt24", context_words=WORDS) == [
        "password.short",
        "password.class",
        "password.common",
        "password.personal",
    ]


def test_requirements_can_be_shown_before_typing() -> None:
    assert requirements(profile="modern", single_factor=True).minimum == 15
    amt24 = requirements(profile="amt24", single_factor=True)
    assert (amt24.minimum, amt24.maximum, amt24.classes) == (8, 128, ("special", "digit", "upper", "lower"))


def test_another_list_can_be_used() -> None:
    assert codes(GOOD, blocklist=frozenset({GOOD})) == ["password.common"]
    assert codes(GOOD) == []
