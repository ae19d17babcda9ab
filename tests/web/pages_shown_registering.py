"""Registration and a forgotten password with made-up data (R-01, R-02, P-01 to P-05)."""

from collections.abc import Callable
from typing import Any

from idp.accounts.password_policy import requirements
from idp.web.forms import (
    ForgottenPasswordForm,
    RegistrationCodeForm,
    RegistrationForm,
    RegistrationLinkForm,
)
from idp.web.wording import word
from tests.web.made_up import HOSTILE, NOW, PORTAL, Page


def _register(errors: list[tuple[str, str]] | None = None, *, profile: Any = "modern") -> Page:
    form = RegistrationForm(data={"email": HOSTILE, "given_name": HOSTILE, "family_name": HOSTILE})
    return "pages/register.html", {
        "form": form,
        "action": "/register",
        "sign_in_url": "/login",
        "cancel_url": "/leave",
        "ask_username": profile == "amt24",
        "password_rule": requirements(profile=profile, single_factor=True),
        "portal": PORTAL,
        "errors": errors or [],
    }


def _register_code(errors: list[tuple[str, str]] | None = None, **values: Any) -> Page:
    shown = {
        "form": RegistrationCodeForm(),
        "action": "/register/code",
        "resend_url": "/register/code/resend",
        "other_address_url": "/register",
        "email": HOSTILE,
        "sent_at": NOW,
        "valid_until": NOW,
        "sent_again": False,
        "used_up": False,
        "offers_recovery": True,
        "portal": PORTAL,
        "errors": errors or [],
    }
    return "pages/register_code.html", shown | values


def _register_link(own_browser: bool, errors: list[tuple[str, str]] | None = None) -> Page:
    return "pages/register_link.html", {
        "form": RegistrationLinkForm(),
        "token": HOSTILE,
        "action": "/register/link",
        "email": HOSTILE,
        "own_browser": own_browser,
        "offers_recovery": not own_browser,
        "portal": PORTAL,
        "errors": errors or [],
    }


def _password_reset(errors: list[tuple[str, str]] | None = None) -> Page:
    return "pages/password_reset.html", {
        "token": HOSTILE,
        "action": "/password/reset",
        "password_rule": requirements(profile="modern", single_factor=True),
        "portal": PORTAL,
        "errors": errors or [],
    }


def _password_forgot(
    typed: str = "", errors: list[tuple[str, str]] | None = None, *, note: str | None = None
) -> Page:
    return "pages/password_forgot.html", {
        "form": ForgottenPasswordForm(data={"email": typed}),
        "action": "/password/forgot",
        "sign_in_url": "/login",
        "note": note,
        "cancel_url": "/leave",
        "portal": PORTAL,
        "errors": errors or [],
    }


def _password_sent(
    errors: list[tuple[str, str]] | None = None, *, sent_again: bool = False, note: str | None = None
) -> Page:
    return "pages/password_sent.html", {
        "email": HOSTILE,
        "minutes": 30,
        "resend_url": "/password/forgot/resend",
        "other_address_url": "/password/forgot",
        "sent_again": sent_again,
        "note": note,
        "offers_recovery": True,
        "portal": PORTAL,
        "errors": errors or [],
    }


PAGES: dict[str, Callable[[], Page]] = {
    "register": _register,
    "register-amt24": lambda: _register(
        [("password", word("password.class", missing=("special", "digit")))], profile="amt24"
    ),
    "register-code": _register_code,
    "register-code-used-up": lambda: _register_code([("", word("code.used_up"))], used_up=True),
    "register-code-again": lambda: _register_code(sent_again=True),
    "register-code-wrong": lambda: _register_code([("code", word("code.wrong", remaining=4))]),
    "register-link": lambda: _register_link(True),
    "register-link-elsewhere": lambda: _register_link(False, [("password", word("registration.password"))]),
    "password-forgot": _password_forgot,
    "password-forgot-again": lambda: _password_forgot(note=word("reset.exhausted")),
    "password-forgot-wrong": lambda: _password_forgot(HOSTILE, [("email", word("email.format"))]),
    "password-sent": _password_sent,
    "password-sent-again": lambda: _password_sent(sent_again=True),
    "password-sent-perhaps": lambda: _password_sent(note=word("reset.known_only", until=NOW)),
    "password-reset": _password_reset,
    "password-reset-wrong": lambda: _password_reset(
        [("new_password", word("password.common")), ("confirm_password", word("password.mismatch"))]
    ),
    "password-changed": lambda: ("pages/password_changed.html", {"onward": "/", "portal": PORTAL}),
}
