"""The forms and pages of one's own account: confirmation, password."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from idp.authentication.models import AuthenticationEvent
from tests.attacks.live import Answer
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


FORMS: dict[str, Callable[[Stage], Filled]] = {
    "confirm_identity.submit": _confirm,
    "own_password.submit": _password,
}

PAGES: dict[str, Callable[[Stage], Answer]] = {
    "account": lambda stage: shown(stage, "anna", "/account"),
    "account, a stranger": lambda stage: shown(stage, None, "/account"),
    "confirmation": page_of(_confirm),
    "confirmation, by code": _confirm_by_code,
    "own password": page_of(_password),
    "own password, wrong": _wrong_password,
    "own password, changed": lambda stage: shown(stage, "anna", "/account/password", changed="1"),
}
