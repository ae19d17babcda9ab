"""L-01: user name or e-mail address, and password (screens §1.1; ASVS 6.3.8; req 12, 41, 59, 98)."""

from collections.abc import Sequence

from flask import Blueprint, url_for
from werkzeug.wrappers import Response

from idp.authentication import assurance, devices, login, transaction
from idp.authentication.live_sessions import LiveSession
from idp.authentication.login import Attempt, Recognised
from idp.errors import Refusal
from idp.flows import engine
from idp.flows.models import Flow
from idp.management import account_deletion, legacy_proof
from idp.oidc import subject
from idp.oidc.interaction import is_too_old
from idp.web import old_account_offers, sign_in
from idp.web.browser_session import current_session, device_cookie, flow_browser
from idp.web.context import current
from idp.web.csrf import is_stale, shows_stale_form
from idp.web.flow_pages import flow_of_form, flow_of_request, go_on, go_to, refused_until
from idp.web.flow_pages import show as show_page
from idp.web.forms import LoginForm, form_errors
from idp.web.hub import DECLINED
from idp.web.notes import told
from idp.web.portals import provider
from idp.web.wording import word, word_refusal

bp = Blueprint("login", __name__)

_THROTTLED = frozenset({"login.throttled", "login.stopped"})


@bp.get("/login")
def show() -> Response:
    """Show the form, unless the person is signed in and nothing asks for the password again."""
    flow = flow_of_request()
    if _is_needless(flow):
        return go_on(flow)
    return _page(flow, _expected_name(flow))


@bp.post("/login")
@shows_stale_form
def submit() -> Response:
    """Compare the password; then the second factor, or the end of the sign-in."""
    flow = flow_of_form()
    form = LoginForm()
    if is_stale():
        return _page(flow, form.username.data, [("password", word("form.stale_password"))])
    if not form.validate():
        return _page(flow, form.username.data, form_errors(form))
    username = str(form.username.data)
    try:
        attempt = _compare(username, str(form.password.data))
    except Refusal as refusal:
        return _refused(flow, username, refusal)
    flow = flow_of_form(lock=True)  # before the account's row, in the order every step keeps
    try:
        recognised = login.conclude(current(), attempt)
    except Refusal as refusal:
        if refusal.code == "account.deletion_planned":
            return _offer_undo(flow, str(attempt.candidate.account_id))
        if refusal.code == "login.failed":
            return _offered(username, str(form.password.data)) or _refused(flow_of_form(), username, refusal)
        return _refused(flow, username, refusal)
    flow = _once_more(flow, recognised)
    return _second_factor(flow, recognised) or sign_in.complete(
        flow,
        recognised.account,
        [(assurance.PASSWORD, None)],
        earlier_failures=recognised.earlier_failures,
        at_once=True,
    )


def _once_more(flow: Flow | None, recognised: Recognised) -> Flow | None:
    """Return the flow, begun again where the same form, sent a moment ago, has ended it (decision 63)."""
    if flow is None or flow.finished_at is None:
        return flow
    if flow.account_id != recognised.account.id or DECLINED in flow.done:
        raise Refusal("flow.expired", client_id=flow.client_id)
    return engine.again(current(), flow)


def _offer_undo(flow: Flow | None, account_id: str) -> Response:
    """Lead who planned the deletion of the account to where it is undone (K-14)."""
    made = account_deletion.offer(current(), account_id, then=flow, browser_hash=flow_browser())
    return go_to("own_deletion.show_undo", flow=made.id)


def _compare(username: str, password: str) -> Attempt:
    """Check the password without holding a transaction while it is hashed."""
    ctx = current()
    candidate = login.look_up(ctx, username)
    ctx.db.commit()
    return login.check(ctx, candidate, password)


def _offered(username: str, password: str) -> Response | None:
    """Return the way to an old account that these credentials open, None where they open none."""
    current().db.commit()  # the failure is kept; nothing is held while old portals are asked
    found = legacy_proof.offer(current(), username, password)
    return old_account_offers.begin(flow_of_request(), found) if found is not None else None


def _second_factor(flow: Flow | None, recognised: Recognised) -> Response | None:
    """Return the way to the second factor; None where the account has none or the browser is remembered."""
    ctx, account, cookie = current(), recognised.account, device_cookie()
    if not recognised.second_factors:
        return None
    device = devices.find(ctx, account.id, cookie.hash if cookie else None)
    if devices.is_trusted(ctx, device, cookie):
        return None
    flow = flow or engine.start(ctx, engine.SIGN_IN, browser_hash=flow_browser(), request={})
    transaction.password_proven(ctx, flow, account, earlier_failures=recognised.earlier_failures)
    return go_to("second_factor.show", flow=flow.id)


def _is_needless(flow: Flow | None) -> bool:
    live = current_session()
    if live is None:
        return False
    if flow is None:
        return True
    if transaction.restart_reason(flow) or transaction.wants_another_account(flow):
        return False
    # With a session the hub sends somebody here for these reasons alone; without them another tab signed in.
    wanted, fresh = flow.request, transaction.is_signed_in(flow, live.account.id)
    if is_too_old(live.assurance.auth_time, wanted.get("max_age"), current().now, fresh=fresh):
        return False
    return fresh or not ("login" in wanted.get("prompt", ()) or wanted.get("hinted_sub"))


def _expected_name(flow: Flow | None) -> str | None:
    """Return what the name is filled with: the portal's hint, or who is signed in and is asked again."""
    if flow is None:
        return None
    hint = flow.request.get("login_hint")
    if hint:
        return str(hint)
    live = current_session()
    if live is None or transaction.wants_another_account(flow) or _is_for_somebody_else(flow, live):
        return None
    return live.account.username


def _is_for_somebody_else(flow: Flow, live: LiveSession) -> bool:
    """Tell whether the portal demands another person than the one who is signed in (OIDC Core §3.1.2.2)."""
    demanded = flow.request.get("hinted_sub")
    if demanded is None:
        return False
    client = provider().snapshots.current().by_row.get(flow.client_id or "")
    return client is not None and bool(demanded != subject.seen_by(current().vault, client, live.account.sub))


def _refused(flow: Flow | None, username: str, refusal: Refusal) -> Response:
    if refusal.code not in _THROTTLED:
        field = "username" if refusal.code == "login.failed" else ""
        return _page(flow, username, [(field, word_refusal(refusal))])
    return refused_until(_page(flow, username, [("", word_refusal(refusal))], status=429), refusal)


def _page(
    flow: Flow | None,
    username: str | None,
    errors: Sequence[tuple[str, str]] = (),
    *,
    status: int = 200,
) -> Response:
    reason = transaction.restart_reason(flow) if flow is not None else None
    if told() == "known":  # who registers twice has proven the address by the first time
        reason = reason or "email.known"
    return show_page(
        "pages/login.html",
        flow,
        status=status,
        kept=username is None,
        addresses=lambda: {
            "forgotten_url": url_for("forgotten_password.show", flow=flow.id if flow else None),
            "register_url": _register_url(flow),
            "action": _address("submit", flow.id if flow else None),
        },
        username=username,
        errors=tuple(errors),
        note=("warning", word(reason)) if reason and not errors else None,
    )


def _register_url(flow: Flow | None) -> str | None:
    """Return where somebody new goes, None where accounts are not made freely."""
    if not current().settings.registration.enabled:
        return None
    return url_for("register.show", flow=flow.id if flow else None)


def _address(view: str, flow_id: str | None) -> str:
    return url_for(f"login.{view}", flow=flow_id) if flow_id else url_for(f"login.{view}")
