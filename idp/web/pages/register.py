"""R-01 and R-02: from nothing to an account, by a code or link of a mail (req 59, 65, 68, 75, 95).

The link works in another browser, where the password of the registration has to be given; opening it changes
nothing, so that programs that look through mail use nothing up.
"""

from collections.abc import Sequence
from dataclasses import asdict

from flask import Blueprint, request, url_for
from flask_babel import get_locale
from werkzeug.wrappers import Response

from idp.accounts import new_passwords
from idp.accounts.identifiers import SignInFacts
from idp.authentication import assurance
from idp.crypto import same
from idp.errors import Refusal
from idp.flows import engine, mailed_codes
from idp.flows.models import Flow
from idp.management import recovery, registration
from idp.management.registration import Applicant
from idp.web import sign_in
from idp.web.browser_session import current_session, flow_browser, known_flow_browser
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
from idp.web.forms import RegistrationCodeForm, RegistrationForm, RegistrationLinkForm, form_errors
from idp.web.notes import go_and_tell, told
from idp.web.wording import word, word_refusal

bp = Blueprint("register", __name__)

Errors = Sequence[tuple[str, str]]


@bp.get("/register")
def show() -> Response:
    """Show the empty form, or what was typed before where the address was the wrong one."""
    _refuse_where_off()
    flow = flow_of_request()
    form = RegistrationForm(formdata=None)
    if "again" in request.args:
        typed = registration.applicant_of(current(), flow_of(engine.REGISTRATION, name="again"))
        form.process(data=asdict(typed))
    return _page(flow, form)


@bp.post("/register")
@shows_stale_form
def submit() -> Response:
    """Keep what was typed and send a code, whoever has the address."""
    _refuse_where_off()
    flow = flow_of_request()
    form = RegistrationForm()
    if is_stale():
        return _page(flow, form, [("password", word("form.stale_password"))])
    applicant, password = _typed(form)
    wrong = _mistakes(form, applicant, password)
    if wrong:
        return _page(flow, form, wrong)
    ctx = current()
    ctx.db.commit()  # nothing is held while limits are counted and the password is hashed
    try:
        registration.admit(ctx, applicant)
    except Refusal as refusal:
        return refused_until(_page(flow, form, [("", word_refusal(refusal))], status=429), refusal)
    password_hash = ctx.passwords.hash(password)
    flow = flow_of_request()
    made = registration.begin(
        ctx, applicant, password_hash=password_hash, then=flow, browser_hash=flow_browser()
    )
    return go_to("register.show_code", flow=made.id)


@bp.get("/register/code")
def show_code() -> Response:
    """Ask for the code of the mail."""
    form = RegistrationCodeForm(formdata=None, recovery_offer=_OFFER in request.args)
    return _code_page(flow_of(engine.REGISTRATION), form)


@bp.post("/register/code")
@shows_stale_form
def submit_code() -> Response:
    """Make the account and sign the person in."""
    try:
        flow = flow_of(engine.REGISTRATION, lock=True)
    except Refusal as refusal:
        return _sent_twice(refusal)
    form = RegistrationCodeForm()
    if is_stale():
        return _code_page(flow, form, [("code", word("form.stale"))])
    if not form.validate():
        return _code_page(flow, form, form_errors(form))
    try:
        account = registration.confirm(current(), flow, str(form.code.data))
    except Refusal as refusal:
        if refusal.code == "email.taken":
            return go_and_tell("login.show", "known", flow=flow.request["then"])
        if refusal.code not in _OF_THE_CODE:
            raise
        if refusal.code == "code.expired":
            refusal = _send_another(flow) or refusal
        return _code_page(flow, form, [("code", word_refusal(refusal))])
    return _signed_in(account, flow, wants_recovery=form.recovery_offer.data)


@bp.post("/register/code/resend")
def resend() -> Response:
    """Send another code to the same address; the tick stays."""
    flow, form = flow_of(engine.REGISTRATION), RegistrationCodeForm()
    refusal = _send_another(flow)
    if refusal is not None:
        page = _code_page(flow, form, [("", word_refusal(refusal))], status=429)
        return refused_until(page, refusal)
    ticked = {_OFFER: 1} if form.recovery_offer.data else {}
    return go_and_tell("register.show_code", "sent", flow=flow.id, **ticked)


@bp.get("/register/link")
def show_link() -> Response:
    """Show what the link of a mail would do; nothing is done by opening it (req 68)."""
    token = request.args.get("token", "")
    return _link_page(registration.of_link(current(), token), token, RegistrationLinkForm(formdata=None))


@bp.post("/register/link")
@shows_stale_form
def submit_link() -> Response:
    """Make the account: in the browser it was begun in at once, in another one with its password."""
    form = RegistrationLinkForm()
    token = str(form.token.data or "")
    ctx = current()
    flow = registration.of_link(ctx, token)
    if is_stale():
        return _link_page(flow, token, form, [("password", word("form.stale_password"))])
    own = _is_own(flow)
    if not own:
        ctx.db.commit()
        try:
            registration.try_password(ctx, token, str(form.password.data or ""))
        except Refusal as refusal:
            if refusal.code != "registration.password":
                raise
            flow = registration.of_link(ctx, token)
            return _link_page(flow, token, form, [("password", word_refusal(refusal))])
    account, flow = registration.confirm_by_link(ctx, token)
    return _signed_in(account, flow, wants_recovery=form.recovery_offer.data)


_OFFER = "recovery_offer"
_OF_THE_CODE = frozenset({"code.wrong", "code.used_up", "code.expired"})


def _send_another(flow: Flow) -> Refusal | None:
    """Send another code; returns why none can be sent now, or None."""
    ctx = current()
    try:
        registration.admit_resend(ctx, flow)
        registration.resend(ctx, flow_of(engine.REGISTRATION, lock=True))
    except Refusal as refusal:
        if refusal.code not in ("mail.throttled", "code.too_soon"):
            raise
        return refusal
    return None


def _refuse_where_off() -> None:
    """Refuse also whoever knows the address (req 95)."""
    if not current().settings.registration.enabled:
        raise Refusal("registration.off")


def _typed(form: RegistrationForm) -> tuple[Applicant, str]:
    settings, locale = current().settings, get_locale()
    applicant = Applicant(
        email=str(form.email.data),
        given_name=str(form.given_name.data),
        family_name=str(form.family_name.data),
        username=form.username.data if settings.registration.ask_username else None,
        locale=locale.language if locale else settings.product.default_locale,
    )
    return applicant, str(form.password.data or "")


def _mistakes(form: RegistrationForm, applicant: Applicant, password: str) -> list[tuple[str, str]]:
    found = [
        (field, word_refusal(refusal))
        for field, refusal in registration.problems(current(), applicant, password)
    ]
    if password != (form.confirm_password.data or ""):
        found.append(("confirm_password", word("password.mismatch")))
    return found


def _is_own(flow: Flow) -> bool:
    """Tell whether this is the browser that the registration was begun in."""
    mine = known_flow_browser()
    return mine is not None and same(mine, flow.browser_hash)


def _signed_in(account: SignInFacts, flow: Flow, *, wants_recovery: bool) -> Response:
    """Begin the session and go on, to the portal or first to a recovery password."""
    then, methods = begun_from(flow), [(assurance.PASSWORD, None)]
    if not wants_recovery:
        return sign_in.complete(then, account, methods, onward=go_back(flow).location)
    drawn = recovery.draw(
        current(),
        account.id,
        browser_hash=flow_browser(),
        then=then,
        client_id=flow.client_id,
        just_registered=True,
    )
    engine.mark(flow, _OFFER, drawn=drawn.id)
    return sign_in.complete(then, account, methods, onward=url_for("recovery.show", flow=drawn.id))


def _sent_twice(refusal: Refusal) -> Response:
    """Go on where the form was sent before: of two clicks a browser hears the second answer alone."""
    if refusal.code != "flow.expired" or current_session() is None:
        raise refusal
    flow = engine.load_finished(current(), request.args.get("flow", ""), known_flow_browser())
    wanted = flow.done.get(_OFFER)
    return go_to("recovery.show", flow=wanted["drawn"]) if wanted else go_back(flow)


def _page(flow: Flow | None, form: RegistrationForm, errors: Errors = (), *, status: int = 200) -> Response:
    settings = current().settings
    return show_page(
        "pages/register.html",
        flow,
        status=status,
        form=form,
        action=_address("submit", flow),
        sign_in_url=url_for("login.show", flow=flow.id if flow else None),
        errors=tuple(errors),
        ask_username=settings.registration.ask_username,
        password_rule=new_passwords.requirements(current()),
    )


def _code_page(flow: Flow, form: RegistrationCodeForm, errors: Errors = (), *, status: int = 200) -> Response:
    ctx, portal = current(), portal_of_flow(flow)
    sent, used_up = registration.code_sent_at(ctx, flow), registration.is_code_used_up(ctx, flow)
    if used_up:  # there is no field that a message could lead to
        errors = [("", text) for _, text in errors]
    return show_page(
        "pages/register_code.html",
        flow,
        status=status,
        targets=(portal.restart_uri,) if portal else (),
        form=form,
        action=url_for("register.submit_code", flow=flow.id),
        resend_url=url_for("register.resend", flow=flow.id),
        other_address_url=url_for("register.show", flow=flow.request["then"], again=flow.id),
        email=registration.applicant_of(ctx, flow).email,
        sent_at=sent,
        valid_until=sent + mailed_codes.LIFETIME if sent else None,
        used_up=used_up,
        sent_again=told() == "sent" and not (errors or used_up),
        offers_recovery=not recovery.due_for_everybody(ctx),
        errors=tuple(errors),
    )


def _link_page(flow: Flow, token: str, form: RegistrationLinkForm, errors: Errors = ()) -> Response:
    ctx, portal = current(), portal_of_flow(flow)
    return show_page(
        "pages/register_link.html",
        flow,
        targets=(portal.restart_uri,) if portal else (),
        form=form,
        token=token,
        action=url_for("register.submit_link"),
        email=registration.applicant_of(ctx, flow).email,
        own_browser=_is_own(flow),
        offers_recovery=not recovery.due_for_everybody(ctx),
        errors=tuple(errors),
    )


def _address(view: str, flow: Flow | None) -> str:
    return url_for(f"register.{view}", flow=flow.id if flow else None)
