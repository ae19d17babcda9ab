"""Every state change proves that it comes from our own page (design §2, CSRF; ASVS 3.5.1-3.5.3; req 98).

Two independent checks on each request that is not safe: the browser's own word about the sender
(``Sec-Fetch-Site`` of ``same-origin`` or ``none``, else an ``Origin`` that is ours), and the form's token.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from flask import Flask, current_app, g, request, session
from flask.sessions import SecureCookieSessionInterface
from flask_wtf.csrf import CSRFError
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.exceptions import Forbidden

from idp.context import Services
from idp.web.extensions import csrf

View = TypeVar("View", bound=Callable[..., Any])

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN: Final = frozenset({"same-origin", "none"})
_CROSS_SITE: Final = "_lotse_cross_site"
_SHOWS_STALE: Final = "_lotse_shows_stale"
_TURNS_AWAY: Final = "_lotse_turns_away"
_SECRET: Final = "csrf_token"  # noqa: S105  (the library's key in the cookie, and the field's name)
_OWNER: Final = "owner"


class CookiesOff(Exception):
    """A form came from a browser that sent no cookie at all: it takes none."""


def cross_site(view: View) -> View:
    """Mark a view that other sites may post to, such as the authorization endpoint (OIDC Core §3.1.2.1).

    Such a view changes nothing on the word of the request alone.
    """
    setattr(view, _CROSS_SITE, True)
    return view


def shows_stale_form(view: View) -> View:
    """Mark a view that shows its form again with what was entered when the token is old.

    The view asks :func:`is_stale` before it does anything else.
    """
    setattr(view, _SHOWS_STALE, True)
    return view


def is_stale() -> bool:
    """Tell whether the form of this request came with an old token or none; then nothing may change."""
    return bool(g.get("form_is_stale", False))


def turns_others_away(view: View) -> View:
    """Mark a view that asks :func:`is_anothers` before it does anything else."""
    setattr(view, _TURNS_AWAY, True)
    return view


def is_anothers() -> bool:
    """Tell whether the form was shown before another person's pages: what it holds is not this person's."""
    return bool(g.get("form_is_anothers", False))


def forms_are_of(owner: str) -> bool:
    """Tell whether the pages with forms that this browser showed last, if any, were a person's own."""
    return session.get(_OWNER) in (None, owner)


def forms_belong_to(owner: str) -> None:
    """Note whose page is shown; what this browser showed to somebody else counts no more (C6).

    :param owner: tells accounts apart and names none.  It outlives a sign-out, as open pages do.
    """
    before = session.get(_OWNER)
    if before == owner:
        return
    if before is not None:
        session.clear()
    session[_OWNER] = owner


def answers_a_link() -> bool:
    """Tell whether a link to this address leads back to what is shown.

    It does after GET, and after our own forms where their page stands at the address they go to.  What
    another site posts says more than its address.
    """
    if request.method in _SAFE:
        return True
    found = current_app.create_url_adapter(request)
    page = found is not None and "GET" in found.allowed_methods(request.path)
    return page and not getattr(_view(), _CROSS_SITE, False)


class FormCookies(SecureCookieSessionInterface):
    """Keeps the signer of the cookie that forms' tokens belong to: the library makes one twice a request."""

    def __init__(self, app: Flask) -> None:
        self._signer = super().get_signing_serializer(app)

    def get_signing_serializer(self, app: Flask) -> Any:
        """Return the application's signer."""
        return self._signer


def init_app(app: Flask) -> None:
    """Check each request; to be called once, with the extension bound by ``idp.web.ui``."""
    app.session_interface = FormCookies(app)
    app.config.update(
        # Both are ours: the check of the sender below, and which views show their form again.
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_SSL_STRICT=False,
        WTF_CSRF_TIME_LIMIT=3600,
    )
    app.before_request(_check)


def _check() -> None:
    view = _view()
    if request.method in _SAFE or view is None or getattr(view, _CROSS_SITE, False):
        return
    services: Services = current_app.extensions["lotse"]
    if not from_own_page(services.settings.public_url):
        raise Forbidden("The request does not come from our own page.")
    try:
        csrf.protect(apply_exemptions=True)
    except CSRFError as error:
        if "HTTP_COOKIE" not in request.environ:
            raise CookiesOff from error
        g.form_is_anothers = getattr(view, _TURNS_AWAY, False) and _of_another_secret()
        if not (g.form_is_anothers or getattr(view, _SHOWS_STALE, False)):
            raise
        g.form_is_stale = True


def _of_another_secret() -> bool:
    """Tell whether a form that was refused is ours, however old, but from before another person's pages."""
    if _OWNER not in session:
        return False
    signer = URLSafeTimedSerializer(current_app.secret_key or "", salt="wtf-csrf-token")  # the library's
    try:
        return bool(signer.loads(request.form.get(_SECRET, "")) != session.get(_SECRET))
    except BadData:
        return False


def _view() -> object:
    return current_app.view_functions.get(request.endpoint or "")


def from_own_page(public_url: str) -> bool:
    """Tell whether the browser says that the request was sent by a page of ours."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in _OWN
    return request.headers.get("Origin") == public_url
