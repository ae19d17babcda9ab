"""Whether the audit log has what clients saw happen, and nothing else: the other half of invariant I3."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import orm, select

from idp.audit.events import Event
from idp.audit.models import AuditEvent
from idp.authentication.models import Session
from idp.crypto import sha256
from idp.flows.models import OneTimeSecret
from tests.faults.ledger import Ledger, Line

_GRANTS = ("lost", "again", "at once")

#: event of what a client sees → the kinds of requests that may have it although no answer tells of it;
#: None: others cause it, too, such as a block
AUDITED: Mapping[Event, Sequence[str] | None] = {
    Event.SIGN_IN_SUCCEEDED: ("sign-in",),
    Event.SESSION_STARTED: ("sign-in",),
    Event.CODE_ISSUED: ("sign-in", "page", "authorize"),
    Event.CODE_REPLAYED: ("code", *_GRANTS),
    Event.REFRESH_TOKEN_REUSED: ("refresh", *_GRANTS),
    Event.AUTHORIZATION_REVOKED: None,
    Event.SESSION_ENDED: None,
}
_OF_SESSIONS = frozenset({Event.SIGN_IN_SUCCEEDED, Event.SESSION_STARTED, Event.SESSION_ENDED})


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the audit log; *of_what*: hash of the cookie or code it tells of, or the id of the request."""

    event: str
    of_what: bytes | str | None
    request_id: str | None = None


def read_rows(db: orm.Session) -> list[Row]:
    """Read the audit log, and of which cookies and codes it tells."""
    cookies = {key: value for key, value in db.execute(select(Session.id, Session.cookie_hash))}
    codes = {key: value for key, value in db.execute(select(OneTimeSecret.target, OneTimeSecret.hash))}
    columns = (AuditEvent.event, AuditEvent.session, AuditEvent.new, AuditEvent.request_id)
    rows = []
    for event, session, new, request_id in db.execute(select(*columns)):
        of_what: bytes | str | None = request_id
        if event in _OF_SESSIONS:
            of_what = cookies.get(session or "")
        elif event == Event.CODE_ISSUED:
            of_what = codes.get(json.loads(new or "{}").get("lineage", ""))
        rows.append(Row(event, of_what, request_id))
    return rows


def audited(ledger: Ledger, rows: Sequence[Row]) -> Iterator[Line]:
    """Match what clients saw happen with the log, one by one.

    A row that no client knows of belongs to a request without an answer, or whose answer was a 5xx.
    """
    for event, kinds in AUDITED.items():
        yield _matched(ledger, event, kinds, [row for row in rows if row.event == event.value])
    blocks = sum(row.event == Event.ACCOUNT_BLOCKED.value for row in rows)
    counted = f"{len(ledger.blocked)} blocked, {blocks} rows"
    yield Line(f"I3 {Event.ACCOUNT_BLOCKED.value}", blocks == len(ledger.blocked), counted)


def _matched(ledger: Ledger, event: Event, kinds: Sequence[str] | None, rows: Sequence[Row]) -> Line:
    by_request = event not in _OF_SESSIONS and event is not Event.CODE_ISSUED
    seen = Counter[bytes | str | None](
        what if by_request else sha256(what) for what, name in ledger.promised if name is event
    )
    stored = Counter(row.of_what for row in rows)
    missing, more = (seen - stored).total(), (stored - seen).total()
    counted = f"{seen.total()} seen, {missing} missing, {more} more"
    if kinds is None:
        return Line(f"I3 {event.value}", not missing, f"{counted} of others")
    lost = [sent for sent in ledger.seen if sent.kind in kinds and (sent.status == 0 or sent.status >= 500)]
    nameless = sum(not sent.request_id for sent in lost)
    in_error = {sent.request_id for sent in lost if sent.request_id}
    unexplained = more - sum(row.request_id in in_error for row in rows)
    held = not missing and unexplained <= nameless
    return Line(f"I3 {event.value}", held, f"{counted}, of {nameless} such requests that failed")
