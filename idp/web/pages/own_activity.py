"""K-15: one's own log in plain sentences (screens §1.4; req 104, 106, 110)."""

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from idp.authentication.live_sessions import LiveSession
from idp.context import Actor
from idp.management import activity
from idp.web import own_pages
from idp.web.context import current
from idp.web.own_pages import signed_in
from idp.web.wording.activity import ACTORS, SENTENCES

bp = Blueprint("own_activity", __name__)

_LONGEST_ID = 64


@bp.get("/account/activity")
@signed_in
def show(live: LiveSession) -> Response:
    """Show a page of it; ``before`` is bound to this person's log."""
    before = request.args.get("before")
    if before is not None and (len(before) > _LONGEST_ID or not before.isalnum()):
        before = ""
    ctx = current().acting(Actor("account", live.account.id))
    found = activity.page(ctx, live.account.id, before=before)
    return own_pages.show(
        "pages/account/activity.html",
        live,
        deeds=found.deeds,
        sentences=SENTENCES,
        actors=ACTORS,
        newest_url=url_for("own_activity.show") if before is not None else None,
        older_url=url_for("own_activity.show", before=found.older) if found.older else None,
    )
