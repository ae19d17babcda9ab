"""Secrets of an installation, made once, sealed, and sealed anew while the server runs (datamodel)."""

import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, select

from idp import installation
from idp.crypto import MasterKey, SealBroken, Sealer
from idp.db import Database, StorageError
from idp.errors import NotReady
from idp.installation import AUDIT_KEY, LOOKUP_KEY, PAIRWISE_SALT, PEPPER, InstallationSecret, Vault

NOW = datetime(2026, 11, 22, tzinfo=UTC)
OLD, NEW = MasterKey(bytes(32)), MasterKey(bytes(31) + b"\1")


def prepared(database: Database, sealer: Sealer) -> Vault:
    with database.session() as db:
        vault = installation.prepare(db, sealer, NOW)
        db.commit()
    return vault


def test_secrets_are_random_and_stay(database: Database) -> None:
    """Each purpose has its own 256 bits; the next start reads what the first made."""
    first = prepared(database, Sealer([OLD]))
    second = prepared(database, Sealer([OLD]))

    assert first.secrets == second.secrets
    assert set(first.secrets) == {PEPPER, PAIRWISE_SALT, LOOKUP_KEY, AUDIT_KEY}
    values = [versions[1] for versions in first.secrets.values()]
    assert len(set(values)) == 4
    assert {len(value) for value in values} == {32}


def test_a_look_makes_nothing(database: Database) -> None:
    """It reads what a start has made, and says so where a start has yet to make some of it."""
    with database.session() as db:
        assert not installation.holds_secrets(db)
        with pytest.raises(NotReady, match="start the server"):
            installation.read_vault(db, Sealer([OLD]))
        assert not installation.holds_secrets(db)
    vault = prepared(database, Sealer([OLD]))
    with database.session() as db:
        assert installation.holds_secrets(db)
        assert installation.read_vault(db, Sealer([OLD])).secrets == vault.secrets
        db.execute(delete(InstallationSecret).where(InstallationSecret.purpose == AUDIT_KEY))
        with pytest.raises(NotReady, match="start the server"):
            installation.read_vault(db, Sealer([OLD]))


def test_secrets_are_not_stored_in_clear(database: Database) -> None:
    """Nothing of a secret stands in its row, and another master key opens none (req 107)."""
    vault = prepared(database, Sealer([OLD]))
    with database.reading() as db:
        rows = list(db.scalars(select(InstallationSecret)))

    assert all(vault.secrets[row.purpose][row.version] not in row.sealed for row in rows)
    with pytest.raises(SealBroken):
        prepared(database, Sealer([NEW]))


def test_starts_at_once_agree(database: Database) -> None:
    """Four processes that start together use the same secrets."""
    vaults: list[Vault] = []
    start = threading.Barrier(4)

    def run() -> None:
        start.wait()
        vaults.append(prepared(database, Sealer([OLD])))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(vaults) == 4
    assert all(vault.secrets == vaults[0].secrets for vault in vaults)


def test_newest_version_is_used_and_older_ones_stay(database: Database) -> None:
    """A new pepper serves new hashes; those of the old one can still be checked."""
    before = prepared(database, Sealer([OLD]))
    with database.session() as db:
        installation.add_secret(db, Sealer([OLD]), PEPPER, version=2, now=NOW)
        db.commit()
    after = prepared(database, Sealer([OLD]))

    assert before.newest(PEPPER)[0] == 1
    assert after.newest(PEPPER) == (2, after.secrets[PEPPER][2])
    assert after.secrets[PEPPER][1] == before.secrets[PEPPER][1]


def test_lookup_hash_is_keyed_and_belongs_to_a_purpose(database: Database) -> None:
    """The same address gives the same hash for one purpose of one installation, and another elsewhere."""
    vault = prepared(database, Sealer([OLD]))
    other = Vault(vault.sealer, {LOOKUP_KEY: {1: bytes(32)}})
    address = "anna@muster.example"

    assert vault.keyed_hash("email", address) == vault.keyed_hash("email", address)
    assert len({v.keyed_hash(p, address) for v in (vault, other) for p in ("email", "network")}) == 4
    assert vault.keyed_hash("a", "b\0c") != vault.keyed_hash("a\0b", "d")
    assert len(vault.keyed_hash("email", "\ud800")) == 32


def test_json_is_sealed_whole(database: Database) -> None:
    """A sealed JSON value comes back as it was, in its own row alone."""
    vault = prepared(database, Sealer([OLD]))
    value = {"to": "anna@muster.example", "lines": ["Grüße", 1, None]}
    sealed = vault.seal_json(value, table="outbox", row="a")

    assert vault.open_json(sealed, table="outbox", row="a") == value
    with pytest.raises(SealBroken):
        vault.open_json(sealed, table="outbox", row="b")


def test_records_are_sealed_anew_by_batches(database: Database) -> None:
    """After the rotation the old key opens nothing, and the values are the same (design §2, Keys)."""
    vault = prepared(database, Sealer([OLD]))
    both = Sealer([NEW, OLD])
    found = installation.Resealing()
    changed = []
    more = True
    while more:
        with database.session() as db:
            more = installation.reseal(db, both, found, batch=3)
            db.commit()
        changed.append(found.changed)

    assert (changed, found.broken) == ([3, 4, 4], [])
    assert prepared(database, Sealer([NEW])).secrets == vault.secrets
    with pytest.raises(SealBroken):
        prepared(database, Sealer([OLD]))


def test_no_step_of_sealing_anew_looks_further_than_its_batch(database: Database) -> None:
    """Where nothing is stale a step ends all the same: no statement reads a large table to its end."""
    prepared(database, Sealer([OLD]))
    found = installation.Resealing()
    with database.session() as db:
        steps = [installation.reseal(db, Sealer([OLD]), found, batch=3) for _ in range(3)]

    assert (steps, found.changed) == ([True, True, False], 0)


def test_row_is_inserted_once(database: Database) -> None:
    """The second insert of a key changes nothing and says so; other violations are not hidden."""
    table = InstallationSecret.metadata.tables["installation_secret"]
    values = {"id": "x.1", "purpose": "x", "version": 1, "sealed": b"first", "created_at": NOW}
    with database.session() as db:
        assert installation.insert_once(db, table, values)
        assert not installation.insert_once(db, table, values | {"sealed": b"second"})
        assert db.scalars(select(InstallationSecret.sealed)).all() == [b"first"]
        with pytest.raises(StorageError):
            installation.insert_once(db, table, values | {"id": "x.2", "sealed": None})


def test_change_of_clients_is_announced_in_its_transaction(database: Database) -> None:
    """The version that workers poll grows with the commit, not before (design §2, Freshness)."""
    prepared(database, Sealer([OLD]))
    version = select(installation.Installation.snapshot_version)
    with database.session() as db, database.reading() as reader:
        installation.snapshot_changed(db)
        assert reader.scalars(version).one() == 1
        db.commit()
        assert reader.scalars(version).one() == 2
