"""Sign-in with the credentials of an old portal: bring the old account along? (L-01; req 55, 59, 75, 89)."""

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from idp.authentication.live_sessions import LiveSession
from idp.errors import Refusal
from idp.flows import engine
from idp.flows.models import Flow
from idp.management import legacy_proof
from idp.web import old_account_offers
from idp.web.browser_session import current_session, known_flow_browser
from idp.web.context import current
from idp.web.flow_pages import begun_from, go_on, go_to
from idp.web.flow_pages import show as show_page
from idp.web.forms import ChooseForm
from idp.web.linking_pages import conflict, link, linked_on, named
from idp.web.own_pages import confirmed

bp = Blueprint("old_account", __name__)

_REGISTER, _LEAVE = "register", "leave"


@bp.get("/old-account")
def show() -> Response:
    """Say what was found, and ask: a new account, one that is there already, or neither."""
    flow = old_account_offers.of(request.args.get("flow", ""))
    if current_session() is not None:
        return go_to("old_account.show_bring", flow_id=flow.id)
    return show_page(
        "pages/old_account.html",
        flow,
        directory=_name(flow),
        username=old_account_offers.kept_in(flow)["username"],
        action=url_for("old_account.submit", flow=flow.id),
        may_register=current().settings.registration.enabled,
    )


@bp.post("/old-account")
def submit() -> Response:
    """Go the way that was chosen; the old account waits at its end."""
    flow, choice = old_account_offers.of(request.args.get("flow", ""), lock=True), ChooseForm().choice.data
    if choice == _LEAVE:
        then = begun_from(flow)
        old_account_offers.end(flow)
        return go_to("login.show", flow=then.id if then else None)
    page = "register.show" if choice == _REGISTER else "login.show"
    return go_to(page, flow=old_account_offers.to_sign_in(flow).id)


@bp.get("/old-account/<flow_id>")
@confirmed()
def show_bring(live: LiveSession, flow_id: str) -> Response:
    """Say what will be linked to whom."""
    flow = old_account_offers.of(flow_id)
    return show_page(
        "pages/old_account_bring.html",
        flow,
        directory=_name(flow),
        username=old_account_offers.kept_in(flow)["username"],
        person=live.account.name or live.account.username,
        action=url_for("old_account.bring", flow_id=flow.id),
    )


@bp.post("/old-account/<flow_id>")
@confirmed()
def bring(live: LiveSession, flow_id: str) -> Response:
    """Link it, and go on where the person came from; or say why not."""
    try:
        flow = old_account_offers.of(flow_id, lock=True)
    except Refusal as refusal:
        return _sent_twice(flow_id, refusal)
    then, directory = begun_from(flow), _name(flow)
    proof = legacy_proof.accept(live.account.id, old_account_offers.kept_in(flow))
    old_account_offers.end(flow)
    if ChooseForm().choice.data == _LEAVE:
        return go_on(then)
    try:
        return linked_on(then, link(live, proof))
    except Refusal as refusal:
        if refusal.code == "link.taken":
            return conflict(then, directory, own=refusal.params["own"])
        if refusal.code != "link.failed":
            raise
    return go_to("link.show", flow=then.id if then else None)


def _sent_twice(flow_id: str, refusal: Refusal) -> Response:
    """Go on where the form was sent before: of two clicks a browser hears the second answer alone."""
    if refusal.code != "flow.expired":
        raise refusal
    flow = engine.load_finished(current(), flow_id, known_flow_browser())
    if flow.purpose != engine.OLD_ACCOUNT:
        raise refusal
    then = begun_from(flow)
    return go_on(then) if then is not None else go_to("linked_accounts.show")


def _name(flow: Flow) -> str:
    names = flow.request["directory"]
    return named(names["de"], names["en"])
