"""Chaining, checking and cutting the log (req 106, 111; design §2)."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from idp.audit import sealer
from idp.audit.events import Event
from idp.audit.log import erase, record
from idp.audit.models import AuditEvent, AuditPersonal, AuditSeal
from idp.audit.sealer import has_work, purge, seal
from idp.audit.verification import MAX_PROBLEMS, verify
from idp.context import Services
from idp.crypto import MasterKey, Sealer
from idp.db import Base
from idp.installation import AUDIT_KEY, Resealing, Vault, reseal
from tests.audit.chain import DAY, check, run_seal, write
from tests.installation import NOW, unit_of_work


def test_committed_events_get_the_next_places(services: Services) -> None:
    """No gaps, in order of time and id."""
    write(services, 3)
    assert check(services).unsealed == 3
    assert run_seal(services) == 3
    write(services, 2)
    assert run_seal(services) == 2
    assert run_seal(services) == 0
    with unit_of_work(services) as ctx:
        places = (
            ctx.db.execute(select(AuditEvent.position).order_by(AuditEvent.at, AuditEvent.id)).scalars().all()
        )
        seals = ctx.db.execute(
            select(AuditSeal.sequence, AuditSeal.first_position, AuditSeal.last_position)
        ).all()
    assert sorted(places) == [1, 2, 3, 4, 5]
    assert [tuple(row) for row in seals] == [(1, 1, 5)]
    result = check(services)
    assert (result.ok, result.events, result.seals, result.unsealed) == (True, 5, 1, 0)


def test_a_seal_covers_an_hour_or_a_thousand_events(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seals stay few, and a cut at one never removes much at once."""
    monkeypatch.setattr(sealer, "EVENTS_PER_SEAL", 4)
    for minute, count in ((0, 2), (1, 2), (2, 1), (60, 1), (61, 1)):
        write(services, count)
        run_seal(services, NOW + timedelta(minutes=minute))
    with unit_of_work(services) as ctx:
        seals = ctx.db.execute(
            select(AuditSeal.first_position, AuditSeal.last_position).order_by(AuditSeal.sequence)
        ).all()
    assert [tuple(row) for row in seals] == [(1, 4), (5, 5), (6, 7)]
    assert check(services).ok


def test_the_check_needs_no_writing_transaction(sealed: Services) -> None:
    """``idp audit verify`` holds up nobody, on SQLite neither."""
    with Session(sealed.database.reader) as db:
        assert verify(sealed.context(db, now=NOW)).ok


def test_the_sealer_knows_whether_there_is_work(services: Services) -> None:
    """The worker asks twice a second; the answer needs no transaction."""
    write(services)
    with services.database.reader.connect() as reader:
        assert has_work(reader)
    run_seal(services)
    with services.database.reader.connect() as reader:
        assert not has_work(reader)


def test_a_transaction_that_commits_late_goes_to_the_end(services: Services) -> None:
    """Writers never wait, so an older event may come after a younger one; the chain holds."""
    if services.database.dialect == "sqlite":
        write(services, 1, at=NOW + DAY)
        run_seal(services)
        write(services, 1, at=NOW)
    else:
        with unit_of_work(services, NOW) as late:
            record(late, Event.ACCOUNT_CREATED)
            late.db.flush()
            write(services, 1, at=NOW + DAY)
            assert run_seal(services) == 1
    assert run_seal(services) == 1
    with unit_of_work(services) as ctx:
        places = ctx.db.execute(select(AuditEvent.position).order_by(AuditEvent.at)).scalars().all()
    assert places == [2, 1]
    assert check(services).ok


def test_many_events_are_sealed_in_batches(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """On SQLite writers wait for a batch, so it is bounded."""
    monkeypatch.setattr(sealer, "BATCH", 4)
    monkeypatch.setattr("idp.audit.verification._BATCH", 3)
    write(services, 10)
    assert [run_seal(services) for _ in range(4)] == [4, 4, 2, 0]
    assert check(services).events == 10
    assert check(services).ok


def test_two_sealers_do_not_disturb_each_other(services: Services) -> None:
    """A8, F19"""
    write(services, 200)
    barrier = threading.Barrier(4)
    failures: list[Exception] = []

    def run() -> None:
        barrier.wait()
        try:
            run_seal(services)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    result = check(services)
    assert (result.ok, result.events) == (True, 200)


def test_a_held_lock_means_no_sealing(services: Services) -> None:
    """A8: on PostgreSQL the second comes back empty-handed, on SQLite the first excludes it."""
    write(services)
    with unit_of_work(services) as first:
        assert seal(first) == 1
        if services.database.dialect == "postgresql":
            assert run_seal(services) == 0
            with unit_of_work(services) as second:
                assert purge(second, 10) == 0
    assert check(services).ok


COLUMNS = [
    (table, column.name)
    for table in ("audit_event", "audit_personal", "audit_seal")
    for column in Base.metadata.tables[table].columns
]


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=[f"{table}.{column}" for table, column in COLUMNS])
def test_one_flipped_byte_is_found(sealed: Services, table: str, column: str) -> None:
    """(req 106, I4): in any column of events, personal parts and seals."""
    assert check(sealed).ok
    columns = Base.metadata.tables[table]
    (key,) = columns.primary_key.columns
    with unit_of_work(sealed) as ctx:
        if sealed.database.dialect == "postgresql":
            ctx.db.execute(text("SET session_replication_role = replica"))  # as one who owns the files
        else:
            ctx.db.execute(text("PRAGMA defer_foreign_keys = ON"))
        row = ctx.db.execute(select(columns).order_by(key).offset(1).limit(1)).one()
        before = row._mapping[column]
        broken = flipped(before, column)
        statement = update(columns).where(key == row._mapping[key.name])
        if sealed.database.dialect == "sqlite" and column in {"id", "event_id"}:
            ctx.db.connection().exec_driver_sql("COMMIT")
            ctx.db.connection().exec_driver_sql("PRAGMA foreign_keys = OFF")
            ctx.db.connection().exec_driver_sql("BEGIN IMMEDIATE")
        ctx.db.execute(statement.values({column: broken}))
        if sealed.database.dialect == "postgresql":
            ctx.db.execute(text("SET session_replication_role = DEFAULT"))
    assert not check(sealed).ok


def flipped(value: Any, column: str) -> Any:
    """Return a value with one bit turned, of the same type; of an empty column, something."""
    if value is None:
        return {"cut_at": NOW, "cut_signature": b"x"}[column]
    if isinstance(value, bool):
        return not value
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1])
    if isinstance(value, str):
        return value[:-1] + chr(ord(value[-1]) ^ 1)
    if isinstance(value, int):
        return value + 1000
    return value + timedelta(microseconds=1)


Tamper = Callable[[Any], None]


def _delete_event(db: Any) -> None:
    victim = select(AuditEvent.id).where(AuditEvent.position == 3).scalar_subquery()
    db.execute(AuditPersonal.__table__.delete().where(AuditPersonal.event_id == victim))
    db.execute(AuditEvent.__table__.delete().where(AuditEvent.position == 3))


def _swap(db: Any) -> None:
    for old, new in ((3, 99), (4, 3), (99, 4)):
        db.execute(update(AuditEvent).where(AuditEvent.position == old).values(position=new))


def _unchain(db: Any) -> None:
    db.execute(update(AuditEvent).where(AuditEvent.position == 3).values(position=None, chain=None))


def _delete_last_events(db: Any) -> None:
    last = select(AuditEvent.id).where(AuditEvent.position > 4)
    db.execute(AuditPersonal.__table__.delete().where(AuditPersonal.event_id.in_(last)))
    db.execute(AuditEvent.__table__.delete().where(AuditEvent.position > 4))


def _delete_seal(db: Any) -> None:
    db.execute(AuditSeal.__table__.delete().where(AuditSeal.sequence == 2))


def _delete_first_seal(db: Any) -> None:
    db.execute(AuditSeal.__table__.delete().where(AuditSeal.sequence == 1))


def _delete_last_seal(db: Any) -> None:
    db.execute(AuditSeal.__table__.delete().where(AuditSeal.sequence == 3))


def _delete_personal(db: Any) -> None:
    victim = select(AuditEvent.id).where(AuditEvent.position == 3).scalar_subquery()
    db.execute(AuditPersonal.__table__.delete().where(AuditPersonal.event_id == victim))


def _swap_personal(db: Any) -> None:
    db.execute(text("UPDATE audit_personal SET origin = details, details = origin WHERE details IS NOT NULL"))


def _forge_cut(db: Any) -> None:
    db.execute(update(AuditSeal).where(AuditSeal.sequence == 2).values(cut_at=NOW, cut_signature=bytes(32)))
    old = select(AuditEvent.id).where(AuditEvent.position <= 4)
    db.execute(AuditPersonal.__table__.delete().where(AuditPersonal.event_id.in_(old)))
    db.execute(AuditEvent.__table__.delete().where(AuditEvent.position <= 4))
    db.execute(AuditSeal.__table__.delete().where(AuditSeal.sequence < 2))


@pytest.mark.parametrize(
    "tamper",
    [
        _delete_event,
        _swap,
        _unchain,
        _delete_last_events,
        _delete_seal,
        _delete_first_seal,
        _delete_last_seal,
        _delete_personal,
        _swap_personal,
        _forge_cut,
    ],
)
def test_deletion_reordering_and_forgery_are_found(sealed: Services, tamper: Tamper) -> None:
    """(req 106, I4)"""
    with unit_of_work(sealed) as ctx:
        tamper(ctx.db)
    assert not check(sealed).ok


def test_a_chain_made_anew_without_the_key_is_found(sealed: Services) -> None:
    """Who can write the database, but lacks the master key, cannot sign."""
    with unit_of_work(sealed) as ctx:
        ctx.db.execute(update(AuditEvent).values(reason="forged", position=None, chain=None))
        ctx.db.execute(AuditSeal.__table__.delete())
    secrets = sealed.vault.secrets | {AUDIT_KEY: {1: bytes(32)}}
    forger = Services(
        settings=sealed.settings,
        database=sealed.database,
        vault=Vault(sealed.vault.sealer, secrets),
        throttle=sealed.throttle,
        passwords=sealed.passwords,
    )
    assert run_seal(forger) == 6
    problems = check(sealed).problems
    assert [problem.what for problem in problems] == ["seal 1 was changed"]


def test_a_tail_cut_off_with_its_seals_shows_against_a_noted_head(sealed: Services) -> None:
    """What no database can know alone: the head stands in the log stream and in exports too."""
    noted = check(sealed)
    head = (noted.position, noted.head)
    assert check(sealed, head).ok
    assert not check(sealed, (noted.position, bytes(32))).ok
    with unit_of_work(sealed) as ctx:
        _delete_last_events(ctx.db)
        _delete_last_seal(ctx.db)
    assert check(sealed).ok
    assert not check(sealed, head).ok


def test_the_list_of_problems_ends(services: Services) -> None:
    """A ruined log gives a short answer."""
    write(services, MAX_PROBLEMS + 20)
    run_seal(services)
    with unit_of_work(services) as ctx:
        ctx.db.execute(update(AuditEvent).values(reason="x"))
    assert len(check(services).problems) == MAX_PROBLEMS


def test_erasure_leaves_the_chain_whole(sealed: Services) -> None:
    """design §2: the chain covers commitments; salt and part are gone for good."""
    with unit_of_work(sealed) as ctx:
        assert erase(ctx, "anna") == 6
    run_seal(sealed)
    result = check(sealed)
    assert (result.ok, result.erased) == (True, 12)


def test_the_chain_survives_a_new_master_key(sealed: Services) -> None:
    """(req 37): personal parts are sealed anew, what the chain covers does not change."""
    fresh = MasterKey.generate()
    with unit_of_work(sealed) as ctx:
        assert reseal(ctx.db, Sealer([fresh, sealed.vault.sealer.current]), found := Resealing())
        assert (found.changed >= 12, found.broken) == (True, [])
    only = Services(
        settings=sealed.settings,
        database=sealed.database,
        vault=Vault(Sealer([fresh]), sealed.vault.secrets),
        throttle=sealed.throttle,
        passwords=sealed.passwords,
    )
    assert check(only).ok
    assert not check(sealed).ok
