"""The password check below the pages (req 22, 52, 55, 59)."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from idp.accounts import identifiers
from idp.accounts.models import Account
from idp.accounts.passwords import Costs, LocalPasswordHasher, PooledPasswordHasher
from idp.authentication import login
from idp.context import Context, Services
from idp.crypto import Verification
from idp.errors import Busy, Refusal
from idp.installation import PEPPER
from tests.authentication.people import add_account
from tests.installation import NOW, unit_of_work

PASSWORD = "ein Kahn auf der Elbe"


@pytest.fixture
def ben(services: Services) -> str:
    """The id of an account whose hash is of older costs."""
    older = LocalPasswordHasher(services.vault.secrets[PEPPER], Costs(memory_kib=16, time_cost=2))
    with unit_of_work(services) as ctx:
        account = add_account(ctx, password_hash=older.hash(PASSWORD))
        identifiers.set_username(ctx, account, "ben")
        return account.id


def _attempt(ctx: Context, password: str = PASSWORD) -> login.Attempt:
    candidate = login.look_up(ctx, "ben")
    ctx.db.commit()
    return login.check(ctx, candidate, password)


def _away(services: Services) -> PooledPasswordHasher:
    """Return the hasher of a pool that is not there."""
    return PooledPasswordHasher(Path("/nonexistent/pool"), services.vault.secrets[PEPPER], Costs(8, 1))


def test_a_password_is_never_checked_inside_a_transaction(services: Services, ben: str) -> None:
    """Else every writer on SQLite would wait for the hash."""
    with services.database.session() as db:
        ctx = services.context(db, now=NOW)
        candidate = login.look_up(ctx, "ben")
        with pytest.raises(RuntimeError, match="transaction"):
            login.check(ctx, candidate, PASSWORD)


def test_a_full_hash_pool_costs_nobody_a_try(services: Services, ben: str) -> None:
    """(A5, req 54): neither the owner nor a name that is no account."""
    with services.database.session() as db:
        ctx = replace(services.context(db, now=NOW), passwords=_away(services))
        for typed in ["ben", "nobody"] * 7:
            candidate = login.look_up(ctx, typed)
            ctx.db.commit()
            with pytest.raises(Busy):
                login.check(ctx, candidate, PASSWORD)
        ctx = services.context(db, now=NOW)
        found = login.conclude(ctx, _attempt(ctx))
        assert (found.account.id, found.earlier_failures) == (ben, 0)


def test_renewing_a_hash_turns_nobody_away(services: Services, ben: str) -> None:
    """(req 52): where the pool is full just then, the next sign-in renews it."""

    class Half(LocalPasswordHasher):
        """Compares here, hashes in a pool that is away."""

        def hash(self, password: str) -> str:
            return _away(services).hash(password)

        def verify(self, encoded: str, password: str) -> Verification:
            return super().verify(encoded, password)

    with services.database.session() as db:
        half = Half(services.vault.secrets[PEPPER], Costs(memory_kib=8, time_cost=1))
        ctx = replace(services.context(db, now=NOW), passwords=half)
        attempt = _attempt(ctx)
        assert attempt.rehashed is None
        before = attempt.candidate.password_hash
        assert login.conclude(ctx, attempt).account.password_hash == before


@pytest.mark.parametrize("change", [{"password_hash": "other"}, {"status": "deleted"}, {"status": "invited"}])
def test_what_changes_while_the_hash_is_computed_counts(
    services: Services, ben: str, change: dict[str, str]
) -> None:
    """(req 23): the account is read again, locked, before anybody comes in."""
    with services.database.session() as db:
        ctx = services.context(db, now=NOW)
        attempt = _attempt(ctx)
        assert attempt.verification.valid
        with unit_of_work(services) as other:
            other.db.execute(update(Account).where(Account.id == ben).values(**change))
        with pytest.raises(Refusal, match=r"login\.failed"):
            login.conclude(ctx, attempt)


def test_what_is_written_down_for_debugging_tells_no_secret(services: Services, ben: str) -> None:
    """(req 105)"""
    with services.database.session() as db:
        attempt = _attempt(services.context(db, now=NOW))
        assert "argon2" not in repr(attempt)
        assert "ben" not in repr(attempt.candidate)
