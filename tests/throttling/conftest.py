"""A throttle over each database."""

from collections.abc import Iterator

import pytest

from idp.crypto import MasterKey, Sealer
from idp.db import Database
from idp.installation import Vault, prepare
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
