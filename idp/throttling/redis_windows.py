"""Windows in Redis: faster than the table, never the only thing that stops a guesser (63B §3.2.2).

Only the short-lived counts of networks and clients are kept here; losing them costs one window.  Where Redis
is away the table counts instead, under the same limits, until a thread of its own has found Redis again: one
that hangs is waited for once, by those who ask it at that moment (F4).
"""

import logging
import threading
from collections.abc import Sequence
from datetime import datetime

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from idp.db import from_micros, to_micros
from idp.throttling.counters import Window, Windows
from idp.throttling.limits import Limit

PREFIX = "lotse:throttle:"
ANSWER_SECONDS = 0.1
PAUSE_SECONDS = 1.0

_log = logging.getLogger(__name__)

#: times are microseconds below 2^53, so Lua's numbers hold them; strings keep their digits on the way back
_SCRIPT = """
local found = redis.call('HMGET', KEYS[1], 'start', 'count')
local now, period = tonumber(ARGV[1]), tonumber(ARGV[2])
local start, count = ARGV[1], 0
if found[1] and math.abs(now - tonumber(found[1])) < period then
  start, count = found[1], tonumber(found[2])
end
count = count + 1
redis.call('HSET', KEYS[1], 'start', start, 'count', count)
if count == 1 then redis.call('PEXPIRE', KEYS[1], math.ceil(period / 1000)) end
return {start, count}
"""


class RedisWindows:
    """Windows in Redis, with another place to count where Redis does not answer in a tenth of a second.

    :param pause: seconds between two looks whether a Redis that failed is back.
    """

    def __init__(self, url: str, fallback: Windows, *, pause: float = PAUSE_SECONDS) -> None:
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._script = self._client.register_script(_SCRIPT)
        self._fallback = fallback
        self._pause = pause
        self._away = False
        self._closed = threading.Event()
        self._lock = threading.Lock()

    def hit(self, wanted: Sequence[tuple[str, Limit]], now: datetime) -> list[Window]:
        """Count once under each key and return the counts."""
        if not self._away:
            try:
                return [self._hit(key, limit, now) for key, limit in wanted]
            except RedisError as error:
                self._note_away(error)
        return self._fallback.hit(wanted, now)

    def _hit(self, key: str, limit: Limit, now: datetime) -> Window:
        period = int(limit.period.total_seconds() * 1_000_000)
        start, count = self._script(keys=[PREFIX + key], args=[to_micros(now), period])
        return Window(int(count), from_micros(int(start)) + limit.period)

    def _note_away(self, error: RedisError) -> None:
        with self._lock:
            known, self._away = self._away, True
        if not known:
            _log.warning("Redis is away (%s): counting in the database", type(error).__name__)
            threading.Thread(target=self._look_out, name="look-out for Redis", daemon=True).start()

    def _look_out(self) -> None:
        while not self._closed.wait(self._pause):
            try:
                self._client.ping()
            except RedisError:
                continue
            self._away = False
            _log.info("Redis is back")
            return

    def close(self) -> None:
        """Close the connections."""
        self._closed.set()
        self._client.close()


def answers(url: str) -> bool:
    """Tell whether Redis takes commands at this address."""
    client = redis.Redis.from_url(
        url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)
    )
    try:
        return bool(client.ping())
    except RedisError:
        return False
    finally:
        client.close()
