"""Tries at an account's password: waits, hard stop, lanes, equal answers."""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import func, select

from idp.db import Database
from idp.errors import Refusal
from idp.installation import Vault
from idp.throttling import Reservation, ThrottleRow
from idp.throttling.limits import Rule, doubling_delays
from tests.throttling.desk import LAPTOP, NOW, PHONE, SECOND, Desk, refusal


def test_five_tries_are_free_then_the_waits_double_up_to_the_longest(desk: Desk) -> None:
    """(req 54)"""
    for expected in range(1, 6):
        assert desk.password().failures == expected
    for seconds in (2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900):
        until = desk.now + seconds * SECOND
        assert refusal(desk.password) == Refusal("login.throttled", until=until)
        desk.now = until - timedelta(microseconds=1)
        assert refusal(desk.password) == Refusal("login.throttled", until=until)
        desk.now = until
        desk.password()


def test_refused_tries_do_not_count(desk: Desk) -> None:
    for _ in range(5):
        desk.password()
    for _ in range(50):
        refusal(desk.password)
    desk.now += 2 * SECOND
    assert desk.password().failures == 6


def test_success_forgets_the_failures_of_this_account_only(desk: Desk) -> None:
    """(req 57)"""
    for _ in range(4):
        desk.password("a")
        desk.password("b")
    fifth = desk.password("a")
    assert fifth.earlier_failures == 4
    desk.succeed(fifth)
    assert desk.password("a").failures == 1
    desk.password("b")
    assert refusal(lambda: desk.password("b")).code == "login.throttled"


def test_success_is_forgotten_with_the_operation_that_is_rolled_back(desk: Desk) -> None:
    reservation = desk.password()
    with desk.database.session() as db:
        desk.throttle.succeeded(db, reservation)
        db.rollback()
    assert desk.password().failures == 2


def test_a_failure_stands_though_the_operation_is_rolled_back(desk: Desk) -> None:
    desk.password()
    with desk.database.session() as db:
        assert db.scalar(select(func.count()).select_from(ThrottleRow)) == 1
        db.rollback()
    assert desk.password().failures == 2


def test_a_check_that_never_took_place_gives_its_try_back(desk: Desk) -> None:
    for _ in range(4):
        desk.password()
    desk.throttle.give_back(desk.password())
    assert desk.password().failures == 5
    desk.now += 2 * SECOND
    desk.throttle.give_back(desk.password())
    assert desk.password().failures == 6


def test_giving_back_leaves_the_count_of_the_other_lane(desk: Desk) -> None:
    desk.password(known_device=LAPTOP)
    desk.throttle.give_back(desk.password())
    desk.throttle.give_back(desk.password(known_device=LAPTOP))
    assert desk.password(known_device=LAPTOP).failures == 2


def test_hard_stop_after_100_consecutive_failures_until_recovery(desk: Desk) -> None:
    """(req 54)"""
    desk.fail_until_stopped(100)
    desk.now += timedelta(days=60)
    assert refusal(desk.password) == Refusal("login.stopped")
    with desk.database.session() as db:
        desk.throttle.recovered(db, "a")
        db.commit()
    assert desk.password().failures == 1


def test_strangers_cannot_close_the_lane_of_a_known_device(desk: Desk) -> None:
    """(req 56)"""
    for _ in range(5):
        desk.password()
    assert refusal(desk.password).code == "login.throttled"
    desk.password(known_device=LAPTOP)
    desk.fail_until_stopped(94)
    assert refusal(desk.password) == Refusal("login.stopped")
    reservation = desk.password(known_device=LAPTOP)
    desk.succeed(reservation)
    assert desk.password().failures == 1


def test_failures_of_a_known_device_count_and_end(desk: Desk) -> None:
    """(req 54)"""
    for number in range(1, 101):
        assert desk.password(known_device=LAPTOP).failures == number
    assert refusal(lambda: desk.password(known_device=LAPTOP)) == Refusal("login.stopped")
    assert refusal(desk.password) == Refusal("login.stopped")


def test_a_known_device_closes_itself_alone(desk: Desk) -> None:
    """(req 56): and whoever frees the account opens it again."""
    for _ in range(100):
        desk.password(known_device=LAPTOP)
    assert refusal(lambda: desk.password(known_device=LAPTOP)) == Refusal("login.stopped")
    assert desk.password(known_device=PHONE)
    with desk.database.session() as db:
        desk.throttle.recovered(db, "a", known_devices=[LAPTOP, PHONE])
        db.commit()
    assert desk.password(known_device=LAPTOP).failures == 1
    assert desk.password().failures == 2


def test_unknown_names_are_answered_like_accounts(desk: Desk) -> None:
    """(req 59)"""

    def history(ask: Callable[[], Reservation]) -> list[object]:
        desk.now, answers = NOW, list[object]()
        for _ in range(8):
            try:
                answers.append(ask().failures)
            except Refusal as refused:
                answers.append((refused.code, refused.params))
                desk.now += SECOND
        return answers

    unknown = history(lambda: desk.password(None, name="nobody"))
    assert unknown == history(lambda: desk.password("a", name="anna"))
    assert ("login.throttled", {"until": NOW + 2 * SECOND}) in unknown


def test_spelling_of_an_unknown_name_gives_no_further_tries(desk: Desk) -> None:
    """(req 55)"""
    for name in ("nobody", "NOBODY", " nobody ", "ｎobody", "noBody"):
        desk.password(None, name=name)
    assert refusal(lambda: desk.password(None, name="Nobody")).code == "login.throttled"
    assert desk.password(None, name="somebody").failures == 1


def test_an_account_is_counted_whatever_name_was_typed(desk: Desk) -> None:
    """(req 55)"""
    for name in ("anna", "anna@muster.example", "ANNA", "x", "y"):
        desk.password("a", name=name)
    assert refusal(lambda: desk.password("a", name="z")).code == "login.throttled"


def test_rule_gives_the_waits_of_the_defaults() -> None:
    waits = doubling_delays(900)
    assert [wait.total_seconds() for wait in waits] == [2, 4, 8, 16, 32, 64, 128, 256, 512, 900]
    assert doubling_delays(1) == (SECOND,)
    rule = Rule(hard_stop=100, delays=waits, free=1)
    assert (rule.delay(0), rule.delay(1), rule.delay(99)) == (None, 2 * SECOND, 900 * SECOND)
    assert Rule(hard_stop=100).delay(50) is None


def test_a_wait_may_begin_with_the_first_failure(database: Database, vault: Vault) -> None:
    desk = Desk(database, vault, account_free=1)
    desk.password()
    assert refusal(desk.password) == Refusal("login.throttled", until=NOW + 2 * SECOND)
