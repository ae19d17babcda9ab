"""K-11: the linked old accounts of a person, and undoing a link, here and by a mail (req 68, 89, 90)."""

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from idp.authentication import live_sessions
from idp.authentication.live_sessions import LiveSession
from idp.errors import Refusal
from idp.management import legacy_directories, link_notices, linking
from idp.web.context import current
from idp.web.csrf import is_stale, shows_stale_form
from idp.web.flow_pages import go_to
from idp.web.flow_pages import show as show_page
from idp.web.linking_forms import MailedUndoForm
from idp.web.linking_pages import acting, home_of, named
from idp.web.notes import go_and_tell, told
from idp.web.own_pages import confirmed, signed_in
from idp.web.own_pages import show as show_own
from idp.web.wording import word, word_refusal

bp = Blueprint("linked_accounts", __name__)

_GONE = frozenset({"link.undone", "link.final", "link.unknown"})


@bp.get("/account/linked")
@signed_in
def show(live: LiveSession) -> Response:
    """List them, with until when each can be undone."""
    return _page(live)


@bp.post("/account/linked/<link_id>/release")
@confirmed()
def release(live: LiveSession, link_id: str) -> Response:
    """Undo a link: everything is as it was before."""
    ctx = acting(live)
    try:
        undone = linking.undo(ctx, live.account.id, link_id)
    except Refusal as refusal:
        if refusal.code not in _GONE:
            raise
        return _page(live, [("", word_refusal(refusal))])
    link_notices.tell_released(ctx, live.account.id, undone)
    if live_sessions.again(ctx, live.session.id) is None:  # it acted for the company that is gone
        return go_and_tell("linked_accounts.show_undone", "undone_here")
    return go_and_tell("linked_accounts.show", "released")


@bp.get("/link/undo")
def show_undo() -> Response:
    """Show what the link of a mail would do; nothing is done by opening it (req 68)."""
    return _undo_page(request.args.get("token", ""))


@bp.post("/link/undo")
@shows_stale_form
def undo() -> Response:
    """Undo the link, whoever is signed in: the mail proves the address of one of both accounts."""
    token = str(MailedUndoForm().token.data or "")
    if is_stale():
        return _undo_page(token, [("", word("form.stale"))])
    link_notices.undo_by_mail(current(), token)
    return go_and_tell("linked_accounts.show_undone", "undone_by_mail")


@bp.get("/link/undone")
def show_undone() -> Response:
    """Say that it is done; of nobody in particular, since no one is signed in any more."""
    note = told()
    if note not in ("undone_here", "undone_by_mail"):
        return go_to("start.show")
    return show_page("pages/link_undone.html", None, signed_out=note == "undone_here")


def _page(live: LiveSession, errors: list[tuple[str, str]] | None = None) -> Response:
    ctx = acting(live)
    links = [link for link in legacy_directories.links_of(ctx, live.account.id) if link.undone_at is None]
    return show_own(
        "pages/account/linked.html",
        live,
        links=[(named(link.name_de, link.name_en), link, link.undo_until > ctx.now) for link in links],
        just_linked=told() == "linked" and bool(links) and not errors,
        released=told() == "released" and not errors,
        home=home_of(live),
        link_url=url_for("link.show"),
        errors=errors or [],
    )


def _undo_page(token: str, errors: list[tuple[str, str]] | None = None) -> Response:
    facts = link_notices.of_mail(current(), token)
    return show_page(
        "pages/link_undo.html",
        None,
        directory=named(facts.directory_de, facts.directory_en),
        linked_at=facts.linked_at,
        token=token,
        action=url_for("linked_accounts.undo"),
        errors=errors or [],
    )
