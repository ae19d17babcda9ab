"""A Flask application that signs people in at the issuer and out again; each portal adds its own pages to it.

OpenID Connect Core 1.0 §3.1 and §4, RP-Initiated Logout 1.0, Back-Channel Logout 1.0.
"""

import functools
import logging
import re
import secrets
from collections.abc import Callable
from typing import Any, ParamSpec
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, g, jsonify, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from clients.shared import wording
from clients.shared.issuer import IssuerUnavailable, TokenRefused
from clients.shared.relying_party import (
    Registration,
    RelyingParty,
    SignInRefused,
    access_until,
    refresh_token_of,
    sufficient,
)
from clients.shared.sessions import PENDING, Pending, PortalSession, SessionStore
from clients.shared.visitor import Visitors, say, say_text

log = logging.getLogger("clients")
Answer = str | BaseResponse | tuple[str, int]
P = ParamSpec("P")
LOCAL_PATH = re.compile(r"/(?![/\\])[A-Za-z0-9/_.~?&=%-]*")
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
HINT = re.compile(r"[^\x00-\x1f\x7f]{1,256}")


class Portal:
    """The part of a portal that deals with the issuer; the cookies' names begin with ``name``."""

    def __init__(self, app: Flask, name: str, registration: Registration) -> None:
        self.registration = registration
        self.party = RelyingParty(registration)
        self.store = SessionStore()
        self.visitors = Visitors(name, registration.base_url, self.store)
        app.config["MAX_CONTENT_LENGTH"] = 65_536
        self.visitors.init_app(app)
        app.before_request(self._one_name)
        app.after_request(self._protect)
        app.register_error_handler(HTTPException, self._http_error)
        app.register_error_handler(Exception, self._failure)
        app.register_error_handler(IssuerUnavailable, self._unavailable)
        app.jinja_env.globals.update(t=say, portal=self, form_token=self.visitors.form_token)
        app.jinja_env.filters["said"] = say_text
        app.register_blueprint(self._pages())

    def _pages(self) -> Blueprint:
        pages = Blueprint(
            "sign_in",
            "clients.shared.portal",
            template_folder="templates",
            static_folder="static",
            static_url_path="/shared",
        )
        pages.get("/login")(self.login)
        pages.get("/callback")(self.callback)
        pages.post("/logout")(self.logout)
        pages.get("/signed-out")(self.signed_out)
        pages.get("/session")(self.session_state)
        pages.post("/backchannel-logout")(self.backchannel_logout)
        return pages

    def _one_name(self) -> BaseResponse | None:
        """Leads from this machine's other names to the registered one, whose cookies the answers need."""
        own = urlsplit(self.registration.base_url)
        others = {f"[{name}]" if ":" in name else name for name in LOOPBACK if name != own.hostname}
        others = {f"{name}:{own.port}" if own.port else name for name in others}
        if request.method != "GET" or own.hostname not in LOOPBACK or request.host not in others:
            return None
        return redirect(self.registration.base_url + request.full_path.rstrip("?"), 302)

    # ------------------------------------------------------------------------------------------ for the pages

    def signed_in(self, view: Callable[P, Answer]) -> Callable[P, Answer]:
        """A page for people who are signed in: others are sent to sign in and come back to it."""

        @functools.wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> Answer:
            self.keep_fresh()
            if g.person is not None:
                return view(*args, **kwargs)
            if g.session is not None:
                return redirect(url_for("sign_in.signed_out"), 303)
            return redirect(url_for("sign_in.login", next=request.full_path.rstrip("?")), 303)

        return guarded

    def welcome(self) -> Answer:
        """The start page for people who are not signed in; says so when a session has just ended."""
        if g.session is not None:
            return redirect(url_for("sign_in.signed_out"), 303)
        return render_template("welcome.html")

    def has_level(self, acr: str) -> bool:
        """Whether the person of this request signed in at ``acr`` or its phishing-resistant form."""
        return g.person is not None and g.person.claims.get("acr") in sufficient([acr])

    def demand_level(self, acr: str) -> BaseResponse:
        """Sends the person to sign in again at a higher level, and back to this page."""
        return self._start(goal=request.path, acr_values=(acr,))

    def keep_fresh(self) -> None:
        """Refreshes a used-up access token: a no ends the session, an issuer that is away does not."""
        session = g.person
        if session is None:
            return
        if session.access_until > g.now or session.refresh_token is None:
            self.store.renew(session, {}, g.now)
            return
        # Two tabs at once would present one refresh token twice, which the issuer must take for theft.
        with session.lock:
            if session.access_until <= g.now and session.refresh_token is not None:
                self._refresh(session, session.refresh_token)
        if session.ended is not None:
            g.person = None

    def _refresh(self, session: PortalSession, refresh_token: str) -> None:
        try:
            tokens, found = self.party.refresh(refresh_token, session.sub, g.now)
        except IssuerUnavailable as problem:
            log.warning("refresh postponed: %s", problem)
        except (SignInRefused, TokenRefused) as problem:
            if str(problem) in ("temporarily_unavailable", "server_error"):
                log.warning("refresh postponed: %s", problem)
                return
            log.info("refresh refused: %s", problem)
            self.store.end(session, "refused")
        else:
            values: dict[str, Any] = {
                "access_token": found["access_token"],
                "access_until": access_until(found, g.now),
                "refresh_token": refresh_token_of(found) or refresh_token,
            }
            if tokens is not None:
                values |= {"claims": tokens.claims, "id_token": tokens.id_token}
            self.store.renew(session, values, g.now)

    # ------------------------------------------------------------------------------------------ signing in

    def login(self) -> Answer:
        """Starts a sign-in, also when a third party asks for it (OpenID Connect Core 1.0 §4).

        ``again`` asks for the password even of a person who is signed in, and may then be another.
        """
        if request.args.get("iss", self.registration.issuer) != self.registration.issuer:
            return self.explain(wording.FOREIGN_ISSUER)
        target = request.args.get("target_link_uri", "").removeprefix(self.registration.base_url)
        goal = request.args.get("next") or target
        hint = request.args.get("login_hint", "")
        return self._start(
            goal=goal if LOCAL_PATH.fullmatch(goal) else "/",
            login_hint=hint if HINT.fullmatch(hint) else None,
            prompt="login" if "again" in request.args else None,
        )

    def _start(self, *, goal: str, acr_values: tuple[str, ...] = (), **wishes: str | None) -> BaseResponse:
        extra = {name: value for name, value in wishes.items() if value} | {"ui_locales": g.language}
        url, state, pending = self.party.begin(
            browser=self.visitors.browser(), goal=goal, now=g.now, acr_values=acr_values, extra=extra
        )
        self.store.put_pending(state, pending)
        return redirect(url, 303)

    def callback(self) -> Answer:
        """Takes the issuer's answer, checks it, and opens the portal's own session under a new cookie."""
        answer = {name: values[0] for name, values in request.args.lists() if len(values) == 1}
        pending = self.store.take_pending(answer.get("state"), self.visitors.known_browser(), g.now)
        if pending is None:
            # The back button after signing in ends here too: that person only wants to go on.
            return redirect("/", 303) if g.person else self.explain(wording.UNKNOWN_ANSWER)
        try:
            tokens = self.party.complete(answer, pending, g.now)
        except SignInRefused as refusal:
            log.info("sign-in refused: %s", refusal.code)
            return self.explain(wording.message_for(refusal.code), refusal, goal=pending.goal)
        except TokenRefused as refusal:
            log.warning("answer discarded: %s", refusal)
            return self.explain(wording.UNTRUSTED_ANSWER, goal=pending.goal)
        userinfo = self._userinfo(tokens.access_token, tokens.claims["sub"])
        session = self.store.start(
            lambda key: PortalSession(
                key=key,
                sub=tokens.claims["sub"],
                sid=tokens.claims.get("sid"),
                claims=tokens.claims,
                userinfo=userinfo,
                id_token=tokens.id_token,
                access_token=tokens.access_token,
                refresh_token=tokens.refresh_token,
                access_until=tokens.access_until,
                started_at=g.now,
                seen_at=g.now,
            ),
            now=g.now,
            replaces=g.session.key if g.session else None,
        )
        self.visitors.sign_in(session)
        return redirect(pending.goal, 303)

    def _userinfo(self, access_token: str, sub: str) -> dict[str, Any]:
        try:
            return self.party.userinfo(access_token, sub)
        except (IssuerUnavailable, TokenRefused) as problem:
            # The signed ID token is what counts; a missing name is no reason to turn anybody away.
            log.warning("no userinfo: %s", problem)
            return {}

    # ------------------------------------------------------------------------------------------ signing out

    def logout(self) -> Answer:
        """Ends the session here, then at the issuer (RP-Initiated Logout 1.0 §2)."""
        if not self.visitors.form_is_ours():
            return self.explain(wording.FORM_STALE)
        id_token = g.person.id_token if g.person else ""
        self.visitors.sign_out()
        if not id_token:
            return redirect(url_for("sign_in.signed_out"), 303)
        browser, state = self.visitors.browser(), secrets.token_urlsafe(24)
        try:
            url = self.party.end_session_url(id_token=id_token, state=state, language=g.language)
        except IssuerUnavailable:
            return redirect(url_for("sign_in.signed_out"), 303)
        self.store.put_pending(state, Pending(browser, g.now + PENDING))
        return redirect(url, 303)

    def signed_out(self) -> Answer:
        """Says that, and why, the person is no longer signed in."""
        if g.person is not None:
            return redirect("/", 303)
        reason = g.session.ended if g.session is not None else None
        state = request.args.get("state")
        if reason is None and self.store.take_pending(state, self.visitors.known_browser(), g.now):
            reason = "everywhere"
        self.visitors.sign_out()
        return render_template("shared/signed_out.html", reason=reason)

    def session_state(self) -> Answer:
        """Tells an open page whether its person is still signed in; asking does not prolong anything."""
        return jsonify(signed_in=g.person is not None)

    def backchannel_logout(self) -> Answer:
        """Ends sessions because the issuer says so (Back-Channel Logout 1.0 §2.5 to §2.8)."""
        tokens = request.form.getlist("logout_token")
        try:
            if len(tokens) != 1:
                raise TokenRefused("exactly one logout_token is needed")
            claims = self.party.read_logout_token(tokens[0], g.now)
            if not self.store.first_use(claims["jti"], g.now):
                raise TokenRefused("jti was used before")
        except TokenRefused as refusal:
            log.warning("logout token refused: %s", refusal)
            answer = jsonify(error="invalid_request", error_description=f"logout token refused: {refusal}")
            answer.status_code = 400
            return answer
        count = self.store.end_matching(sid=claims.get("sid"), sub=claims.get("sub"), now=g.now)
        log.info("back-channel logout ended %d sessions", count)
        return Response(status=200)

    # ------------------------------------------------------------------------------------------ answers

    def explain(
        self, message: wording.Message, refusal: SignInRefused | None = None, goal: str = "/"
    ) -> tuple[str, int]:
        """A page in plain words, with a way on."""
        page = render_template("shared/message.html", message=message, refusal=refusal, goal=goal)
        return page, message.status

    def _unavailable(self, problem: IssuerUnavailable) -> Answer:
        log.warning("issuer unavailable: %s", problem)
        if request.path == "/backchannel-logout":
            answer = jsonify(error="temporarily_unavailable")
            answer.status_code = 503
        else:
            answer = Response(*self.explain(wording.UNAVAILABLE), mimetype="text/html")
        answer.headers["Retry-After"] = "10"
        return answer

    def _http_error(self, error: HTTPException) -> Answer:
        if error.code is None or error.code < 400:
            return error.get_response()
        message = wording.NOT_FOUND if error.code == 404 else wording.OTHER
        return self.explain(message)[0], error.code

    def _failure(self, error: Exception) -> Answer:
        log.error("unexpected failure", exc_info=error)
        return self.explain(wording.BROKEN)

    def _protect(self, response: Response) -> Response:
        """The headers of every answer; form-action names the issuer because signing out redirects there."""
        issuer = urlsplit(self.registration.issuer)
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            f"form-action 'self' {issuer.scheme}://{issuer.netloc}; base-uri 'none'; frame-ancestors 'none'"
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        if request.endpoint not in ("static", "sign_in.static"):
            response.headers["Cache-Control"] = "no-store"
        return response
