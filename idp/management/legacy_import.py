"""Importing a file of old accounts: batches with a report; the surface commits each batch."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from idp.accounts.legacy import directory as directories
from idp.accounts.legacy.directory import Directory
from idp.accounts.legacy.import_file import ImportRow, RefusedLine
from idp.accounts.legacy.importing import BATCH, Plan, plan, store
from idp.accounts.legacy.models import IMPORTED
from idp.audit.events import Event
from idp.audit.log import record
from idp.context import Context
from idp.errors import Refusal
from idp.management.actors import require_operator

MOST_TOLD: Final = 1000
"""Lines a report names; of more it says how many."""

_LINKED: Final = "the account is linked, so nothing of it is replaced"


Batch = dict[bytes, ImportRow]
"""Accounts by the hashes they are found by."""


@dataclass(slots=True)
class Report:
    """What an import came to so far; no part of any line stands in it."""

    lines: int = 0
    accepted: int = 0
    replaced: int = 0
    unchanged: int = 0
    #: the first of the lines that were not taken
    refused: list[RefusedLine] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    weak: int = 0
    security_questions: int = 0
    #: names of permissions that the directory maps to nothing
    unmapped: Counter[str] = field(default_factory=Counter)

    @property
    def not_taken(self) -> int:
        """How many lines were not taken."""
        return self.reasons.total()


class Import:
    """One run over a file."""

    def __init__(self, ctx: Context, slug: str, *, dry_run: bool = False) -> None:
        """Begin.

        :raises Refusal: ``actor.not_allowed``; ``legacy_directory.unknown`` (slug);
            ``legacy_directory.kind`` (slug) where the directory checks passwords itself.
        """
        require_operator(ctx)
        found = directories.find(ctx.db, slug)
        if found is None:
            raise Refusal("legacy_directory.unknown", slug=slug)
        if found.kind != IMPORTED:
            raise Refusal("legacy_directory.kind", slug=slug)
        self.directory: Directory = found
        self.report = Report()
        self._dry_run = dry_run
        #: start of the look-up hash → line: a million of them take 100 MB
        self._seen: dict[int, int] = {}

    def batches(self, ctx: Context, lines: Iterable[ImportRow | RefusedLine]) -> Iterator[Batch]:
        """Yield accounts in batches for :meth:`plan`; refused lines and repeated names go into the report."""
        batch: Batch = {}
        for found in lines:
            self.report.lines += 1
            if isinstance(found, RefusedLine):
                self._refuse(found)
                continue
            key = directories.lookup(ctx, self.directory.id, found.username)
            first = self._seen.setdefault(int.from_bytes(key[:8], "big"), found.line)
            if first != found.line:
                self._refuse(
                    RefusedLine(found.line, "the user name stands in the file before"), f" (line {first})"
                )
                continue
            self._count(found)
            batch[key] = found
            if len(batch) == BATCH:
                yield batch
                batch = {}
        if batch:
            yield batch

    def plan(self, ctx: Context, batch: Batch) -> Plan:
        """Compare a batch with what is there, outside of transactions."""
        return plan(ctx, batch)

    def take(self, ctx: Context, planned: Plan) -> None:
        """Store a batch, in one transaction that the caller commits; a dry run only counts."""
        for line in planned.linked:
            self._refuse(RefusedLine(line, _LINKED))
        self.report.unchanged += planned.unchanged
        if self._dry_run:
            self.report.accepted += len(planned.new)
            self.report.replaced += len(planned.changed)
            return
        stored = store(ctx, self.directory, planned)
        self.report.accepted += stored.accepted
        self.report.replaced += stored.replaced

    def finish(self, ctx: Context) -> None:
        """Write the import into the audit log."""
        if self._dry_run:
            return
        found = self.report
        facts = {
            "directory": self.directory.slug,
            "accepted": found.accepted,
            "replaced": found.replaced,
            "unchanged": found.unchanged,
            "refused": found.not_taken,
        }
        record(
            ctx, Event.LEGACY_DIRECTORY_IMPORTED, target=("legacy_directory", self.directory.id), new=facts
        )

    def _count(self, row: ImportRow) -> None:
        found = self.report
        found.formats[row.hash.form] += 1
        found.weak += not row.hash.strong
        found.security_questions += row.security_question
        found.unmapped.update(name for name in row.permissions if name not in self.directory.permission_map)

    def _refuse(self, line: RefusedLine, more: str = "") -> None:
        self.report.reasons[line.reason] += 1
        if len(self.report.refused) < MOST_TOLD:
            self.report.refused.append(RefusedLine(line.line, line.reason + more))
