"""How a test knows that another connection waits for a lock, before it lets go of it."""

from sqlalchemy import text

from idp.context import Services


def wait_until_it_waits(services: Services, outcome: list[str]) -> None:
    """Return once PostgreSQL says that a connection waits for a lock, or the other thread has its answer.

    SQLite has one writer: there the other thread waits for its turn to begin.
    """
    if services.database.dialect != "postgresql":
        return
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with services.database.reader.connect() as connection:
        for _ in range(2000):
            if outcome or connection.execute(waiting).scalar_one():
                return
    raise AssertionError("neither waiting nor answered")
