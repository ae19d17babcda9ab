"""Every template with made-up data: plain, in error, filled and empty, for the tests of frame and texts."""

from collections.abc import Callable
from types import SimpleNamespace as Shown
from typing import Any

from flask import Flask, render_template

from idp.settings import Settings
from idp.settings.models import Legal, Support
from idp.texts import template_folder
from idp.web import ui
from idp.web.disclosure import Item
from idp.web.forms import (
    DeviceForm,
    TotpForm,
)
from idp.web.pages import style_guide
from idp.web.wording import word
from idp.web.wording.statuses import OTHER_PERSON, OVERLOAD
from tests.web import pages_shown_accounts, pages_shown_linking, pages_shown_registering
from tests.web.made_up import HOSTILE, NOW, PORTAL, Page

__all__ = ["HOSTILE", "PAGES", "make_app", "settings_for"]


def settings_for(mode: str = "demo", **changes: Any) -> Settings:
    """Return settings with support and legal addresses, so that footer and help are shown."""
    support = Support(
        mail="hilfe@lotse.example", phone="0341 555 01 00", help_url="https://lotse.example/hilfe"
    )
    legal = Legal(
        imprint_url="https://lotse.example/impressum",
        privacy_url="https://lotse.example/datenschutz",
        accessibility_url="https://lotse.example/barrierefreiheit",
    )
    return Settings(**{"mode": mode, "support": support, "legal": legal, **changes})


def make_app(settings: Settings | None = None) -> Flask:
    """Return an application of nothing but the pages, each at ``/page/NAME``."""
    settings = settings or settings_for()
    app = Flask("pages", template_folder=str(template_folder()), static_folder=None)
    app.config.update(SECRET_KEY="only in tests", TESTING=True)
    ui.init_app(app, settings)
    style_guide.init_app(app, settings)

    def show(name: str) -> str:
        template, values = PAGES[name]()
        return render_template(template, **values)

    app.add_url_rule("/page/<name>", "page", show)
    for endpoint, rule in pages_shown_accounts.ROUTES.items():
        app.add_url_rule(rule, endpoint, show)
    return app


def _login(username: str = "", errors: list[tuple[str, str]] | None = None, **values: Any) -> Page:
    shown = {
        "username": username,
        "action": "/login",
        "register_url": "/register",
        "forgotten_url": "/password/forgot",
        "portal": PORTAL,
        "errors": errors or [],
        "cancel_url": "/leave",
    }
    return "pages/login.html", {**shown, **values}


def _totp(apps: int, errors: list[tuple[str, str]] | None = None, remember_days: int = 30) -> Page:
    authenticators = [Shown(id=f"a{n}", label=f"App {n} {HOSTILE}") for n in range(apps)]
    return "pages/login_totp.html", {
        "form": TotpForm(),
        "action": "/login/totp",
        "portal": PORTAL,
        "errors": errors or [],
        "cancel_url": "/leave",
        "authenticators": authenticators,
        "remember_days": remember_days,
        "lost_url": "/password/recovery/factor" if apps == 1 else None,
        "lost_from": NOW if apps == 2 else None,
        "recovery_url": "/password/recovery" if apps == 3 else None,
    }


def _accounts() -> Page:
    accounts = [
        Shown(id="1", name=f"Anna {HOSTILE}", masked_mail="an•••@muster.example", company="Muster GmbH"),
        Shown(id="2", name="Felix", masked_mail="fe•••@beispiel.example", company=None),
    ]
    values = {"action": "/choose", "other_url": "/other", "accounts": accounts, "cancel_url": "/leave"}
    return "pages/choose_account.html", {"portal": PORTAL, "errors": [], **values}


def _organizations() -> Page:
    organizations = [
        Shown(id="1", name=f"Muster {HOSTILE}", customer_number="100200300", role="administrator"),
        Shown(id="2", name="Beispiel AG", customer_number="100200400", role="member"),
    ]
    values = {"action": "/choose", "organizations": organizations, "cancel_url": "/leave", "errors": []}
    return "pages/choose_organization.html", {"portal": PORTAL, **values}


FOREIGN = Shown(
    name=f"Wetter {HOSTILE}",
    home_uri=f"https://wetter.example/?{HOSTILE}",
    logo_uri="https://wetter.example/logo.svg",
    policy_uri="https://wetter.example/privacy",
    tos_uri="https://wetter.example/terms",
)
UNTOLD = Shown(name="Wetter", home_uri=None, logo_uri=None, policy_uri=None, tos_uri=None)


def _flow_lost(signed_in: bool) -> Page:
    return "errors/flow_lost.html", {"portal": None, "restart_url": None, "signed_in": signed_in}


def _consent(errors: list[tuple[str, str]] | None = None, **values: Any) -> Page:
    email = Item("scope.email", "E-Mail-Adresse", (("E-Mail-Adresse", f"anna@muster.example {HOSTILE}"),))
    company = Item("scope.organization", "Unternehmen", (("Name", "Muster GmbH"), ("Rolle", HOSTILE)))
    nothing = Item("claim.gender", "Geschlecht", hint="Dazu ist bei uns nichts gespeichert.")
    shown = {
        "portal": FOREIGN,
        "action": "/consent",
        "person": "a1.m1",
        "first_party": False,
        "host": "wetter.example",
        "fixed": [Item("scope.openid", "Ihre Kennung", hint="Eine Zeichenfolge.")],
        "choices": [email, company, nothing],
        "ticked": {"scope.email"},
        "duration": "höchstens 30 Tage",
        "portals_url": "/account/portals",
        "errors": errors or [],
    }
    return "pages/consent.html", shown | values


def _start(signed_in: bool) -> Page:
    organization = Shown(name="Muster GmbH", customer_number="100200300", role="administrator")
    account = Shown(name=f"Anna {HOSTILE}", username="anna", email=None, organization=organization)
    return "pages/start.html", {"account": account if signed_in else None, "portals": [PORTAL]}


def _logged_out(states: tuple[str, ...]) -> Page:
    results = [Shown(name=f"Portal {state}", state=state) for state in states]
    return "pages/logged_out.html", {"portal": None, "continue_url": None, "results": results}


def _question(errors: list[tuple[str, str]] | None = None, **values: Any) -> Page:
    shown = {
        "portal": Shown(name=f"Terminal {HOSTILE}", home_uri=None),
        "first_party": True,
        "duration": "höchstens 30 Tage",
        "portals_url": None,
        "action": "/device/1",
        "switch_url": "/other",
        "confirmation": "x",
        "code": "BCDF-GHJK",
        "account": f"Anna {HOSTILE}",
        "company": f"Muster {HOSTILE}",
        "items": [Item("scope.email", "E-Mail-Adresse"), Item("scope.x", f"Zugriff auf {HOSTILE}")],
        "asked_at": NOW,
        "network": "203.0.113.0",
        "same_network": True,
        "errors": errors or [],
    }
    return "pages/device_confirm.html", {**shown, **values}


def _foreign_question() -> Page:
    name = Item("scope.profile", "Profil", (("Name", f"Anna {HOSTILE}"), ("Sprache", "Deutsch")))
    return _question(portal=FOREIGN, first_party=False, items=[name], portals_url="/account/portals")


def _device(typed: str = "", errors: list[tuple[str, str]] | None = None) -> Page:
    form = DeviceForm(data={"code": typed})
    return "pages/device.html", {"form": form, "action": "/device", "errors": errors or []}


def _form_post() -> Page:
    fields = {"code": "SplxlOBeZQQYbYS6WxSbIA", "state": HOSTILE, "iss": "http://localhost:8000"}
    shown = {"portal": PORTAL, "action": "http://localhost:8001/callback", "fields": fields}
    return "pages/form_post.html", shown


def _access(template: str, **values: Any) -> Page:
    return f"pages/{template}.html", {
        "portal": PORTAL,
        "return_url": "/leave",
        "switch_url": "/other",
        **values,
    }


def _relying_party(portal: Any, *, leaving: bool = False) -> Page:
    return "errors/relying_party.html", {
        "leaving": leaving,
        "portal": portal,
        "error": "invalid_request",
        "parameter": "redirect_uri",
        "received": f"https://evil.example/{HOSTILE}",
        "expected": "one of the registered redirect URIs",
        "registered": ["http://localhost:8001/callback"],
        "error_id": "01JD7Q3K8Z4T",
    }


def _outbox(filled: bool) -> Page:
    mail = Shown(
        id="0" * 32,
        kind="mail",
        to="anna@muster.example",
        subject=f"Neue Anmeldung {HOSTILE}",
        time=NOW,
        code="482 913",
        link="http://localhost:8000/x",
        text="Guten Tag",
        html=f"<p>{HOSTILE}</p>",
    )
    call = Shown(
        id="1" * 32, kind="call", to="+49 •• 12", subject="", time=NOW, code="", link="", text="", html=""
    )
    return "pages/outbox.html", {"messages": [mail, call] if filled else []}


def _http(status: int, retry_after: int | None = None) -> Callable[[], Page]:
    shown = {"status": status, "retry_after": retry_after, "error_id": "01JD7Q3K8Z4T", "new_link": None}
    return lambda: ("errors/http.html", shown)


def _overload() -> Page:
    _, shown = _http(503)()
    return "errors/http.html", {**shown, "words": OVERLOAD, "choices": False}


PAGES: dict[str, Callable[[], Page]] = {
    **pages_shown_accounts.PAGES,
    **pages_shown_linking.PAGES,
    **pages_shown_registering.PAGES,
    "form-post": _form_post,
    "leading-on": lambda: ("pages/leading_on.html", {"target": f"http://localhost:8001/?state={HOSTILE}"}),
    "login": _login,
    "login-empty": lambda: _login(
        "", [("username", "Geben Sie Ihren Benutzernamen ein."), ("password", word("password.empty"))]
    ),
    "login-failed": lambda: _login(HOSTILE, [("username", word("login.failed"))]),
    "login-without-portal": lambda: _login(portal=None, cancel_url=None, note=("info", "Hinweis")),
    "totp": lambda: _totp(1),
    "totp-with-recovery": lambda: _totp(3),
    "totp-with-help": lambda: _totp(4),
    "totp-several": lambda: _totp(2, [("code", word("code.wrong", remaining=4))]),
    "totp-throttled": lambda: _totp(1, [("", word("code.throttled", until=NOW))], remember_days=0),
    "choose-account": _accounts,
    "choose-organization": _organizations,
    "consent": _consent,
    "consent-unanswered": lambda: _consent(
        [("", word("consent.choice"))], duration="nur jetzt", portal=UNTOLD
    ),
    "consent-own": lambda: _consent(first_party=True, host="", choices=[], portal=PORTAL),
    "device": _device,
    "device-unknown": lambda: _device(HOSTILE, [("code", word("device.unknown"))]),
    "device-question": _question,
    "device-question-bare": lambda: _question(company=None, network=None, items=[]),
    "device-question-foreign": _foreign_question,
    "device-question-elsewhere": lambda: _question([("", word("form.stale"))], same_network=False),
    "device-connected": lambda: ("pages/device_done.html", {"portal": PORTAL, "connected": True}),
    "device-refused": lambda: ("pages/device_done.html", {"portal": None, "connected": False}),
    "device-out-of-reach": lambda: _access("device_out_of_reach"),
    "logout": lambda: ("pages/logout.html", {"action": "/logout", "portal": PORTAL, "other_portals": 2}),
    "logout-one": lambda: ("pages/logout.html", {"action": "/logout", "portal": PORTAL, "other_portals": 0}),
    "logout-alone": lambda: ("pages/logout.html", {"action": "/logout", "portal": None, "other_portals": 0}),
    "logout-several": lambda: (
        "pages/logout.html",
        {"action": "/logout", "portal": None, "other_portals": 3},
    ),
    "logged-out": lambda: _logged_out(("ended", "waiting", "failed")),
    "logged-out-alone": lambda: _logged_out(()),
    "start": lambda: _start(True),
    "start-stranger": lambda: _start(False),
    "blocked": lambda: _access("access_blocked", company=f"Muster {HOSTILE}"),
    "pending": lambda: _access("access_pending", company="Muster GmbH"),
    "no-organization": lambda: _access("access_no_organization", company=None),
    "another-organization": lambda: _access("access_no_organization", company="K-404"),
    "relying-party": lambda: _relying_party(PORTAL),
    "relying-party-unknown": lambda: _relying_party(None),
    "relying-party-leaving": lambda: _relying_party(PORTAL, leaving=True),
    "flow-lost": lambda: (
        "errors/flow_lost.html",
        {"portal": PORTAL, "restart_url": "http://localhost:8001/login", "signed_in": True},
    ),
    "flow-lost-unknown": lambda: _flow_lost(False),
    "flow-lost-signed-in": lambda: _flow_lost(True),
    "cookies-off": lambda: ("errors/cookies_off.html", {"retry_url": "?flow=1"}),
    "cookies-off-by-mail": lambda: ("errors/cookies_off.html", {"retry_url": None, "by_mail": True}),
    "outbox": lambda: _outbox(True),
    "outbox-empty": lambda: _outbox(False),
    **{f"http-{status}": _http(status) for status in (400, 403, 404, 405, 410, 413, 421, 500, 503)},
    "http-429": _http(429, retry_after=300),
    "http-503-soon": _http(503, retry_after=2),
    "overload": _overload,
    "other-person": lambda: (
        "errors/http.html",
        _http(409)()[1] | {"words": OTHER_PERSON, "again_url": "/account/profile"},
    ),
}
