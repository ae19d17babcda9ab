"""R-05: waiting to be let into a company, and the code of a letter (screens §1.2; req 59, 102).

What waits is shown as the number that was typed, never as a company: ``idp.management.joining`` says why.
"""

from collections.abc import Sequence

from flask import Blueprint, url_for
from werkzeug.wrappers import Response

from idp.authentication.live_sessions import LiveSession
from idp.context import Actor
from idp.errors import Refusal
from idp.flows.models import Flow
from idp.management import join_codes, joining
from idp.web.context import current
from idp.web.csrf import is_stale, shows_stale_form
from idp.web.flow_pages import decline_url, flow_of_request, go_on, go_to, refused_until
from idp.web.flow_pages import show as show_page
from idp.web.forms import form_errors
from idp.web.join_forms import JoinCodeForm, WithdrawForm
from idp.web.notes import go_and_tell
from idp.web.own_pages import signed_in
from idp.web.wording import word, word_refusal

bp = Blueprint("joining", __name__)

Errors = Sequence[tuple[str, str]]

_OF_THE_CODE = frozenset({"join.code_wrong", "join.code_used_up", "join.throttled"})


@bp.get("/join")
@signed_in
def show(live: LiveSession) -> Response:
    """Say which numbers wait for an answer; where none does, go on."""
    flow, ctx = flow_of_request(), current()
    requests = joining.open_requests(ctx, live.account.id)
    if not requests:
        return go_on(flow)
    return show_page(
        "pages/join_waiting.html",
        flow,
        requests=requests,
        code_url=url_for("joining.show_code", flow=flow.id if flow else None),
        withdraw_url=url_for("joining.withdraw", flow=flow.id if flow else None),
        return_url=decline_url(flow),
        switch_url=url_for("choose_account.switch", flow=flow.id) if flow else None,
    )


@bp.post("/join/withdraw")
@signed_in
def withdraw(live: LiveSession) -> Response:
    """Take a request back, as for a number with a slip, and ask for the right one (req 59)."""
    flow, ctx = flow_of_request(), current().acting(Actor("account", live.account.id))
    flow_id = flow.id if flow else None
    if not joining.withdraw(ctx, live.account.id, str(WithdrawForm().customer_number.data)):
        return go_to("joining.show", flow=flow_id)  # decided meanwhile, or taken back in another tab
    return go_and_tell("link.show", "withdrawn", flow=flow_id)


@bp.get("/join/code")
@signed_in
def show_code(_live: LiveSession) -> Response:
    """Ask for the code of the letter, whether one was sent or not (req 59)."""
    return _page(flow_of_request(), JoinCodeForm(formdata=None))


@bp.post("/join/code")
@shows_stale_form
@signed_in
def submit_code(live: LiveSession) -> Response:
    """Open the company the letter came to, and go on where the person came from."""
    flow, form, ctx = flow_of_request(), JoinCodeForm(), current().acting(Actor("account", live.account.id))
    if is_stale():
        return _page(flow, form, [("code", word("form.stale"))])
    if not form.validate():
        return _page(flow, form, form_errors(form))
    try:
        ctx.db.commit()  # nothing is held while tries are counted
        join_codes.admit(ctx, live.account.id)
        join_codes.redeem(ctx, live.account.id, str(form.code.data))
    except Refusal as refusal:
        if refusal.code not in _OF_THE_CODE:
            raise
        status = 429 if refusal.code == "join.throttled" else 200
        page = _page(flow_of_request(), form, [("code", word_refusal(refusal))], status=status)
        return refused_until(page, refusal)
    return go_on(flow_of_request()) if flow else go_to("start.show")


def _page(flow: Flow | None, form: JoinCodeForm, errors: Errors = (), *, status: int = 200) -> Response:
    flow_id = flow.id if flow else None
    return show_page(
        "pages/join_code.html",
        flow,
        status=status,
        form=form,
        action=url_for("joining.submit_code", flow=flow_id),
        back_url=url_for("joining.show", flow=flow_id),
        errors=tuple(errors),
    )
