"""C16: processes that are killed between two statements of a redemption (req 6, 21; F1, A1).

Triggers in the database hold a transaction at the chosen point, so that the product needs no hook for it.
What lies between commit and answer looks like the last point from outside: committed, and nobody was told.
"""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from idp.db import begin_writing
from idp.oidc.models import RefreshToken
from tests.attacks.test_c16_races import (
    Cluster,
    await_processes,
    listening,
    redemption,
    refreshing,
    standing,
)
from tests.infrastructure import PostgreSQL
from tests.infrastructure import _until as until

BEFORE_USE, BEFORE_INSERT, BEFORE_COMMIT, AFTER_USE = 1, 2, 3, 4
_HOLD = """
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock(TG_ARGV[0]::bigint); RETURN NEW; END $$;
CREATE TRIGGER use_code BEFORE UPDATE ON one_time_secret FOR EACH ROW EXECUTE FUNCTION hold(1);
CREATE TRIGGER use_token BEFORE UPDATE ON refresh_token FOR EACH ROW EXECUTE FUNCTION hold(1);
CREATE TRIGGER used_code AFTER UPDATE ON one_time_secret FOR EACH ROW EXECUTE FUNCTION hold(4);
CREATE TRIGGER used_token AFTER UPDATE ON refresh_token FOR EACH ROW EXECUTE FUNCTION hold(4);
CREATE TRIGGER mint BEFORE INSERT ON refresh_token FOR EACH ROW EXECUTE FUNCTION hold(2);
CREATE CONSTRAINT TRIGGER finish AFTER INSERT ON refresh_token DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION hold(3);
"""
# of this database alone: other workers have theirs on the same server
_WAITING = text(
    "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database"
    " WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
)


@pytest.fixture(scope="module")
def cluster(
    postgresql: PostgreSQL, worker_number: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Two processes of the real server, whose redemptions can be held."""
    name = f"kill_points_{worker_number}"
    with standing(postgresql.create_database(name), tmp_path_factory.mktemp("kill_points")) as made:
        with made.services.database.session() as db, db.begin():
            db.execute(text(_HOLD))
        yield made
    postgresql.drop_database(name)


@pytest.mark.parametrize("kind", ["code", "refresh token"])
@pytest.mark.parametrize("point", [BEFORE_USE, AFTER_USE], ids=["before use", "after use"])
def test_what_was_not_committed_is_as_it_was(cluster: Cluster, kind: str, point: int) -> None:
    """Nothing was used and nothing minted: who got no answer tries again and succeeds, once."""
    form, stored = _form(cluster, kind), _stored(cluster)
    _killed_at(point, cluster, form)
    status, body = cluster.call("/token", form)
    assert status == 200, body
    assert _stored(cluster) == stored + 1
    assert _refused(cluster, form)


@pytest.mark.parametrize("kind", ["code", "refresh token"])
@pytest.mark.parametrize("point", [BEFORE_INSERT, BEFORE_COMMIT], ids=["before insert", "before commit"])
def test_what_was_committed_is_used(cluster: Cluster, kind: str, point: int) -> None:
    """The answer is lost: a second try is a second use, and never mints another child.

    What is minted travels with the COMMIT, so that the database has both or neither.
    """
    form, stored = _form(cluster, kind), _stored(cluster)
    _killed_at(point, cluster, form)
    assert until(lambda: _stored(cluster) == stored + 1, seconds=30)
    assert _refused(cluster, form)
    assert _refused(cluster, form)
    assert _stored(cluster) == stored + 1


def _form(cluster: Cluster, kind: str) -> dict[str, str]:
    form = redemption(cluster.code())
    if kind == "code":
        return form
    status, body = cluster.call("/token", form)
    assert status == 200, body
    return refreshing(body["refresh_token"])


def _killed_at(point: int, cluster: Cluster, form: dict[str, str]) -> None:
    """Redeem, and kill all server processes when the transaction has come to this point."""
    answers: list[object] = []

    def redeem() -> None:
        try:
            answers.append(cluster.call("/token", form))
        except (OSError, http.client.HTTPException, ValueError):
            pass  # no answer, or half of one

    with _held(cluster, point) as db:
        caller = threading.Thread(target=redeem)
        caller.start()
        assert until(lambda: db.scalar(_WAITING) == 1, seconds=30), "nobody came to this point"
        for victim in listening(cluster.process.pid, cluster.port):
            victim.kill()
        caller.join(30)
    assert answers == []
    await_processes(cluster)


@contextmanager
def _held(cluster: Cluster, point: int) -> Iterator[Session]:
    with cluster.services.database.session() as db, db.begin():
        begin_writing(db.connection())  # which a plain SELECT would not
        db.execute(select(func.pg_advisory_xact_lock(point)))
        yield db


def _refused(cluster: Cluster, form: dict[str, str]) -> bool:
    status, body = cluster.call("/token", form)
    return (status, body.get("error")) == (400, "invalid_grant")


def _stored(cluster: Cluster) -> int:
    with cluster.services.database.session() as db:
        return db.scalars(select(func.count()).select_from(RefreshToken)).one()
