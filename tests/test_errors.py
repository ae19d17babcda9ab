"""What operations raise: comparable, with a stable code, wording left to the surface."""

import pytest

from idp.errors import Busy, Refusal


def test_refusal_is_its_code_and_parameters() -> None:
    """Two refusals are equal when code and parameters are."""
    assert Refusal("code.wrong", remaining=4) == Refusal("code.wrong", remaining=4)
    assert Refusal("code.wrong", remaining=4) != Refusal("code.wrong", remaining=3)
    assert Refusal("code.wrong") != Refusal("code.length")
    assert Refusal("code.wrong") != "code.wrong"
    assert len({Refusal("code.wrong"), Refusal("code.wrong"), Refusal("code.length")}) == 2


def test_refusal_shows_its_facts() -> None:
    """A failing test or a log line tells what was refused."""
    assert repr(Refusal("code.wrong", remaining=4)) == "Refusal('code.wrong', {'remaining': 4})"


def test_busy_says_when_to_come_back() -> None:
    """The surface answers 503 with Retry-After."""
    with pytest.raises(Busy, match="hash pool") as busy:
        raise Busy("hash pool", retry_after=5)
    assert busy.value.retry_after == 5
    assert Busy("hash pool").retry_after > 0
