"""The end of every sign-in: one session, a new cookie, nothing of who was here before (req 12, 40; C6)."""

from collections.abc import Sequence
from typing import Final, Literal

from flask import redirect, url_for
from werkzeug.wrappers import Response

from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication import devices, login, notices, sessions, transaction
from idp.authentication.devices import KnownDevice
from idp.authentication.live_sessions import LiveSession
from idp.authentication.sessions import Owner
from idp.context import Actor, Context
from idp.errors import Refusal
from idp.flows import engine
from idp.flows.models import Flow
from idp.management import password_reset
from idp.oidc.authorization_response import FORM_POST
from idp.oidc.logout import end_session
from idp.prepared import insert_rows
from idp.web.browser_session import (
    browser,
    clear_session,
    current_session,
    device_cookie,
    set_device,
    set_session,
)
from idp.web.context import current
from idp.web.flow_pages import SEE_OTHER, begun_from, go_on, portal_of_flow
from idp.web.hub import Answered, Hub
from idp.web.notes import go_and_tell
from idp.web.outcomes import respond
from idp.web.portals import server

_WRONG_CODES_END: Final = frozenset({transaction.EXHAUSTED, "code.throttled", "code.stopped"})

Methods = Sequence[tuple[str, str | None]]


def complete(
    flow: Flow | None,
    account: Owner,
    methods: Methods,
    *,
    remember: bool = False,
    earlier_failures: int = 0,
    onward: str | None = None,
    told: bool = False,
    at_once: bool = False,
) -> Response:
    """Sign a person in and return the way on.

    :param methods: what was proven just now, a first factor among it: amr value and authenticator's id.
    :param remember: the person wants this browser to skip the second factor from now on.
    :param earlier_failures: tries with a wrong password since the last success (req 60).
    :param onward: one of our addresses, or a registered one, to go on to first.
    :param told: another mail tells the person of this sign-in already.
    :param at_once: answer the portal without a way round by the hub.
    """
    ctx = current().acting(Actor("account", account.id))
    _end_anothers(ctx, account)  # before the browser's rows: whoever changes these holds their account first
    device, cookie, known = devices.recognise(ctx, account.id, device_cookie())
    if remember and ctx.settings.remember_device.days:
        cookie = devices.remember(ctx, device, cookie)
        record(ctx, Event.DEVICE_REMEMBERED, target=("account", account.id))
    live, value, surplus = _session(ctx, account, methods, device)
    facts = {"known_device": known, "earlier_failures": earlier_failures}
    record(
        ctx,
        Event.SIGN_IN_SUCCEEDED,
        target=("account", account.id),
        session=live.session.id,
        new={"methods": [method for method, _ in methods], "acr": live.assurance.acr} | facts,
    )
    if not told:
        mails = notices.of_sign_in(
            ctx, account.id, device, known=known, failures=earlier_failures, portal=_portal_name(flow)
        )
        insert_rows(ctx.db, *mails)
    for session_id in surplus:
        end_session(ctx, session_id, sessions.TOO_MANY)
    response = _way_on(ctx, flow, live, onward, at_once=at_once)
    set_session(response, live, value)
    set_device(response, devices.marked(ctx.vault, cookie, account.id))
    return response


def complete_reset(flow: Flow, methods: Methods, *, remember: bool = False) -> Response:
    """Give the account its new password, sign the person in where they may come in, and say so.

    :param remember: as in :func:`complete`; every browser that was remembered before is forgotten.
    """
    ctx, then = current(), begun_from(flow)
    account = password_reset.apply(ctx, flow)
    onward = url_for("forgotten_password.show_changed", flow=flow.id)
    if login.standing(ctx, account) is not None:  # the sign-in says why, as after any other right password
        return redirect(onward, SEE_OTHER)
    return complete(then, account, methods, remember=remember, onward=onward, told=True)


def reset_again(flow: Flow) -> Response:
    """Lead back to where a reset began, which too many wrong codes have ended (req 64)."""
    by_recovery = password_reset.means_of(flow) == password_reset.BY_RECOVERY
    page = "recovery_reset.show" if by_recovery else "forgotten_password.show"
    return go_and_tell(page, "wrong_codes", flow=flow.request["then"])


def tell_of_wrong_codes(flow: Flow, account_id: str, refusal: Refusal, *, in_session: bool = False) -> None:
    """Send the mail about wrong codes, where they have come to an end (req 60).

    :param in_session: they came from a session that was open, and nothing was proven before them.
    """
    if refusal.code not in _WRONG_CODES_END:
        return
    means: Literal["password", "link", "recovery_password", "session"] = "password"
    if flow.purpose == engine.RESET:
        means = password_reset.means_of(flow)
    elif in_session:
        means = "session"
    notices.wrong_codes(current(), account_id, portal=_portal_name(flow), means=means)


def end_guessing(response: Response) -> Response:
    """End the session after five wrong codes: who only has its cookie guesses no further (req 56, 64).

    :param response: where it goes on.
    """
    live = current_session()
    if live is not None:
        end_session(current(), live.session.id, sessions.WRONG_CODES)
        clear_session(response)
    return response


def step_up(flow: Flow, live: LiveSession, methods: Methods, *, remember: bool = False) -> Response | None:
    """Add what was proven just now to the browser's session; None when the session ended meanwhile."""
    ctx = current().acting(Actor("account", live.account.id))
    proven = sessions.prove(ctx, live, methods)
    if proven is None:
        return None
    stronger, value = proven
    cookie = device_cookie()
    if remember and ctx.settings.remember_device.days:
        device, cookie, _ = devices.recognise(ctx, live.account.id, cookie)
        cookie = devices.remember(ctx, device, cookie)
        sessions.use_device(ctx, stronger, device)
        record(ctx, Event.DEVICE_REMEMBERED, target=("account", live.account.id))
    record(
        ctx,
        Event.SESSION_STEPPED_UP,
        target=("account", live.account.id),
        session=stronger.session.id,
        new={"methods": [method for method, _ in methods], "acr": stronger.assurance.acr},
    )
    if flow.purpose == engine.SIGN_IN:
        engine.finish(ctx, flow)
    response = go_on(flow)
    set_session(response, stronger, value)
    if cookie is not None:
        set_device(response, devices.marked(ctx.vault, cookie, live.account.id))
    return response


def _portal_name(flow: Flow | None) -> str:
    portal = portal_of_flow(flow)
    return portal.name if portal else ""


def _end_anothers(ctx: Context, account: Owner) -> None:
    """End the session that another person has in this browser (req 12; C6)."""
    live = current_session()
    if live is not None and live.account.id != account.id:
        end_session(ctx, live.session.id, sessions.OTHER_PERSON)


def _session(
    ctx: Context, account: Owner, methods: Methods, device: KnownDevice
) -> tuple[LiveSession, str, list[str]]:
    """Prove again in the same person's session, else begin a new one."""
    live = current_session()
    if live is not None and live.account.id == account.id:
        proven = sessions.prove(ctx, live, methods)
        if proven is not None:
            sessions.use_device(ctx, live, device)
            return *proven, []
    return sessions.start(ctx, account, methods=methods, device=device)


def _way_on(
    ctx: Context, flow: Flow | None, live: LiveSession, onward: str | None, *, at_once: bool
) -> Response:
    """Note the sign-in and go on: to the portal, or back to the hub, which decides the next step."""
    if flow is None:
        return redirect(onward, SEE_OTHER) if onward else go_on(None)
    transaction.signed_in(ctx, flow, live.account.id, live.session.id)
    answered = _answered(ctx, flow, live) if at_once else None
    if answered is not None:
        return answered
    engine.keep(ctx, flow, done=flow.done, account_id=flow.account_id)
    if flow.purpose == engine.SIGN_IN:
        engine.finish(ctx, flow)
    return redirect(onward, SEE_OTHER) if onward else go_on(flow)


def _answered(ctx: Context, flow: Flow, live: LiveSession) -> Response | None:
    """Return the redirect to the portal, None where the hub has something to ask or to show."""
    if flow.purpose != engine.AUTHORIZATION or flow.request.get("response_mode") == FORM_POST:
        return None
    try:
        outcome = Hub(server(), ctx, browser()).decide(flow, live)
    except Refusal:  # what was taken away meanwhile; the hub's page says it
        return None
    return respond(outcome) if isinstance(outcome, Answered) else None
