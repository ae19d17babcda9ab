"""The start page: who is signed in here, and where the portals are (design §5, Pages)."""

from dataclasses import dataclass

from flask import Blueprint
from werkzeug.wrappers import Response

from idp.accounts import identifiers
from idp.authentication.live_sessions import LiveSession
from idp.organizations import memberships, policy
from idp.web.browser_session import current_session
from idp.web.context import current
from idp.web.flow_pages import show as show_page
from idp.web.portals import portals

bp = Blueprint("start", __name__)


@dataclass(frozen=True, slots=True)
class Company:
    """The company a person acts for."""

    name: str
    customer_number: str
    role: str


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in, as the page shows it."""

    name: str
    username: str | None
    email: str | None
    organization: Company | None


@bp.get("/")
def show() -> Response:
    """Show the portals, and who is signed in."""
    live = current_session()
    return show_page("pages/start.html", None, account=_person(live) if live else None, portals=portals())


def _person(live: LiveSession) -> Person:
    ctx, account = current(), live.account
    addresses = identifiers.of_account(ctx, account.id, identifiers.EMAIL)
    email = identifiers.text_of(ctx, addresses[0]) if addresses else None
    membership = policy.acting_for(memberships.for_account(ctx, account.id), live.session.membership_id)
    return Person(
        name=account.name or account.username or email or "",
        username=account.username,
        email=email,
        organization=Company(membership.organization_name, membership.customer_number, membership.role)
        if membership
        else None,
    )
