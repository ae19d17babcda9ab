"""The hot statements where something is in their way: locks, dead connections (A3; req 23)."""

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select, text

from idp import pooling
from idp.audit.models import AuditEvent
from idp.db import Database
from idp.management import accounts, ending
from idp.oidc import snapshot
from tests.builders import OPERATOR
from tests.databases import apart
from tests.infrastructure import PostgreSQL
from tests.installation import unit_of_work
from tests.lock_waits import wait_until_it_waits
from tests.world import Desk, machine, now


@pytest.fixture
def database(postgresql: PostgreSQL, worker_number: int) -> Iterator[Database]:
    """PostgreSQL alone: SQLite has one writer, and no server that ends connections."""
    with apart(postgresql, f"statements_{worker_number}") as made:
        yield made


def _end_connections(desk: Desk) -> None:
    """End all connections but one's own, as a restart of the server does; returns when they have ended."""
    url = desk.services.database.url.render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def _use_both_engines(desk: Desk, tokens: Mapping[str, Any]) -> list[Any]:
    return [
        desk.portal.call("/introspect", {"token": tokens["access_token"]}),
        desk.portal.refresh("x" * 43),
    ]


def test_dead_connections_leave_the_pool(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fails one request with 503 and is gone; nobody has to restart the server."""
    monkeypatch.setattr(snapshot, "POLL_SECONDS", 3600.0)
    monkeypatch.setattr(pooling, "RESTED_SECONDS", 3600.0)
    tokens = desk.tokens()
    _end_connections(desk)
    first = _use_both_engines(desk, tokens)
    assert [answer.status_code for answer in first] == [503, 503]
    assert all(answer.headers["Retry-After"] for answer in first)
    assert [answer.status_code for answer in _use_both_engines(desk, tokens)] == [200, 400]


def test_one_dead_connection_tells_for_all(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a restart one request fails, not one for each connection that stood in the pool (decision 65)."""
    monkeypatch.setattr(snapshot, "POLL_SECONDS", 3600.0)
    monkeypatch.setattr(pooling, "RESTED_SECONDS", 3600.0)
    engine = desk.services.database.engine
    with engine.connect(), engine.connect(), engine.connect():
        pass
    _end_connections(desk)
    found = [desk.portal.refresh("x" * 43).status_code for _ in range(4)]
    assert found == [503, 400, 400, 400]


def test_a_restart_of_the_database_fails_no_later_request(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that has rested is looked at first."""
    monkeypatch.setattr(snapshot, "POLL_SECONDS", 3600.0)
    monkeypatch.setattr(pooling, "RESTED_SECONDS", 0.0)
    tokens = desk.tokens()
    assert [answer.status_code for answer in _use_both_engines(desk, tokens)] == [200, 400]
    _end_connections(desk)
    assert [answer.status_code for answer in _use_both_engines(desk, tokens)] == [200, 400]


def test_nothing_is_minted_after_a_block_has_committed(desk: Desk) -> None:
    """A refresh that waits for the block sees it: the share lock orders the two (req 23)."""
    tokens = desk.tokens()
    answers: list[Any] = []
    refresh = threading.Thread(target=lambda: answers.append(desk.portal.refresh(tokens["refresh_token"])))
    with desk.work() as ctx:
        accounts.block(ctx.acting(OPERATOR), desk.account_id)
        ctx.db.flush()
        refresh.start()
        _until_somebody_waits(desk)
    refresh.join()
    assert answers[0].status_code == 400
    assert answers[0].get_json()["error"] == "invalid_grant"


def _until_somebody_waits(desk: Desk) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with desk.services.database.reader.connect() as connection:
        for _ in range(2000):
            if connection.execute(waiting).scalar_one():
                return
    raise AssertionError("the refresh did not wait")


@pytest.mark.parametrize("kind", ["refresh", "code"])
def test_tokens_beside_a_change_that_spares_them(desk: Desk, kind: str) -> None:
    """Who waits for the person's own change of the password sees all as that left it (req 44)."""
    tokens, code = desk.tokens(), desk.code().code
    outcome: list[int] = []

    def ask() -> None:
        answer = desk.portal.refresh(tokens["refresh_token"]) if kind == "refresh" else desk.redeem(code)
        outcome.append(answer.status_code)

    thread = threading.Thread(target=ask)
    with unit_of_work(desk.services, now()) as ctx:
        account = accounts.locked(ctx, desk.account_id)
        account.epoch += 1
        ctx.db.flush()
        ending.keep_what_is_left(ctx, desk.account_id, epoch=account.epoch - 1)
        thread.start()
        wait_until_it_waits(desk.services, [str(status) for status in outcome])
    thread.join()
    assert outcome == [200]
    with unit_of_work(desk.services) as ctx:
        told = ("code.misused", "code.replayed", "authorization.revoked")
        assert ctx.db.scalar(select(func.count()).where(AuditEvent.event.in_(told))) == 0


def test_one_silent_connection_holds_up_one_thread(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for a newer snapshot waits; all others go on with the last, or are told to come back (F3)."""
    monkeypatch.setattr(snapshot, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(snapshot, "FRESH_SECONDS", 3600.0)
    snapshots = desk.gateway.server.provider.snapshots
    first, outcome = snapshots.current(), list[str]()

    def ask() -> None:
        outcome.append(str(snapshots.current().version))

    thread = threading.Thread(target=ask)
    with desk.services.database.engine.connect() as connection:
        connection.execute(text("BEGIN"))
        connection.execute(text("LOCK TABLE installation IN ACCESS EXCLUSIVE MODE"))
        thread.start()
        wait_until_it_waits(desk.services, outcome)
        assert snapshots.current() is first
        assert machine(desk.gateway, "GET", "/jwks").status_code == 200
        monkeypatch.setattr(snapshot, "FRESH_SECONDS", 0.0)
        monkeypatch.setattr(snapshot, "PATIENCE_SECONDS", 0.0)
        assert machine(desk.gateway, "GET", "/jwks").status_code == 200
        refused = desk.portal.refresh("x" * 43)
        assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
        assert outcome == []
        connection.execute(text("ROLLBACK"))
    thread.join()
    assert outcome == [str(first.version)]
