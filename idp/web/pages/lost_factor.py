"""P-04 for who no longer has the app: a mailed code as the second proof (req 65, 71, 72, 75).

Beside the recovery password, which began the reset; else these pages lead back to the second factor.
"""

from collections.abc import Sequence

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from idp.accounts import identifiers
from idp.authentication import assurance, second_factor, totp, transaction
from idp.errors import Refusal
from idp.flows import engine, mailed_codes
from idp.flows.models import Flow
from idp.management import second_proof
from idp.management.second_proof import Claim
from idp.web import sign_in
from idp.web.context import current
from idp.web.csrf import is_stale, shows_stale_form
from idp.web.flow_pages import flow_of, go_to, refused_until
from idp.web.flow_pages import show as show_page
from idp.web.forms import MailedCodeForm, form_errors
from idp.web.notes import go_and_tell, told
from idp.web.wording import word, word_refusal

bp = Blueprint("lost_factor", __name__, url_prefix="/password/recovery/factor")

Errors = Sequence[tuple[str, str]]

_WAIT = frozenset({"mail.throttled", "code.too_soon"})


@bp.get("")
def show() -> Response:
    """Say what the code will do, before one is sent."""
    flow, claim = _open()
    return _page(flow, claim) if claim else _to_the_app(flow)


@bp.post("")
def submit() -> Response:
    """Send a code; where one went out just now, of two clicks perhaps, that one counts."""
    flow, claim = _open()
    if claim is None:
        return _to_the_app(flow)
    refusal = _send(flow, claim)
    if refusal is not None and refusal.code != "code.too_soon":
        return refused_until(_page(flow, claim, [("", word_refusal(refusal))], status=429), refusal)
    return go_to("lost_factor.show_code", flow=flow.id)


@bp.get("/code")
def show_code() -> Response:
    """Ask for the code of the mail."""
    flow, claim = _open()
    if claim is None:
        return _to_the_app(flow)
    if second_proof.sent_at(current(), flow) is None:
        return go_to("lost_factor.show", flow=flow.id)
    return _code_page(flow, claim, MailedCodeForm(formdata=None))


@bp.post("/code")
@shows_stale_form
def submit_code() -> Response:
    """Take the new password and remove the second factors."""
    try:
        return _check(MailedCodeForm())
    except Refusal as refusal:
        return _sent_twice(refusal)


@bp.post("/resend")
def resend() -> Response:
    """Send another code to the same address."""
    flow, claim = _open()
    if claim is None:
        return _to_the_app(flow)
    refusal = _send(flow, claim)
    if refusal is None:
        return go_and_tell("lost_factor.show_code", "sent", flow=flow.id)
    form = MailedCodeForm(formdata=None)
    return refused_until(_code_page(flow, claim, form, [("", word_refusal(refusal))], status=429), refusal)


def _open(*, lock: bool = False) -> tuple[Flow, Claim | None]:
    flow = flow_of(engine.RESET, lock=lock)
    return flow, second_proof.claim(current(), flow)


def _to_the_app(flow: Flow) -> Response:
    """Go where the second factor is asked, which begins again where nothing was proven."""
    return go_to("second_factor.show", flow=flow.id)


def _check(form: MailedCodeForm) -> Response:
    """Check a code; the try is counted before, outside of any transaction."""
    flow, claim = _open()
    if claim is None:
        return _to_the_app(flow)
    if second_proof.sent_at(current(), flow) is None:
        return go_to("lost_factor.show", flow=flow.id)
    if is_stale():
        return _code_page(flow, claim, form, [("code", word("form.stale"))])
    if not form.validate():
        return _code_page(flow, claim, form, form_errors(form))
    ctx = current()
    ctx.db.commit()
    try:
        reservation = second_proof.reserve(ctx, flow, claim)
    except Refusal as refusal:
        return _not_tried(claim, form, refusal)
    flow, claim = _open(lock=True)
    if claim is None:
        return _to_the_app(flow)
    try:
        second_proof.confirm(ctx, flow, claim, str(form.code.data), reservation)
    except Refusal as refusal:
        return _refused(flow, claim, form, refusal)
    return sign_in.complete_reset(flow, [(assurance.PASSWORD, None)])


def _send(flow: Flow, claim: Claim) -> Refusal | None:
    """Send a code; returns why none can be sent now, or None."""
    ctx = current()
    try:
        second_proof.admit(ctx, claim)
        held, claimed = _open(lock=True)
        if claimed is not None:
            second_proof.send(ctx, held, claimed)
    except Refusal as refusal:
        if refusal.code not in _WAIT:
            raise
        return refusal
    return None


def _not_tried(claim: Claim, form: MailedCodeForm, refusal: Refusal) -> Response:
    flow = flow_of(engine.RESET, lock=True)
    refusal = second_factor.not_tried(current(), flow, claim.account.id, refusal)
    return _refused(flow, claim, form, refusal, status=429)


def _refused(
    flow: Flow, claim: Claim, form: MailedCodeForm, refusal: Refusal, *, status: int = 200
) -> Response:
    """Say what was wrong with a code; the fifth wrong one ends the reset."""
    sign_in.tell_of_wrong_codes(flow, claim.account.id, refusal)
    if refusal.code == transaction.EXHAUSTED:
        return sign_in.reset_again(flow)
    if refusal.code == "code.expired":
        refusal = _send(flow, claim) or refusal
    page = _code_page(flow, claim, form, [("code", word_refusal(refusal))], status=status)
    return refused_until(page, refusal)


def _sent_twice(refusal: Refusal) -> Response:
    """Go where it is said whether it was done: of two clicks a browser hears the second answer alone."""
    if refusal.code != "flow.expired":
        raise refusal
    return go_to("forgotten_password.show_changed", flow=request.args.get("flow"))


def _page(flow: Flow, claim: Claim, errors: Errors = (), *, status: int = 200) -> Response:
    ctx = current()
    return show_page(
        "pages/lost_factor.html",
        flow,
        status=status,
        action=url_for("lost_factor.submit", flow=flow.id),
        app_url=url_for("second_factor.show", flow=flow.id),
        apps=[app.label for app in totp.apps(ctx, claim.account.id)],
        email=_masked(claim),
        errors=tuple(errors),
    )


def _code_page(
    flow: Flow, claim: Claim, form: MailedCodeForm, errors: Errors = (), *, status: int = 200
) -> Response:
    sent = second_proof.sent_at(current(), flow)
    return show_page(
        "pages/lost_factor_code.html",
        flow,
        status=status,
        form=form,
        action=url_for("lost_factor.submit_code", flow=flow.id),
        resend_url=url_for("lost_factor.resend", flow=flow.id),
        app_url=url_for("second_factor.show", flow=flow.id),
        email=_masked(claim),
        sent_at=sent,
        valid_until=sent + mailed_codes.LIFETIME if sent else None,
        sent_again=told() == "sent" and not errors,
        errors=tuple(errors),
    )


def _masked(claim: Claim) -> str:
    return identifiers.mask_email(identifiers.text_of(current(), claim.address))
