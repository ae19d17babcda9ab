"""The one engine for multi-step work of a person (security reference, D3 and D8; req 41, 75, 102).

A flow is a row that exists before any page shows.  Its id stands in URLs and opens nothing by itself: the
browser's own ``__Host-flow`` secret must fit.  What was done is a mark in the row, never a field of a form.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.util import identity_key

from idp.context import Context
from idp.crypto import random_token, same
from idp.errors import Refusal
from idp.flows.models import Flow
from idp.prepared import Prepared, insert_rows

AUTHORIZATION: Final = "authorization"
SIGN_IN: Final = "sign_in"
DEVICE: Final = "device"
REGISTRATION: Final = "registration"
RESET: Final = "reset"
RECOVERY: Final = "recovery"
OLD_ACCOUNT: Final = "old_account"
ADDRESS: Final = "address"
ADDRESS_UNDO: Final = "address_undo"
DELETION: Final = "deletion"
DELETION_UNDO: Final = "deletion_undo"
LOGOUT: Final = "logout"

_TABLE: Final = Flow.__tablename__
_CARRIED: Final = ("redirect_uri", "ui_locales")

JUST_ANSWERED: Final = timedelta(minutes=1)
"""How long after its answer a form of a flow still counts as the same one, sent twice."""

UNBOUND: Final = b""
"""Browser hash of a flow that another site's form began: cookies do not come with such a request."""

_NAMES: Final = tuple(column.name for column in Flow.__table__.columns)
_ROW = select(*Flow.__table__.columns).where(Flow.id == bindparam("key"))
_LOAD: Final = Prepared(_ROW)
_HOLD: Final = Prepared(_ROW.with_for_update())
_ADOPT: Final = Prepared(
    update(Flow).where(Flow.id == bindparam("key")).values(browser_hash=bindparam("hash"))
)
_KEEP: Final = Prepared(
    update(Flow)
    .where(Flow.id == bindparam("key"))
    .values(done=bindparam("done"), account_id=bindparam("account"))
)
_FINISH: Final = Prepared(
    update(Flow)
    .where(Flow.id == bindparam("key"), Flow.finished_at.is_(None))
    .values(finished_at=bindparam("now"), account_id=bindparam("account"))
    .returning(Flow.id)
)
_ID = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


def start(
    ctx: Context,
    purpose: str,
    *,
    browser_hash: bytes,
    request: Mapping[str, Any],
    client_id: str | None = None,
    lifetime: timedelta | None = None,
) -> Flow:
    """Begin a flow and return its row.

    :param client_id: table key of the client the person comes from, None without one.
    :param browser_hash: SHA-256 of this browser's ``__Host-flow`` secret, or :data:`UNBOUND`.
    :param request: what was asked for, validated, as JSON; it is never read from a request again.
    :param lifetime: None means that of the settings.
    """
    row = {
        "id": random_token(),
        "purpose": purpose,
        "client_id": client_id,
        "browser_hash": browser_hash,
        "request": dict(request),
        "done": {},
        "created_at": ctx.now,
        "expires_at": ctx.now + (lifetime or timedelta(minutes=ctx.settings.flow.minutes)),
    }
    insert_rows(ctx.db, (Flow, row))
    return _attached(ctx.db, {**dict.fromkeys(_NAMES), **row})


def carried(then: Flow | None) -> dict[str, Any]:
    """Return what a flow keeps of the one that led to it: where forms may end, language, the way back."""
    kept = {name: then.request[name] for name in _CARRIED if name in then.request} if then else {}
    return kept | {"then": then.id if then else None}


def load(ctx: Context, flow_id: str, browser_hash: bytes | None, *, lock: bool = False) -> Flow:
    """Return an open flow of this browser.

    :param browser_hash: as in :func:`start`; None where the browser has no such cookie.
    :param lock: hold the row until the transaction ends; steps that mark or count do.
    :raises Refusal: ``flow.lost`` (no such flow), ``flow.expired`` (``client_id``; too old or finished),
        ``flow.other_browser`` (``client_id``).
    """
    return _open(ctx, _of_browser(ctx, flow_id, browser_hash, lock=lock))


def take(ctx: Context, flow_id: str, browser_hash: bytes) -> Flow:
    """Return an open flow with its row held; one that is bound to no browser is this one's from now on.

    Nothing was done in it yet, so who takes it gains no more than by beginning a flow.

    :raises Refusal: as :func:`load`.
    """
    return _open(ctx, _of_browser(ctx, flow_id, browser_hash, lock=True, adopt=True))


def load_finished(ctx: Context, flow_id: str, browser_hash: bytes | None) -> Flow:
    """Return a finished flow of this browser, for the page that says how it went.

    :raises Refusal: as :func:`load`; ``flow.expired`` also where it is not finished.
    """
    flow = _of_browser(ctx, flow_id, browser_hash, lock=False)
    if flow.finished_at is None or flow.expires_at <= ctx.now:
        raise Refusal("flow.expired", client_id=flow.client_id)
    return flow


def load_over(ctx: Context, flow_id: str, browser_hash: bytes | None) -> Flow:
    """Return a flow of this browser that is finished or too old.

    :raises Refusal: ``flow.lost``, ``flow.other_browser``, as :func:`load`.
    """
    return _of_browser(ctx, flow_id, browser_hash, lock=False)


def load_answered(ctx: Context, flow_id: str, browser_hash: bytes | None) -> Flow:
    """Return a flow of this browser whose portal has just got its answer.

    :raises Refusal: as :func:`load`; ``flow.expired`` also where that is longer ago.
    """
    flow = load_finished(ctx, flow_id, browser_hash)
    just = flow.finished_at is not None and flow.finished_at >= ctx.now - JUST_ANSWERED
    if flow.purpose != AUTHORIZATION or not just:
        raise Refusal("flow.expired", client_id=flow.client_id)
    return flow


def again(ctx: Context, over: Flow) -> Flow:
    """Begin what a flow that is over was begun for once more, and return the new flow."""
    return start(
        ctx, over.purpose, browser_hash=over.browser_hash, request=over.request, client_id=over.client_id
    )


def by_secret(ctx: Context, flow_id: str) -> Flow:
    """Return an open flow with its row held, whatever browser began it: a secret mailed for it opens it.

    :raises Refusal: ``flow.lost``, ``flow.expired`` (``client_id``).
    """
    found = _HOLD.first(ctx.db, key=flow_id)
    if found is None:
        raise Refusal("flow.lost")
    return _open(ctx, _attached(ctx.db, dict(zip(_NAMES, found, strict=True))))


def _open(ctx: Context, flow: Flow) -> Flow:
    if flow.finished_at is not None or flow.expires_at <= ctx.now:
        raise Refusal("flow.expired", client_id=flow.client_id)
    return flow


def _of_browser(
    ctx: Context, flow_id: str, browser_hash: bytes | None, *, lock: bool, adopt: bool = False
) -> Flow:
    if not _ID.fullmatch(flow_id):
        raise Refusal("flow.lost")
    found = (_HOLD if lock else _LOAD).first(ctx.db, key=flow_id)
    if found is None:
        raise Refusal("flow.lost")
    row = dict(zip(_NAMES, found, strict=True))
    if adopt and browser_hash and row["browser_hash"] == UNBOUND:
        _ADOPT.run(ctx.db, key=flow_id, hash=browser_hash)
        row["browser_hash"] = browser_hash
    flow = _attached(ctx.db, row)
    if browser_hash is None or not same(browser_hash, flow.browser_hash):
        raise Refusal("flow.other_browser", client_id=flow.client_id)
    return flow


def _attached(db: Session, row: Mapping[str, Any]) -> Flow:
    """Return a row that was just read as the session's object, which writes what is changed in it."""
    known: Flow | None = db.identity_map.get(identity_key(Flow, row["id"]))
    if known is not None:
        for name, value in row.items():
            set_committed_value(known, name, value)
        return known
    flow = Flow()
    flow.__dict__.update(row)  # as the ORM fills what it reads: to set one by one costs as much as the rest
    make_transient_to_detached(flow)
    db.add(flow)
    return flow


def mark(flow: Flow, step: str, **facts: Any) -> None:
    """Note that a step was done, with the facts it holds for, such as the account (req 75)."""
    flow.done = {**flow.done, step: facts}


def unmark(flow: Flow, *steps: str) -> None:
    """Take back marks: the steps must be done again."""
    flow.done = {step: facts for step, facts in flow.done.items() if step not in steps}


def keep(ctx: Context, flow: Flow, *, done: Mapping[str, Any], account_id: str | None) -> None:
    """Write all marks of a held flow, and whose it is, by a statement of their own: every sign-in does."""
    ctx.db.flush()
    note(flow, done=done, account_id=account_id)
    _KEEP.run(ctx.db, key=flow.id, done=flow.done, account=account_id)


def note(flow: Flow, *, done: Mapping[str, Any], account_id: str | None) -> None:
    """Have a flow carry marks that :func:`keep` writes; :func:`finish` writes only whose flow it is."""
    set_committed_value(flow, "done", dict(done))
    set_committed_value(flow, "account_id", account_id)


def put(ctx: Context, flow: Flow, typed: Mapping[str, Any] | None) -> None:
    """Keep what a person typed, sealed, for the steps to come; None forgets it."""
    flow.form_data = None if typed is None else ctx.vault.seal_json(dict(typed), table=_TABLE, row=flow.id)
    ctx.db.flush()


def get(ctx: Context, flow: Flow) -> dict[str, Any] | None:
    """Return what :func:`put` kept, or None; raises SealBroken."""
    if flow.form_data is None:
        return None
    found: dict[str, Any] = ctx.vault.open_json(flow.form_data, table=_TABLE, row=flow.id)
    return found


def finish(ctx: Context, flow: Flow) -> bool:
    """End a flow; False when it was ended before, so that its answer is given once (req 22)."""
    ctx.db.flush()
    if _FINISH.first(ctx.db, key=flow.id, now=ctx.now, account=flow.account_id) is None:
        return False
    set_committed_value(flow, "finished_at", ctx.now)
    return True
