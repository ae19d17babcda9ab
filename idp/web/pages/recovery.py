"""The recovery password on the way to a portal: wanted at a registration, or due (K-03; req 50, 75, 102).

It is due for who linked an old account with a security question, and for everybody in the profile ``amt24``.
A second factor is asked before it, whatever browser is remembered (req 73).
"""

from typing import Final

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from idp.accounts.legacy import questions
from idp.authentication.live_sessions import LiveSession
from idp.errors import Refusal
from idp.flows import engine
from idp.flows.models import Flow
from idp.management import recovery
from idp.web import own_pages, recovery_pages
from idp.web.browser_session import current_session, flow_browser, known_flow_browser
from idp.web.context import current
from idp.web.csrf import shows_stale_form
from idp.web.flow_pages import OWN_PAGE, begun_from, flow_of, go_back, go_on, go_to, portal_of_flow
from idp.web.flow_pages import show as show_page
from idp.web.recovery_pages import Errors

bp = Blueprint("recovery", __name__)

_WAITING: Final = (engine.AUTHORIZATION, engine.DEVICE)
"""Flows whose hub sends somebody here."""


@bp.get("/recovery")
def show() -> Response:
    """Show the string that was drawn, or say what it is for where none was drawn yet."""
    flow, live = _open()
    if isinstance(flow, Response):
        return flow
    if live is None:
        return go_on(flow if flow.purpose in _WAITING else begun_from(flow))
    if flow.purpose != engine.RECOVERY and not live.account.recovery_due:
        return go_on(flow)
    if unproven := own_pages.second_factor_first(live, flow):
        return unproven
    return _string_page(flow) if flow.purpose == engine.RECOVERY else _explanation(flow, live)


setattr(show, OWN_PAGE, True)  # a proof on the way leads back to it


@bp.post("/recovery/new")
def draw() -> Response:
    """Draw a string for who has to save one."""
    flow, live, ctx = flow_of(*_WAITING), current_session(), current()
    if live is None or not live.account.recovery_due:
        return go_on(flow)
    if unproven := own_pages.second_factor_first(live, flow):
        return unproven
    made = recovery.draw(ctx, live.account.id, browser_hash=flow_browser(), then=flow)
    return go_to("recovery.show", flow=made.id)


@bp.post("/recovery")
@shows_stale_form
def submit() -> Response:
    """Save it and go on."""
    flow, live = _open()
    if isinstance(flow, Response):
        return flow
    if live is None:
        return go_on(begun_from(flow))
    if unproven := own_pages.second_factor_first(live, flow):
        return unproven
    refused = recovery_pages.save(lambda lock: flow_of(engine.RECOVERY, lock=lock), live, _string_page)
    return refused or go_back(flow)


@bp.post("/recovery/later")
def later() -> Response:
    """Go on without one, where it is not due."""
    flow, live = _open()
    if isinstance(flow, Response):
        return flow
    flow = flow_of(engine.RECOVERY, lock=True)
    if live is not None and live.account.recovery_due:
        return go_to("recovery.show", flow=flow.id)
    recovery.decline(current(), flow)
    return go_back(flow)


@bp.post("/recovery/file")
def download() -> Response:
    """Return the string as a file; it works without a script."""
    flow, live = flow_of(engine.RECOVERY), current_session()
    if live is None:
        return go_on(begun_from(flow))
    return own_pages.second_factor_first(live, flow) or recovery_pages.sheet(flow, live)


def _open() -> tuple[Flow | Response, LiveSession | None]:
    """Return the flow, or the way on where it is done: of two clicks a browser hears the second answer."""
    live = current_session()
    try:
        return flow_of(engine.RECOVERY, *_WAITING), live
    except Refusal as refusal:
        if refusal.code != "flow.expired" or live is None:
            raise
        done = engine.load_finished(current(), request.args.get("flow", ""), known_flow_browser())
        if done.purpose != engine.RECOVERY or done.account_id != live.account.id:
            raise
        return go_back(done), live


def _explanation(flow: Flow, live: LiveSession) -> Response:
    return show_page(
        "pages/recovery_due.html",
        flow,
        action=url_for("recovery.draw", flow=flow.id),
        had_question=questions.recovery_due(current(), live.account.id),
        reset_mfa=current().settings.recovery.reset_mfa,
    )


def _string_page(flow: Flow, errors: Errors = (), *, status: int = 200, saved: bool = False) -> Response:
    live, portal = current_session(), portal_of_flow(flow)
    assert live is not None  # noqa: S101  (the callers have seen it)
    due = live.account.recovery_due
    return show_page(
        "pages/recovery_save.html",
        flow,
        status=status,
        targets=(portal.restart_uri,) if portal else (),
        errors=tuple(errors),
        saved=saved,
        due=due,
        action=url_for("recovery.submit", flow=flow.id),
        file_url=url_for("recovery.download", flow=flow.id),
        cancel_url=None if due else url_for("recovery.later", flow=flow.id),
        **recovery_pages.values_of(flow, live),
    )
