"""Tries at passwords of old portals: one count an old account, whoever asks and wherever (req 54-57, 90)."""

from datetime import timedelta
from typing import Any

import pytest

from idp.errors import Refusal
from idp.throttling import Reservation
from tests.throttling.desk import Desk, refusal


def take(desk: Desk, name: str = "account:1", **facts: Any) -> Reservation:
    given = {"directory": "d", "account_id": "ben", "ip": None, "own": False, "now": desk.now, **facts}
    return desk.throttle.legacy_try(name=name, **given)


def test_one_count_for_all_who_ask(desk: Desk) -> None:
    """Five tries are free, of whatever account, page or spelling; other names and directories are others."""
    for person in ("ben", "clara", None, "ben", "clara"):
        take(desk, "name:SMueller", account_id=person)
    assert refusal(lambda: take(desk, "name:smueller", account_id="dora")).code == "login.throttled"
    take(desk, "name:kweber")
    take(desk, "name:smueller", directory="other")


def test_the_owner_gets_in_while_others_guess(desk: Desk) -> None:
    """Who has proven the old account's address is delayed by nobody (req 56), and has a hard stop too."""
    for _ in range(5):
        take(desk)
    assert refusal(lambda: take(desk)).code == "login.throttled"
    assert take(desk, own=True).failures == 6
    for _ in range(99):
        desk.now += timedelta(minutes=4)
        take(desk, own=True)
    assert refusal(lambda: take(desk, own=True)) == Refusal("link.stopped")


def test_success_forgets_the_old_accounts_failures_alone(desk: Desk) -> None:
    """(req 57)"""
    for _ in range(4):
        take(desk)
        take(desk, "account:2")
    desk.succeed(take(desk))
    assert take(desk).failures == 1
    take(desk, "account:2")
    assert refusal(lambda: take(desk, "account:2")).code == "login.throttled"


def test_a_try_that_was_none_is_given_back(desk: Desk) -> None:
    """A directory that is away counts nothing."""
    for _ in range(20):
        desk.throttle.give_back(take(desk, account_id=None))
    assert take(desk).failures == 1


@pytest.mark.parametrize("right", [False, True])
def test_who_asks_is_counted_whatever_the_answer(desk: Desk, right: bool) -> None:
    """Right answers with old accounts of one's own clear no way to guess at others' (req 57, C15)."""
    for at in range(20):
        reservation = take(desk, f"account:{at}")
        if right:
            desk.succeed(reservation)
    assert refusal(lambda: take(desk, "account:new")).code == "login.throttled"
    take(desk, "account:new", account_id="clara")
    take(desk, "account:new", account_id=None)


def test_a_network_is_counted_with_its_sign_ins(desk: Desk) -> None:
    for at in range(20):
        take(desk, f"account:{at}", account_id=f"person{at}", ip="203.0.113.7")
    assert (
        refusal(lambda: take(desk, "account:new", account_id="new", ip="203.0.113.7")).code
        == "login.throttled"
    )
