"""Statements compiled once: values go in and come out as the ORM would have them, on both engines."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.exc import IntegrityError, PendingRollbackError
from sqlalchemy.orm import Session

from idp.accounts.models import Account
from idp.context import Services
from idp.db import new_id
from idp.oidc.models import Authorization
from idp.prepared import Prepared, insert_rows

NOW = datetime(2026, 3, 1, 12, 0, 0, 7, tzinfo=UTC)
_ACCOUNTS = Prepared(
    select(Account.id, Account.created_at, Account.address, Account.epoch)
    .where(Account.status == "active", Account.id == bindparam("key"))
    .with_for_update(read=True)
)

_ADDRESSES = Prepared(select(Account.created_at, Account.address).where(Account.id == bindparam("key")))


def _account(key: str) -> tuple[type[Account], dict[str, object]]:
    return Account, {
        "id": key,
        "sub": key,
        "address": {"locality": "Köln"},
        "created_at": NOW,
        "updated_at": NOW,
        "username": None,
    }


def test_values_come_back_as_they_went_in(services: Services) -> None:
    """Times, JSON, defaults of columns, and constants of the statement itself."""
    key = new_id()
    with services.database.session() as db:
        insert_rows(db, _account(key))
        assert _ACCOUNTS.rows(db, key=key) == [[key, NOW, {"locality": "Köln"}, 1]]
        assert _ACCOUNTS.first(db, key="x") is None
        row = db.get_one(Account, key)
        assert (row.status, row.created_at, row.address) == ("active", NOW, {"locality": "Köln"})


def test_what_is_asked_for_soon_comes_back_alike(services: Services) -> None:
    """Converted, and with what was written before it in the same unit of work."""
    key = new_id()
    with services.database.session() as db:
        insert_rows(db, _account(key))
        asked = _ADDRESSES.soon(db, key=key)
        nobody = _ADDRESSES.soon(db, key="x")
        db.commit()
        assert (asked(), nobody()) == ([[NOW, {"locality": "Köln"}]], [])


def test_what_it_went_along_with_is_reported_as_everywhere(services: Services) -> None:
    """The error is SQLAlchemy's, also where to get an answer shows it."""
    row = _account(new_id())

    def insert_twice_and_ask(db: Session) -> None:
        insert_rows(db, row, row)
        _ADDRESSES.soon(db, key="x")()

    with services.database.session() as db, pytest.raises(IntegrityError):
        insert_twice_and_ask(db)


def test_a_write_after_a_failed_flush_is_refused(services: Services) -> None:
    """SQLAlchemy has rolled the transaction back: the write would commit itself."""
    model, row = _account(new_id())
    with services.database.session() as db:
        insert_rows(db, (model, row))
        db.commit()
        _ADDRESSES.rows(db, key="x")
        db.add(Account(**row))
        with pytest.raises(IntegrityError):
            db.flush()
        with pytest.raises(PendingRollbackError):
            insert_rows(db, _account(new_id()))
        db.rollback()
        assert db.scalar(select(func.count()).select_from(Account)) == 1


def test_a_row_is_what_it_was_when_it_was_inserted(services: Services) -> None:
    """Where it travels with what comes next, nobody changes it meanwhile."""
    model, row = _account(new_id())
    address = {"locality": "Köln"}
    with services.database.session() as db:
        insert_rows(db, (model, row | {"address": address}))
        address["locality"] = "Bonn"
        db.commit()
        assert db.get_one(Account, row["id"]).address == {"locality": "Köln"}


def test_rows_of_several_tables(services: Services) -> None:
    """A later row may refer to an earlier one, and all are one unit of work."""
    first, second = new_id(), new_id()
    with services.database.session() as db:
        insert_rows(db, _account(first), _account(second))
        assert _ACCOUNTS.first(db, key=second) is not None
    with services.database.session() as db:
        assert _ACCOUNTS.first(db, key=first) is None


def test_a_constraint_is_reported_as_everywhere(services: Services) -> None:
    """The error is SQLAlchemy's, as surfaces expect it."""
    lost = {"id": new_id(), "account_id": "nobody", "account_epoch": 1, "installation_epoch": 1}
    row = {**lost, "client_id": "none", "scope": "", "acr": "", "amr": ""}

    def insert_and_commit(db: Session) -> None:
        insert_rows(db, (Authorization, row))
        db.commit()

    with services.database.session() as db, pytest.raises(IntegrityError):
        insert_and_commit(db)


def test_a_parameter_without_a_value_is_an_error(services: Services) -> None:
    """Nothing is filled in by guessing."""
    with services.database.session() as db, pytest.raises(KeyError):
        _ACCOUNTS.rows(db)


def test_an_update(services: Services) -> None:
    """What it returns comes back; without that it just runs."""
    key = new_id()
    change = update(Account).where(Account.id == bindparam("key")).values(updated_at=bindparam("now"))
    later = NOW.replace(year=2027)
    with services.database.session() as db:
        insert_rows(db, _account(key))
        assert Prepared(change.returning(Account.updated_at)).first(db, key=key, now=later) == [later]
        Prepared(change).run(db, key=key, now=NOW)
        assert db.get_one(Account, key).updated_at == NOW
