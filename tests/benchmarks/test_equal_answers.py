"""What the benchmark of equal answers concludes from times; the times themselves are no test's business."""

import pytest

from benchmarks.equal_answers import Question


def asked(**medians: float) -> Question:
    """Return a question whose kinds were answered in about this time, each with one answer far off."""
    question = Question("a wrong password")
    for kind, median in medians.items():
        for took in (median - 0.1, median, median + 0.1, 900.0, median - 0.05):
            question.add(kind, took)
    return question


def test_medians_are_compared() -> None:
    """One slow answer tells nothing."""
    assert asked(nobody=10.0, known=14.9).medians() == {"nobody": 10.0, "known": 14.9}


@pytest.mark.parametrize(("known", "holds"), [(10.0, True), (14.9, True), (15.0, False), (4.0, False)])
def test_five_milliseconds_are_too_many(known: float, holds: bool) -> None:
    """Slower or faster than nobody (req 59)."""
    question = asked(nobody=10.0, known=known)
    assert question.holds is holds
    assert ("NOT ALIKE" in question.markdown()) is not holds


def test_any_two_kinds_are_compared() -> None:
    """Also where both lie within the limit of the first one."""
    question = asked(nobody=10.0, known=13.0, blocked=7.0)
    assert question.widest == pytest.approx(6.0)
    assert not question.holds


def test_the_table_keeps_its_order() -> None:
    """By chance is only when each is asked."""
    lines = asked(known=12.0, nobody=10.0).in_order(["nobody", "known"]).markdown().splitlines()
    assert lines[2:4] == ["| nobody | 5 | 10.00 | +0.00 |", "| known | 5 | 12.00 | +2.00 |"]
