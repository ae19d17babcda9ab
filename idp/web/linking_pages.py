"""What the pages share that bring an old account along: who may open them, old and home portal (req 89).

They stand on the way to a portal, in its flow, and in the account centre, without one.  Either way the person
has proven who they are just now; a sign-in or registration a moment ago is such a proof.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import url_for
from flask_babel import get_locale
from werkzeug.wrappers import Response

from idp.accounts.legacy.directory import Directory
from idp.authentication.live_sessions import LiveSession
from idp.context import Actor, Context
from idp.errors import Refusal
from idp.flows.models import Flow
from idp.management import affiliation, link_notices, linking
from idp.management.legacy_proof import Proof
from idp.management.linking import Linked
from idp.web.browser_session import current_session
from idp.web.context import current
from idp.web.flow_pages import flow_of_request, go_on, go_to, show
from idp.web.notes import go_and_tell
from idp.web.own_pages import confirmed
from idp.web.portals import Portal, portal_by_id, provider


def on_the_way(view: Callable[..., Any]) -> Callable[..., Any]:
    """Call a view with the session and the flow it was opened in, None from the account centre.

    Whoever is signed out in a flow goes back to its hub, which knows what is asked first.
    """

    @confirmed()
    @wraps(view)
    def proven(live: LiveSession, *args: Any, **kwargs: Any) -> Any:
        return view(live, flow_of_request(), *args, **kwargs)

    @wraps(proven)
    def asked(*args: Any, **kwargs: Any) -> Any:
        flow = flow_of_request()
        if flow is not None and current_session() is None:
            return go_on(flow)
        return proven(*args, **kwargs)

    return asked


def acting(live: LiveSession) -> Context:
    """Return the context of a signed-in person's operations."""
    return current().acting(Actor("account", live.account.id))


def declared_product(flow: Flow | None) -> str | None:
    """Return the product that the portal's client declares, None where the person is asked."""
    client = provider().snapshots.current().by_row.get(flow.client_id or "") if flow is not None else None
    return client.product if client is not None else None


def product_of(live: LiveSession, flow: Flow | None) -> str | None:
    """Return what counts: the portal's product, else the person's own choice."""
    return declared_product(flow) or affiliation.chosen(current(), live.account.id)


def directory_of(live: LiveSession, flow: Flow | None) -> Directory | None:
    """Return the old portal whose accounts a person may have."""
    return affiliation.directory_of(current(), product_of(live, flow))


def home_of(live: LiveSession) -> Portal | None:
    """Return the home portal of the person's product family."""
    client_id = affiliation.home_client(current(), live.account.id)
    return portal_by_id(client_id) if client_id else None


def named(directory_de: str, directory_en: str) -> str:
    """Return what an old portal is called in the request's language."""
    locale = get_locale()
    return directory_en if locale is not None and locale.language == "en" else directory_de


def link(live: LiveSession, proof: Proof) -> Linked:
    """Link what was proven and tell both sides; a refusal is kept in the log before it is raised."""
    ctx = acting(live)
    try:
        linked = linking.link(ctx, proof)
    except Refusal:
        ctx.db.commit()
        raise
    link_notices.tell_linked(ctx, live.account.id, linked)
    ctx.db.commit()
    return linked


def linked_on(flow: Flow | None, linked: Linked) -> Response:
    """Go back to the portal's hub; without one to the recovery password where it is due, else to the list."""
    if flow is not None:
        return go_on(flow)
    if linked.recovery_due:
        return go_to("own_recovery.show")
    return go_and_tell("linked_accounts.show", "linked")


def conflict(flow: Flow | None, directory: str, *, own: bool) -> Response:
    """Say that an old account is linked already, to whoever knows its password, and what to do."""
    return show(
        "pages/link_taken.html",
        flow,
        own=own,
        directory=directory,
        on_url=go_on(flow).location if flow else url_for("linked_accounts.show"),
        other_url=url_for("link.show", flow=flow.id if flow else None),
    )
