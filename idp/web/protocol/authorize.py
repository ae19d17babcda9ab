"""The authorization endpoint and its hub (OIDC Core §3.1.2; architecture §7).

A request that needs no page is answered at once.  Any other becomes a flow; each page returns to the hub, and
the hub alone decides the next step.
"""

from collections.abc import Iterable
from typing import Final

from authlib.oauth2.rfc6749 import OAuth2Error
from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from idp.authentication.sessions import LiveSession
from idp.context import Actor
from idp.errors import Refusal
from idp.flows import engine
from idp.flows.models import Flow
from idp.oidc import interaction
from idp.oidc.authorization import issue
from idp.oidc.authorization_request import AuthorizationRequest, read
from idp.oidc.authorization_response import (
    FORM_POST,
    AuthorizationResponse,
    error_response,
    success_response,
)
from idp.oidc.clients import RegisteredClient
from idp.oidc.request import Exchange
from idp.web.browser_session import current_session, flow_browser, known_flow_browser
from idp.web.context import current
from idp.web.csrf import cross_site
from idp.web.flow_pages import decline_url
from idp.web.hub import next_step, stored
from idp.web.parameters import body_pairs, query_pairs
from idp.web.portals import portal_of, provider, server
from idp.web.security_headers import allow_form_target

bp = Blueprint("authorize", __name__)

SEE_OTHER: Final = 303


@bp.get("/authorize")
def by_query() -> Response:
    """Take an authorization request from the query (OIDC Core §3.1.2.1)."""
    return _begin(query_pairs(), posted=False)


@bp.post("/authorize")
@cross_site
def by_form() -> Response:
    """Take an authorization request from a form another site posts; cookies do not come with it."""
    if request.query_string:
        raise BadRequest("parameters belong into the body")
    return _begin(body_pairs(), posted=True)


@bp.get("/authorize/<flow_id>")
def hub(flow_id: str) -> Response:
    """Decide the next step of a flow."""
    ctx = current()
    engine.adopt(ctx, flow_id, flow_browser())
    flow = engine.load(ctx, flow_id, known_flow_browser(), lock=True)
    wanted, client = stored(flow)
    live = current_session()
    try:
        step = next_step(wanted, client, live, flow)
        if isinstance(step, interaction.Issue) and live is not None:
            return _answer(wanted, client, live, step, flow)
    except OAuth2Error as error:
        return _refuse(wanted, error, flow)
    return page_for(step, flow, wanted, client)


@bp.post("/authorize/<flow_id>/decline")
def decline(flow_id: str) -> Response:
    """End a flow because the person wants to: the portal hears ``access_denied``."""
    flow = engine.load(current(), flow_id, known_flow_browser(), lock=True)
    wanted, _ = stored(flow)
    return _refuse(wanted, OAuth2Error("the person cancelled the sign-in", error="access_denied"), flow)


def _begin(pairs: Iterable[tuple[str, str]], *, posted: bool) -> Response:
    ctx = current()
    snapshot = provider().snapshots.current()
    exchange = Exchange(snapshot, ctx.now, ctx.origin)
    try:
        wanted = read(server(), exchange, request.method, pairs)
    except OAuth2Error as error:
        return _respond(error_response(provider().issuer, error), None)
    client = snapshot.clients[wanted.client_id]
    if not posted:
        live = current_session()
        try:
            step = next_step(wanted, client, live, None)
        except OAuth2Error as error:
            return _refuse(wanted, error, None)
        if isinstance(step, interaction.Issue) and live is not None:
            return _answer(wanted, client, live, step, None)
    flow = engine.start(
        ctx,
        engine.AUTHORIZATION,
        client_id=client.row_id,
        browser_hash=engine.UNBOUND if posted else flow_browser(),
        request=wanted.to_json(),
    )
    if posted:
        return _redirect(url_for("authorize.hub", flow_id=flow.id))
    return page_for(step, flow, wanted, client)


def _answer(
    wanted: AuthorizationRequest,
    client: RegisteredClient,
    live: LiveSession,
    step: interaction.Issue,
    flow: Flow | None,
) -> Response:
    ctx = current()
    if flow is not None and not engine.finish(ctx, flow):
        raise Refusal("flow.expired", client_id=client.row_id)
    acting = ctx.acting(Actor("account", live.account.id))
    issued = issue(acting, wanted, client, live, step.membership_id)
    answer = success_response(
        wanted.redirect_uri,
        wanted.response_mode,
        provider().issuer,
        code=issued.code,
        state=wanted.state,
    )
    return _respond(answer, wanted)


def _refuse(wanted: AuthorizationRequest, error: OAuth2Error, flow: Flow | None) -> Response:
    if flow is not None:
        engine.finish(current(), flow)
    error.redirect_uri, error.state = wanted.redirect_uri, wanted.state
    error.response_mode = wanted.response_mode
    return _respond(error_response(provider().issuer, error), wanted)


def _respond(answer: AuthorizationResponse, wanted: AuthorizationRequest | None) -> Response:
    """Send an answer on its way: by a redirect, or in a form that the person or a module sends off.

    :param wanted: the request it answers, None where that could not be read.
    """
    if answer.mode != FORM_POST:
        return _redirect(answer.location)
    client = provider().snapshots.current().clients.get(wanted.client_id) if wanted else None
    allow_form_target(answer.redirect_uri)
    g.ui_locales = wanted.ui_locales if wanted else None
    page = render_template(
        "pages/form_post.html",
        portal=portal_of(client) if client else None,
        action=answer.redirect_uri,
        fields=answer.parameters,
    )
    return Response(page, mimetype="text/html")


def page_for(
    step: interaction.Step, flow: Flow, wanted: AuthorizationRequest, client: RegisteredClient
) -> Response:
    """Show the page of a step, for every flow that goes through the decision."""
    match step:
        case interaction.Login():
            return _redirect(url_for("login.show", flow=flow.id))
        case interaction.SecondFactor():
            return _redirect(url_for("second_factor.show", flow=flow.id))
        case interaction.ChooseAccount():
            return _redirect(url_for("choose_account.show", flow=flow.id))
        case interaction.ChooseOrganization():
            return _redirect(url_for("choose_organization.show", flow=flow.id))
        case interaction.Consent():
            return _redirect(url_for("consent.show", flow=flow.id))
        case interaction.Waiting(found):
            return _state_page("pages/access_pending.html", flow, wanted, client, found[0].organization_name)
        case interaction.Refused(found) if found:
            return _state_page("pages/access_blocked.html", flow, wanted, client, found[0].organization_name)
    return _state_page("pages/access_no_organization.html", flow, wanted, client, None)


def _state_page(
    template: str, flow: Flow, wanted: AuthorizationRequest, client: RegisteredClient, company: str | None
) -> Response:
    allow_form_target(wanted.redirect_uri)
    g.ui_locales = wanted.ui_locales
    page = render_template(
        template,
        portal=portal_of(client),
        company=company,
        since=None,
        told=None,
        return_url=decline_url(flow),
        switch_url=url_for("choose_account.switch", flow=flow.id),
    )
    return Response(page, mimetype="text/html")


def _redirect(location: str) -> Response:
    return redirect(location, SEE_OTHER)
