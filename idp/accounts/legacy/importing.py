"""Taking old accounts into a directory, batch by batch: compare with what is there, seal, insert or update.

The same line again changes nothing, whatever became of its hash meanwhile; one that differs replaces what is
there unless somebody linked it.  Comparing needs no transaction: a wrapped hash can only be compared at the
price of an Argon2id.  Writing is one short transaction, and what changed in between is left alone.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    LargeBinary,
    MetaData,
    Row,
    Table,
    any_,
    bindparam,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from idp.accounts.legacy.directory import Directory, email_lookup
from idp.accounts.legacy.import_file import ImportRow
from idp.accounts.legacy.models import STRONG, WEAK, LegacyAccount, LegacyDirectory
from idp.context import Context
from idp.crypto import SealBroken
from idp.db import begin_writing, new_id

BATCH: Final = 1000

_TABLE: Final = LegacyAccount.__tablename__
_STAGE: Final = "legacy_import_batch"
_COMPARED: Final = (
    LegacyAccount.id,
    LegacyAccount.lookup,
    LegacyAccount.personal,
    LegacyAccount.permissions,
    LegacyAccount.hash,
    LegacyAccount.hash_format,
    LegacyAccount.security_question,
    LegacyAccount.linked_at,
    LegacyAccount.revision,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a batch comes to."""

    new: list[tuple[bytes, ImportRow]] = field(default_factory=list)
    #: id, revision and form of the row that is replaced
    changed: list[tuple[str, int, str | None, ImportRow]] = field(default_factory=list)
    unchanged: int = 0
    #: lines whose account is linked already
    linked: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stored:
    """How much of a plan was carried out; the rest somebody else changed meanwhile."""

    accepted: int
    replaced: int


def plan(ctx: Context, keys: Mapping[bytes, ImportRow]) -> Plan:
    """Compare a batch, by the hashes its accounts are found by, with what is there; changes nothing."""
    known = select(*_COMPARED).where(_one_of(ctx, list(keys)))
    present = {found.lookup: found for found in ctx.db.execute(known)}
    made = Plan(new=[(key, row) for key, row in keys.items() if key not in present])
    unchanged = 0
    for key, found in present.items():
        row = keys[key]
        if found.linked_at is not None:
            made.linked.append(row.line)
        elif _is_same(ctx, found, row):
            unchanged += 1
        else:
            made.changed.append((found.id, found.revision, found.hash_format, row))
    return Plan(made.new, made.changed, unchanged, made.linked)


def store(ctx: Context, directory: Directory, planned: Plan) -> Stored:
    """Carry out a plan; also what another import stored meanwhile stays as it is."""
    table = LegacyAccount.metadata.tables[_TABLE]
    formats: Counter[str] = Counter()
    inserted = _insert(ctx, table, directory, planned) if planned.new else set()
    formats.update(row.hash.form for key, row in planned.new if key in inserted)
    replaced = 0
    for row_id, revision, form, row in sorted(planned.changed, key=lambda change: change[0]):
        if _replace(ctx, table, row_id, revision, row):
            replaced += 1
            formats.update({row.hash.form: 1})
            formats.subtract([form] if form else [])
    _count(ctx, directory, formats)
    return Stored(len(inserted), replaced)


def _one_of(ctx: Context, keys: list[bytes]) -> ColumnElement[bool]:
    """Return the condition for many keys: one array where there are arrays, a list of values elsewhere."""
    if ctx.db.get_bind().dialect.name == "postgresql":
        return LegacyAccount.lookup == any_(bindparam("keys", keys, type_=postgresql.ARRAY(LargeBinary())))
    return LegacyAccount.lookup.in_(keys)


def _is_same(ctx: Context, found: Row[*tuple[Any, ...]], row: ImportRow) -> bool:
    try:
        personal = ctx.vault.open_json(found.personal, table=_TABLE, row=found.id)
        stored = ctx.vault.open_json(found.hash, table=_TABLE, row=found.id) if found.hash else {}
    except (SealBroken, ValueError):
        return False  # what cannot be read any more is imported anew
    if personal != row.personal() or tuple(found.permissions) != row.permissions:
        return False
    if found.security_question != row.security_question or stored.get("config") != row.hash.config:
        return False
    if "argon2" in stored:
        return ctx.passwords.verify(stored["argon2"], row.hash.digest).valid
    return bool(stored.get("digest") == row.hash.digest)


def _insert(ctx: Context, table: Table, directory: Directory, planned: Plan) -> set[bytes]:
    """Insert what is new and return the look-up hashes of what was still new by then."""
    values = []
    # in one order, so that two imports of the same names do not wait for each other
    for key, row in sorted(planned.new, key=lambda new: new[0]):
        row_id = new_id()
        values.append({"id": row_id, "lookup": key, **_values(ctx, row_id, row)})
    same = {"directory_id": directory.id, "revision": 1, "created_at": ctx.now, "updated_at": ctx.now}
    if ctx.db.get_bind().dialect.name == "postgresql":
        return _copy(ctx, table, values, same)
    statement = sqlite.insert(table).on_conflict_do_nothing().returning(table.c.lookup)
    return set(ctx.db.connection().execute(statement, [{**same, **one} for one in values]).scalars())


def _copy(ctx: Context, table: Table, values: Sequence[dict[str, Any]], same: dict[str, Any]) -> set[bytes]:
    """Insert rows by way of COPY: a statement with a place for each value costs five times as much."""
    names = list(values[0])
    json_at = names.index("permissions")
    rows = [list(one.values()) for one in values]
    for row in rows:
        row[json_at] = json.dumps(row[json_at])
    connection = ctx.db.connection()
    driver: Any = connection.connection.driver_connection
    begin_writing(connection)
    with driver.cursor() as cursor:
        cursor.execute(f"CREATE TEMP TABLE {_STAGE} (LIKE {_TABLE}) ON COMMIT DROP")
        cursor.execute("".join(f"ALTER TABLE {_STAGE} ALTER COLUMN {name} DROP NOT NULL;" for name in same))
        with cursor.copy(f"COPY {_STAGE} ({', '.join(names)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    stage = Table(_STAGE, MetaData(), *(Column(name, table.c[name].type) for name in names))
    columns = [
        *stage.c,
        *(bindparam(f"all_{name}", value, table.c[name].type) for name, value in same.items()),
    ]
    made = postgresql.insert(table).from_select([*names, *same], select(*columns).order_by(stage.c.lookup))
    found = connection.execute(made.on_conflict_do_nothing().returning(table.c.lookup)).scalars().all()
    connection.exec_driver_sql(f"DROP TABLE {_STAGE}")
    return set(found)


def _replace(ctx: Context, table: Table, row_id: str, revision: int, row: ImportRow) -> bool:
    statement = (
        update(table)
        .where(
            table.c.id == bindparam("row_id"),
            table.c.revision == bindparam("seen"),
            table.c.linked_at.is_(None),
        )
        .values(revision=revision + 1, updated_at=ctx.now, **_values(ctx, row_id, row))
        .returning(table.c.id)
    )
    return ctx.db.execute(statement, {"row_id": row_id, "seen": revision}).first() is not None


def _values(ctx: Context, row_id: str, row: ImportRow) -> dict[str, Any]:
    bare = {"config": row.hash.config, "digest": row.hash.digest}
    return {
        "email_lookup": email_lookup(ctx, row.email) if row.email else None,
        "personal": ctx.vault.seal_json(row.personal(), table=_TABLE, row=row_id),
        "permissions": list(row.permissions),
        "hash": ctx.vault.seal_json(bare, table=_TABLE, row=row_id),
        "hash_format": row.hash.form,
        "hash_state": STRONG if row.hash.strong else WEAK,
        "security_question": row.security_question,
    }


def _count(ctx: Context, directory: Directory, formats: Counter[str]) -> None:
    """Add to the directory's count of forms, from which what an unknown name costs is drawn."""
    if not any(formats.values()):
        return
    mine = select(LegacyDirectory.hash_formats).where(LegacyDirectory.id == directory.id)
    counted = Counter(ctx.db.scalars(mine.with_for_update()).one())
    counted.update(formats)
    kept = {form: count for form, count in sorted(counted.items()) if count > 0}
    ctx.db.execute(
        update(LegacyDirectory).where(LegacyDirectory.id == directory.id).values(hash_formats=kept),
        execution_options={"synchronize_session": False},
    )
