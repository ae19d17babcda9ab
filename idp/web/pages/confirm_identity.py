"""K-06: a signed-in person proves again who they are (screens §1.4; req 40, 53, 55, 64, 73).

By the second factor where the account has one, else by the password; each try is counted as at the sign-in.
The flow is a sign-in's, so whoever is signed out meanwhile, or by five wrong codes, goes on at ``/login`` and
still comes back to the page.
"""

from collections.abc import Sequence

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from idp.authentication import assurance, second_factor, totp, transaction
from idp.authentication.live_sessions import LiveSession
from idp.errors import Refusal
from idp.flows import engine
from idp.flows.models import Flow
from idp.web import password_again, sign_in
from idp.web.account_forms import ConfirmPasswordForm
from idp.web.browser_session import current_session, known_flow_browser
from idp.web.context import current
from idp.web.csrf import is_stale, shows_stale_form
from idp.web.flow_pages import go_on, go_to, refused_until
from idp.web.forms import TotpForm, form_errors
from idp.web.own_pages import OVERVIEW
from idp.web.own_pages import show as show_page
from idp.web.wording import word, word_refusal

bp = Blueprint("confirm_identity", __name__)

Errors = Sequence[tuple[str, str]]
Asked = tuple[Flow, LiveSession]


@bp.get("/account/confirm")
def show() -> Response:
    """Ask for the strongest that the account has."""
    asked = _asked()
    return asked if isinstance(asked, Response) else _page(*asked)


@bp.post("/account/confirm")
@shows_stale_form
def submit() -> Response:
    """Check it, and go back to the page with a new cookie of the session."""
    asked = _asked()
    if isinstance(asked, Response):
        return asked
    if is_stale():
        field = "code" if asked[1].second_factors else "password"
        return _page(*asked, [(field, word("form.stale_password" if field == "password" else "form.stale"))])
    return _by_code(*asked) if asked[1].second_factors else _by_password(*asked)


def _asked(*, lock: bool = False) -> Asked | Response:
    """Return the flow and whom it asks, or the way on where it asks nobody any more."""
    ctx, flow_id = current(), request.args.get("flow", "")
    try:
        flow = engine.load(ctx, flow_id, known_flow_browser(), lock=lock)
    except Refusal:
        return _over(flow_id)
    live = current_session()
    if flow.purpose != engine.SIGN_IN or "account" not in flow.request:
        raise Refusal("flow.lost")
    if live is None:
        return go_to("login.show", flow=flow.id)
    if flow.request["account"] != live.account.id:  # another tab signed another person in
        return go_on(flow)
    return flow, live


def _over(flow_id: str) -> Response:
    """Go where the flow led: of two clicks a browser hears the second answer alone."""
    try:
        return go_on(engine.load_finished(current(), flow_id, known_flow_browser()))
    except Refusal:
        return go_to(OVERVIEW)


def _by_password(flow: Flow, live: LiveSession) -> Response:
    form = ConfirmPasswordForm()
    if not form.validate():
        return _page(flow, live, form_errors(form))
    again: list[Asked | Response] = []
    refusal = password_again.compare(
        live.account.id, str(form.password.data), between=lambda _: again.append(_asked(lock=True))
    )
    asked = again[0] if again else (flow, live)
    if isinstance(asked, Response):
        return asked
    if refusal is not None:
        errors, status = password_again.told(refusal)
        return refused_until(_page(*asked, errors, status=status), refusal)
    return _proven(*asked, (assurance.PASSWORD, None))


def _by_code(flow: Flow, live: LiveSession) -> Response:
    form, ctx, account_id = TotpForm(), current(), live.account.id
    if not form.validate():
        return _page(flow, live, form_errors(form))
    ctx.db.commit()
    refused = None
    try:
        reservation = second_factor.reserve(ctx, flow, account_id, live=live)
    except Refusal as refusal:
        refused = refusal
    asked = _asked(lock=True)
    if isinstance(asked, Response):
        return asked
    chosen = str(form.authenticator.data or "") or None
    try:
        if refused is not None:
            raise second_factor.not_tried(ctx, asked[0], account_id, refused)
        app = second_factor.verify(
            ctx, asked[0], account_id, str(form.code.data), reservation, authenticator_id=chosen
        )
    except Refusal as refusal:
        sign_in.tell_of_wrong_codes(asked[0], account_id, refusal, in_session=True)
        if refusal.code == transaction.EXHAUSTED:
            return sign_in.end_guessing(go_to("login.show", flow=asked[0].id))
        field = "authenticator" if refusal.code == "authenticator.unknown" else "code"
        page = _page(*asked, [(field, word_refusal(refusal))], status=429 if refused else 200)
        return refused_until(page, refusal)
    return _proven(*asked, (assurance.APP, app.id))


def _proven(flow: Flow, live: LiveSession, method: tuple[str, str | None]) -> Response:
    return sign_in.step_up(flow, live, [method]) or go_to("login.show", flow=flow.id)


def _page(flow: Flow, live: LiveSession, errors: Errors = (), *, status: int = 200) -> Response:
    apps = totp.apps(current(), live.account.id) if live.second_factors else []
    return show_page(
        "pages/account/confirm.html",
        live,
        status=status,
        errors=tuple(errors),
        action=url_for("confirm_identity.submit", flow=flow.id),
        by_code=bool(live.second_factors),
        authenticators=apps,
        chosen=request.form.get("authenticator"),
        username=live.account.username,
    )
