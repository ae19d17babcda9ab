"""K-14: delete one's account, and undo it within 14 days (screens §1.4; req 40, 68, 73, 98, 109)."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import wraps
from typing import Any

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from idp.accounts.deletion import UNDO, planned
from idp.authentication.live_sessions import LiveSession
from idp.context import Actor, Context
from idp.errors import Refusal
from idp.flows import engine
from idp.flows.models import Flow
from idp.management import account_deletion
from idp.management.account_deletion import Undoable
from idp.web import own_pages
from idp.web.browser_session import clear_session, current_session, flow_browser, known_flow_browser
from idp.web.context import current
from idp.web.csrf import is_stale, shows_stale_form
from idp.web.data_forms import DeletionForm, UndoForm
from idp.web.flow_pages import flow_of, go_to, of_purpose
from idp.web.flow_pages import show as show_page
from idp.web.notes import go_and_tell, told
from idp.web.own_pages import STEP_UP_STRICT, confirmed
from idp.web.wording import word, word_refusal

bp = Blueprint("own_deletion", __name__, url_prefix="/account/delete")

Errors = Sequence[tuple[str, str]]


def _hears_the_first(view: Callable[..., Any]) -> Callable[..., Any]:
    """Say what a form has done that comes once more: of two clicks a browser hears the second answer alone.

    It comes from somebody whom the first one has signed out.
    """

    @wraps(view)
    def asked(*args: Any, **kwargs: Any) -> Any:
        done = None if current_session() else _done_before()
        return done or view(*args, **kwargs)

    return asked


@bp.get("")
@confirmed(within=STEP_UP_STRICT)
def show(live: LiveSession) -> Response:
    """Say what goes, portal by portal and company by company."""
    return _page(live)


@bp.post("")
@_hears_the_first
@confirmed(within=STEP_UP_STRICT)
@shows_stale_form
def submit(live: LiveSession) -> Response:
    """End everything now; the data goes in 14 days."""
    if is_stale():
        return _page(live, [("agreed", word("form.stale"))])
    if not DeletionForm().agreed.data:
        return _page(live, [("agreed", word("deletion.tick"))])
    ctx = _acting(live)
    try:
        account_deletion.plan(ctx, live.account.id)
    except Refusal as refusal:
        if refusal.code == "admin.last":
            return _page(live, [("", word_refusal(refusal))])
        done = _done_before()  # this one has waited for the first of two clicks
        if done is None:
            raise
        return done
    flow = _flow(live)
    flow.account_id = live.account.id
    engine.finish(ctx, flow)
    response = go_to("own_deletion.show_planned", flow=flow.id)
    clear_session(response)
    response.headers["Clear-Site-Data"] = '"storage"'
    return response


@bp.get("/planned")
def show_planned() -> Response:
    """Say until when it can be undone, and how."""
    done, due = _planned("flow")
    return show_page("pages/deletion_planned.html", done, due=due)


@bp.get("/undo")
def show_undo() -> Response:
    """Show what the link of a mail, or a sign-in, is about; nothing is done by opening it (req 68)."""
    token = request.args.get("token")
    if token is not None:
        return _undo_page(account_deletion.of_link(current(), token), token=token)
    flow = flow_of(engine.DELETION_UNDO)
    return _undo_page(account_deletion.of_flow(current(), flow))


@bp.post("/undo")
@shows_stale_form
def undo() -> Response:
    """Bring the account back."""
    token = UndoForm().token.data
    ctx = current()
    if token:
        if is_stale():
            return _undo_page(account_deletion.of_link(ctx, token), [("", word("form.stale"))], token=token)
        account_deletion.undo_by_link(ctx, token)
        return go_and_tell("own_deletion.show_undone", "undone")
    try:
        flow = flow_of(engine.DELETION_UNDO, lock=True)
    except Refusal:  # of two clicks a browser hears the second answer alone
        flow = _finished(engine.DELETION_UNDO)
        return go_and_tell("own_deletion.show_undone", "undone", flow=flow.request.get("then"))
    if is_stale():
        return _undo_page(account_deletion.of_flow(ctx, flow), [("", word("form.stale"))])
    account_deletion.undo_in(ctx, flow)
    return go_and_tell("own_deletion.show_undone", "undone", flow=flow.request["then"])


@bp.get("/undone")
def show_undone() -> Response:
    """Say that the account stays, and lead to the sign-in."""
    flow_id = request.args.get("flow")
    if told() != "undone":
        return go_to("login.show", flow=flow_id)
    return show_page("pages/deletion_undone.html", None, onward=url_for("login.show", flow=flow_id))


def _acting(live: LiveSession) -> Context:
    return current().acting(Actor("account", live.account.id))


def _flow(live: LiveSession) -> Flow:
    """Return the flow of the form that plans a deletion, begun where none is open.

    Its address says ``plan``: on every page of the account ``flow`` is the one that the person came in.
    """
    try:
        return flow_of(engine.DELETION, name="plan")
    except Refusal:
        spoken = {"ui_locales": live.account.locale}  # on the page that nobody is signed in for, too
        return engine.start(current(), engine.DELETION, browser_hash=flow_browser(), request=spoken)


def _finished(purpose: str, *, name: str = "flow") -> Flow:
    flow_id = request.args.get(name, "")
    return of_purpose(engine.load_finished(current(), flow_id, known_flow_browser()), purpose)


def _planned(name: str) -> tuple[Flow, datetime]:
    """Return the flow of a deletion, and when it is due; raises Refusal also where it was undone since."""
    done = _finished(engine.DELETION, name=name)
    plan = planned(current(), str(done.account_id))
    if plan is None:
        raise Refusal("flow.expired")
    return done, plan.due


def _done_before() -> Response | None:
    """Return the way to what this form's flow has done, None where it has done nothing, or it was undone."""
    try:
        return go_to("own_deletion.show_planned", flow=_planned("plan")[0].id)
    except Refusal:
        return None


def _page(live: LiveSession, errors: Errors = ()) -> Response:
    return own_pages.show(
        "pages/account/delete.html",
        live,
        part="own_data",
        found=account_deletion.consequences(_acting(live), live.account.id),
        days=UNDO.days,
        action=url_for("own_deletion.submit", plan=_flow(live).id),
        errors=tuple(errors),
    )


def _undo_page(found: Undoable, errors: Errors = (), *, token: str | None = None) -> Response:
    flow = request.args.get("flow") if token is None else None
    return show_page(
        "pages/deletion_undo.html",
        None,
        due=found.due,
        token=token,
        action=url_for("own_deletion.undo", flow=flow),
        errors=tuple(errors),
    )
