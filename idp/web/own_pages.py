"""Pages of one's own account: who may open them, how fresh their proof is, their frame (K; req 40, 73, 102).

A view that is marked with :func:`signed_in` or :func:`confirmed` is one of our own known pages: a sign-in
that it began leads back to it, or from a form to the page the form stands on.  Which page that is stands in
the flow and never in an address.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import wraps
from typing import Any, Final, NamedTuple

from flask import current_app, make_response, render_template, request, url_for
from flask_babel import lazy_gettext as _
from flask_babel.speaklater import LazyString
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from idp.authentication.assurance import proven_within
from idp.authentication.live_sessions import LiveSession
from idp.crypto import b64url
from idp.errors import Refusal
from idp.flows import engine
from idp.flows.models import Flow
from idp.web.browser_session import current_session, flow_browser, known_flow_browser
from idp.web.context import current
from idp.web.csrf import forms_are_of, forms_belong_to, is_anothers, turns_others_away
from idp.web.errors import other_person
from idp.web.flow_pages import OWN_PAGE, flow_of_request, go_to
from idp.web.portals import portals

View = Callable[..., Any]

STEP_UP: Final = timedelta(minutes=15)
STEP_UP_STRICT: Final = timedelta(minutes=5)
"""How old a proof may be: for the account's security; for deletion, export and rights (design §2)."""

OVERVIEW: Final = "account.show"

#: the side list: each page beside it, by its endpoint, and what it is called
ENTRIES: Final[tuple[tuple[str, LazyString], ...]] = (
    (OVERVIEW, _("Übersicht")),
    ("own_password.show", _("Passwort")),
    ("own_recovery.show", _("Wiederherstellung")),
    ("own_sessions.show", _("Anmeldungen und Geräte")),
    ("own_portals.show", _("Verbundene Portale")),
    ("linked_accounts.show", _("Verknüpfte Konten")),
    ("own_profile.show", _("Profil")),
    ("own_activity.show", _("Aktivität")),
    ("own_data.show", _("Meine Daten")),
)

_SECRETS: Final = ("password", "code", "token")
_KEPT_AT_MOST: Final = 20_000


class Entry(NamedTuple):
    """A line of the side list."""

    href: str
    name: LazyString
    #: value of ``aria-current``: the page itself, or a part of what it leads to
    current: str | None


def signed_in(view: View) -> View:
    """Call a view with the session as its first argument; a stranger signs in first and comes back.

    A form that was shown to somebody else, who was signed in here before, does nothing (req 75).
    """

    @wraps(view)
    def asked(*args: Any, **kwargs: Any) -> Any:
        live = current_session()
        if is_anothers() or _was_shown_to_another(live):  # before anything of it is kept or shown
            page, of = _page_of_request()
            return other_person(url_for(page, **of, flow=request.args.get("flow")))
        if live is None and request.method == "POST":  # nothing is written for who may come from anywhere
            page, of = _page_of_request()
            return go_to(page, **of, flow=request.args.get("flow"))
        if live is None:
            return go_to("login.show", flow=_begin(None, _flow_of_request()).id)
        forms_belong_to(_owner(live))
        return view(live, *args, **kwargs)

    setattr(asked, OWN_PAGE, True)
    return turns_others_away(asked)


def _was_shown_to_another(live: LiveSession | None) -> bool:
    return live is not None and request.method == "POST" and not forms_are_of(_owner(live))


def _owner(live: LiveSession) -> str:
    return b64url(current().vault.keyed_hash("owner of forms", live.account.id))


def confirmed(*, within: timedelta = STEP_UP) -> Callable[[View], View]:
    """Do as :func:`signed_in`, and have the person prove again who they are where the last proof is older.

    What a form brought that came too late is kept for the page that :func:`typed` reads it on.
    """

    def decorate(view: View) -> View:
        @signed_in
        @wraps(view)
        def asked(live: LiveSession, *args: Any, **kwargs: Any) -> Any:
            if _has_proven(live, within):
                return view(live, *args, **kwargs)
            return go_to("confirm_identity.show", flow=_begin(live, _flow_of_request()).id)

        return asked

    return decorate


def second_factor_first(live: LiveSession, flow: Flow) -> Response | None:
    """Have a person who has a second factor prove it where the last proof is older, None where it is not.

    For pages of a flow that ask for the password themselves: without a second factor that is the proof.

    :param flow: the one the page of this request is opened in again.
    """
    if not live.second_factors or _has_proven(live, STEP_UP):
        return None
    return go_to("confirm_identity.show", flow=_begin(live, flow).id)


def _has_proven(live: LiveSession, within: timedelta) -> bool:
    return proven_within(live.proofs, within, now=current().now, has_second_factor=bool(live.second_factors))


def typed(live: LiveSession) -> MultiDict[str, str] | None:
    """Return what this person typed into this page's form before the proof, None where there is nothing.

    Secrets are not among it.  It fills in a form: ``ProfileForm(formdata=typed(live), data=stored)``.
    """
    flow_id, ctx = request.args.get("kept"), current()
    if flow_id is None:
        return None
    try:
        flow = engine.load_finished(ctx, flow_id, known_flow_browser())
    except Refusal:
        return None
    wanted = {"page": request.endpoint, "of": request.view_args, "account": live.account.id}
    if flow.purpose != engine.SIGN_IN or any(flow.request.get(name) != wanted[name] for name in wanted):
        return None
    kept = engine.get(ctx, flow)
    return None if kept is None else MultiDict(kept["typed"])


def show(
    template: str, live: LiveSession, *, status: int = 200, part: str | None = None, **values: Any
) -> Response:
    """Render a page in the frame of the account centre.

    :param part: blueprint of the entry that the page belongs to, unless it is the page's own.
    """
    values.setdefault("errors", ())
    page = render_template(
        template,
        entries=list(_entries(part or request.blueprint)),
        portals_url=url_for("start.show") if portals() else None,
        person=live.account.name or live.account.username,
        **values,
    )
    return make_response(page, status)


def _entries(part: str | None) -> Iterator[Entry]:
    for endpoint, name in ENTRIES:
        current_part = "true" if endpoint.partition(".")[0] == part else None
        yield Entry(url_for(endpoint), name, "page" if endpoint == request.endpoint else current_part)


def _begin(live: LiveSession | None, came_in: Flow | None) -> Flow:
    """Begin a sign-in that leads back to the page of this request, in the flow it is opened in."""
    ctx = current()
    page, of = _page_of_request()
    flow = engine.start(
        ctx,
        engine.SIGN_IN,
        browser_hash=flow_browser(),
        client_id=came_in.client_id if came_in else None,
        request={
            "page": page,
            "of": of,
            "account": live.account.id if live else None,
            "flow": came_in.id if came_in else None,
        },
    )
    fields = [
        pair
        for pair in request.form.items(multi=True)
        if not any(word in pair[0] for word in _SECRETS) and "\0" not in pair[1]
    ]
    if fields and sum(len(value) for _, value in fields) <= _KEPT_AT_MOST:
        engine.put(ctx, flow, {"typed": fields})
    return flow


def _flow_of_request() -> Flow | None:
    """Return the flow this page was opened in on the way to a portal, which it goes back to."""
    try:
        return flow_of_request()
    except Refusal:
        return None


def _page_of_request() -> tuple[str, dict[str, Any]]:
    """Return the page of ours at this address, or the nearest one above it, and the parts of its address."""
    adapter = current_app.create_url_adapter(request)
    path = request.path
    while adapter is not None and path:
        try:
            endpoint, values = adapter.match(path, method="GET")
        except HTTPException:  # a redirect is one, too
            endpoint, values = "", {}
        if getattr(current_app.view_functions.get(endpoint), OWN_PAGE, False):
            return endpoint, dict(values)
        path = path.rpartition("/")[0]
    return OVERVIEW, {}
