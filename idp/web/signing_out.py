"""Ending this browser's session, with the page that says so (L-13; RP-Initiated Logout §2; req 46, 48)."""

import threading
import time
from typing import Final
from urllib.parse import urlencode

from flask import redirect, url_for
from werkzeug.wrappers import Response

from idp.authentication.live_sessions import LiveSession
from idp.context import Actor
from idp.delivery import outbox
from idp.flows import engine
from idp.flows.models import Flow
from idp.oidc import frontchannel_logout
from idp.oidc.logout import LogoutRequest, end_session
from idp.web.browser_session import clear_session, flow_browser
from idp.web.context import current
from idp.web.flow_pages import SEE_OTHER
from idp.web.portals import provider

SIGNED_OUT: Final = "signed out"
PATIENCE_SECONDS = 1.5
"""How long the way back to a portal waits for the worker, which looks for messages every half second."""
_LOOK_EVERY_SECONDS: Final = 0.05
_AT_A_TIME: Final = 2

_waiting = threading.BoundedSemaphore(_AT_A_TIME)


def sign_out_here(live: LiveSession) -> Response:
    """End this browser's own session by the person's click, and say so."""
    wanted = LogoutRequest()
    flow = engine.start(current(), engine.LOGOUT, browser_hash=flow_browser(), request=wanted.to_json())
    return sign_out(flow, wanted, live, agreed=True)


def sign_out(flow: Flow, wanted: LogoutRequest, live: LiveSession | None, *, agreed: bool) -> Response:
    """End the session and go on.

    :param agreed: a hint or the person's click stands behind the request; else the address is only offered.
    """
    ctx = current()
    framed: dict[str, str] = {}
    if live is not None:
        framed = frontchannel_logout.receivers(ctx, provider().snapshots.current().by_row, live.session.id)
        actor = Actor("account", live.account.id)
        group = end_session(ctx.acting(actor), live.session.id, SIGNED_OUT)
        engine.mark(flow, "group", id=group)
    if framed:
        engine.mark(flow, "frames", sids=framed, agreed=agreed)
    engine.finish(ctx, flow)
    # pages of other portals need a page of ours around them, which goes on by itself
    target = return_address(wanted) if agreed and not framed else None
    if target is not None and live is not None:
        ctx.db.commit()  # or the worker sees nothing
        _let_portals_hear(flow.done["group"]["id"])
    response = redirect(target or url_for("end_session.done", flow_id=flow.id), SEE_OTHER)
    if live is not None:
        clear_session(response)
        # not "cookies": it takes those of neighbouring hosts too, and what this browser is known by;
        # not "cache": pages are no-store, and emptying it takes Chromium seconds
        response.headers["Clear-Site-Data"] = '"storage"'
    return response


def _let_portals_hear(group: str | None) -> None:
    """Wait until each portal was told or cannot be: the person's way back comes after that, if it can.

    (Certification of Back-Channel Logout 1.0.)  A slow portal holds up its people for a moment, and a few
    threads at most: past that, nobody waits.
    """
    if group is None or not _waiting.acquire(blocking=False):
        return
    try:
        enough = time.monotonic() + PATIENCE_SECONDS
        with provider().services.database.reading() as db:
            while outbox.is_under_way(db, group) and time.monotonic() < enough:
                time.sleep(_LOOK_EVERY_SECONDS)
    finally:
        _waiting.release()


def return_address(wanted: LogoutRequest) -> str | None:
    """Return the address, if the client is still registered with it, with the request's state."""
    uri = wanted.post_logout_redirect_uri
    client = provider().snapshots.current().clients.get(wanted.client_id or "")
    if uri is None or client is None or not client.check_post_logout_redirect_uri(uri):
        return None
    if wanted.state is None:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode({'state': wanted.state})}"
