"""The few hot statements, on the driver's own connection (design §6).

Everything else goes through SQLAlchemy.  Each statement is written once, with named parameters; PostgreSQL
consumes and reads in one round trip, SQLite (where ``RETURNING`` sees only the changed table) in two inside
one ``BEGIN IMMEDIATE`` transaction.  Times are the integers the tables hold.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Self

from sqlalchemy import Engine
from sqlalchemy.pool import PoolProxiedConnection

from idp.accounts.principal import Standing
from idp.db import Database

CODE_PURPOSE = "authorization_code"


class AuthorizationFacts(NamedTuple):
    """An authorization with all that decides what may still come of it."""

    authorization_id: str
    client_row_id: str
    account_id: str
    sub: str
    scope: str
    acr: str
    amr: str
    auth_time: int
    nonce: str | None
    sid: str | None
    redirect_uri: str
    code_challenge: str | None
    authorization_expires_at: int
    revoked_at: int | None
    issued_account_epoch: int
    issued_installation_epoch: int
    issued_membership_epoch: int | None
    claims_request: Any
    account_status: str
    account_epoch: int
    membership_id: str | None
    membership_status: str | None
    membership_epoch: int | None
    membership_version: int | None
    role: str | None
    organization_id: str | None
    organization_name: str | None
    customer_number: str | None
    organization_status: str | None
    organization_version: int | None
    installation_epoch: int
    #: the row that was consumed to get here
    consumed_id: str | None = None

    @property
    def requested_claims(self) -> Mapping[str, Any] | None:
        """The ``claims`` parameter; SQLite's driver hands JSON over as text."""
        stored = self.claims_request
        loaded: Mapping[str, Any] | None = json.loads(stored) if isinstance(stored, str | bytes) else stored
        return loaded

    @property
    def standing(self) -> Standing:
        """Return what the gate asks."""
        return Standing(
            account_status=self.account_status,
            account_epoch=self.account_epoch,
            issued_account_epoch=self.issued_account_epoch,
            installation_epoch=self.installation_epoch,
            issued_installation_epoch=self.issued_installation_epoch,
            membership_status=self.membership_status,
            membership_epoch=self.membership_epoch,
            issued_membership_epoch=self.issued_membership_epoch,
            organization_status=self.organization_status,
            revoked=self.revoked_at is not None,
        )


_FACTS = """
  a.id, a.client_id, a.account_id, u.sub, a.scope, a.acr, a.amr, a.auth_time, a.nonce, a.sid, a.redirect_uri,
  a.code_challenge, a.expires_at, a.revoked_at, a.account_epoch, a.installation_epoch, a.membership_epoch,
  a.claims_request, u.status, u.epoch, m.id, m.status, m.epoch, m.version, m.role, o.id, o.name,
  o.customer_number, o.status, o.version, i.epoch"""

_JOINS = """
  JOIN account u ON u.id = a.account_id
  LEFT JOIN membership m ON m.id = a.membership_id
  LEFT JOIN organization o ON o.id = m.organization_id
  CROSS JOIN installation i"""

_CONSUME_CODE = """
  UPDATE one_time_secret SET used_at = :now
  WHERE purpose = :purpose AND hash = :hash AND used_at IS NULL AND expires_at > :now
  RETURNING target, id"""

_CONSUME_REFRESH = """
  UPDATE refresh_token SET used_at = :now, successor_id = :successor
  WHERE hash = :hash AND used_at IS NULL AND expires_at > :now
    AND EXISTS (SELECT 1 FROM "authorization" c
                WHERE c.id = refresh_token.authorization_id AND c.client_id = :client)
  RETURNING authorization_id, id"""

# The share lock orders this mint against a block: a block that committed is seen, one that has not waits
# and then revokes what was minted, because it revokes the authorization that every token names.
_CONSUMED = """
  WITH used(id, consumed) AS ({consume})
  SELECT {facts}, used.consumed FROM used JOIN "authorization" a ON a.id = used.id {joins} """
_LOCK = "FOR SHARE OF a"
_BY_ID = 'SELECT {facts} FROM "authorization" a {joins} WHERE a.id = :id'

_INSERT_REFRESH = """
  INSERT INTO refresh_token (id, hash, authorization_id, parent_id, issued_at, expires_at)
  VALUES (:id, :hash, :authorization, :parent, :now, :expires)"""

_AUTHORIZATION_AND_JTI = """
  SELECT {facts}, EXISTS (SELECT 1 FROM revoked_jti r WHERE r.jti = :jti)
  FROM "authorization" a {joins} WHERE a.id = :id"""

_JTI = "SELECT 1 FROM revoked_jti WHERE jti = :jti"

_PERMISSIONS = """
  SELECT p.key FROM membership_permission mp
  JOIN membership m ON m.id = mp.membership_id
  JOIN permission p ON p.id = mp.permission_id
  JOIN organization_permission op ON op.permission_id = p.id AND op.organization_id = m.organization_id
  WHERE mp.membership_id = :membership AND p.client_id = :client ORDER BY p.position"""


@dataclass(frozen=True, slots=True)
class _Texts:
    """The statements in one driver's parameter style."""

    consume_code: str
    consume_refresh: str
    by_id: str
    insert_refresh: str
    authorization_and_jti: str
    jti: str
    permissions: str
    one_step: bool


def _texts(dialect: str) -> _Texts:
    one_step = dialect == "postgresql"

    def write(text: str) -> str:
        text = " ".join(text.format(facts=_FACTS, joins=_JOINS).split())
        return re.sub(r":(\w+)", r"%(\1)s", text) if one_step else text

    def consuming(text: str) -> str:
        return write(_CONSUMED.replace("{consume}", text) + _LOCK) if one_step else write(text)

    return _Texts(
        consume_code=consuming(_CONSUME_CODE),
        consume_refresh=consuming(_CONSUME_REFRESH),
        by_id=write(_BY_ID),
        insert_refresh=write(_INSERT_REFRESH),
        authorization_and_jti=write(_AUTHORIZATION_AND_JTI),
        jti=write(_JTI),
        permissions=write(_PERMISSIONS),
        one_step=one_step,
    )


class Transaction:
    """A transaction on the driver's connection; nothing is kept unless :meth:`commit` was called."""

    def __init__(self, engine: Engine, texts: _Texts) -> None:
        self._engine = engine
        self._texts = texts
        self._connection: PoolProxiedConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.rollback()

    def commit(self) -> None:
        """Make the changes durable; returns when they are."""
        if self._connection is not None:
            self._connection.commit()

    def rollback(self) -> None:
        """Undo, and let go of SQLite's write lock, before another unit of work begins."""
        if self._connection is not None:
            self._connection.rollback()
            self._connection.close()
            self._connection = None

    def consume_code(self, code_hash: bytes, now: int) -> AuthorizationFacts | None:
        """Consume an authorization code and return its authorization, or None: unknown, expired or used."""
        return self._consume(
            self._texts.consume_code, {"purpose": CODE_PURPOSE, "hash": code_hash, "now": now}
        )

    def consume_refresh_token(
        self, token_hash: bytes, client_row_id: str, successor: str, now: int
    ) -> AuthorizationFacts | None:
        """Consume a refresh token of one client; another client's stays usable for its owner."""
        values = {"hash": token_hash, "client": client_row_id, "successor": successor, "now": now}
        return self._consume(self._texts.consume_refresh, values)

    def insert_refresh_token(
        self,
        token_id: str,
        token_hash: bytes,
        authorization_id: str,
        *,
        parent: str | None,
        now: int,
        expires: int,
    ) -> None:
        """Store a new refresh token."""
        self._execute(
            self._texts.insert_refresh,
            {
                "id": token_id,
                "hash": token_hash,
                "authorization": authorization_id,
                "parent": parent,
                "now": now,
                "expires": expires,
            },
        )

    def _consume(self, statement: str, values: Mapping[str, Any]) -> AuthorizationFacts | None:
        row = self._execute(statement, values).fetchone()
        if row is None or self._texts.one_step:
            return None if row is None else AuthorizationFacts(*row)
        found = self._execute(self._texts.by_id, {"id": row[0]}).fetchone()
        return AuthorizationFacts(*found)._replace(consumed_id=row[1])

    def _execute(self, statement: str, values: Mapping[str, Any]) -> Any:
        if self._connection is None:
            self._connection = self._engine.raw_connection()
            if not self._texts.one_step:
                self._connection.cursor().execute("BEGIN IMMEDIATE")
        cursor = self._connection.cursor()
        cursor.execute(statement, values)
        return cursor


class Statements:
    """The hot statements of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._texts = _texts(database.dialect)
        self._permissions: dict[tuple[str, int, int, str], tuple[str, ...]] = {}

    def transaction(self) -> Transaction:
        """Begin a write; opens no connection before the first statement."""
        return Transaction(self._database.engine, self._texts)

    def authorization(self, authorization_id: str, jti: str) -> tuple[AuthorizationFacts, bool] | None:
        """Return an authorization as it stands now and whether this one token of it was revoked."""
        row = self._read(self._texts.authorization_and_jti, {"id": authorization_id, "jti": jti})
        return (AuthorizationFacts(*row[0][:-1]), bool(row[0][-1])) if row else None

    def jti_revoked(self, jti: str) -> bool:
        """Tell whether a token without an authorization was revoked."""
        return bool(self._read(self._texts.jti, {"jti": jti}))

    def permissions(self, facts: AuthorizationFacts) -> tuple[str, ...]:
        """Return the keys of what the person has at the asking client, in catalogue order.

        Cached under the versions that the same request has just read, so never stale.
        """
        if facts.membership_id is None:
            return ()
        versions = (facts.membership_version or 0, facts.organization_version or 0)
        key = (facts.membership_id, *versions, facts.client_row_id)
        found = self._permissions.get(key)
        if found is None:
            values = {"membership": facts.membership_id, "client": facts.client_row_id}
            found = tuple(row[0] for row in self._read(self._texts.permissions, values))
            if len(self._permissions) > 10_000:
                self._permissions.clear()
            self._permissions[key] = found
        return found

    def _read(self, statement: str, values: Mapping[str, Any]) -> list[Any]:
        connection = self._database.reader.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute(statement, values)
            return list(cursor.fetchall())
        finally:
            connection.close()
