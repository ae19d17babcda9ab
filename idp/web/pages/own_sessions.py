"""K-09: where a person is signed in, which devices are connected or remembered (screens §1.4; req 43, 98)."""

from typing import Final

from flask import Blueprint, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from idp.authentication.live_sessions import LiveSession
from idp.context import Actor, Context
from idp.errors import Refusal
from idp.management import own_sessions
from idp.web import own_pages
from idp.web.context import current
from idp.web.notes import go_and_tell, told
from idp.web.own_pages import signed_in
from idp.web.signing_out import sign_out_here

_UNKNOWN: Final = ("session.unknown", "known_device.unknown", "connected_device.unknown")

bp = Blueprint("own_sessions", __name__, url_prefix="/account/sessions")


@bp.get("")
@signed_in
def show(live: LiveSession) -> Response:
    """List all three, and offer to end each."""
    ctx = _acting(live)
    found = own_sessions.list_all(ctx, live.account.id)
    return own_pages.show(
        "pages/account/sessions.html",
        live,
        sessions=found,
        here=live.session.id,
        devices=own_sessions.remembered(ctx, live.account.id),
        others=len(found) - 1,
        connected=own_sessions.connected(ctx, live.account.id),
        others_url=url_for("own_sessions.end_others"),
        done=told(),
    )


@bp.post("/<session_id>/end")
@signed_in
def end(live: LiveSession, session_id: str) -> Response:
    """End one session; this very one leads to the page that says so."""
    if session_id == live.session.id:
        return sign_out_here(live)
    try:
        own_sessions.end(_acting(live), live.account.id, session_id)
    except Refusal as refusal:
        raise _not_found(refusal) from refusal
    return go_and_tell("own_sessions.show", "ended")


@bp.post("/others")
@signed_in
def end_others(live: LiveSession) -> Response:
    """End all but this one."""
    own_sessions.end_others(_acting(live), live.account.id, keep=live.session.id)
    return go_and_tell("own_sessions.show", "others")


@bp.post("/connected/<device_id>/disconnect")
@signed_in
def disconnect(live: LiveSession, device_id: str) -> Response:
    """End the access of one device; where it has ended before, the answer is the same."""
    try:
        own_sessions.disconnect(_acting(live), live.account.id, device_id)
    except Refusal as refusal:
        raise _not_found(refusal) from refusal
    return go_and_tell("own_sessions.show", "disconnected")


@bp.post("/devices/<device_id>/forget")
@signed_in
def forget(live: LiveSession, device_id: str) -> Response:
    """Have a remembered browser asked for the second factor again."""
    try:
        own_sessions.forget_device(_acting(live), live.account.id, device_id)
    except Refusal as refusal:
        raise _not_found(refusal) from refusal
    return go_and_tell("own_sessions.show", "forgotten")


def _acting(live: LiveSession) -> Context:
    return current().acting(Actor("account", live.account.id))


def _not_found(refusal: Refusal) -> Exception:
    """Answer for another person's as for what does not exist."""
    return NotFound() if refusal.code in _UNKNOWN else refusal
