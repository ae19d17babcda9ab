"""Wrapping: resumable, twice at once, never the wrong row; the worker does a little at a time (req 52)."""

from dataclasses import replace

import pytest
from sqlalchemy import select, update

from idp.accounts.legacy import wrapping
from idp.accounts.legacy.models import LegacyAccount
from idp.app import build_duties
from idp.context import Services
from idp.errors import Busy
from idp.management import legacy_wrapping
from idp.worker import Worker
from tests.builders import OPERATOR, make_account
from tests.installation import unit_of_work
from tests.legacy import HASHES, import_rows, make_directory, old_account, proof_of


@pytest.fixture(autouse=True)
def _accounts(services: Services) -> None:
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_directory(ctx)
    import_rows(services, [old_account(f"user{at}") for at in range(5)])


def states(services: Services) -> list[str | None]:
    with services.database.reading() as db:
        return list(db.scalars(select(LegacyAccount.hash_state).order_by(LegacyAccount.id)))


def test_a_stopped_job_goes_on_where_it_was(services: Services) -> None:
    with unit_of_work(services) as ctx:
        first = wrapping.weak(ctx, limit=2)
        assert wrapping.replace(ctx, [wrapping.wrap(services.passwords, bare) for bare in first]) == 2
    assert states(services) == ["wrapped", "wrapped", "weak", "weak", "weak"]
    assert legacy_wrapping.left(services) == 3
    assert list(legacy_wrapping.wrap_all(services, threads=2)) == [3]
    assert legacy_wrapping.left(services) == 0


def test_two_jobs_and_an_import_do_not_overwrite_one_another(services: Services) -> None:
    """What is put back replaces only what was read."""
    with unit_of_work(services) as ctx:
        batch = wrapping.weak(ctx, limit=5)
        made = [wrapping.wrap(services.passwords, bare) for bare in batch]
        assert wrapping.replace(ctx, made[:1]) == 1
    import_rows(services, [old_account(f"user{at}", hash=HASHES["{MD5}"]) for at in range(5)])
    with unit_of_work(services) as ctx:
        assert wrapping.replace(ctx, made) == 0
        account = make_account(ctx)
        assert len(wrapping.weak(ctx, limit=9)) == 5
    assert proof_of(services, account, "user1").identity.username == "user1"


def test_what_cannot_be_read_is_set_aside(services: Services) -> None:
    """It is not tried for ever, and not a failure of the job (F17)."""
    with unit_of_work(services) as ctx:
        broken = ctx.db.scalars(select(LegacyAccount.id).order_by(LegacyAccount.id)).first()
        ctx.db.execute(update(LegacyAccount).where(LegacyAccount.id == broken).values(hash=b"\x01 broken"))
    assert list(legacy_wrapping.wrap_all(services, threads=1)) == [5]
    assert states(services) == ["broken", *["wrapped"] * 4]


def test_the_worker_wraps(services: Services) -> None:
    """A part comes with every round (A8)."""
    worker = Worker(services, build_duties(services))
    try:
        worker.step("legacy.wrap")
        worker.run_once()
        worker.run_once()
    finally:
        worker.close()
    assert states(services) == ["wrapped"] * 5
    assert legacy_wrapping.step(services) == 0


def test_sign_ins_come_first(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full hash pool ends the part, and so does its time; what was hashed by then is kept."""
    monkeypatch.setattr(legacy_wrapping, "SECONDS_A_STEP", -1.0)
    assert legacy_wrapping.step(services) == 1

    class Full:
        def hash(self, password: str) -> str:
            raise Busy("password hashing: queue is full")

    full = replace(services, passwords=Full())  # type: ignore[arg-type]  # the one method that is called
    assert legacy_wrapping.step(full) == 0
    assert legacy_wrapping.left(services) == 4
