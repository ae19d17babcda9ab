"""Which level a session reaches (req 13, 43; RFC 8176)."""

from datetime import UTC, datetime, timedelta

import pytest

from idp.authentication.assurance import (
    AAL1,
    AAL2,
    AAL2_PHR,
    Assurance,
    Limits,
    Proof,
    assess,
    meets,
    proven_within,
)
from idp.settings.models import SessionSettings

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LIMITS = Limits.of(SessionSettings())


def _at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def _assess(*proofs: tuple[str, float], now: float = 0, active_since: float | None = 0) -> Assurance:
    return assess(
        [Proof(method, _at(at)) for method, at in proofs],
        now=_at(now),
        limits=LIMITS,
        active_since=None if active_since is None else _at(active_since),
    )


@pytest.mark.parametrize(
    ("proofs", "acr", "amr"),
    [
        ([("pwd", 0)], AAL1, ("pwd",)),
        ([("pwd", 0), ("otp", 0)], AAL2, ("otp", "pwd", "mfa")),
        ([("pwd", 0), ("sms", 0)], AAL2, ("pwd", "sms", "mfa")),
        ([("pwd", 0), ("tel", 0)], AAL2, ("pwd", "tel", "mfa")),
        ([("pwd", 0), ("hwk", 0)], AAL2_PHR, ("hwk", "pwd", "mfa")),
        ([("user", 0)], AAL2_PHR, ("user", "mfa")),
        ([("pwd", 0), ("email", 0)], AAL1, ("pwd",)),
        ([("pwd", 0), ("pwd", 0)], AAL1, ("pwd",)),
    ],
)
def test_levels_and_methods(proofs: list[tuple[str, float]], acr: str, amr: tuple[str, ...]) -> None:
    """(req 13, 66): a code by e-mail, or the password twice, is no second factor."""
    found = _assess(*proofs)
    assert (found.acr, found.amr, found.auth_time) == (acr, amr, START)


def test_a_fresh_password_alone_inherits_no_second_factor() -> None:
    """(req 13): what was proven before the repeated sign-in counts no longer."""
    found = _assess(("pwd", 0), ("otp", 0), ("pwd", 10), now=10)
    assert (found.acr, found.amr, found.auth_time) == (AAL1, ("pwd",), _at(10))


def test_a_second_factor_later_raises_the_level_and_leaves_auth_time() -> None:
    found = _assess(("pwd", 0), ("otp", 10), now=10)
    assert (found.acr, found.auth_time) == (AAL2, START)


def test_aal2_ends_after_24_hours() -> None:
    """(req 43)"""
    day = 24 * 60
    assert _assess(("pwd", 0), ("otp", 0), now=day).acr == AAL2
    assert _assess(("pwd", 0), ("otp", 0), now=day + 1).acr == AAL1
    assert _assess(("pwd", 0), ("otp", 0), ("otp", day), now=day + 1).acr == AAL2
    assert _assess(("user", 0), now=day + 1).acr == AAL1


def test_aal2_ends_with_a_long_pause_and_does_not_come_back_by_itself() -> None:
    """(req 43)"""
    assert _assess(("pwd", 0), ("otp", 0), now=61, active_since=61).acr == AAL1
    assert _assess(("pwd", 0), ("otp", 0), now=62, active_since=61).acr == AAL1
    assert _assess(("pwd", 0), ("otp", 0), ("otp", 62), now=62, active_since=61).acr == AAL2
    assert _assess(("user", 0), now=62, active_since=61).acr == AAL1


def test_a_second_factor_alone_is_no_session() -> None:
    with pytest.raises(ValueError, match="first factor"):
        _assess(("otp", 0))


def test_without_a_known_begin_of_use_the_sign_in_is_it() -> None:
    assert _assess(("pwd", 0), ("otp", 0), active_since=None).acr == AAL2


def test_higher_levels_meet_lower_ones() -> None:
    levels = [AAL1, AAL2, AAL2_PHR]
    for reached, acr in enumerate(levels):
        for wanted, other in enumerate(levels):
            assert meets(acr, other) is (reached >= wanted)


@pytest.mark.parametrize("unknown", ["", "urn:lotse:acr:aal9", "1", "URN:LOTSE:ACR:AAL1"])
def test_an_unknown_level_is_never_met_nor_reached(unknown: str) -> None:
    assert not meets(AAL2_PHR, unknown)
    assert not meets(unknown, AAL1)


@pytest.mark.parametrize(
    ("method", "alone", "beside_a_second_factor"),
    [
        ("pwd", True, False),
        ("otp", True, True),
        ("sms", True, True),
        ("tel", True, True),
        ("hwk", True, True),
        ("user", True, True),
        ("email", False, False),
    ],
)
def test_what_shows_lately_who_somebody_is(method: str, alone: bool, beside_a_second_factor: bool) -> None:
    """(req 53, 73): a password alone is not enough where the account has a second factor."""
    proofs, quarter = [Proof(method, START)], timedelta(minutes=15)
    for has_second_factor, enough in ((False, alone), (True, beside_a_second_factor)):
        for minutes, in_time in ((14.9, True), (15, False)):
            found = proven_within(proofs, quarter, now=_at(minutes), has_second_factor=has_second_factor)
            assert found is (enough and in_time)
