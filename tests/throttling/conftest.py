"""A throttle over each database."""

from collections.abc import Iterator

import pytest

from idp.crypto import MasterKey, Sealer
from idp.db import Database
from idp.installation import Vault, prepare
from idp.throttling import Throttle
from idp.throttling.counters import DatabaseWindows
from idp.throttling.redis_windows import RedisWindows
from tests.throttling.desk import NOW, Desk


@pytest.fixture
def vault(database: Database) -> Vault:
    with database.session() as db:
        made = prepare(db, Sealer([MasterKey.generate()]), NOW)
        db.commit()
    return made


@pytest.fixture
def desk(database: Database, vault: Vault) -> Desk:
    return Desk(database, vault)


@pytest.fixture
def wide(database: Database) -> Iterator[Database]:
    """The database with a connection for each of many threads."""
    made = Database(database.url, pool_size=64, pool_wait=60, statement_timeout_ms=60_000)
    yield made
    made.dispose()


@pytest.fixture
def in_redis(redis_url: str, database: Database, vault: Vault) -> Iterator[Desk]:
    desk = Desk(database, vault)
    windows = RedisWindows(redis_url, DatabaseWindows(database))
    desk.throttle = Throttle(database, vault, desk.settings, windows)
    yield desk
    windows.close()
