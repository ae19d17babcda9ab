"""P-01 to P-05: a forgotten password (screens §1.3; req 59, 68, 71, 76).

The link of the mail works in any browser; opening it changes nothing.  Who has a second factor gives it on
its own page before the new password counts.
"""

from collections.abc import Sequence

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from idp.accounts import new_passwords
from idp.authentication import assurance
from idp.errors import Refusal
from idp.flows import engine
from idp.flows.models import Flow
from idp.management import password_reset, registration
from idp.web import sign_in
from idp.web.browser_session import flow_browser, known_flow_browser
from idp.web.context import current
from idp.web.csrf import is_stale, shows_stale_form
from idp.web.flow_pages import (
    begun_from,
    flow_of,
    flow_of_request,
    go_back,
    go_to,
    portal_of_flow,
    refused_until,
)
from idp.web.flow_pages import show as show_page
from idp.web.forms import ForgottenPasswordForm, NewPasswordForm
from idp.web.notes import go_and_tell, told
from idp.web.wording import word, word_refusal

bp = Blueprint("forgotten_password", __name__)

Errors = Sequence[tuple[str, str]]


@bp.get("/password/forgot")
def show() -> Response:
    """Ask for the address."""
    flow = flow_of_request()
    form = ForgottenPasswordForm(formdata=None)
    form.email.data = flow.request.get("login_hint") if flow else None
    return _page(flow, form)


@bp.post("/password/forgot")
@shows_stale_form
def submit() -> Response:
    """Send a link, whoever has the address, and say so in the same words (req 59)."""
    flow = flow_of_request()
    form = ForgottenPasswordForm()
    if is_stale():
        return _page(flow, form, [("email", word("form.stale"))])
    address = str(form.email.data)
    wrong = registration.address_refusal(address)
    if wrong is not None:
        return _page(flow, form, [("email", word_refusal(wrong))])
    ctx = current()
    ctx.db.commit()
    try:
        until = password_reset.admit(ctx, address)
    except Refusal as refusal:
        return refused_until(_page(flow, form, [("", word_refusal(refusal))], status=429), refusal)
    made = password_reset.begin(
        ctx, address, then=flow_of_request(), browser_hash=flow_browser(), known_until=until
    )
    return go_to("forgotten_password.show_sent", flow=made.id)


@bp.get("/password/forgot/sent")
def show_sent() -> Response:
    """Say where the mail went and what to do if none comes."""
    return _sent_page(flow_of(engine.RESET))


@bp.post("/password/forgot/resend")
def resend() -> Response:
    """Send another link to the same address."""
    flow, ctx = flow_of(engine.RESET), current()
    try:
        address = password_reset.address_of(ctx, flow)
        ctx.db.commit()
        until = password_reset.admit(ctx, address)
        password_reset.resend(ctx, flow_of(engine.RESET, lock=True), known_until=until)
    except Refusal as refusal:
        if refusal.code not in ("mail.throttled", "reset.throttled", "mail.too_soon"):
            raise
        return refused_until(_sent_page(flow, [("", word_refusal(refusal))], status=429), refusal)
    return go_and_tell("forgotten_password.show_sent", "again", flow=flow.id)


@bp.get("/password/reset")
def show_reset() -> Response:
    """Show what the link of a mail is for; nothing is done by opening it (req 68)."""
    token = request.args.get("token", "")
    return _reset_page(password_reset.of_link(current(), token), token)


@bp.post("/password/reset")
@shows_stale_form
def submit_reset() -> Response:
    """Keep the new password until the second factor was given, or take it at once where there is none."""
    form = NewPasswordForm()
    token, password = str(form.token.data or ""), str(form.new_password.data or "")
    ctx = current()
    asked = password_reset.of_link(ctx, token)
    if is_stale():
        return _reset_page(asked, token, [("new_password", word("form.stale_password"))])
    wrong = [
        ("new_password", word_refusal(refusal))
        for refusal in password_reset.problems(ctx, str(asked.account_id), password)
    ]
    if password != (form.confirm_password.data or ""):
        wrong.append(("confirm_password", word("password.mismatch")))
    if wrong:
        return _reset_page(asked, token, wrong)
    ctx.db.commit()  # nothing is held while the password is hashed
    password_hash = ctx.passwords.hash(password)
    then = begun_from(password_reset.of_link(ctx, token))
    flow = password_reset.accept(ctx, token, password_hash, then=then, browser_hash=flow_browser())
    if password_reset.needs_second_factor(ctx, flow):
        return go_to("second_factor.show", flow=flow.id)
    return sign_in.complete_reset(flow, [(assurance.PASSWORD, None)])


@bp.get("/password/changed")
def show_changed() -> Response:
    """Say that it is done, and lead on to the portal."""
    flow = engine.load_finished(current(), request.args.get("flow", ""), known_flow_browser())
    if not password_reset.is_applied(flow):
        raise Refusal("flow.expired", client_id=flow.client_id)
    return show_page(
        "pages/password_changed.html",
        flow,
        onward=go_back(flow).location,
        recovery_used=password_reset.means_of(flow) == password_reset.BY_RECOVERY,
        factors_removed=password_reset.removed_factors(flow),
    )


def _page(
    flow: Flow | None, form: ForgottenPasswordForm, errors: Errors = (), *, status: int = 200
) -> Response:
    return show_page(
        "pages/password_forgot.html",
        flow,
        status=status,
        form=form,
        action=url_for("forgotten_password.submit", flow=flow.id if flow else None),
        recovery_url=url_for("recovery_reset.show", flow=flow.id if flow else None),
        sign_in_url=url_for("login.show", flow=flow.id if flow else None),
        note=word("reset.exhausted") if told() == "wrong_codes" and not errors else None,
        errors=tuple(errors),
    )


def _sent_page(flow: Flow, errors: Errors = (), *, status: int = 200) -> Response:
    until = password_reset.known_until(current(), flow)
    return show_page(
        "pages/password_sent.html",
        flow,
        status=status,
        email=password_reset.address_of(current(), flow),
        note=word("reset.known_only", until=until) if until else None,
        minutes=int(password_reset.LIFETIME.total_seconds() // 60),
        resend_url=url_for("forgotten_password.resend", flow=flow.id),
        other_address_url=url_for("forgotten_password.show", flow=flow.request["then"]),
        sent_again=told() == "again" and not errors,
        errors=tuple(errors),
    )


def _reset_page(flow: Flow, token: str, errors: Errors = ()) -> Response:
    portal = portal_of_flow(flow)
    return show_page(
        "pages/password_reset.html",
        flow,
        targets=(portal.restart_uri,) if portal else (),
        token=token,
        action=url_for("forgotten_password.submit_reset"),
        password_rule=new_passwords.requirements(current()),
        errors=tuple(errors),
    )
