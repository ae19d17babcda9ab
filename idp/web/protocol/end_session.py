"""The end session endpoint and its pages L-12, L-13 (OIDC RP-Initiated Logout §2-4; req 46, 48)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.wrappers import Response

from idp.authentication.live_sessions import LiveSession
from idp.delivery import outbox
from idp.errors import Refusal
from idp.flows import engine
from idp.flows.models import Flow
from idp.oidc import frontchannel_logout
from idp.oidc.clients import RegisteredClient
from idp.oidc.frontchannel_logout import Frame
from idp.oidc.logout import LogoutRequest, hint_fits, other_portals, read_logout_request
from idp.oidc.request import Exchange
from idp.web.browser_session import current_session, flow_browser, known_flow_browser
from idp.web.context import current
from idp.web.csrf import cross_site, is_stale, shows_stale_form
from idp.web.flow_pages import SEE_OTHER, go_to, of_purpose
from idp.web.locales import asked_for
from idp.web.parameters import body_pairs, query_pairs
from idp.web.portals import portal_by_row, provider
from idp.web.security_headers import allow_form_target, allow_frames
from idp.web.signing_out import return_address, sign_out
from idp.web.wording import word

bp = Blueprint("end_session", __name__)

GO: Final = "logout"
STAY: Final = "stay"


@dataclass(frozen=True, slots=True)
class Result:
    """How the sign-out went at one portal."""

    name: str
    state: str  # ended | waiting | failed | framed


@bp.before_request
def refuse_head() -> None:
    """Refuse what comes with each GET in Flask: here a GET may end a session (RFC 9110 §9.2.1)."""
    if request.method == "HEAD":
        raise MethodNotAllowed(["GET", "POST"])


@bp.get("/logout")
def by_query() -> Response:
    """Take a portal's request, or the person's own wish."""
    return _begin(query_pairs(request.environ["QUERY_STRING"]), posted=False)


@bp.post("/logout")
@cross_site
def by_form() -> Response:
    """Take a portal's request as a form from another site; without cookies, so the next page decides."""
    pairs = body_pairs(request.environ["QUERY_STRING"], request.mimetype, request.get_data(cache=False))
    g.ui_locales = asked_for(pairs)
    return _begin(pairs, posted=True)


@bp.get("/logout/<flow_id>")
def confirm(flow_id: str) -> Response:
    """Sign out at once where the hint names this session, else ask (L-12)."""
    ctx = current()
    try:
        flow = of_purpose(engine.take(ctx, flow_id, flow_browser()), engine.LOGOUT)
    except Refusal as refusal:
        if refusal.code != "flow.expired":
            raise
        return _seen_again(of_purpose(engine.load_over(ctx, flow_id, known_flow_browser()), engine.LOGOUT))
    wanted = LogoutRequest(**flow.request)
    live = current_session()
    client = provider().snapshots.current().clients.get(wanted.client_id or "")
    if live is None or hint_fits(ctx, wanted, client, live):
        return sign_out(flow, wanted, live, agreed=wanted.hinted_sub is not None)
    return _question(flow, wanted, live)


def _question(flow: Flow, wanted: LogoutRequest, live: LiveSession) -> Response:
    portal = portal_by_row(flow.client_id)
    # who stays signed in goes back to the portal's start page
    allow_form_target(wanted.post_logout_redirect_uri, portal.home_uri if portal else None)
    page = render_template(
        "pages/logout.html",
        action=url_for("end_session.decide", flow_id=flow.id),
        portal=portal,
        other_portals=len(other_portals(current(), live.session.id, wanted.client_id)),
        errors=[("", word("form.stale"))] if is_stale() else [],
    )
    return Response(page, mimetype="text/html")


@bp.post("/logout/<flow_id>")
@shows_stale_form
def decide(flow_id: str) -> Response:
    """Do what the person chose; where the answer cannot count, ask again."""
    ctx = current()
    try:
        flow = of_purpose(engine.load(ctx, flow_id, known_flow_browser(), lock=True), engine.LOGOUT)
    except Refusal as refusal:
        if refusal.code != "flow.expired":
            raise
        return _over(of_purpose(engine.load_over(ctx, flow_id, known_flow_browser()), engine.LOGOUT))
    wanted, live, choice = LogoutRequest(**flow.request), current_session(), request.form.get("choice")
    if is_stale() or choice not in (GO, STAY):
        return _question(flow, wanted, live) if live else go_to("end_session.confirm", flow_id=flow_id)
    if choice == STAY:
        engine.mark(flow, STAY)
        engine.finish(ctx, flow)
        return _back(flow)
    return sign_out(flow, wanted, live, agreed=True)


def _over(flow: Flow) -> Response:
    """Answer the second of two clicks like the first; a question that stood too long is asked again."""
    if flow.finished_at is None:
        return go_to("end_session.confirm", flow_id=engine.again(current(), flow).id)
    if STAY in flow.done:
        return _back(flow)
    # pages of other portals need a page of ours around them
    target = None if "frames" in flow.done else return_address(LogoutRequest(**flow.request))
    return redirect(target or url_for("end_session.done", flow_id=flow.id), SEE_OTHER)


def _seen_again(flow: Flow) -> Response:
    """Say that the person is signed out, who went back to the question; ask again who is not."""
    if flow.finished_at is not None and current_session() is None:
        return go_to("end_session.done", flow_id=flow.id)
    return go_to("end_session.confirm", flow_id=engine.again(current(), flow).id)


def _back(flow: Flow) -> Response:
    portal = portal_by_row(flow.client_id)
    home = portal.home_uri if portal else None
    return redirect(home or url_for("start.show"), SEE_OTHER)


@bp.get("/logged-out/<flow_id>")
def done(flow_id: str) -> Response:
    """Say that the person is signed out, and how the portals took it (L-13)."""
    flow = of_purpose(engine.load_finished(current(), flow_id, known_flow_browser()), engine.LOGOUT)
    told = flow.done.get("frames", {})
    clients = provider().snapshots.current().clients
    frames = frontchannel_logout.frames(clients, told.get("sids", {}), provider().issuer)
    allow_frames(*(frame.origin for frame in frames))
    page = render_template(
        "pages/logged_out.html",
        portal=portal_by_row(flow.client_id),
        continue_url=return_address(LogoutRequest(**flow.request)),
        results=_results(flow.done.get("group"), frames),
        frames=frames,
        goes_on=bool(told.get("agreed")),
    )
    return Response(page, mimetype="text/html")


def _begin(pairs: Iterable[tuple[str, str]], *, posted: bool) -> Response:
    ctx = current()
    snapshot = provider().snapshots.current()
    wanted = read_logout_request(Exchange(snapshot, ctx.now, ctx.origin), provider().issuer, pairs)
    client: RegisteredClient | None = snapshot.clients.get(wanted.client_id or "")
    flow = engine.start(
        ctx,
        engine.LOGOUT,
        client_id=client.row_id if client else None,
        browser_hash=engine.UNBOUND if posted else flow_browser(),
        request=wanted.to_json(),
    )
    if not posted:
        live = current_session()
        if live is None or hint_fits(ctx, wanted, client, live):
            return sign_out(flow, wanted, live, agreed=wanted.hinted_sub is not None)
    return redirect(url_for("end_session.confirm", flow_id=flow.id), SEE_OTHER)


def _results(mark: dict[str, str] | None, frames: Iterable[Frame]) -> list[Result]:
    """Return what is known of each portal, by name; of one in a frame no more than that it was told."""
    clients = provider().snapshots.current().clients
    words = {"sent": "ended", "failed": "failed", "expired": "failed"}
    found = {frame.client_id: Result(frame.client_name, "framed") for frame in frames}
    group = (mark or {}).get("id")
    for receipt in outbox.receipt(current().db, group) if group else ():
        client = clients.get(receipt.reference or "")
        if client is not None:
            found[client.client_id] = Result(client.client_name, words.get(receipt.state, "waiting"))
    return sorted(found.values(), key=lambda result: result.name.casefold())
