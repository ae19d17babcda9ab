"""What all pages of a flow share: finding it, its portal and language, the ways on and back (req 41, 102)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from flask import current_app, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from idp.errors import Refusal
from idp.flows import engine
from idp.flows.models import Flow
from idp.web import kept_pages
from idp.web.browser_session import known_flow_browser
from idp.web.context import current
from idp.web.portals import Portal, portal_by_row
from idp.web.security_headers import allow_form_target, allow_image

SEE_OTHER: Final = 303

WITH_SECOND_FACTOR: Final = (engine.AUTHORIZATION, engine.DEVICE, engine.SIGN_IN, engine.RESET)
"""Purposes of flows in which a second factor may be asked."""

OWN_PAGE: Final = "_lotse_own_page"
"""Mark of a view of one's own account, which a sign-in may lead back to (``idp.web.own_pages``)."""

_HUBS: Final = {engine.AUTHORIZATION: "authorize", engine.DEVICE: "device"}
"""Purposes of flows that somebody waits for, and whose views decide about them."""

_OF_SIGN_IN: Final = (*_HUBS, engine.SIGN_IN)


def flow_of_request(*, lock: bool = False) -> Flow | None:
    """Return the flow that ``?flow=`` names, None without one.

    :param lock: hold its row, for requests that change it.
    :raises Refusal: ``flow.lost``, ``flow.expired``, ``flow.other_browser``; ``idp.web.errors`` shows them.
    """
    return required_flow(lock=lock) if "flow" in request.args else None


def flow_of_form(*, lock: bool = False) -> Flow | None:
    """Return the flow of a form that may be sent twice, as :func:`flow_of_request` does.

    Of two clicks the browser hears only the second: a flow that has just been answered counts as well.
    """
    try:
        return flow_of_request(lock=lock)
    except Refusal as refusal:
        if refusal.code != "flow.expired":
            raise
    flow = engine.load_answered(current(), request.args["flow"], known_flow_browser())
    return of_purpose(flow, *_OF_SIGN_IN)


def required_flow(*, lock: bool = False) -> Flow:
    """Return the flow that ``?flow=`` names, as :func:`flow_of_request`; a lost one without it."""
    return flow_of(*_OF_SIGN_IN, lock=lock)


def flow_of(*purposes: str, name: str = "flow", lock: bool = False) -> Flow:
    """Return the flow, of certain purposes, that a query parameter names; else as :func:`required_flow`."""
    found = engine.load(current(), request.args.get(name, ""), known_flow_browser(), lock=lock)
    return of_purpose(found, *purposes)


def of_purpose(flow: Flow, *purposes: str) -> Flow:
    """Return a flow whose purpose is one of these, and have its page speak its language.

    :raises Refusal: ``flow.lost`` for another one.
    """
    if flow.purpose not in purposes:  # the browser's own, but other work
        raise Refusal("flow.lost")
    # before any word is said: the language is chosen once a request
    g.ui_locales = flow.request.get("ui_locales")
    return flow


def show(
    template: str,
    flow: Flow | None,
    *,
    status: int = 200,
    kept: bool = False,
    targets: Sequence[str | None] = (),
    addresses: Callable[[], Mapping[str, Any]] = dict,
    **values: Any,
) -> Response:
    """Render a page of a flow with its portal, its way out and where its forms may end.

    :param targets: registered addresses, beside the request's own, that its forms may end at.
    :param kept: it says nothing of one person, and may be put together once (:mod:`idp.web.kept_pages`).
    :param addresses: makes links, which a page that was put together before has already.
    """
    request_facts: dict[str, Any] = flow.request if flow is not None else {}
    allow_form_target(request_facts.get("redirect_uri"), *targets)
    values.setdefault("errors", ())
    portal = values.setdefault("portal", portal_of_flow(flow))
    allow_image(portal.logo_uri if portal else None)

    def links() -> dict[str, Any]:
        return {"cancel_url": decline_url(flow), **addresses()}

    if kept and flow is not None:
        return make_response(kept_pages.render(template, flow, links, **values), status)
    return make_response(render_template(template, **links() | values), status)


def begun_from(flow: Flow) -> Flow | None:
    """Return the flow that led to this one, with its row held; None where it is over or another browser's.

    A sign-in for one of our own pages still leads there when it is over.
    """
    ctx, then = current(), flow.request.get("then")
    if not then:
        return None
    try:
        return engine.load(ctx, then, known_flow_browser(), lock=True)
    except Refusal as refusal:
        if refusal.code != "flow.expired":
            return None
    try:
        over = engine.load_finished(ctx, then, known_flow_browser())
    except Refusal:
        return None
    return over if over.purpose == engine.SIGN_IN else None


def portal_of_flow(flow: Flow | None) -> Portal | None:
    """Return the portal a flow came from, or None."""
    return portal_by_row(flow.client_id) if flow is not None else None


def decline_url(flow: Flow | None) -> str | None:
    """Return where a person gives the portal's request up, None where no portal waits."""
    if flow is None or flow.purpose not in _HUBS:
        return None
    return url_for(f"{_HUBS[flow.purpose]}.decline", flow_id=flow.id)


def go_on(flow: Flow | None) -> Response:
    """Go back to the hub, which decides the next step; without a portal, to our own page it was begun for.

    Where there is neither, to the start page.
    """
    if flow is not None and flow.purpose in _HUBS:
        return go_to(f"{_HUBS[flow.purpose]}.hub", flow_id=flow.id)
    page = flow.request.get("page") if flow is not None else None
    if flow is None or not getattr(current_app.view_functions.get(page or ""), OWN_PAGE, False):
        return go_to("start.show")
    kept = flow.id if flow.form_data else None
    return go_to(str(page), **flow.request["of"], flow=flow.request.get("flow"), kept=kept)


def go_back(flow: Flow) -> Response:
    """Go back to the flow that led to this one, as :func:`go_on`.

    Where it waits in another browser or is over, to the portal's own start.
    """
    then, portal = begun_from(flow), portal_of_flow(flow)
    if then is None and portal is not None and portal.restart_uri:
        return redirect(portal.restart_uri, SEE_OTHER)
    return go_on(then)


def go_to(endpoint: str, **values: Any) -> Response:
    """Redirect to a page of ours with GET (req 10)."""
    return redirect(url_for(endpoint, **values), SEE_OTHER)


def refused_until(response: Response, refusal: Refusal) -> Response:
    """Say in a throttle's answer when to come back (RFC 9110 §10.2.3); any other stays as it is."""
    until = refusal.params.get("until")
    if isinstance(until, datetime):
        response.headers["Retry-After"] = str(max(1, round((until - current().now).total_seconds())))
    return response
