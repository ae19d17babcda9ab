"""L-14: a person lets a device in, in their own browser (RFC 8628 §3.3, §5.4; RFC 10027; req 30, 55, 98).

The code begins a flow whose purpose is the device.  Its hub asks for the same next step as any other request;
where a portal would get its answer, the person is asked, whatever else was proven before.
"""

from dataclasses import dataclass, replace
from typing import Final

from authlib.oauth2.rfc6749 import OAuth2Error
from flask import Blueprint, render_template, request, url_for
from werkzeug.wrappers import Response

from idp.audit.log import shorten
from idp.authentication.live_sessions import LiveSession
from idp.context import Actor
from idp.crypto import b64url, same
from idp.errors import Refusal
from idp.flows import engine
from idp.flows.models import Flow
from idp.oidc import consent, device_requests, interaction, user_codes
from idp.oidc.authorization_request import AuthorizationRequest
from idp.oidc.client_values import OFFLINE
from idp.oidc.clients import RegisteredClient
from idp.oidc.device_requests import Waiting
from idp.organizations import memberships
from idp.web import disclosure
from idp.web.browser_session import browser, current_session, flow_browser, known_flow_browser
from idp.web.context import current
from idp.web.csrf import CookiesOff, is_stale, shows_stale_form
from idp.web.errors import without_cookies
from idp.web.flow_pages import go_to, refused_until
from idp.web.flow_pages import show as show_page
from idp.web.forms import DeviceForm, form_errors
from idp.web.hub import Asking, next_step
from idp.web.outcomes import page_for
from idp.web.portals import portal_by_row, portal_of, provider
from idp.web.wording import word, word_refusal

bp = Blueprint("device", __name__)

CONNECTED: Final = "connected"
NOT_CONNECTED: Final = "not_connected"
_RESULT: Final = "result"
_CODE: Final = "device"
"""Key of what the device is known by in a flow's stored request."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A flow as a view needs it: which device asks, as which client, for what."""

    flow: Flow
    waiting: Waiting
    client: RegisteredClient
    wanted: AuthorizationRequest


@bp.get("/device")
def show() -> Response:
    """Ask for the code; the one of ``verification_uri_complete`` is filled in, and no more."""
    current_session()  # the page speaks its person's language
    form = DeviceForm(formdata=None)
    offered = user_codes.read(request.args.get("user_code", ""))
    form.code.data = user_codes.shown(offered) if offered else ""
    return _code_page(form)


@bp.errorhandler(CookiesOff)
def cookies_off(error: CookiesOff) -> Response:
    """Say that no form can be sent without cookies, and fill the code in again."""
    return without_cookies(url_for("device.show", user_code=user_codes.read(request.form.get("code", ""))))


@bp.post("/device")
@shows_stale_form
def submit() -> Response:
    """Look the code up and begin the flow."""
    form, ctx, live = DeviceForm(), current(), current_session()
    if is_stale():
        return _code_page(form, [("code", word("form.stale"))])
    if not form.validate():
        return _code_page(form, form_errors(form))
    ctx.db.commit()  # a try is counted in a transaction of its own
    ctx.throttle.user_code_try(account_id=live.account.id if live else None, ip=ctx.origin.ip, now=ctx.now)
    code = str(user_codes.read(form.code.data))
    waiting = device_requests.find(ctx, code)
    client = provider().snapshots.current().by_row.get(waiting.client_row_id)
    if client is None:  # switched off meanwhile
        raise Refusal("device.expired")
    flow = engine.start(
        ctx,
        engine.DEVICE,
        client_id=client.row_id,
        browser_hash=flow_browser(),
        request=_request(client, waiting).to_json() | {_CODE: waiting.id},
    )
    flow.form_data = ctx.vault.seal(code.encode(), table=Flow.__tablename__, row=flow.id)
    return go_to("device.hub", flow_id=flow.id)


@bp.get("/device/<flow_id>")
def hub(flow_id: str) -> Response:
    """Decide the next step; at the end of all steps stands the question."""
    return _next(_load(flow_id))


@bp.post("/device/<flow_id>")
@shows_stale_form
def decide(flow_id: str) -> Response:
    """Connect the device or refuse it, where the person saw the question about just this."""
    asked = _load(flow_id)
    choice = request.form.get("choice")
    live = current_session()
    if is_stale() or live is None or choice not in ("connect", "deny"):
        return _next(asked)
    step = _step(asked)
    if not isinstance(step, interaction.Issue) or not _saw_this(asked, live, step):
        return _next(asked)
    ctx = current().acting(Actor("account", live.account.id))
    if choice == "connect":
        device_requests.connect(
            ctx,
            asked.waiting.id,
            wanted=asked.wanted,
            client=asked.client,
            live=live,
            membership_id=step.membership_id,
        )
        return _finish(asked.flow, CONNECTED)
    device_requests.deny(ctx, asked.waiting.id, asked.client, live)
    return _finish(asked.flow, NOT_CONNECTED)


@bp.post("/device/<flow_id>/decline")
def decline(flow_id: str) -> Response:
    """Give up before the question was answered; the device goes on waiting, for nobody has proven a right."""
    return _finish(_load(flow_id).flow, NOT_CONNECTED)


@bp.get("/device/<flow_id>/done")
def done(flow_id: str) -> Response:
    """Say how it went."""
    current_session()  # as in show
    flow = engine.load_finished(current(), flow_id, known_flow_browser())
    if flow.purpose != engine.DEVICE:
        raise Refusal("flow.lost")
    page = render_template(
        "pages/device_done.html",
        portal=portal_by_row(flow.client_id),
        connected=flow.done[_RESULT]["how"] == CONNECTED,
    )
    return Response(page, mimetype="text/html")


@bp.errorhandler(Refusal)
def begin_again(refusal: Refusal) -> Response:
    """Show the first page with what went wrong; the code can be corrected or typed again."""
    flow_id = (request.view_args or {}).get("flow_id", "")
    if refusal.code == "flow.expired" and _is_decided(flow_id):  # of two clicks the browser hears the second
        return go_to("device.done", flow_id=flow_id)
    lost = refusal.code.startswith("flow.")
    form = DeviceForm(formdata=None)
    # of a form alone, which has been read by now: reading one that cannot be read would fail in here
    form.code.data = request.form.get("code", "")[:40] if request.method == "POST" else ""
    errors = [("code", word("device.lost") if lost else word_refusal(refusal))]
    response = _code_page(form, errors, status=_STATUS.get(refusal.code, 400 if lost else 200))
    return refused_until(response, refusal)


def _is_decided(flow_id: str) -> bool:
    try:
        return engine.load_finished(current(), flow_id, known_flow_browser()).purpose == engine.DEVICE
    except Refusal:
        return False


_STATUS: Final = {"code.throttled": 429, "principal.may_not_act": 403}


def _request(client: RegisteredClient, waiting: Waiting) -> AuthorizationRequest:
    """Return what the device asks for in the form every request has; nothing is redirected anywhere."""
    return AuthorizationRequest(
        client_id=client.client_id,
        redirect_uri="",
        scope=waiting.scope,
        resources=tuple(waiting.resources or ()),
        max_age=client.default_max_age,
        acr_values=client.default_acr_values,
        essential_acr=bool(client.default_acr_values),
    )


def _load(flow_id: str) -> Asked:
    ctx = current()
    flow = engine.load(ctx, flow_id, known_flow_browser(), lock=True)
    client = provider().snapshots.current().by_row.get(flow.client_id or "")
    if flow.purpose != engine.DEVICE or client is None:
        raise Refusal("flow.lost")
    stored = dict(flow.request)
    waiting = device_requests.load(ctx, stored.pop(_CODE))
    return Asked(flow, waiting, client, AuthorizationRequest.from_json(stored))


def _step(asked: Asked) -> interaction.Step:
    # the question that follows names what the client gets: it is the consent, asked for each device anew
    client = replace(asked.client, first_party=True)
    live, mine = browser().person(current())
    return next_step(current(), asked.wanted, client, live, asked.flow, mine=mine)


def _next(asked: Asked) -> Response:
    live = current_session()
    try:
        step = _step(asked)
    except OAuth2Error:  # the level the client demands is out of the person's reach
        return _out_of_reach(asked)
    if isinstance(step, interaction.Issue) and live is not None:
        return _question(asked, live, step)
    return page_for(Asking(step, asked.flow, asked.wanted, asked.client))


def _question(asked: Asked, live: LiveSession, step: interaction.Issue) -> Response:
    ctx, flow, waiting = current(), asked.flow, asked.waiting
    membership = memberships.find(ctx, step.membership_id) if step.membership_id else None
    extent = consent.asked(asked.client, waiting.scope, {})
    here = shorten(ctx.origin.ip) if ctx.origin.ip else None
    return show_page(
        "pages/device_confirm.html",
        flow,
        action=url_for("device.decide", flow_id=flow.id),
        switch_url=url_for("choose_account.switch", flow=flow.id),
        confirmation=_confirmation(asked, live, step),
        code=user_codes.shown(_stored_code(flow)),
        account=live.account.name or live.account.username or "",
        company=membership.organization_name if membership else None,
        first_party=asked.client.first_party,
        items=disclosure.items(asked.client, live.account.id, membership, extent),
        duration=disclosure.duration(asked.client, offline=OFFLINE in extent.scopes),
        portals_url=url_for("own_portals.show")
        if consent.rests_on_decision(asked.client, extent.scopes)
        else None,
        asked_at=waiting.created_at,
        network=waiting.network.partition("/")[0] if waiting.network else None,
        same_network=waiting.network == here,
        errors=_errors(asked, live, step),
    )


def _out_of_reach(asked: Asked) -> Response:
    flow = asked.flow
    return show_page(
        "pages/device_out_of_reach.html",
        flow,
        portal=portal_of(asked.client),
        return_url=url_for("device.decline", flow_id=flow.id),
        switch_url=url_for("choose_account.switch", flow=flow.id),
    )


def _stored_code(flow: Flow) -> str:
    return current().vault.open(flow.form_data or b"", table=Flow.__tablename__, row=flow.id).decode()


def _confirmation(asked: Asked, live: LiveSession, step: interaction.Issue) -> str:
    """Return what only the page with the question for this flow, account and membership holds.

    A page that stood open while somebody else signed in, or another company was chosen, does not speak for
    them.
    """
    seen = "\0".join((asked.flow.id, asked.waiting.id, live.account.id, step.membership_id or ""))
    return b64url(current().vault.keyed_hash("device confirmation", seen))


def _saw_this(asked: Asked, live: LiveSession, step: interaction.Issue) -> bool:
    sent = request.form.get("confirmation", "")
    return same(sent.encode("utf-8", "surrogatepass"), _confirmation(asked, live, step).encode())


def _errors(asked: Asked, live: LiveSession, step: interaction.Issue) -> list[tuple[str, str]]:
    """Return why an answer that came did not count, in words; nothing before one came."""
    if "confirmation" in request.form and not _saw_this(asked, live, step):
        return [("", word("consent.other_person"))]
    return [("", word("form.stale"))] if is_stale() else []


def _finish(flow: Flow, result: str) -> Response:
    engine.mark(flow, _RESULT, how=result)
    engine.finish(current(), flow)
    return go_to("device.done", flow_id=flow.id)


def _code_page(
    form: DeviceForm, errors: list[tuple[str, str]] | None = None, *, status: int = 200
) -> Response:
    return show_page(
        "pages/device.html",
        None,
        status=status,
        form=form,
        action=url_for("device.submit"),
        errors=errors or [],
    )
