"""What the hub decided, as an answer of the pages: a redirect, a form, words for a state (screens L-15)."""

from typing import Any

from flask import g, redirect, render_template, url_for
from werkzeug.wrappers import Response

from idp.flows.models import Flow
from idp.management import joining
from idp.oidc import interaction
from idp.oidc.authorization_request import AuthorizationRequest
from idp.oidc.authorization_response import FORM_POST
from idp.oidc.clients import RegisteredClient
from idp.web.browser_session import current_session
from idp.web.context import current
from idp.web.flow_pages import SEE_OTHER, decline_url
from idp.web.hub import Answered, Asking, Outcome
from idp.web.portals import portal_of, provider
from idp.web.security_headers import allow_any_form_target, allow_form_target


def answer(outcome: Outcome) -> Response:
    """Return what the browser gets."""
    return respond(outcome) if isinstance(outcome, Answered) else page_for(outcome)


def respond(answered: Answered) -> Response:
    """Send an answer on its way: by a redirect, or in a form that the person or a module sends off."""
    response, wanted = answered.response, answered.wanted
    g.ui_locales = wanted.ui_locales if wanted else None
    if response.mode != FORM_POST:
        return redirect(response.location, SEE_OTHER)
    client = provider().snapshots.current().clients.get(wanted.client_id) if wanted else None
    allow_any_form_target()
    page = render_template(
        "pages/form_post.html",
        portal=portal_of(client) if client else None,
        action=response.redirect_uri,
        fields=response.parameters,
    )
    return Response(page, mimetype="text/html")


def page_for(asking: Asking) -> Response:
    """Show the page of a step, for every flow that goes through the decision."""
    if asking.page is not None:
        return redirect(asking.page, SEE_OTHER)
    flow, wanted, client = asking.flow, asking.wanted, asking.client
    match asking.step:
        case interaction.Waiting(found):
            return _state_page("pages/access_pending.html", flow, wanted, client, found[0].organization_name)
        case interaction.Refused(found) if found:
            return _state_page("pages/access_blocked.html", flow, wanted, client, found[0].organization_name)
    live = current_session()
    requests = joining.open_requests(current(), live.account.id) if live else []
    if requests:
        code_url = url_for("joining.show_code", flow=flow.id)
        withdraw_url = url_for("joining.withdraw", flow=flow.id)
        facts = {"requests": requests, "code_url": code_url, "withdraw_url": withdraw_url}
        return _state_page("pages/join_waiting.html", flow, wanted, client, None, **facts)
    return _state_page("pages/access_no_organization.html", flow, wanted, client, wanted.organization)


def _state_page(
    template: str,
    flow: Flow,
    wanted: AuthorizationRequest,
    client: RegisteredClient,
    company: str | None,
    **facts: Any,
) -> Response:
    allow_form_target(wanted.redirect_uri)
    g.ui_locales = wanted.ui_locales
    page = render_template(
        template,
        portal=portal_of(client),
        company=company,
        return_url=decline_url(flow),
        switch_url=url_for("choose_account.switch", flow=flow.id),
        **facts,
    )
    return Response(page, mimetype="text/html")
