"""Redis counts what is short-lived, and may go away."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

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
from idp.throttling.redis_windows import PREFIX, RedisWindows
from tests.infrastructure import free_port
from tests.throttling.desk import IP, MINUTE, NOW, SECOND, Desk, passed, refusal


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
    windows = RedisWindows(url, DatabaseWindows(database))
    desk.throttle = Throttle(database, vault, desk.settings, windows)
    for number in range(20):
        desk.password(f"account{number}", ip=IP)
    assert refusal(lambda: desk.password("b", ip=IP)).code == "login.throttled"
    windows.close()


def test_emptied_redis_gives_no_further_tries_at_an_account(in_redis: Desk, redis_url: str) -> None:
    """(C15)"""
    for _ in range(5):
        in_redis.password(ip=IP)
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        client.script_flush()
    assert refusal(lambda: in_redis.password(ip=IP)).code == "login.throttled"


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """Listens, as a Redis that hangs does, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_redis_that_hangs_is_waited_for_once(database: Database, silent: socket.socket) -> None:
    """By the request that finds it so; whether it is back, none after it asks (F4)."""
    url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
    windows = RedisWindows(url, DatabaseWindows(database), pause=3600)
    for expected in (1, 2, 3):
        (window,) = windows.hit([("key", Limit(5, MINUTE))], NOW)
        assert window == counters.Window(expected, NOW + MINUTE)
    silent.setblocking(False)
    silent.accept()[0].close()
    with pytest.raises(BlockingIOError):
        silent.accept()
    windows.close()


def test_redis_that_is_back_counts_again(database: Database, redis_url: str) -> None:
    """Found by a thread of its own, which ends then."""
    port = free_port()
    url = f"redis://127.0.0.1:{port}{urlsplit(redis_url).path}"
    windows = RedisWindows(url, DatabaseWindows(database), pause=0.01)
    wanted = [("key", Limit(5, MINUTE))]
    with _new_thread() as looking:
        assert [window.count for window in windows.hit(wanted, NOW)] == [1]
    with _passing_on(port, redis_url), closing(windows):
        (thread,) = looking
        thread.join(timeout=60)
        assert not thread.is_alive()
        assert [window.count for window in windows.hit(wanted, NOW)] == [1]
        with redis.Redis.from_url(redis_url) as client:
            assert client.exists(f"{PREFIX}key")


def test_nobody_looks_out_for_redis_after_the_end(database: Database) -> None:
    windows = RedisWindows("redis://127.0.0.1:1/0", DatabaseWindows(database), pause=0.01)
    with _new_thread() as looking:
        windows.hit([("key", Limit(5, MINUTE))], NOW)
    windows.close()
    (thread,) = looking
    thread.join(timeout=60)
    assert not thread.is_alive()


@contextmanager
def _new_thread() -> Iterator[list[threading.Thread]]:
    """Say which threads have begun to look out for Redis in a block."""
    before, found = set(threading.enumerate()), list[threading.Thread]()
    yield found
    found += [thread for thread in threading.enumerate() if thread not in before and "Redis" in thread.name]


@contextmanager
def _passing_on(port: int, redis_url: str) -> Iterator[None]:
    """Pass what comes at a port on to Redis."""
    target = urlsplit(redis_url)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((target.hostname, target.port)) as onward:
                back = threading.Thread(target=_copy, args=(onward, self.request), daemon=True)
                back.start()
                _copy(self.request, onward)
                onward.shutdown(socket.SHUT_RDWR)
                back.join()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def _copy(source: socket.socket, to: socket.socket) -> None:
    while part := source.recv(4096):
        to.sendall(part)


def test_installation_uses_redis_where_one_is_configured(
    database: Database, vault: Vault, settings: Settings, redis_url: str
) -> None:
    plain = make_throttle(settings, database, vault)
    assert isinstance(plain._windows, DatabaseWindows)
    with_redis = settings.model_copy(update={"redis": settings.redis.model_copy(update={"url": redis_url})})
    fast = make_throttle(with_redis, database, vault)
    assert isinstance(fast._windows, RedisWindows)
    fast._windows.close()
