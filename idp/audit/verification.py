"""Checking the audit log: a flipped byte, a missing row, another order is found (req 106, I4).

What the check cannot know from the database alone: whether the newest rows were cut off together with their
seals.  For that, hand in a head noted earlier, from the log stream or an export.
"""

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from idp.audit.events import FAILURES
from idp.audit.log import commitment, open_part
from idp.audit.models import AuditEvent, AuditPersonal, AuditSeal
from idp.audit.sealer import GENESIS, link, sign, sign_cut
from idp.context import Context
from idp.crypto import SealBroken
from idp.installation import Vault

MAX_PROBLEMS = 100
_BATCH = 1000
_EVENTS = AuditEvent.metadata.tables["audit_event"]
_PERSONAL = AuditPersonal.metadata.tables["audit_personal"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was written, and its place in the chain."""

    position: int | None
    what: str


@dataclass(slots=True)
class Verification:
    """The outcome of a check; at most 100 problems are listed."""

    events: int = 0
    seals: int = 0
    unsealed: int = 0
    #: personal parts that were erased
    erased: int = 0
    position: int = 0
    head: bytes = GENESIS
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything is as it was written."""
        return not self.problems

    def add(self, position: int | None, what: str) -> None:
        """Note a problem."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(position, what))


def verify(ctx: Context, *, known_head: tuple[int, bytes] | None = None) -> Verification:
    """Check every event, personal part and seal; reads in batches and changes nothing.

    Needs a session that sees one state (``Database.snapshot``) where others write meanwhile.

    :param known_head: position and chain value noted earlier; they must still be in the log.
    """
    result = Verification()
    seals = {seal.last_position: seal for seal in _checked_seals(ctx, result)}
    if known_head is not None and known_head[0] <= result.position:
        _check_at_cut(result, *known_head)
    for row in _rows(ctx.db):
        position = row["position"]
        if position != result.position + 1:
            result.add(result.position + 1, "events are missing before this one")
        if link(result.head, position, dict(row)) != row["chain"]:
            result.add(position, "the event or its place was changed")
        _check_personal(ctx.vault, row, result)
        result.events += 1
        result.position, result.head = position, row["chain"] or b""
        seal = seals.pop(position, None)
        if seal is not None and seal.chain != result.head:
            result.add(position, "the seal does not fit the chain")
        if known_head is not None and known_head[0] == position and known_head[1] != result.head:
            result.add(position, "the chain is not the one noted earlier")
    _check_end(ctx, result, seals, known_head)
    return result


def _checked_seals(ctx: Context, result: Verification) -> list[AuditSeal]:
    """Check the seals among themselves and set the point where the chain begins; returns those after it."""
    seals = list(ctx.db.scalars(select(AuditSeal).order_by(AuditSeal.sequence)))
    result.seals = len(seals)
    before: AuditSeal | None = None
    for seal in seals:
        if not hmac.compare_digest(seal.signature, sign(ctx.vault, seal)) or not seal.signature:
            result.add(seal.last_position, f"seal {seal.sequence} was changed")
        sequence, first = (before.sequence + 1, before.last_position + 1) if before else (1, 1)
        if not (before is None and _is_cut(ctx.vault, seal)) and (
            (seal.sequence, seal.first_position) != (sequence, first)
        ):
            result.add(first, f"seals are missing before seal {seal.sequence}")
        before = seal
    start = next((seal for seal in reversed(seals) if seal.cut_at or seal.cut_signature), None)
    if start is None:
        return seals
    if not _is_cut(ctx.vault, start):
        result.add(start.last_position, f"the cut at seal {start.sequence} was changed")
    result.position, result.head = start.last_position, start.chain
    return [seal for seal in seals if seal.sequence > start.sequence]


def _check_at_cut(result: Verification, position: int, chain: bytes) -> None:
    """Compare a head noted earlier with the point where the chain begins now."""
    if position < result.position:
        result.add(position, f"before the cut at {result.position}: cannot be compared")
    elif chain != result.head:
        result.add(position, "the chain is not the one noted earlier")


def _is_cut(vault: Vault, seal: AuditSeal) -> bool:
    if seal.cut_at is None or not seal.cut_signature:
        return False
    return hmac.compare_digest(seal.cut_signature, sign_cut(vault, seal, seal.cut_at))


def _rows(db: Session) -> Iterator[Mapping[str, Any]]:
    query = (
        select(
            _EVENTS,
            _PERSONAL.c.event_id,
            _PERSONAL.c.origin,
            _PERSONAL.c.details,
            _PERSONAL.c.failure,
            _PERSONAL.c.at.label("personal_at"),
        )
        .outerjoin(_PERSONAL, _PERSONAL.c.event_id == _EVENTS.c.id)
        .where(_EVENTS.c.position.is_not(None))
        .order_by(_EVENTS.c.position)
        .limit(_BATCH)
    )
    rows = db.execute(query).mappings().all()
    while rows:
        for row in rows:
            yield dict(row)
        rows = db.execute(query.where(_EVENTS.c.position > rows[-1]["position"])).mappings().all()


def _check_personal(vault: Vault, row: Mapping[str, Any], result: Verification) -> None:
    expected = any(row[f"{part}_commitment"] is not None for part in ("origin", "details"))
    if expected != (row["event_id"] is not None):
        result.add(row["position"], "the personal part was removed or added")
        return
    if not expected:
        return
    if row["personal_at"] != row["at"] or row["failure"] != (row["event"] in FAILURES):
        result.add(row["position"], "the personal part was changed")
    for part in ("origin", "details"):
        _check_part(vault, row, part, result)


def _check_part(vault: Vault, row: Mapping[str, Any], part: str, result: Verification) -> None:
    promised = row[f"{part}_commitment"]
    try:
        salted = open_part(vault, row["id"], row[part])
    except SealBroken:
        result.add(row["position"], f"the personal part ({part}) does not open")
        return
    if salted is None:
        result.erased += promised is not None
    elif promised is None or commitment(salted) != promised:
        result.add(row["position"], f"the personal part ({part}) was changed")


def _check_end(
    ctx: Context, result: Verification, left: dict[int, AuditSeal], known_head: tuple[int, bytes] | None
) -> None:
    for position in sorted(left):
        result.add(position, "events under this seal are missing")
    last = ctx.db.scalar(select(func.max(AuditSeal.last_position))) or 0
    if result.position > last:
        result.add(last + 1, "events are chained but under no seal")
    if known_head is not None and known_head[0] > result.position:
        result.add(known_head[0], "the log ends before the head noted earlier")
    result.unsealed = ctx.db.scalar(select(func.count()).where(_EVENTS.c.position.is_(None))) or 0
