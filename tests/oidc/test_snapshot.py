"""What a process keeps of clients and keys, and when it looks again (design §2, Freshness)."""

import sqlite3
import threading
from datetime import timedelta

import pytest
from sqlalchemy import Engine, create_engine, select, update
from sqlalchemy.exc import SQLAlchemyError

from idp.context import Services
from idp.crypto import MasterKey, Sealer
from idp.errors import Busy
from idp.installation import Installation, Resealing, reseal, snapshot_changed
from idp.management import clients
from idp.oidc import retention, signing_keys, snapshot
from idp.oidc.models import Authorization, RefreshToken, RevokedJti
from idp.oidc.snapshot import Snapshots
from tests import cast
from tests.builders import OPERATOR
from tests.world import Desk, forget_snapshot, machine, now


def test_it_is_replaced_only_by_another_version(desk: Desk) -> None:
    """The same object as long as nothing changed, a new one after a change was committed."""
    snapshots = desk.gateway.server.provider.snapshots
    first = snapshots.current()
    snapshots.expire()
    assert snapshots.current() is first
    with desk.work() as ctx:
        cast.register(ctx, "new")
    snapshots.expire()
    assert "new" in snapshots.current().clients
    assert "new" not in first.clients


def test_between_two_looks_nothing_is_asked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most two looks a second."""
    monkeypatch.setattr(snapshot, "POLL_SECONDS", 3600.0)
    snapshots = desk.gateway.server.provider.snapshots
    first = snapshots.current()
    with desk.work() as ctx:
        cast.register(ctx, "new")
    assert snapshots.current() is first


def test_a_change_by_another_process_counts(desk: Desk, services: Services) -> None:
    """Another provider's snapshots see it at their next look."""
    other = Snapshots(services)
    assert "portal" in other.current().clients
    with desk.work() as ctx:
        clients.disable(ctx.acting(OPERATOR), "portal")
    other.expire()
    assert "portal" not in other.current().clients


def test_keys_made_by_another_process_count(desk: Desk, services: Services) -> None:
    """Without any other change: what they sign must verify everywhere (req 33)."""
    other = Snapshots(services)
    assert "EdDSA" not in other.current().keys.active
    with desk.work() as ctx:
        signing_keys.provide(ctx, {"EdDSA"})
    other.expire()
    assert "EdDSA" in other.current().keys.active


def test_a_restored_installation_counts(desk: Desk, services: Services) -> None:
    """A backup may hold the version that was seen last with other clients: its epoch is another one."""
    other = Snapshots(services)
    first = other.current()
    with desk.work() as ctx:
        ctx.db.execute(update(Installation).values(epoch=Installation.epoch + 1))
    other.expire()
    assert other.current().epoch == first.epoch + 1


def test_while_the_database_keeps_somebody_waiting(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents go on at once, requests for a second, then they are refused: nobody else waits (F3)."""
    snapshots = desk.gateway.server.provider.snapshots
    first = snapshots.current()
    asked, released = threading.Event(), threading.Event()

    def silent() -> None:
        asked.set()
        released.wait(20)
        raise sqlite3.OperationalError("gone")

    monkeypatch.setattr(desk.services.database, "reader", create_engine("sqlite://", creator=silent))
    monkeypatch.setattr(snapshot, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(snapshot, "FRESH_SECONDS", 3600.0)
    monkeypatch.setattr(snapshot, "PATIENCE_SECONDS", 0.01)
    waiting = threading.Thread(target=snapshots.published)
    waiting.start()
    try:
        assert asked.wait(20)
        assert snapshots.current() is first
        monkeypatch.setattr(snapshot, "FRESH_SECONDS", 0.0)
        with pytest.raises(Busy):
            snapshots.current()
        monkeypatch.setattr(snapshot, "PATIENCE_SECONDS", 3600.0)
        assert snapshots.published() is first
        assert waiting.is_alive()
    finally:
        released.set()
        waiting.join()


@pytest.fixture
def nowhere() -> Engine:
    """A database that does not answer."""
    return create_engine("postgresql://x@127.0.0.1:1/x", connect_args={"connect_timeout": 1})


def test_the_database_is_away(desk: Desk, nowhere: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents anyone may read still answer; everything else is 503 with Retry-After (A3)."""
    machine(desk.gateway, "GET", "/jwks")
    monkeypatch.setattr(desk.services.database, "reader", nowhere)
    forget_snapshot(desk.gateway)
    for path in ("/jwks", "/.well-known/openid-configuration"):
        assert machine(desk.gateway, "GET", path).status_code == 200
    answer = desk.portal.call("/token", {"grant_type": "client_credentials"})
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.get_json()["error"] == "temporarily_unavailable"
    ready = machine(desk.gateway, "GET", "/health/ready")
    assert (ready.status_code, ready.get_json()["problems"]) == (503, ["database"])
    assert machine(desk.gateway, "GET", "/health/live").status_code == 200


def test_a_process_that_never_saw_the_database(
    services: Services, nowhere: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has nothing to publish."""
    monkeypatch.setattr(services.database, "reader", nowhere)
    with pytest.raises(SQLAlchemyError):
        Snapshots(services).published()


def test_keys_under_a_master_key_that_this_process_does_not_have(desk: Desk) -> None:
    """The last documents go on, and a load balancer hears why nothing else does (A3, A9)."""
    paths = ("/jwks", "/.well-known/openid-configuration")
    published = [machine(desk.gateway, "GET", path).data for path in paths]
    both = Sealer([MasterKey.generate(), desk.services.vault.sealer.current])
    with desk.work() as ctx:
        reseal(ctx.db, both, Resealing())
        snapshot_changed(ctx.db)
    forget_snapshot(desk.gateway)
    assert [machine(desk.gateway, "GET", path).data for path in paths] == published
    ready = machine(desk.gateway, "GET", "/health/ready")
    assert (ready.status_code, ready.get_json()["problems"]) == (503, ["keys"])


def test_old_rows_are_removed_in_batches(desk: Desk) -> None:
    """What has long expired goes, what may still be used stays (req 111)."""
    desk.tokens()
    tokens = desk.tokens()
    keep = timedelta(days=desk.services.settings.retention.expired_token_days)
    with desk.work() as ctx:
        ctx.db.add_all(
            RevokedJti(jti=f"j{number}", expires_at=ctx.now - keep - timedelta(seconds=number))
            for number in range(3)
        )
    with desk.work() as ctx:
        assert [retention.purge(ctx, 2) for _ in range(3)] == [2, 1, 0]
    with desk.work() as ctx:
        late = desk.services.context(ctx.db, now=now() + timedelta(days=4000))
        assert retention.purge(late, 100) == 2 + 2
        for model in (RevokedJti, RefreshToken, Authorization):
            assert ctx.db.scalars(select(model)).all() == []
    assert desk.introspect(tokens["access_token"]) == {"active": False}
