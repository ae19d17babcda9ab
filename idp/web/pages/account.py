"""K-01: the first page of one's own account (screens §1.4)."""

from flask import Blueprint
from werkzeug.wrappers import Response

from idp.authentication.live_sessions import LiveSession
from idp.context import Actor
from idp.management import account_overview
from idp.web.context import current
from idp.web.own_pages import show as show_page
from idp.web.own_pages import signed_in

bp = Blueprint("account", __name__)


@bp.get("/account")
@signed_in
def show(live: LiveSession) -> Response:
    """Answer the three questions, and name the next step."""
    ctx = current().acting(Actor("account", live.account.id))
    return show_page("pages/account/overview.html", live, found=account_overview.show(ctx, live.account.id))
