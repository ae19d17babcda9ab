"""The forms and pages of one's own account: confirmation, password, profile, address."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from idp.authentication.models import AuthenticationEvent
from idp.delivery.preview import Shown, list_shown
from idp.flows.models import OneTimeSecret
from tests.attacks.live import ISSUER, Answer
from tests.attacks.scenes.stage import Filled, Stage, filled, page_of, shown
from tests.attacks.visitor import Visitor
from tests.builders import PASSWORD
from tests.installation import unit_of_work

CHOSEN = "Möwen über dem Hafen 7"


def _later(stage: Stage) -> None:
    """Let all proofs be too old for the account's security."""
    with unit_of_work(stage.live.services, datetime.now(UTC)) as ctx:
        for event in ctx.db.scalars(select(AuthenticationEvent)):
            event.at -= timedelta(minutes=20)


def _signed_in(stage: Stage, target: str, username: str = "anna") -> Visitor:
    visitor = stage.visitor(username)
    visitor.get(target)
    return visitor


def _confirm(stage: Stage) -> Filled:
    visitor = stage.visitor("anna")
    _later(stage)
    visitor.get("/account/password")
    return filled(visitor, "/account/confirm", password=PASSWORD)


def _confirm_by_code(stage: Stage) -> Answer:
    visitor = stage.visitor()
    visitor.get("/login")
    visitor.sign_in("clara")
    visitor.submit("/login/totp", code=stage.code())
    _later(stage)
    return visitor.get("/account/password")


def _password(stage: Stage) -> Filled:
    typed = {"password": PASSWORD, "new_password": CHOSEN, "confirm_password": CHOSEN}
    return filled(_signed_in(stage, "/account/password"), "/account/password", **typed)


def _wrong_password(stage: Stage) -> Answer:
    form = _password(stage)
    return form.visitor.post(form.target, form.fields | {"password": f"wrong{stage.mark}"})


def _profile(stage: Stage) -> Filled:
    typed = {"given_name": "Neu", "family_name": "Mann", "username": "anna", "locale": "en"}
    return filled(_signed_in(stage, "/account/profile"), "/account/profile", **typed)


def _wrong_profile(stage: Stage) -> Answer:
    form = _profile(stage)
    return form.visitor.post(form.target, form.fields | {"given_name": "", "username": f"@{stage.mark}"})


def _address(stage: Stage) -> Filled:
    return filled(_signed_in(stage, "/account/email"), "/account/email", email="neu@portal.example")


def _wrong_address(stage: Stage) -> Answer:
    form = _address(stage)
    return form.visitor.post(form.target, form.fields | {"email": f"x{stage.mark}"})


def _mail(stage: Stage, subject: str) -> Shown:
    with unit_of_work(stage.live.services, datetime.now(UTC)) as ctx:
        return next(mail for mail in list_shown(ctx) if mail.subject == subject and mail.link)


def _link(stage: Stage, subject: str) -> str:
    return _mail(stage, subject).link.removeprefix(ISSUER)


def _address_code(stage: Stage) -> Filled:
    form = _address(stage)
    form.visitor.post(form.target, form.fields)
    code = _mail(stage, "Verifizieren Sie Ihre E-Mail-Adresse").code
    return filled(form.visitor, "/account/email/code/", code=code)


def _address_resend(stage: Stage) -> Filled:
    visitor = _address_code(stage).visitor
    with unit_of_work(stage.live.services, datetime.now(UTC)) as ctx:
        for secret in ctx.db.scalars(select(OneTimeSecret)):
            secret.created_at -= timedelta(minutes=2)
    return filled(visitor, "/resend")


def _address_link(stage: Stage) -> Filled:
    _address_code(stage)
    visitor = stage.visitor()
    visitor.get(_link(stage, "Verifizieren Sie Ihre E-Mail-Adresse"))
    return filled(visitor, "/account/email/link", password=PASSWORD)


def _address_undo(stage: Stage) -> Filled:
    form = _address_code(stage)
    form.visitor.post(form.target, form.fields)
    visitor = stage.visitor()
    visitor.get(_link(stage, "E-Mail-Adresse geändert"))
    return filled(visitor, "/account/email/undo")


def _sent(way: Callable[[Stage], Filled]) -> Callable[[Stage], Answer]:
    def page(stage: Stage) -> Answer:
        form = way(stage)
        return form.visitor.post(form.target, form.fields)

    return page


FORMS: dict[str, Callable[[Stage], Filled]] = {
    "confirm_identity.submit": _confirm,
    "own_password.submit": _password,
    "own_profile.submit": _profile,
    "own_address.submit": _address,
    "own_address.submit_code": _address_code,
    "own_address.resend": _address_resend,
    "own_address.submit_link": _address_link,
    "own_address.submit_undo": _address_undo,
}

PAGES: dict[str, Callable[[Stage], Answer]] = {
    "account": lambda stage: shown(stage, "anna", "/account"),
    "account, a stranger": lambda stage: shown(stage, None, "/account"),
    "confirmation": page_of(_confirm),
    "confirmation, by code": _confirm_by_code,
    "own password": page_of(_password),
    "own password, wrong": _wrong_password,
    "own profile": page_of(_profile),
    "own profile, wrong": _wrong_profile,
    "own profile, saved": _sent(_profile),
    "own address": page_of(_address),
    "own address, wrong": _wrong_address,
    "own address, code": page_of(_address_code),
    "own address, link": page_of(_address_link),
    "own address, changed": _sent(_address_link),
    "own address, undo": page_of(_address_undo),
    "own address, undone": _sent(_address_undo),
    "own password, changed": lambda stage: shown(stage, "anna", "/account/password", changed="1"),
}
