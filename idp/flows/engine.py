"""The one engine for multi-step work of a person (security reference, D3 and D8; req 41, 75, 102).

A flow is a row that exists before any page shows.  Its id stands in URLs and opens nothing by itself: the
browser's own ``__Host-flow`` secret must fit.  What was done is a mark in the row, never a field of a form.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import select, update

from idp.context import Context
from idp.crypto import random_token, same
from idp.errors import Refusal
from idp.flows.models import Flow

AUTHORIZATION: Final = "authorization"
SIGN_IN: Final = "sign_in"

UNBOUND: Final = b""
"""Browser hash of a flow that another site's form began: cookies do not come with such a request."""

_ID = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


def start(
    ctx: Context,
    purpose: str,
    *,
    browser_hash: bytes,
    request: Mapping[str, Any],
    client_id: str | None = None,
) -> Flow:
    """Begin a flow and return its row.

    :param client_id: table key of the client the person comes from, None without one.
    :param browser_hash: SHA-256 of this browser's ``__Host-flow`` secret, or :data:`UNBOUND`.
    :param request: what was asked for, validated, as JSON; it is never read from a request again.
    """
    flow = Flow(
        id=random_token(),
        purpose=purpose,
        client_id=client_id,
        browser_hash=browser_hash,
        request=dict(request),
        done={},
        created_at=ctx.now,
        expires_at=ctx.now + timedelta(minutes=ctx.settings.flow.minutes),
    )
    ctx.db.add(flow)
    ctx.db.flush()
    return flow


def adopt(ctx: Context, flow_id: str, browser_hash: bytes) -> bool:
    """Bind an unbound flow to this browser; False where it is bound already, be it to this one.

    Nothing was done in it yet, so who adopts it gains no more than by beginning a flow.
    """
    if not _ID.fullmatch(flow_id):
        return False
    bound = ctx.db.execute(
        update(Flow)
        .where(Flow.id == flow_id, Flow.browser_hash == UNBOUND)
        .values(browser_hash=browser_hash)
        .returning(Flow.id)
        .execution_options(synchronize_session=False)
    ).first()
    return bound is not None


def load(ctx: Context, flow_id: str, browser_hash: bytes | None, *, lock: bool = False) -> Flow:
    """Return an open flow of this browser.

    :param browser_hash: as in :func:`start`; None where the browser has no such cookie.
    :param lock: hold the row until the transaction ends; steps that mark or count do.
    :raises Refusal: ``flow.lost`` (no such flow), ``flow.expired`` (``client_id``; too old or finished),
        ``flow.other_browser`` (``client_id``).
    """
    flow = _of_browser(ctx, flow_id, browser_hash, lock=lock)
    if flow.finished_at is not None or flow.expires_at <= ctx.now:
        raise Refusal("flow.expired", client_id=flow.client_id)
    return flow


def load_finished(ctx: Context, flow_id: str, browser_hash: bytes | None) -> Flow:
    """Return a finished flow of this browser, for the page that says how it went.

    :raises Refusal: as :func:`load`; ``flow.expired`` also where it is not finished.
    """
    flow = _of_browser(ctx, flow_id, browser_hash, lock=False)
    if flow.finished_at is None or flow.expires_at <= ctx.now:
        raise Refusal("flow.expired", client_id=flow.client_id)
    return flow


def _of_browser(ctx: Context, flow_id: str, browser_hash: bytes | None, *, lock: bool) -> Flow:
    if not _ID.fullmatch(flow_id):
        raise Refusal("flow.lost")
    query = select(Flow).where(Flow.id == flow_id).execution_options(populate_existing=True)
    flow = ctx.db.scalars(query.with_for_update() if lock else query).one_or_none()
    if flow is None:
        raise Refusal("flow.lost")
    if browser_hash is None or not same(browser_hash, flow.browser_hash):
        raise Refusal("flow.other_browser", client_id=flow.client_id)
    return flow


def mark(flow: Flow, step: str, **facts: Any) -> None:
    """Note that a step was done, with the facts it holds for, such as the account (req 75)."""
    flow.done = {**flow.done, step: facts}


def unmark(flow: Flow, *steps: str) -> None:
    """Take back marks: the steps must be done again."""
    flow.done = {step: facts for step, facts in flow.done.items() if step not in steps}


def finish(ctx: Context, flow: Flow) -> bool:
    """End a flow; False when it was ended before, so that its answer is given once (req 22)."""
    ctx.db.flush()
    ended = ctx.db.execute(
        update(Flow)
        .where(Flow.id == flow.id, Flow.finished_at.is_(None))
        .values(finished_at=ctx.now)
        .returning(Flow.id)
        .execution_options(synchronize_session=False)
    ).first()
    ctx.db.refresh(flow)
    return ended is not None
