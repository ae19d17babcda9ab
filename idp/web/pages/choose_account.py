"""L-09: who is signed in here, and the way to another account (screens §1.1; OIDC Core §3.1.2.1)."""

from dataclasses import dataclass

from flask import Blueprint, url_for
from werkzeug.wrappers import Response

from idp.accounts import identifiers
from idp.authentication import transaction
from idp.authentication.live_sessions import LiveSession
from idp.flows import engine
from idp.flows.models import Flow
from idp.organizations import memberships
from idp.web.browser_session import current_session
from idp.web.context import current
from idp.web.flow_pages import go_on, go_to, required_flow
from idp.web.flow_pages import show as show_page
from idp.web.forms import ChooseForm
from idp.web.wording import word

bp = Blueprint("choose_account", __name__)


@dataclass(frozen=True, slots=True)
class Choice:
    """An account as the page lists it."""

    id: str
    name: str
    masked_mail: str
    company: str | None


@bp.get("/choose-account")
def show() -> Response:
    """List the account of this browser's session."""
    flow = required_flow()
    live = current_session()
    return _page(flow, live) if live is not None else go_on(flow)


@bp.post("/choose-account")
def submit() -> Response:
    """Go on with the account that was pressed."""
    flow = required_flow(lock=True)
    live = current_session()
    if live is None:
        return go_on(flow)
    if ChooseForm().choice.data != live.account.id:
        return _page(flow, live, [("choice", word("choice.unknown"))])
    engine.mark(flow, transaction.ACCOUNT, account=live.account.id)
    return go_on(flow)


@bp.post("/choose-account/other")
def switch() -> Response:
    """Go to the sign-in page; the session stays until somebody else has signed in (req 12)."""
    flow = required_flow(lock=True)
    transaction.ask_another_account(current(), flow)
    return go_to("login.show", flow=flow.id)


def _page(flow: Flow, live: LiveSession, errors: list[tuple[str, str]] | None = None) -> Response:
    return show_page(
        "pages/choose_account.html",
        flow,
        action=url_for("choose_account.submit", flow=flow.id),
        other_url=url_for("choose_account.switch", flow=flow.id),
        accounts=[_choice(live)],
        errors=errors or [],
    )


def _choice(live: LiveSession) -> Choice:
    ctx, account = current(), live.account
    addresses = identifiers.of_account(ctx, account.id, identifiers.EMAIL)
    mail = identifiers.mask_email(identifiers.text_of(ctx, addresses[0])) if addresses else ""
    membership_id = live.session.membership_id
    membership = memberships.find(ctx, membership_id) if membership_id else None
    return Choice(
        id=account.id,
        name=account.name or account.username or mail,
        masked_mail=mail,
        company=membership.organization_name if membership else None,
    )
