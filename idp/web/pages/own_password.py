"""K-02: change one's own password; password managers find the page (screens §1.4, §2.1; req 44, 53, 55)."""

from collections.abc import Sequence

from flask import Blueprint, url_for
from werkzeug.wrappers import Response

from idp.accounts import new_passwords
from idp.authentication.live_sessions import LiveSession
from idp.management import own_password, password_reset
from idp.web import password_again
from idp.web.account_forms import ChangePasswordForm
from idp.web.browser_session import set_session
from idp.web.context import current
from idp.web.csrf import is_stale, shows_stale_form
from idp.web.flow_pages import go_to, refused_until
from idp.web.forms import form_errors
from idp.web.notes import go_and_tell, told
from idp.web.own_pages import confirmed
from idp.web.own_pages import show as show_page
from idp.web.wording import word, word_refusal

bp = Blueprint("own_password", __name__)

Errors = Sequence[tuple[str, str]]


@bp.get("/.well-known/change-password")
def lead_to() -> Response:
    """Lead a password manager to the page (W3C, A Well-Known URL for Changing Passwords)."""
    return go_to("own_password.show")


@bp.get("/account/password")
@confirmed()
def show(live: LiveSession) -> Response:
    """Ask for the current password and a new one, or say that it is changed."""
    if told() == "changed":
        return show_page("pages/account/password_changed.html", live)
    return _page(live)


@bp.post("/account/password")
@confirmed()
@shows_stale_form
def submit(live: LiveSession) -> Response:
    """Change it."""
    form, ctx = ChangePasswordForm(), current()
    end_elsewhere = bool(form.end_elsewhere.data)
    if is_stale():
        stale = [("password", word("form.stale_password"))]
        return _page(live, stale, end_elsewhere=end_elsewhere)
    wrong = _mistakes(form, live)
    if wrong:
        return _page(live, wrong, end_elsewhere=end_elsewhere)
    hashed: list[str] = []

    def hash_new(right: bool) -> None:
        if right:
            hashed.append(ctx.passwords.hash(str(form.new_password.data)))

    refusal = password_again.compare(live.account.id, str(form.password.data), between=hash_new)
    if refusal is not None:
        errors, status = password_again.told(refusal)
        return refused_until(_page(live, errors, end_elsewhere=end_elsewhere, status=status), refusal)
    renewed = own_password.change(ctx, live, hashed[0], end_elsewhere=end_elsewhere)
    if renewed is None:  # nothing was changed: the page asks again, or first who it is
        return go_to("own_password.show")
    response = go_and_tell("own_password.show", "changed")
    set_session(response, *renewed)
    return response


def _mistakes(form: ChangePasswordForm, live: LiveSession) -> list[tuple[str, str]]:
    form.validate()
    found = form_errors(form)
    password = str(form.new_password.data or "")
    if password and password == form.password.data:
        return [*found, ("new_password", word("password.same"))]
    refusals = password_reset.problems(current(), live.account.id, password)
    found += [("new_password", word_refusal(refusal)) for refusal in refusals]
    if password != (form.confirm_password.data or ""):
        found.append(("confirm_password", word("password.mismatch")))
    return found


def _page(
    live: LiveSession, errors: Errors = (), *, end_elsewhere: bool = True, status: int = 200
) -> Response:
    return show_page(
        "pages/account/password.html",
        live,
        status=status,
        action=url_for("own_password.submit"),
        username=live.account.username,
        end_elsewhere=end_elsewhere,
        password_rule=new_passwords.requirements(current()),
        errors=tuple(errors),
    )
