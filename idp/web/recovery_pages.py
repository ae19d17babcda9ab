"""What pages of a recovery password share: the form that saves it, the sheet to keep (K-03; req 55, 105)."""

from collections.abc import Callable, Sequence
from typing import Any

from flask import Response as FlaskResponse
from flask import render_template, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from idp.authentication.live_sessions import LiveSession
from idp.flows.models import Flow
from idp.management import recovery
from idp.web import password_again
from idp.web.context import current
from idp.web.csrf import is_stale
from idp.web.flow_pages import refused_until
from idp.web.forms import form_errors
from idp.web.recovery_forms import SaveRecoveryForm
from idp.web.wording import word

Errors = Sequence[tuple[str, str]]
Show = Callable[..., Response]


def values_of(flow: Flow, live: LiveSession) -> dict[str, Any]:
    """Return what a page with the string needs.

    :raises Refusal: ``flow.lost`` where it was drawn for somebody else.
    """
    ctx = current()
    return {
        "drawn": recovery.drawn_in(ctx, flow, live.account.id),
        "asks_password": recovery.asks_password(ctx, flow),
        "drawn_at": flow.created_at,
        "username": live.account.username,
        "recovery_address": _address(),
        "reset_mfa": ctx.settings.recovery.reset_mfa,
    }


def save(load: Callable[[bool], Flow], live: LiveSession, show: Show) -> Response | None:
    """Save what was drawn; returns the page that says why not, None when it is done.

    :param load: returns the flow, with its row held where it is called with True.
    :param show: makes the page from the flow, errors and status.
    :raises Refusal: as ``recovery.save``; ``flow.expired`` where it was saved before.
    """
    flow, form, ctx = load(False), SaveRecoveryForm(), current()
    recovery.drawn_in(ctx, flow, live.account.id)
    asks = recovery.asks_password(ctx, flow)
    if is_stale():
        return show(flow, [("password" if asks else "saved", word("form.stale"))], saved=form.saved.data)
    form.validate()
    wrong = form_errors(form)
    if not form.saved.data:
        wrong.insert(0, ("saved", word("tick.missing")))
    if asks and not form.password.data:
        wrong.append(("password", word("password.empty")))
    if wrong:
        return show(flow, wrong, saved=form.saved.data)
    if asks:
        refusal = password_again.compare(
            live.account.id, str(form.password.data), between=lambda _: load(True)
        )
        if refusal is not None:
            errors, status = password_again.told(refusal)
            return refused_until(show(flow, errors, status=status, saved=True), refusal)
    recovery.save(ctx, load(True), live.account.id)
    return None


def sheet(flow: Flow, live: LiveSession) -> Response:
    """Return the string as a file: made in the answer, stored nowhere (req 105)."""
    ctx = current()
    text = render_template(
        "pages/recovery_sheet.txt",
        drawn=recovery.drawn_in(ctx, flow, live.account.id),
        drawn_at=flow.created_at,
        username=live.account.username,
        address=_address(),
    )
    response = FlaskResponse("\r\n".join(text.strip().splitlines()) + "\r\n", mimetype="text/plain")
    name = gettext("wiederherstellungspasswort")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.txt"'
    return response


def _address() -> str:
    """Return where the recovery password is used, for a sheet of paper."""
    return f"{current().settings.issuer}{url_for('recovery_reset.show')}"
