"""A prepared installation for tests below the web: services, contexts, a clock that is handed in."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from idp.accounts.passwords import Costs, LocalPasswordHasher
from idp.context import Actor, Context, Origin, Services
from idp.crypto import MasterKey, Sealer
from idp.db import Database
from idp.installation import PEPPER, prepare
from idp.settings import Settings
from idp.throttling import make_throttle

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def make_services(settings: Settings, database: Database, *, now: datetime = NOW) -> Services:
    """Return the services of a freshly prepared installation."""
    with database.session() as db, db.begin():
        vault = prepare(db, Sealer([MasterKey.generate()]), now)
    return Services(
        settings=settings,
        database=database,
        vault=vault,
        throttle=make_throttle(settings, database, vault),
        passwords=LocalPasswordHasher(vault.secrets[PEPPER], Costs(memory_kib=8, time_cost=1)),
    )


@contextmanager
def unit_of_work(
    services: Services, now: datetime = NOW, *, origin: Origin | None = None, actor: Actor | None = None
) -> Iterator[Context]:
    """A context whose work is committed at the end of the block."""
    with services.database.session() as db, db.begin():
        yield services.context(db, now=now, origin=origin, actor=actor)
