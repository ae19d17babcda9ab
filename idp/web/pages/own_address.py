"""K-12: another e-mail address, proven by a code or a link; the old one can undo it (req 59, 65, 68, 69, 72).

The links of mails work in any browser; opening them changes nothing.  Where nobody is signed in to the
account the link to a new address asks for its password: else others could be had to prove an address.
"""

from collections.abc import Sequence

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from idp.authentication.live_sessions import LiveSession
from idp.context import Actor
from idp.errors import Refusal
from idp.flows import engine, mailed_codes
from idp.flows.models import Flow
from idp.management import address_change, profile
from idp.web import password_again
from idp.web.account_forms import AddressForm, AddressLinkForm
from idp.web.browser_session import current_session, flow_browser, known_flow_browser
from idp.web.context import current
from idp.web.csrf import is_stale, shows_stale_form
from idp.web.flow_pages import go_to, refused_until
from idp.web.flow_pages import show as show_plain
from idp.web.forms import MailedCodeForm, form_errors
from idp.web.notes import go_and_tell, told
from idp.web.own_pages import confirmed, signed_in, typed
from idp.web.own_pages import show as show_page
from idp.web.wording import word, word_refusal

bp = Blueprint("own_address", __name__, url_prefix="/account/email")

Errors = Sequence[tuple[str, str]]

_LOST = frozenset({"flow.lost", "flow.expired", "flow.other_browser"})
_OF_THE_CODE = frozenset({"code.wrong", "code.used_up", "code.expired", "email.taken"})
_WAIT = frozenset({"mail.throttled", "code.too_soon"})
_PROFILE = "own_profile"


@bp.get("")
@confirmed()
def show(live: LiveSession) -> Response:
    """Ask for the new address."""
    return _page(live, AddressForm(formdata=typed(live), data={}))


@bp.post("")
@confirmed()
@shows_stale_form
def submit(live: LiveSession) -> Response:
    """Send a code to it, whoever has it, and say so in the same words (req 59)."""
    form, ctx = AddressForm(), current()
    address = str(form.email.data)
    if is_stale():
        return _page(live, form, [("email", word("form.stale"))])
    refusal = address_change.problem(ctx, live.account.id, address)
    if refusal is not None:
        return _page(live, form, [("email", word_refusal(refusal))])
    ctx.db.commit()
    try:
        address_change.admit(ctx, live.account.id, address)
    except Refusal as throttled:
        return refused_until(_page(live, form, [("", word_refusal(throttled))], status=429), throttled)
    flow = address_change.begin(ctx, live.account.id, address, browser_hash=flow_browser())
    return go_to("own_address.show_code", flow_id=flow.id)


@bp.get("/code/<flow_id>")
@signed_in
def show_code(live: LiveSession, flow_id: str) -> Response:
    """Ask for the code of the mail."""
    flow = _flow(live, flow_id)
    return _code_page(live, flow, MailedCodeForm(formdata=None)) if flow else _over(live, flow_id)


@bp.post("/code/<flow_id>")
@signed_in
@shows_stale_form
def submit_code(live: LiveSession, flow_id: str) -> Response:
    """Replace the address."""
    flow, form = _flow(live, flow_id, lock=True), MailedCodeForm()
    if flow is None:
        return _over(live, flow_id)
    if is_stale():
        return _code_page(live, flow, form, [("code", word("form.stale"))])
    if not form.validate():
        return _code_page(live, flow, form, form_errors(form))
    try:
        address_change.confirm(current(), flow, str(form.code.data))
    except Refusal as refusal:
        if refusal.code not in _OF_THE_CODE:
            return go_to("own_address.show")
        if refusal.code == "email.taken":
            return _page(live, AddressForm(formdata=None), [("email", word_refusal(refusal))])
        if refusal.code == "code.expired":
            refusal = _send_another(live, flow) or refusal
        return _code_page(live, flow, form, [("code", word_refusal(refusal))])
    return go_and_tell("own_profile.show", "address")


@bp.post("/code/<flow_id>/resend")
@signed_in
def resend(live: LiveSession, flow_id: str) -> Response:
    """Send another code to the same address."""
    flow = _flow(live, flow_id)
    if flow is None:
        return _over(live, flow_id)
    refusal = _send_another(live, flow)
    if refusal is None:
        return go_and_tell("own_address.show_code", "sent", flow_id=flow_id)
    page = _code_page(live, flow, MailedCodeForm(formdata=None), [("", word_refusal(refusal))], status=429)
    return refused_until(page, refusal)


@bp.get("/link")
def show_link() -> Response:
    """Show what the link to a new address would do; nothing is done by opening it (req 68)."""
    token = request.args.get("token", "")
    return _link_page(address_change.of_link(current(), token), token)


@bp.post("/link")
@shows_stale_form
def submit_link() -> Response:
    """Replace the address: at once for who is signed in to the account, else with its password."""
    form, ctx = AddressLinkForm(), current()
    token = str(form.token.data or "")
    flow = address_change.of_link(ctx, token)
    if is_stale():
        return _link_page(flow, token, [("password", word("form.stale_password"))])
    if not _is_own(flow):
        refused = _compare(flow, token, str(form.password.data or ""))
        if refused is not None:
            return refused
    email = address_change.address_of(ctx, flow)
    try:
        address_change.confirm_by_link(ctx, token)
    except Refusal as refusal:
        if refusal.code == "email.taken":
            return _link_page(flow, token, [("", word_refusal(refusal))], email=email)
        raise Refusal("token.expired" if refusal.code in _LOST else refusal.code) from refusal
    return show_plain("pages/address_changed.html", None, undone=False)


@bp.get("/undo")
def show_undo() -> Response:
    """Show what the link to an old address would do; nothing is done by opening it (req 68)."""
    token = request.args.get("token", "")
    address_change.of_undo(current(), token)
    return _undo_page(token)


@bp.post("/undo")
@shows_stale_form
def submit_undo() -> Response:
    """Give the account its old address back."""
    token = str(AddressLinkForm().token.data or "")
    if is_stale():
        address_change.of_undo(current(), token)
        return _undo_page(token, [("", word("form.stale"))])
    try:
        address_change.undo(current(), token)
    except Refusal as refusal:
        if refusal.code != "email.taken":
            raise
        return _undo_page(token, [("", word_refusal(refusal))])
    return show_plain("pages/address_changed.html", None, undone=True)


def _flow(live: LiveSession, flow_id: str, *, lock: bool = False) -> Flow | None:
    """Return the flow of this browser and this person, None where it is over or another's."""
    try:
        flow = engine.load(current(), flow_id, known_flow_browser(), lock=lock)
    except Refusal:
        return None
    return flow if _is_of(flow, live) else None


def _is_of(flow: Flow, live: LiveSession) -> bool:
    return flow.purpose == engine.ADDRESS and flow.account_id == live.account.id


def _over(live: LiveSession, flow_id: str) -> Response:
    """Go on where the form was sent before: of two clicks a browser hears the second answer alone."""
    try:
        flow = engine.load_finished(current(), flow_id, known_flow_browser())
    except Refusal:
        return go_to("own_address.show")
    return go_to("own_profile.show") if _is_of(flow, live) else go_to("own_address.show")


def _send_another(live: LiveSession, flow: Flow) -> Refusal | None:
    """Send another code; returns why none can be sent now, or None."""
    ctx = current()
    address = address_change.address_of(ctx, flow)
    ctx.db.commit()
    try:
        address_change.admit(ctx, live.account.id, address)
        held = _flow(live, flow.id, lock=True)
        if held is not None:
            address_change.resend(ctx, held)
    except Refusal as refusal:
        if refusal.code not in _WAIT:
            raise
        return refusal
    return None


def _is_own(flow: Flow) -> bool:
    live = current_session()
    return live is not None and live.account.id == flow.account_id


def _compare(flow: Flow, token: str, password: str) -> Response | None:
    """Compare the account's password; returns the page where it is not right."""
    ctx = current()
    refusal = password_again.compare(
        str(flow.account_id), password, between=lambda _: address_change.of_link(ctx, token)
    )
    if refusal is None:
        return None
    errors, status = password_again.told(refusal)
    return refused_until(_link_page(flow, token, errors, status=status), refusal)


def _page(live: LiveSession, form: AddressForm, errors: Errors = (), *, status: int = 200) -> Response:
    ctx = current().acting(Actor("account", live.account.id))
    return show_page(
        "pages/account/email.html",
        live,
        status=status,
        part=_PROFILE,
        form=form,
        action=url_for("own_address.submit"),
        emails=profile.emails(ctx, live.account.id),
        errors=tuple(errors),
    )


def _code_page(
    live: LiveSession, flow: Flow, form: MailedCodeForm, errors: Errors = (), *, status: int = 200
) -> Response:
    ctx = current()
    sent, used_up = address_change.code_sent_at(ctx, flow), address_change.is_code_used_up(ctx, flow)
    if used_up:  # there is no field that a message could lead to
        errors = [("", text) for _, text in errors]
    return show_page(
        "pages/account/email_code.html",
        live,
        status=status,
        part=_PROFILE,
        form=form,
        action=url_for("own_address.submit_code", flow_id=flow.id),
        resend_url=url_for("own_address.resend", flow_id=flow.id),
        email=address_change.address_of(ctx, flow),
        sent_at=sent,
        valid_until=sent + mailed_codes.LIFETIME if sent else None,
        used_up=used_up,
        sent_again=told() == "sent" and not (errors or used_up),
        errors=tuple(errors),
    )


def _link_page(
    flow: Flow, token: str, errors: Errors = (), *, status: int = 200, email: str | None = None
) -> Response:
    return show_plain(
        "pages/address_link.html",
        None,
        status=status,
        token=token,
        action=url_for("own_address.submit_link"),
        email=email or address_change.address_of(current(), flow),
        own=_is_own(flow),
        errors=tuple(errors),
    )


def _undo_page(token: str, errors: Errors = ()) -> Response:
    return show_plain(
        "pages/address_undo.html",
        None,
        token=token,
        action=url_for("own_address.submit_undo"),
        errors=tuple(errors),
    )
