"""The few hot statements, on the driver's own connection (design §6).

Everything else goes through SQLAlchemy.  Each statement is written once, with named parameters; PostgreSQL
consumes and reads in one round trip, SQLite (where ``RETURNING`` sees only the changed table) in two inside
one ``BEGIN IMMEDIATE`` transaction.  Times are the integers the tables hold.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import PoolProxiedConnection

from idp.db import Database
from idp.oidc.facts import AuthorizationFacts, PersonFacts, decoded
from idp.pooling import forget, wire_of
from idp.wire import Row, Wire, Words, words

CODE_PURPOSE = "authorization_code"
_OWN = len(AuthorizationFacts._fields) - 1  # all but what a consumption adds


_PERSON = """
  u.username, u.name, u.given_name, u.family_name, u.middle_name, u.nickname, u.profile, u.picture, u.website,
  u.gender, u.birthdate, u.zoneinfo, u.locale, u.address, u.updated_at,
  e.id, e.sealed, e.verified_at, p.id, p.sealed, p.verified_at"""

_OLDEST = """
  LEFT JOIN identifier {alias} ON {alias}.id = (
    SELECT s.id FROM identifier s
    WHERE s.account_id = u.id AND s.kind = '{kind}' AND s.purpose = 'sign_in' AND NOT s.pending
    ORDER BY s.created_at, s.id LIMIT 1)"""
_IDENTIFIERS = _OLDEST.format(alias="e", kind="email") + _OLDEST.format(alias="p", kind="phone")

_FACTS = """
  a.id, a.client_id, a.account_id, u.sub, a.scope, a.acr, a.amr, a.auth_time, a.nonce, a.sid, a.redirect_uri,
  a.code_challenge, a.expires_at, a.revoked_at, a.account_epoch, a.installation_epoch, a.membership_epoch,
  a.claims_request, a.resources, a.cnf, u.status, u.epoch, m.id, m.status, m.epoch, m.version, m.role,
  o.id, o.name, o.customer_number, o.status, o.version,
  o.require_second_factor, i.epoch"""

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

_CONSUME_DEVICE = """
  UPDATE device_request SET used_at = :now
  WHERE hash = :hash AND client_id = :client AND authorization_id IS NOT NULL
    AND used_at IS NULL AND expires_at > :now
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

_BIND = 'UPDATE "authorization" SET cnf = :cnf WHERE id = :id'

_AUTHORIZATION_AND_JTI = """
  SELECT {facts}, EXISTS (SELECT 1 FROM revoked_jti r WHERE r.jti = :jti)
  FROM "authorization" a {joins} WHERE a.id = :id"""

_PERSON_AND_JTI = """
  SELECT {facts}, EXISTS (SELECT 1 FROM revoked_jti r WHERE r.jti = :jti), {person}
  FROM "authorization" a {joins} {identifiers} WHERE a.id = :id"""
# A token that a client got for itself names no authorization, hence no account.
_OPAQUE = """
  SELECT {facts}, t.claims FROM access_token t
  LEFT JOIN "authorization" a ON a.id = t.authorization_id LEFT {joins}
  WHERE t.hash = :hash AND t.expires_at > :now"""

_OPAQUE_AND_PERSON = """
  SELECT {facts}, t.claims, {person} FROM access_token t
  JOIN "authorization" a ON a.id = t.authorization_id {joins} {identifiers}
  WHERE t.hash = :hash AND t.expires_at > :now"""

_INSERT_ACCESS = """
  INSERT INTO access_token (hash, client_id, authorization_id, claims, expires_at)
  VALUES (:hash, :client, :authorization, :claims, :expires)"""

_STRICT = """
  SELECT 1 FROM access_token t
  WHERE t.hash = :hash AND NOT EXISTS (SELECT 1 FROM revoked_jti r WHERE r.jti = :jti)"""

_PERSON_BY_ID = "SELECT {person} FROM account u {identifiers} WHERE u.id = :id"

_JTI = "SELECT 1 FROM revoked_jti WHERE jti = :jti"

# of any number of workers that insert the same row, one is told that it did
_USE_JTI = """
  INSERT INTO used_jti (hash, expires_at) VALUES (:hash, :expires)
  ON CONFLICT (hash) DO NOTHING RETURNING 1"""

_PERMISSIONS = """
  SELECT p.key FROM membership_permission mp
  JOIN membership m ON m.id = mp.membership_id
  JOIN permission p ON p.id = mp.permission_id
  JOIN organization_permission op ON op.permission_id = p.id AND op.organization_id = m.organization_id
  WHERE mp.membership_id = :membership AND p.client_id = :client ORDER BY p.position"""


@dataclass(frozen=True, slots=True)
class _Texts:
    """The statements in one database's words."""

    consume_code: Words
    consume_refresh: Words
    consume_device: Words
    by_id: Words
    insert_refresh: Words
    bind: Words
    authorization_and_jti: Words
    person_and_jti: Words
    opaque: Words
    opaque_and_person: Words
    insert_access: Words
    strict: Words
    person: Words
    jti: Words
    use_jti: Words
    permissions: Words
    one_step: bool


def _texts(dialect: str) -> _Texts:
    one_step = dialect == "postgresql"

    def write(text: str) -> Words:
        parts = {"facts": _FACTS, "joins": _JOINS, "person": _PERSON, "identifiers": _IDENTIFIERS}
        text = " ".join(text.format(**parts).split())
        return words(re.sub(r":(\w+)", r"%(\1)s", text) if one_step else text, dialect)

    def consuming(text: str) -> Words:
        return write(_CONSUMED.replace("{consume}", text) + _LOCK) if one_step else write(text)

    return _Texts(
        consume_code=consuming(_CONSUME_CODE),
        consume_refresh=consuming(_CONSUME_REFRESH),
        consume_device=consuming(_CONSUME_DEVICE),
        by_id=write(_BY_ID),
        insert_refresh=write(_INSERT_REFRESH),
        bind=write(_BIND),
        authorization_and_jti=write(_AUTHORIZATION_AND_JTI),
        person_and_jti=write(_PERSON_AND_JTI),
        opaque=write(_OPAQUE),
        opaque_and_person=write(_OPAQUE_AND_PERSON),
        insert_access=write(_INSERT_ACCESS),
        strict=write(_STRICT),
        person=write(_PERSON_BY_ID),
        jti=write(_JTI),
        use_jti=write(_USE_JTI),
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
        if self._connection is not None and isinstance(error, self._engine.dialect.loaded_dbapi.Error):
            forget(self._connection, self._engine, error)
        self.rollback()

    def commit(self) -> None:
        """Make the changes durable; returns when they are."""
        if self._connection is not None:
            wire_of(self._connection).commit()

    def rollback(self) -> None:
        """Undo, and let go of SQLite's write lock, before another unit of work begins."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.is_valid:
            connection.close()  # the pool rolls back what comes home, and drops what no longer can

    def session(self) -> Session:
        """Return a unit of work of this transaction: its commit keeps what was consumed, too."""
        return Session(Connection(self._engine, self._opened()), expire_on_commit=False, autoflush=False)

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

    def consume_device_code(
        self, code_hash: bytes, client_row_id: str, now: int
    ) -> AuthorizationFacts | None:
        """Consume a device code that a person allowed for one client; None also while nobody has decided."""
        values = {"hash": code_hash, "client": client_row_id, "now": now}
        return self._consume(self._texts.consume_device, values)

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
        values = {"id": token_id, "hash": token_hash, "authorization": authorization_id, "parent": parent}
        self._later(self._texts.insert_refresh, values | {"now": now, "expires": expires})

    def insert_access_token(
        self,
        token_hash: bytes,
        client_row_id: str,
        authorization_id: str | None,
        claims: Mapping[str, Any],
        expires: int,
    ) -> None:
        """Store an opaque access token with the claims a JWT would carry."""
        self._later(
            self._texts.insert_access,
            {
                "hash": token_hash,
                "client": client_row_id,
                "authorization": authorization_id,
                "claims": json.dumps(claims),
                "expires": expires,
            },
        )

    def bind(self, authorization_id: str, jkt: str) -> None:
        """Bind an authorization to a key, as the public client that holds it has proven (RFC 9449 §5)."""
        self._later(self._texts.bind, {"id": authorization_id, "cnf": json.dumps({"jkt": jkt})})

    def use_jti(self, jti_hash: bytes, expires: int) -> bool:
        """Note that an assertion or proof was presented; False where it was before (RFC 7523 §3).

        :param jti_hash: SHA-256 of who presented it, what for, and its ``jti``.
        """
        values = {"hash": jti_hash, "expires": expires}
        return bool(self._rows(self._texts.use_jti, values))

    def _consume(self, statement: Words, values: Mapping[str, Any]) -> AuthorizationFacts | None:
        found = self._rows(statement, values)
        if not found or self._texts.one_step:
            return AuthorizationFacts(*found[0]) if found else None
        key, consumed = found[0]
        facts = self._rows(self._texts.by_id, {"id": key})
        return AuthorizationFacts(*facts[0])._replace(consumed_id=consumed) if facts else None

    def read_again(self, facts: AuthorizationFacts) -> AuthorizationFacts:
        """Return the facts of what was consumed as they stand now; the authorization is held."""
        (found,) = self._rows(self._texts.by_id, {"id": facts.authorization_id})
        return AuthorizationFacts(*found)._replace(consumed_id=facts.consumed_id)

    def _rows(self, statement: Words, values: Mapping[str, Any]) -> list[Row]:
        return self._wire().rows(statement, values, begin=True)

    def _later(self, statement: Words, values: Mapping[str, Any]) -> None:
        self._wire().later(statement, values)

    def _wire(self) -> Wire:
        return wire_of(self._opened())

    def _opened(self) -> PoolProxiedConnection:
        if self._connection is None:
            self._connection = self._engine.raw_connection()
        return self._connection


class Statements:
    """The hot statements of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._texts = _texts(database.dialect)
        self._permissions = lru_cache(maxsize=10_000)(self._permission_keys)

    def transaction(self) -> Transaction:
        """Begin a write; opens no connection before the first statement."""
        return Transaction(self._database.engine, self._texts)

    def authorization(self, authorization_id: str, jti: str) -> tuple[AuthorizationFacts, bool] | None:
        """Return an authorization as it stands now and whether this one token of it was revoked."""
        row = self._read(self._texts.authorization_and_jti, {"id": authorization_id, "jti": jti})
        return (AuthorizationFacts(*row[0][:-1]), bool(row[0][-1])) if row else None

    def authorization_and_person(
        self, authorization_id: str, jti: str
    ) -> tuple[AuthorizationFacts, bool, PersonFacts] | None:
        """Return the same, and in the same round trip what the account tells of its person."""
        row = self._read(self._texts.person_and_jti, {"id": authorization_id, "jti": jti})
        if not row:
            return None
        found = row[0]
        return AuthorizationFacts(*found[:_OWN]), bool(found[_OWN]), PersonFacts(*found[_OWN + 1 :])

    def opaque(self, token_hash: bytes, now: int) -> tuple[dict[str, Any], AuthorizationFacts | None] | None:
        """Return what an opaque access token stands for, and its authorization where it has one."""
        row = self._read(self._texts.opaque, {"hash": token_hash, "now": now})
        if not row:
            return None
        *own, claims = row[0]
        return decoded(claims), None if own[0] is None else AuthorizationFacts(*own)

    def opaque_and_person(
        self, token_hash: bytes, now: int
    ) -> tuple[dict[str, Any], AuthorizationFacts, PersonFacts] | None:
        """Return the same of a token that speaks for a person, and what the account tells of them."""
        row = self._read(self._texts.opaque_and_person, {"hash": token_hash, "now": now})
        if not row:
            return None
        found = row[0]
        return decoded(found[_OWN]), AuthorizationFacts(*found[:_OWN]), PersonFacts(*found[_OWN + 1 :])

    def person(self, account_id: str) -> PersonFacts | None:
        """Return what an account tells of its person."""
        row = self._read(self._texts.person, {"id": account_id})
        return PersonFacts(*row[0]) if row else None

    def jti_revoked(self, jti: str) -> bool:
        """Tell whether a token without an authorization was revoked."""
        return bool(self._read(self._texts.jti, {"jti": jti}))

    def strict_stands(self, token_hash: bytes, jti: str) -> bool:
        """Tell whether a token that has to have a row has one, and was not revoked."""
        return bool(self._read(self._texts.strict, {"hash": token_hash, "jti": jti}))

    def permissions(self, facts: AuthorizationFacts, catalogues: int) -> tuple[str, ...]:
        """Return the keys of what the person has at the asking client, in catalogue order.

        Cached under the versions that the same request has just read, so never stale.

        :param catalogues: the snapshot's version, which the order of a catalogue changes with.
        """
        if facts.membership_id is None:
            return ()
        versions = (facts.membership_version or 0, facts.organization_version or 0, catalogues)
        return self._permissions(facts.membership_id, facts.client_row_id, versions)

    def _permission_keys(
        self, membership_id: str, client_row_id: str, _versions: tuple[int, int, int]
    ) -> tuple[str, ...]:
        values = {"membership": membership_id, "client": client_row_id}
        return tuple(row[0] for row in self._read(self._texts.permissions, values))

    def _read(self, statement: Words, values: Mapping[str, Any]) -> list[Row]:
        connection = self._database.reader.raw_connection()
        try:
            return wire_of(connection).rows(statement, values)
        except Exception as error:
            forget(connection, self._database.reader, error)
            raise
        finally:
            connection.close()
