"""The authorization endpoint's pages, and what is posted to it (OIDC Core §3.1.2; architecture §7).

Requests that come by a link or redirect were decided in front of the pages; here is shown what came out.
"""

from flask import Blueprint, g, request
from werkzeug.wrappers import Response

from idp.errors import Refusal
from idp.flows import engine
from idp.web.browser_session import browser, known_flow_browser
from idp.web.context import current
from idp.web.csrf import cross_site
from idp.web.flow_pages import go_to
from idp.web.hub import DECIDED, DECLINED, Answered, Decided, Hub
from idp.web.locales import asked_for
from idp.web.outcomes import answer, respond
from idp.web.parameters import body_pairs
from idp.web.portals import server

bp = Blueprint("authorize", __name__)


@bp.get("/authorize")
def by_query() -> Response:
    """Show what has to be shown about a request from the query (OIDC Core §3.1.2.1)."""
    return _decided()


@bp.post("/authorize")
@cross_site
def by_form() -> Response:
    """Take an authorization request from a form another site posts; cookies do not come with it."""
    pairs = body_pairs(request.environ["QUERY_STRING"], request.mimetype, request.get_data(cache=False))
    g.ui_locales = asked_for(pairs)
    kept = _hub().keep(request.method, pairs)
    return respond(kept) if isinstance(kept, Answered) else go_to("authorize.hub", flow_id=kept)


@bp.get("/authorize/<flow_id>")
def hub(flow_id: str) -> Response:
    """Show what has to be shown about a flow."""
    return _decided()


@bp.post("/authorize/<flow_id>/decline")
def decline(flow_id: str) -> Response:
    """End a flow because the person wants to; of two clicks the browser hears only the second."""
    try:
        flow = engine.load(current(), flow_id, known_flow_browser(), lock=True)
    except Refusal as refusal:
        if refusal.code != "flow.expired":
            raise
        flow = engine.load_answered(current(), flow_id, known_flow_browser())
        if DECLINED not in flow.done:
            raise
    return respond(_hub().decline(flow))


def _decided() -> Response:
    decided: Decided = request.environ[DECIDED]
    if isinstance(decided.outcome, Exception):
        raise decided.outcome
    response = answer(decided.outcome)
    for line in decided.cookies:
        response.headers.add("Set-Cookie", line)
    return response


def _hub() -> Hub:
    return Hub(server(), current(), browser())
