"""For which company somebody acts who belongs to several (issue part 1, one active organisation a token)."""

from dataclasses import dataclass

from flask import Blueprint, url_for
from werkzeug.wrappers import Response

from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication import sessions, transaction
from idp.authentication.live_sessions import LiveSession
from idp.context import Actor
from idp.flows import engine
from idp.flows.models import Flow
from idp.organizations import memberships, policy
from idp.organizations.memberships import MembershipFacts
from idp.web.browser_session import current_session
from idp.web.context import current
from idp.web.flow_pages import go_on, required_flow
from idp.web.flow_pages import show as show_page
from idp.web.forms import ChooseForm
from idp.web.wording import word

bp = Blueprint("choose_organization", __name__)


@dataclass(frozen=True, slots=True)
class Choice:
    """A company as the page lists it; its id is the membership's."""

    id: str
    name: str
    customer_number: str
    role: str


@bp.get("/choose-organization")
def show() -> Response:
    """List the companies the person may act for now."""
    flow = required_flow()
    live = current_session()
    return _page(flow, live) if live is not None else go_on(flow)


@bp.post("/choose-organization")
def submit() -> Response:
    """Go on for the company that was pressed; the session keeps it for the next portal."""
    flow = required_flow(lock=True)
    live = current_session()
    if live is None:
        return go_on(flow)
    chosen = next((each for each in _usable(live) if each.id == ChooseForm().choice.data), None)
    if chosen is None:
        return _page(flow, live, [("choice", word("choice.unknown"))])
    ctx = current().acting(Actor("account", live.account.id))
    sessions.choose_membership(ctx, live.session.id, chosen.id)
    engine.mark(flow, transaction.ORGANIZATION, account=live.account.id, membership=chosen.id)
    record(
        ctx,
        Event.SESSION_ORGANIZATION_CHOSEN,
        target=("membership", chosen.id),
        organization=chosen.organization_id,
        session=live.session.id,
    )
    return go_on(flow)


def _usable(live: LiveSession) -> list[MembershipFacts]:
    mine = memberships.for_account(current(), live.account.id)
    return [membership for membership in mine if policy.is_usable(membership)]


def _page(flow: Flow, live: LiveSession, errors: list[tuple[str, str]] | None = None) -> Response:
    return show_page(
        "pages/choose_organization.html",
        flow,
        action=url_for("choose_organization.submit", flow=flow.id),
        organizations=[
            Choice(each.id, each.organization_name, each.customer_number, each.role) for each in _usable(live)
        ],
        errors=errors or [],
    )
