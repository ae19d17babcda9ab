"""A clock that was ahead and is set right: no window lasts for as long as it was ahead (A3)."""

from collections.abc import Iterator

import pytest

from idp.db import Database
from idp.installation import Vault
from idp.throttling import Throttle
from idp.throttling.counters import DatabaseWindows
from idp.throttling.redis_windows import RedisWindows
from tests.throttling.desk import HOUR, IP, MINUTE, NOW, SECOND, Desk, refusal


@pytest.fixture
def in_redis(redis_url: str, database: Database, vault: Vault) -> Iterator[Desk]:
    desk = Desk(database, vault)
    windows = RedisWindows(redis_url, DatabaseWindows(database))
    desk.throttle = Throttle(database, vault, desk.settings, windows)
    yield desk
    windows.close()


def _set_back(desk: Desk) -> None:
    desk.now = NOW
    for number in range(20):
        desk.password(f"account{number}", ip=IP)
    refusal(lambda: desk.password("another", ip=IP))
    desk.now = NOW - SECOND  # another machine, whose clock is a little late, opens nothing
    refusal(lambda: desk.password("another", ip=IP))
    desk.now = NOW - HOUR
    for number in range(20):
        desk.password(f"other{number}", ip=IP)
    assert refusal(lambda: desk.password("another", ip=IP)).params["until"] == NOW - HOUR + MINUTE


def test_a_network_s_window_begins_anew(desk: Desk) -> None:
    _set_back(desk)


def test_a_network_s_window_in_redis_begins_anew(in_redis: Desk) -> None:
    _set_back(in_redis)


def test_a_second_factor_s_window_begins_anew(desk: Desk) -> None:
    for number in range(10):
        desk.code(f"flow{number // 5}")
    refusal(lambda: desk.code("third"))
    desk.now = NOW - 2 * HOUR
    assert desk.code("fourth").failures == 11
