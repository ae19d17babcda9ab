"""Tries at codes."""

from datetime import timedelta

from idp.errors import Refusal
from tests.throttling.desk import HOUR, NOW, Desk, refusal


def test_five_codes_a_flow_then_the_flow_is_over(desk: Desk) -> None:
    """(req 64)"""
    assert [desk.code().remaining for _ in range(5)] == [4, 3, 2, 1, 0]
    assert refusal(desk.code) == Refusal("flow.expired")
    assert desk.code("next").failures == 6


def test_ten_codes_an_hour_for_an_account(desk: Desk) -> None:
    """(req 55)"""
    for number in range(10):
        desk.code(f"flow{number // 5}")
    assert refusal(lambda: desk.code("third")) == Refusal("code.throttled", until=NOW + HOUR)
    assert desk.code("third", factor="recovery_code").failures == 1
    assert desk.code("other", account="b").failures == 1
    desk.now += HOUR
    assert desk.code("fourth").failures == 11


def test_hard_stop_of_a_factor_after_100_consecutive_failures(desk: Desk) -> None:
    """(req 54)"""
    for number in range(100):
        desk.code(f"flow{number // 5}")
        desk.now += timedelta(minutes=6)
    desk.now += HOUR
    assert refusal(lambda: desk.code("last")) == Refusal("code.stopped")


def test_right_code_forgets_the_failures_of_the_factor(desk: Desk) -> None:
    for number in range(9):
        desk.code(f"flow{number // 5}")
    desk.succeed(desk.code("right"))
    assert desk.code("next").failures == 1


def test_a_removed_factor_leaves_no_failures_to_the_next(desk: Desk) -> None:
    """Only that one's: another kind stays counted (req 54)."""
    for number in range(10):
        desk.code(f"flow{number // 5}")
        desk.code(f"other flow{number // 5}", factor="recovery_code")
    with desk.database.session() as db:
        desk.throttle.recovered(db, "a", factors=["totp"])
        db.commit()
    assert desk.code("next").failures == 1
    assert refusal(lambda: desk.code("next", factor="recovery_code")).code == "code.throttled"


def test_password_and_second_factor_are_counted_apart(desk: Desk) -> None:
    """(req 55, 56)"""
    for _ in range(5):
        desk.password()
    assert refusal(desk.password).code == "login.throttled"
    assert desk.code().failures == 1
