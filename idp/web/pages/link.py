"""R-04: bring an old account along, or ask to join a company by its customer number (req 55, 59, 89, 90)."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, url_for
from werkzeug.wrappers import Response

from idp.accounts.legacy.directory import Directory
from idp.authentication.live_sessions import LiveSession
from idp.errors import Refusal
from idp.flows.models import Flow
from idp.management import affiliation, joining, legacy_proof
from idp.web.context import current
from idp.web.csrf import is_stale, shows_stale_form
from idp.web.flow_pages import decline_url, flow_of_request, go_on, go_to, portal_of_flow, refused_until
from idp.web.flow_pages import show as show_page
from idp.web.forms import form_errors
from idp.web.linking_forms import CustomerNumberForm, OldAccountForm
from idp.web.linking_pages import (
    acting,
    conflict,
    declared_product,
    directory_of,
    home_of,
    link,
    linked_on,
    named,
    on_the_way,
    product_of,
)
from idp.web.notes import go_and_tell, told
from idp.web.own_pages import typed
from idp.web.wording import word, word_refusal

bp = Blueprint("link", __name__)

Errors = Sequence[tuple[str, str]]

_THROTTLED = frozenset({"login.throttled", "link.stopped", "join.throttled"})
_OF_THE_NUMBER = frozenset({"customer.format", "customer.unlike", "join.throttled"})


@bp.get("/link")
@on_the_way
def show(live: LiveSession, flow: Flow | None) -> Response:
    """Show both ways; who has to say where they belong is asked that first.

    Who took a number back was past that question already, and hears that it is done.
    """
    has_to_say = product_of(live, flow) is None and affiliation.families(current())
    if has_to_say and told() != "withdrawn":
        return go_to("affiliation.show", flow=flow.id if flow else None)
    before = typed(live)
    if before is None:
        return _page(live, flow)
    return _page(
        live,
        flow,
        legacy_username=before.get("legacy_username"),
        customer_number=before.get("customer_number"),
    )


@bp.post("/link")
@shows_stale_form
@on_the_way
def submit(live: LiveSession, flow: Flow | None) -> Response:
    """Compare the old password and link the account."""
    form, ctx, directory = OldAccountForm(), acting(live), directory_of(live, flow)
    if directory is None:
        return go_to("link.show", flow=flow.id if flow else None)
    username = str(form.legacy_username.data)
    if is_stale():
        stale = [("legacy_password", word("form.stale_password"))]
        return _page(live, flow, stale, legacy_username=username)
    if not form.validate():
        return _page(live, flow, form_errors(form), legacy_username=username)
    ctx.db.commit()  # nothing is held while limits are counted and the old portal is asked
    try:
        proof = legacy_proof.prove(
            ctx, live.account.id, directory.slug, username, str(form.legacy_password.data)
        )
        ctx.db.commit()
        linked = link(live, proof)
    except Refusal as refusal:
        ctx.db.commit()
        return _refused(live, flow_of_request(), directory, username, refusal)
    return linked_on(flow_of_request(), linked)


@bp.post("/link/number")
@shows_stale_form
@on_the_way
def ask(live: LiveSession, flow: Flow | None) -> Response:
    """Ask the company of a customer number; the answer is the same whoever has it (req 59)."""
    form, ctx = CustomerNumberForm(), acting(live)
    number = str(form.customer_number.data)
    if is_stale():
        return _page(live, flow, [("customer_number", word("form.stale"))], customer_number=number)
    if not form.validate():
        return _page(live, flow, form_errors(form), customer_number=number)
    ctx.db.commit()  # nothing is held while tries are counted
    try:
        joining.admit(ctx, live.account.id, number)
        asked = joining.ask(ctx, live.account.id, number)
    except Refusal as refusal:
        if refusal.code not in _OF_THE_NUMBER:
            raise
        status = 429 if refusal.code in _THROTTLED else 200
        wrong = [("customer_number", word_refusal(refusal))]
        page = _page(live, flow_of_request(), wrong, status=status, customer_number=number)
        return refused_until(page, refusal)
    if asked.outcome == joining.SENT:
        return go_and_tell("link.sent", "asked", flow=flow.id if flow else None)
    return go_on(flow_of_request()) if flow else go_to("linked_accounts.show")


@bp.get("/link/sent")
@on_the_way
def sent(_live: LiveSession, flow: Flow | None) -> Response:
    """Say that the request has arrived, in the same words for every number."""
    if told() != "asked":
        return go_to("link.show", flow=flow.id if flow else None)
    return show_page(
        "pages/link_sent.html",
        flow,
        return_url=decline_url(flow),
        back_url=None if flow else url_for("linked_accounts.show"),
        again_url=url_for("link.show", flow=flow.id if flow else None),
    )


def _refused(
    live: LiveSession, flow: Flow | None, directory: Directory, username: str, refusal: Refusal
) -> Response:
    if refusal.code == "link.taken":
        return conflict(flow, named(directory.name_de, directory.name_en), own=refusal.params["own"])
    if refusal.code in _THROTTLED:
        page = _page(live, flow, [("", word_refusal(refusal))], status=429, legacy_username=username)
        return refused_until(page, refusal)
    if refusal.code == "link.failed":
        failed = word("link.failed", de=directory.name_de, en=directory.name_en)
        return _page(live, flow, [("legacy_username", failed)], legacy_username=username)
    if refusal.code != "link.away":
        raise refusal
    return _page(live, flow, [("", word_refusal(refusal))], legacy_username=username)


def _page(
    live: LiveSession, flow: Flow | None, errors: Errors = (), *, status: int = 200, **before: Any
) -> Response:
    directory, flow_id = directory_of(live, flow), flow.id if flow else None
    asks = not declared_product(flow) and bool(affiliation.families(current()))
    return show_page(
        "pages/link.html",
        flow,
        status=status,
        welcome=(portal_of_flow(flow) or home_of(live)) if flow else None,
        from_account=flow is None,
        directory=named(directory.name_de, directory.name_en) if directory else None,
        action=url_for("link.submit", flow=flow_id),
        number_action=url_for("link.ask", flow=flow_id),
        withdrawn=told() == "withdrawn" and not errors,
        affiliation_url=url_for("affiliation.show", flow=flow_id) if asks else None,
        back_url=None if flow else url_for("linked_accounts.show"),
        legacy_username=before.get("legacy_username"),
        customer_number=before.get("customer_number"),
        number_digits=current().settings.organizations.number_digits,
        errors=tuple(errors),
    )
