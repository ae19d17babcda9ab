"""P-04: a new password with the recovery password (screens §1.3; Amt24; req 54-59, 71, 76)."""

from flask import Blueprint, url_for
from werkzeug.wrappers import Response

from idp.accounts import new_passwords
from idp.authentication import assurance
from idp.authentication.recovery_password import Candidate
from idp.errors import Refusal
from idp.flows.models import Flow
from idp.management import password_reset, recovery
from idp.web import sign_in
from idp.web.browser_session import flow_browser
from idp.web.context import current
from idp.web.csrf import is_stale, shows_stale_form
from idp.web.flow_pages import flow_of_request, go_to, refused_until
from idp.web.flow_pages import show as show_page
from idp.web.forms import form_errors
from idp.web.notes import told
from idp.web.recovery_forms import RecoveryResetForm
from idp.web.recovery_pages import Errors
from idp.web.wording import word, word_refusal

bp = Blueprint("recovery_reset", __name__)


@bp.get("/password/recovery")
def show() -> Response:
    """Show the empty form."""
    flow = flow_of_request()
    form = RecoveryResetForm(formdata=None)
    form.username.data = flow.request.get("login_hint") if flow else None
    return _page(flow, form)


@bp.post("/password/recovery")
@shows_stale_form
def submit() -> Response:
    """Compare the recovery password, then keep the new one until the second factor was given."""
    flow, form = flow_of_request(), RecoveryResetForm()
    if is_stale():
        return _page(flow, form, [("new_password", word("form.stale_password"))])
    wrong = _mistakes(form)
    if wrong:
        return _page(flow, form, wrong)
    ctx = current()
    try:
        candidate = recovery.prove(ctx, str(form.username.data), str(form.recovery_password.data))
    except Refusal as refusal:
        return _refused(flow, form, refusal)
    # only who has the recovery password learns what the account's own words forbid
    password = str(form.new_password.data)
    forbidden = password_reset.problems(ctx, recovery.whose(candidate), password)
    if forbidden:
        return _page(flow, form, [("new_password", word_refusal(forbidden[0]))])
    return _keep(form, candidate)


def _keep(form: RecoveryResetForm, candidate: Candidate) -> Response:
    """Keep the new password for the second factor, or take it at once where there is none."""
    ctx = current()
    ctx.db.commit()  # nothing is held while the password is hashed
    password_hash = ctx.passwords.hash(str(form.new_password.data))
    then = flow_of_request(lock=True)  # before the account's row, in the order every step keeps
    try:
        account = recovery.proven_account(ctx, candidate)
    except Refusal as refusal:
        return _refused(then, form, refusal)
    made = password_reset.keep(
        ctx,
        account,
        password_hash,
        means=password_reset.BY_RECOVERY,
        then=then,
        browser_hash=flow_browser(),
        recovery_hash=candidate.hash,
    )
    if password_reset.needs_second_factor(ctx, made):
        return go_to("second_factor.show", flow=made.id)
    return sign_in.complete_reset(made, [(assurance.PASSWORD, None)])


def _mistakes(form: RecoveryResetForm) -> list[tuple[str, str]]:
    """Return what is wrong with the entries whoever's account it is."""
    form.validate()
    found = dict(reversed(form_errors(form)))
    password = str(form.new_password.data or "")
    words = [str(form.username.data or "")]
    refusals = new_passwords.problems(current(), password, words)
    if refusals:
        found["new_password"] = word_refusal(refusals[0])
    if password != (form.confirm_password.data or ""):
        found["confirm_password"] = word("password.mismatch")
    order = ("username", "new_password", "confirm_password", "recovery_password")
    return [(field, found[field]) for field in order if field in found]


def _refused(flow: Flow | None, form: RecoveryResetForm, refusal: Refusal) -> Response:
    if refusal.code == "recovery.wrong":
        return _page(flow, form, [("recovery_password", word_refusal(refusal))])
    return refused_until(_page(flow, form, [("", word_refusal(refusal))], status=429), refusal)


def _page(flow: Flow | None, form: RecoveryResetForm, errors: Errors = (), *, status: int = 200) -> Response:
    ctx = current()
    flow_id = flow.id if flow else None
    return show_page(
        "pages/password_recovery.html",
        flow,
        status=status,
        form=form,
        action=url_for("recovery_reset.submit", flow=flow_id),
        link_url=url_for("forgotten_password.show", flow=flow_id),
        sign_in_url=url_for("login.show", flow=flow_id),
        reset_mfa=ctx.settings.recovery.reset_mfa,
        password_rule=new_passwords.requirements(current()),
        note=word("reset.exhausted") if told() == "wrong_codes" and not errors else None,
        errors=tuple(errors),
    )
