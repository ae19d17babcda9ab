"""K-12: name, user name and language of one's own account (screens §1.4)."""

from collections.abc import Sequence
from dataclasses import asdict

from flask import Blueprint, url_for
from werkzeug.wrappers import Response

from idp.authentication.live_sessions import LiveSession
from idp.context import Actor, Context
from idp.errors import Refusal
from idp.management import profile
from idp.management.profile import Profile
from idp.texts import LANGUAGES
from idp.web.account_forms import ProfileForm
from idp.web.context import current
from idp.web.csrf import is_stale, shows_stale_form
from idp.web.flow_pages import refused_until
from idp.web.notes import go_and_tell, told
from idp.web.own_pages import confirmed, signed_in, typed
from idp.web.own_pages import show as show_page
from idp.web.wording import word, word_refusal

bp = Blueprint("own_profile", __name__)

Errors = Sequence[tuple[str, str]]


@bp.get("/account/profile")
@signed_in
def show(live: LiveSession) -> Response:
    """Show what is stored, or what was typed before the person had to confirm who they are."""
    stored = profile.show(_acting(live), live.account.id)
    return _page(live, ProfileForm(formdata=typed(live), data=asdict(stored)))


@bp.post("/account/profile")
@confirmed()
@shows_stale_form
def submit(live: LiveSession) -> Response:
    """Store it: the user name signs in, so the proof has to be young."""
    form, ctx = ProfileForm(), _acting(live)
    if is_stale():
        return _page(live, form, [("", word("form.stale"))])
    wanted = Profile(
        given_name=str(form.given_name.data),
        family_name=str(form.family_name.data),
        username=form.username.data,
        locale=str(form.locale.data or ""),
    )
    try:
        profile.admit(ctx, live.account.id, wanted)
    except Refusal as refusal:
        page = _page(live, form, [("username", word_refusal(refusal))], status=429)
        return refused_until(page, refusal)
    wrong = profile.problems(ctx, live.account.id, wanted)
    if not wrong:
        try:
            profile.change(ctx, live.account.id, wanted)
        except Refusal as refusal:
            wrong = [("username", refusal)]
    if wrong:
        return _page(live, form, [(field, word_refusal(refusal)) for field, refusal in wrong])
    # the language of the pages too, in this browser as anywhere else
    return go_and_tell("own_profile.show", "saved", lang=wanted.locale)


def _acting(live: LiveSession) -> Context:
    return current().acting(Actor("account", live.account.id))


def _page(live: LiveSession, form: ProfileForm, errors: Errors = (), *, status: int = 200) -> Response:
    return show_page(
        "pages/account/profile.html",
        live,
        status=status,
        form=form,
        action=url_for("own_profile.submit"),
        emails=profile.emails(_acting(live), live.account.id),
        languages=list(LANGUAGES.items()),
        done=None if errors else told(),
        errors=tuple(errors),
    )
