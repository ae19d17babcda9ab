"""What belongs to one installation: its random secrets, its epoch, and the version of what workers cache."""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.crypto import SealBroken, Sealer
from idp.db import Base
from idp.errors import NotReady

SEALED = {"sealed": True}
"""``info`` of a column of records sealed with the table's key as row: master key rotation finds it."""

PEPPER = "password_pepper"
PAIRWISE_SALT = "pairwise_salt"
LOOKUP_KEY = "lookup_key"
AUDIT_KEY = "audit_checkpoint"
#: made once: ``json.dumps`` makes an encoder for each value that is not written its default way
_compact = json.JSONEncoder(separators=(",", ":")).encode
_PURPOSES = (PEPPER, PAIRWISE_SALT, LOOKUP_KEY, AUDIT_KEY)


class Installation(Base):
    """The one row of facts about this installation."""

    __tablename__ = "installation"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    #: raised after a restore from backup: sessions and refresh tokens of an older epoch are dead
    epoch: Mapped[int] = mapped_column(Integer, default=1)
    #: raised by every change of clients, keys or catalogue: workers drop their snapshots
    snapshot_version: Mapped[int] = mapped_column(BigInteger, default=1)


class InstallationSecret(Base):
    """A random secret, sealed; the highest version of a purpose is used for new values."""

    __tablename__ = "installation_secret"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)  # purpose.version
    purpose: Mapped[str] = mapped_column(String(48))
    version: Mapped[int] = mapped_column(Integer)
    sealed: Mapped[bytes] = mapped_column(LargeBinary, info=SEALED)
    created_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Vault:
    """Sealing and keyed hashing with the secrets of this installation."""

    sealer: Sealer
    secrets: dict[str, dict[int, bytes]]

    def seal(self, plain: bytes, *, table: str, row: str) -> bytes:
        """Seal a value for one row of one table."""
        return self.sealer.seal(plain, table=table, row=row)

    def open(self, sealed: bytes, *, table: str, row: str) -> bytes:
        """Open a sealed value; raises SealBroken."""
        return self.sealer.open(sealed, table=table, row=row)

    def seal_json(self, value: Any, *, table: str, row: str) -> bytes:
        """Seal a JSON value."""
        return self.seal(_compact(value).encode(), table=table, row=row)

    def open_json(self, sealed: bytes, *, table: str, row: str) -> Any:
        """Open a sealed JSON value; raises SealBroken."""
        return json.loads(self.open(sealed, table=table, row=row))

    def newest(self, purpose: str) -> tuple[int, bytes]:
        """Return version and value of the secret that new values use."""
        version = max(self.secrets[purpose])
        return version, self.secrets[purpose][version]

    def keyed_hash(self, purpose: str, text: str) -> bytes:
        """Return the look-up hash of a low-entropy value (address, phone number, network) for one purpose."""
        _, key = self.newest(LOOKUP_KEY)
        return hmac.digest(key, f"{purpose}\0{text}".encode("utf-8", "surrogatepass"), hashlib.sha256)


def insert_once(db: Session, table: Table, values: dict[str, Any]) -> bool:
    """Insert a row unless its key exists; tells whether this call inserted it."""
    insert = postgresql.insert if db.get_bind().dialect.name == "postgresql" else sqlite.insert
    done = db.execute(
        insert(table).values(values).on_conflict_do_nothing().returning(*table.primary_key.columns)
    )
    return done.first() is not None


def holds_secrets(db: Session) -> bool:
    """Tell whether a master key has sealed secrets here: the first start was."""
    return db.scalars(select(InstallationSecret.id).limit(1)).first() is not None


def read_vault(db: Session, sealer: Sealer) -> Vault:
    """Return the vault as it is; raises NotReady where a start has yet to make secrets."""
    found = _read_secrets(db, sealer)
    if not found.keys() >= set(_PURPOSES):
        raise NotReady("the database lacks secrets that the next start makes; start the server")
    return Vault(sealer, found)


def prepare(db: Session, sealer: Sealer, now: datetime) -> Vault:
    """Make the installation row and missing secrets, once by all processes, and return the vault."""
    insert_once(
        db, Installation.metadata.tables["installation"], {"id": 1, "epoch": 1, "snapshot_version": 1}
    )
    for purpose in _PURPOSES:
        add_secret(db, sealer, purpose, version=1, now=now)
    return Vault(sealer, _read_secrets(db, sealer))


def add_secret(db: Session, sealer: Sealer, purpose: str, *, version: int, now: datetime) -> None:
    """Add a random secret of 32 bytes unless that version exists."""
    key = f"{purpose}.{version}"
    table = InstallationSecret.metadata.tables["installation_secret"]
    sealed = sealer.seal(secrets.token_bytes(32), table=table.name, row=key)
    values = {"id": key, "purpose": purpose, "version": version, "sealed": sealed, "created_at": now}
    insert_once(db, table, values)


def _read_secrets(db: Session, sealer: Sealer) -> dict[str, dict[int, bytes]]:
    found: dict[str, dict[int, bytes]] = {}
    for row in db.scalars(select(InstallationSecret)):
        plain = sealer.open(row.sealed, table="installation_secret", row=row.id)
        found.setdefault(row.purpose, {})[row.version] = plain
    return found


def snapshot_changed(db: Session) -> None:
    """Say, in the change's own transaction, that clients, keys or catalogue changed."""
    db.execute(update(Installation).values(snapshot_version=Installation.snapshot_version + 1))


def begin_epoch(db: Session) -> int:
    """Let nothing count that was issued so far, revoked or not; returns the new epoch."""
    raised = {"epoch": Installation.epoch + 1, "snapshot_version": Installation.snapshot_version + 1}
    return db.execute(update(Installation).values(raised).returning(Installation.epoch)).scalar_one()


def is_resealed(db: Session, sealer: Sealer) -> bool:
    """Tell whether the newest master key has sealed the installation's secrets; a new one has not yet."""
    return all(sealer.is_current(sealed) for sealed in db.scalars(select(InstallationSecret.sealed)))


@dataclass(slots=True)
class Resealing:
    """How far one pass over all sealed records is."""

    changed: int = 0
    #: table and key of what no master key at hand opens; it stays as it is
    broken: list[str] = field(default_factory=list)
    #: the last key that was looked at, by column
    after: dict[Column[Any], Any] = field(default_factory=dict)


def reseal(db: Session, sealer: Sealer, found: Resealing, *, batch: int = 500) -> bool:
    """Look at the next records, at most *batch* a sealed column, and re-encrypt what an older key sealed.

    Runs while the server runs: records of both keys open meanwhile.

    :returns: False where there was nothing left to look at.
    """
    seen = False
    for table in Base.metadata.sorted_tables:
        for column in (c for c in table.columns if c.info.get("sealed")):
            (key,) = table.primary_key.columns
            # by the key alone: a search for what is stale reads a whole table in one statement to find none
            walk = select(key, column).where(key > found.after.get(column, "")).order_by(key).limit(batch)
            for row_id, sealed in db.execute(walk).all():
                seen, found.after[column] = True, row_id
                if sealed is None or sealer.is_current(sealed):
                    continue
                try:
                    plain = sealer.open(sealed, table=table.name, row=str(row_id))
                except SealBroken:  # one damaged record must not hold up the others
                    found.broken.append(f"{table.name} {row_id}")
                    continue
                fresh = sealer.seal(plain, table=table.name, row=str(row_id))
                swap = update(table).where(key == row_id, column == sealed).values({column: fresh})
                found.changed += len(db.execute(swap.returning(key)).all())
    return seen
