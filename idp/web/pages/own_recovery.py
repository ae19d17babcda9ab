"""K-03: set the recovery password of one's own account (screens §1.4; Amt24 step 1; req 53, 72, 73, 75)."""

from flask import Blueprint, url_for
from werkzeug.wrappers import Response

from idp.authentication.live_sessions import LiveSession
from idp.errors import Refusal
from idp.flows import engine
from idp.flows.models import Flow
from idp.management import recovery
from idp.web import own_pages, recovery_pages
from idp.web.browser_session import flow_browser, known_flow_browser
from idp.web.context import current
from idp.web.csrf import shows_stale_form
from idp.web.flow_pages import go_to
from idp.web.notes import go_and_tell, told
from idp.web.own_pages import confirmed
from idp.web.recovery_pages import Errors

bp = Blueprint("own_recovery", __name__, url_prefix="/account/recovery")


@bp.get("")
@confirmed()
def show(live: LiveSession) -> Response:
    """Say what it is for and whether there is one."""
    ctx = current()
    since = recovery.made_at(ctx, live.account.id)
    return own_pages.show(
        "pages/account/recovery.html",
        live,
        since=since,
        just_saved=told() == "saved" and since is not None,
        reset_mfa=ctx.settings.recovery.reset_mfa,
        action=url_for("own_recovery.draw"),
    )


@bp.post("")
@confirmed()
def draw(live: LiveSession) -> Response:
    """Draw a string; the one before still counts."""
    made = recovery.draw(current(), live.account.id, browser_hash=flow_browser())
    return go_to("own_recovery.show_drawn", flow_id=made.id)


@bp.get("/<flow_id>")
@confirmed()
def show_drawn(live: LiveSession, flow_id: str) -> Response:
    """Show the string, as often as the page is opened."""
    try:
        return _page(_flow(flow_id), live)
    except Refusal as refusal:
        return _done(flow_id, live, refusal)


@bp.post("/<flow_id>")
@confirmed()
@shows_stale_form
def save(live: LiveSession, flow_id: str) -> Response:
    """Save it, with the account's password."""

    def show_again(flow: Flow, errors: Errors, *, status: int = 200, saved: bool = False) -> Response:
        return _page(flow, live, errors, status=status, saved=saved)

    try:
        refused = recovery_pages.save(lambda lock: _flow(flow_id, lock=lock), live, show_again)
    except Refusal as refusal:
        return _done(flow_id, live, refusal)
    return refused or go_and_tell("own_recovery.show", "saved")


@bp.post("/<flow_id>/file")
@confirmed()
def download(live: LiveSession, flow_id: str) -> Response:
    """Return the string as a file; it works without a script."""
    return recovery_pages.sheet(_flow(flow_id), live)


def _flow(flow_id: str, *, lock: bool = False) -> Flow:
    flow = engine.load(current(), flow_id, known_flow_browser(), lock=lock)
    if flow.purpose != engine.RECOVERY:
        raise Refusal("flow.lost")
    return flow


def _done(flow_id: str, live: LiveSession, refusal: Refusal) -> Response:
    """Say that it is saved where the form was sent before; begin again where the string waited too long."""
    if refusal.code != "flow.expired":
        raise refusal
    try:
        flow = engine.load_finished(current(), flow_id, known_flow_browser())
    except Refusal:
        return go_to("own_recovery.show")
    if flow.purpose != engine.RECOVERY or flow.account_id != live.account.id:
        raise refusal
    return go_and_tell("own_recovery.show", "saved")


def _page(
    flow: Flow, live: LiveSession, errors: Errors = (), *, status: int = 200, saved: bool = False
) -> Response:
    return own_pages.show(
        "pages/account/recovery_save.html",
        live,
        status=status,
        errors=tuple(errors),
        saved=saved,
        replaces=recovery.made_at(current(), live.account.id) is not None,
        action=url_for("own_recovery.save", flow_id=flow.id),
        file_url=url_for("own_recovery.download", flow_id=flow.id),
        back_url=url_for("own_recovery.show"),
        **recovery_pages.values_of(flow, live),
    )
