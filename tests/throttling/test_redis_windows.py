"""Redis counts what is short-lived, and may go away."""

from collections.abc import Iterator
from datetime import datetime

import pytest
import redis
from sqlalchemy import func, select

from idp.db import Database
from idp.errors import Refusal
from idp.installation import Vault
from idp.settings import Settings
from idp.throttling import Throttle, ThrottleRow, counters, make_throttle
from idp.throttling.counters import DatabaseWindows
from idp.throttling.limits import Limit
from idp.throttling.redis_windows import RedisWindows
from tests.throttling.desk import IP, MINUTE, NOW, SECOND, Desk, passed, refusal


@pytest.fixture
def in_redis(redis_url: str, database: Database, vault: Vault) -> Iterator[Desk]:
    desk = Desk(database, vault)
    windows = RedisWindows(redis_url, DatabaseWindows(database))
    desk.throttle = Throttle(database, vault, desk.settings, windows)
    yield desk
    windows.close()


def test_redis_counts_networks_and_clients_and_the_table_counts_accounts(in_redis: Desk) -> None:
    for number in range(20):
        in_redis.password(f"account{number}", ip=IP)
        in_redis.now += SECOND
    assert refusal(lambda: in_redis.password("b", ip=IP)) == Refusal("login.throttled", until=NOW + MINUTE)
    in_redis.now = NOW + MINUTE
    in_redis.password("account0", ip=IP)
    with in_redis.database.session() as db:
        assert db.scalar(select(func.count()).select_from(ThrottleRow)) == 20


def test_of_64_parallel_sign_ins_redis_lets_exactly_20_through(in_redis: Desk, wide: Database) -> None:
    """(req 22)"""
    windows = in_redis.throttle._windows
    limit = Limit(20, MINUTE)

    def hit(_: int) -> None:
        if windows.hit([("key", limit)], NOW)[0].count > limit.count:
            raise Refusal("login.throttled")

    assert passed(hit) == 20


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "unix:///nowhere/redis.sock"])
def test_without_redis_the_same_limits_hold(url: str, database: Database, vault: Vault) -> None:
    desk = Desk(database, vault)
    windows = RedisWindows(url, DatabaseWindows(database), pause=0)
    desk.throttle = Throttle(database, vault, desk.settings, windows)
    for number in range(20):
        desk.password(f"account{number}", ip=IP)
    assert refusal(lambda: desk.password("b", ip=IP)).code == "login.throttled"


def test_emptied_redis_gives_no_further_tries_at_an_account(in_redis: Desk, redis_url: str) -> None:
    """(C15)"""
    for _ in range(5):
        in_redis.password(ip=IP)
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        client.script_flush()
    assert refusal(lambda: in_redis.password(ip=IP)).code == "login.throttled"


def test_redis_that_failed_is_left_alone_for_a_while(database: Database) -> None:
    asked: list[str] = []

    class Counting(RedisWindows):
        def _hit(self, key: str, limit: Limit, now: datetime) -> counters.Window:
            asked.append(key)
            return super()._hit(key, limit, now)

    windows = Counting("redis://127.0.0.1:1/0", DatabaseWindows(database), pause=3600)
    for expected in (1, 2, 3):
        (window,) = windows.hit([("key", Limit(5, MINUTE))], NOW)
        assert window == counters.Window(expected, NOW + MINUTE)
    assert asked == ["key"]


def test_installation_uses_redis_where_one_is_configured(
    database: Database, vault: Vault, settings: Settings, redis_url: str
) -> None:
    plain = make_throttle(settings, database, vault)
    assert isinstance(plain._windows, DatabaseWindows)
    with_redis = settings.model_copy(update={"redis": settings.redis.model_copy(update={"url": redis_url})})
    fast = make_throttle(with_redis, database, vault)
    assert isinstance(fast._windows, RedisWindows)
    fast._windows.close()
