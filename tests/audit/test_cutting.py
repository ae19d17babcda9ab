"""Retention erases what was personal and cuts the log at a signed seal (req 106, 111; design §2)."""

from sqlalchemy import func, select, update

from idp.audit.events import Event
from idp.audit.log import record, tail
from idp.audit.models import AuditEvent, AuditPersonal
from idp.context import Services
from tests.audit.chain import DAY, HOUR, check, run_purge, run_seal, write
from tests.installation import NOW, unit_of_work


def test_origins_are_erased_of_failed_attempts_sooner(services: Services) -> None:
    """(req 111): network and browser, with a clock that is moved. After 90 days, and of failures after 30."""
    write(services, 1)
    write(services, 2, event=Event.SIGN_IN_FAILED)
    run_seal(services)
    assert run_purge(services, NOW + 30 * DAY) == 0
    assert [run_purge(services, NOW + 31 * DAY, limit=1) for _ in range(3)] == [1, 1, 0]
    with unit_of_work(services) as ctx:
        found = {entry.event: entry for entry in tail(ctx)}
    assert found["sign_in.failed"].origin is None
    assert found["sign_in.succeeded"].origin == {"ip": "203.0.113.0/24", "user_agent": "Firefox"}
    assert (check(services).ok, check(services).erased) == (True, 2)
    assert [run_purge(services, NOW + 91 * DAY, limit=1) for _ in range(2)] == [1, 0]
    with unit_of_work(services) as ctx:
        assert [entry.origin for entry in tail(ctx)] == [None, None, None]
        assert all(entry.details for entry in tail(ctx))
    assert check(services).ok


def test_the_log_is_cut_at_a_signed_seal(services: Services) -> None:
    """(req 111, design §2): old rows go, what remains verifies, and the cut is an event."""
    for day in (0, 1, 200):
        write(services, 2, at=NOW + day * DAY)
        run_seal(services, NOW + day * DAY)
    late = NOW + 367 * DAY
    assert run_purge(services, late - 3 * DAY) == 6  # origins only
    assert run_purge(services, late) == 4
    run_seal(services, late)
    with unit_of_work(services) as ctx:
        assert [entry.event for entry in tail(ctx)] == ["audit.cut", "sign_in.succeeded", "sign_in.succeeded"]
        assert tail(ctx)[0].new == {"events": 4, "position": 4}
        assert ctx.db.scalar(select(func.count()).select_from(AuditPersonal)) == 2
    result = check(services)
    assert (result.ok, result.events, result.position, result.seals) == (True, 3, 7, 3)
    assert run_purge(services, late) == 0


def test_a_cut_goes_on_where_the_last_one_ended(services: Services) -> None:
    """(req 111): in batches, each ending at a seal."""
    for hour in range(5):
        write(services, 2)
        run_seal(services, NOW + hour * HOUR)
    late = NOW + 400 * DAY
    run_purge(services, NOW + 100 * DAY)
    removed = []
    for _ in range(4):
        removed.append(run_purge(services, late, limit=4))
        run_seal(services, late)
        assert check(services).ok
    assert removed == [4, 4, 2, 0]


def test_one_large_seal_is_removed_whole(services: Services) -> None:
    """A limit below the size of a seal does not stop retention."""
    write(services, 5)
    run_seal(services)
    run_purge(services, NOW + 100 * DAY)
    assert run_purge(services, NOW + 400 * DAY, limit=2) == 5


def test_rows_below_the_cut_are_not_smuggled_in(services: Services) -> None:
    """I4"""
    write(services, 2)
    run_seal(services)
    write(services, 2, at=NOW + 300 * DAY)
    run_seal(services, NOW + 300 * DAY)
    run_purge(services, NOW + 100 * DAY)
    run_purge(services, NOW + 370 * DAY)
    run_seal(services, NOW + 370 * DAY)
    assert check(services).ok
    with unit_of_work(services) as ctx:
        record(ctx, Event.PERMISSION_GRANTED)
        ctx.db.flush()
        ctx.db.execute(
            update(AuditEvent)
            .where(AuditEvent.event == "permission.granted")
            .values(position=1, chain=bytes(32), at=NOW)
        )
    assert not check(services).ok
