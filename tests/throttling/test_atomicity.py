"""Tries that are asked for at the same moment."""

from idp.db import Database
from idp.installation import Vault
from tests.throttling.desk import IP, LAPTOP, Desk, passed


def test_of_64_parallel_passwords_exactly_the_free_ones_are_looked_at(wide: Database, vault: Vault) -> None:
    """(req 22, 55)"""
    desk = Desk(wide, vault)
    assert passed(lambda _: desk.password()) == 5
    assert passed(lambda number: desk.password(f"account{number}", ip=IP)) == 20


def test_of_64_parallel_codes_exactly_five_a_flow_and_ten_an_hour_are_looked_at(
    wide: Database, vault: Vault
) -> None:
    """(req 22, 64)"""
    desk = Desk(wide, vault)
    assert passed(lambda _: desk.code()) == 5
    assert passed(lambda number: desk.code(f"flow{number}")) == 5


def test_parallel_tries_of_a_known_device_end_at_the_hard_stop(wide: Database, vault: Vault) -> None:
    """(req 54)"""
    desk = Desk(wide, vault, account_hard_stop=20)
    assert passed(lambda _: desk.password(known_device=LAPTOP)) == 20


def test_tries_from_known_browsers_hold_rows_in_one_order(wide: Database, vault: Vault) -> None:
    """Whoever takes, gives back or forgets tries holds both rows in one order."""
    desk = Desk(wide, vault, account_hard_stop=10_000)

    def ask(number: int) -> None:
        for _ in range(40):
            reservation = desk.password(known_device=LAPTOP)
            if number % 2:
                desk.throttle.give_back(reservation)
            else:
                desk.succeed(reservation)

    assert passed(ask, threads=8) == 8
