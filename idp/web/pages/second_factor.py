"""L-04: the code of an authenticator app (screens §1.1; RFC 6238; req 40, 60, 62-64)."""

from typing import Any

from flask import Blueprint, url_for
from werkzeug.wrappers import Response

from idp.accounts import identifiers
from idp.accounts.models import Account
from idp.authentication import assurance, login, second_factor, totp, transaction
from idp.authentication.live_sessions import LiveSession
from idp.authentication.transaction import HalfWay
from idp.errors import Refusal
from idp.flows import engine
from idp.flows.models import Flow
from idp.management import password_reset, recovery, second_proof
from idp.throttling import Reservation
from idp.web import sign_in
from idp.web.browser_session import current_session
from idp.web.context import current
from idp.web.csrf import is_stale, shows_stale_form
from idp.web.flow_pages import WITH_SECOND_FACTOR, begun_from, decline_url, flow_of, go_on, go_to
from idp.web.flow_pages import show as show_page
from idp.web.forms import TotpForm, form_errors
from idp.web.wording import word, word_refusal

bp = Blueprint("second_factor", __name__)


@bp.get("/login/totp")
def show() -> Response:
    """Ask for a code, where somebody's password was right in this flow or somebody is signed in."""
    flow = flow_of(*WITH_SECOND_FACTOR)
    account, _ = _subject(flow)
    if account is None:
        return _start_again(flow)
    if transaction.half_way(current(), flow) is None and _is_needless(current_session()):
        return go_on(flow)
    return _page(flow, account, TotpForm(formdata=None))


@bp.post("/login/totp")
@shows_stale_form
def submit() -> Response:
    """Check a code; the fifth wrong one ends what the password began."""
    flow = flow_of(*WITH_SECOND_FACTOR)
    account, half_way = _subject(flow)
    if account is None:
        return _start_again(flow)
    form = TotpForm()
    if is_stale():
        return _page(flow, account, form, [("code", word("form.stale"))])
    if not form.validate():
        return _page(flow, account, form, form_errors(form))
    try:
        reservation = _reserve(flow, account, None if half_way else current_session())
    except Refusal as refusal:
        return _not_tried(account, half_way, form, refusal)
    return _check(form, reservation)


@bp.post("/login/totp/cancel")
def cancel() -> Response:
    """Forget the password that was right and go back to the first page."""
    flow = flow_of(*WITH_SECOND_FACTOR, lock=True)
    if transaction.half_way(current(), flow) is None:
        return go_on(flow)
    transaction.give_up(current(), flow)
    return _start_again(flow)


def _start_again(flow: Flow) -> Response:
    """Go back to the first proof; a new password that waited for the second does not count (req 71)."""
    if flow.purpose != engine.RESET:
        return go_to("login.show", flow=flow.id)
    if transaction.restart_reason(flow):
        return sign_in.reset_again(flow)
    return go_to("login.show", flow=flow.request["then"])


def _is_needless(live: LiveSession | None) -> bool:
    """Tell whether a signed-in person has nothing to prove here."""
    return live is not None and (live.assurance.acr != assurance.AAL1 or not live.second_factors)


def _subject(flow: Flow) -> tuple[Account | None, HalfWay | None]:
    """Return whose code is asked: who gave the password in this flow, else who is signed in.

    A reset asks nobody else: what it protects is the new password.
    """
    half_way = transaction.half_way(current(), flow)
    if half_way is not None:
        return half_way.account, half_way
    live = current_session()
    if live is None or flow.purpose == engine.RESET or transaction.restart_reason(flow):
        return None, None
    return current().db.get(Account, live.account.id), None


def _reserve(flow: Flow, account: Account, live: LiveSession | None) -> Reservation:
    """Count the try before the code is looked at, outside of any transaction."""
    ctx = current()
    ctx.db.commit()
    return second_factor.reserve(ctx, flow, account.id, live=live)


def _not_tried(account: Account, half_way: HalfWay | None, form: TotpForm, refusal: Refusal) -> Response:
    flow = flow_of(*WITH_SECOND_FACTOR, lock=True)
    if half_way is not None and transaction.half_way(current(), flow) is None:  # another tab has ended it
        return _start_again(flow)
    refusal = second_factor.not_tried(current(), flow, account.id, refusal)
    sign_in.tell_of_wrong_codes(flow, account.id, refusal, in_session=half_way is None)
    if refusal.code == transaction.EXHAUSTED:
        return _guessed(flow, half_way)
    return _page(flow, account, form, [("code", word_refusal(refusal))], status=429)


def _check(form: TotpForm, reservation: Reservation) -> Response:
    """Check the code in one transaction, with the flow's row held and who it is for read again."""
    flow = flow_of(*WITH_SECOND_FACTOR, lock=True)
    account, half_way = _subject(flow)
    if account is None:
        return _start_again(flow)
    ctx = current()
    chosen = str(form.authenticator.data or "") or None
    try:
        app = second_factor.verify(
            ctx, flow, account.id, str(form.code.data), reservation, authenticator_id=chosen
        )
    except Refusal as refusal:
        sign_in.tell_of_wrong_codes(flow, account.id, refusal, in_session=half_way is None)
        if refusal.code == transaction.EXHAUSTED:
            return _guessed(flow, half_way)
        field = "authenticator" if refusal.code == "authenticator.unknown" else "code"
        return _page(flow, account, form, [(field, word_refusal(refusal))])
    second = (assurance.APP, app.id)
    remember = bool(form.remember_device.data)
    if flow.purpose == engine.RESET:
        return sign_in.complete_reset(flow, [(assurance.PASSWORD, None), second], remember=remember)
    if half_way is not None:
        held = identifiers.locked_account(ctx, account.id)
        if held is None or login.turned_away(ctx, held) is not None:  # blocked since the password
            transaction.give_up(ctx, flow)
            return _start_again(flow)  # which says why, as after any other right password
        return sign_in.complete(
            flow,
            account,
            [(assurance.PASSWORD, None), second],
            remember=remember,
            earlier_failures=half_way.earlier_failures,
        )
    live = current_session()
    done = sign_in.step_up(flow, live, [second], remember=remember) if live else None
    return done or _start_again(flow)


def _guessed(flow: Flow, half_way: HalfWay | None) -> Response:
    """Begin again after too many wrong codes; a session that gave no password for them ends."""
    response = _start_again(flow)
    return sign_in.end_guessing(response) if half_way is None else response


def _page(
    flow: Flow,
    account: Account,
    form: TotpForm,
    errors: list[tuple[str, str]] | None = None,
    *,
    status: int = 200,
) -> Response:
    ctx = current()
    cancel_url = decline_url(flow)
    if transaction.half_way(ctx, flow) is not None:
        cancel_url = url_for("second_factor.cancel", flow=flow.id)
    return show_page(
        "pages/login_totp.html",
        flow,
        status=status,
        form=form,
        action=url_for("second_factor.submit", flow=flow.id),
        cancel_url=cancel_url,
        **_without_the_app(flow),
        errors=errors or [],
        authenticators=totp.apps(ctx, account.id),
        remember_days=ctx.settings.remember_device.days,
    )


def _without_the_app(flow: Flow) -> dict[str, Any]:
    """Return what who no longer has the app can do, for the page; all is None where only our help can."""
    ctx = current()
    ways: dict[str, Any] = {
        "lost_url": None,
        "lost_from": second_proof.waits_until(ctx, flow),
        "recovery_url": None,
    }
    if ways["lost_from"] is None and second_proof.claim(ctx, flow) is not None:
        ways["lost_url"] = url_for("lost_factor.show", flow=flow.id)
    elif recovery.does_without_the_app(ctx) and not _is_by_recovery(flow):
        before = begun_from(flow) if flow.purpose == engine.RESET else flow
        ways["recovery_url"] = url_for("recovery_reset.show", flow=before.id if before else None)
    return ways


def _is_by_recovery(flow: Flow) -> bool:
    is_reset = flow.purpose == engine.RESET
    return is_reset and password_reset.means_of(flow) == password_reset.BY_RECOVERY
