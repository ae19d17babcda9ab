"""The forms and pages of the recovery password."""

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import update

from idp.accounts.models import Account
from idp.authentication import recovery_password
from idp.delivery.preview import list_shown
from idp.management import accounts
from tests.attacks.live import Answer
from tests.attacks.scenes.registration import FORMS as REGISTRATION
from tests.attacks.scenes.registration import a_minute_later
from tests.attacks.scenes.stage import Filled, Stage, filled, page_of
from tests.attacks.visitor import Visitor
from tests.builders import OPERATOR, PASSWORD
from tests.installation import unit_of_work

CHOSEN = "Möwen über dem Hafen 7"
SAVED = {"saved": "y"}


def given(stage: Stage, username: str = "anna") -> str:
    """Give somebody a recovery password."""
    text = recovery_password.draw()
    with unit_of_work(stage.live.services) as ctx:
        recovery_password.replace(ctx, accounts.find(ctx.acting(OPERATOR), username), text)
    return text


def _reset(stage: Stage) -> Filled:
    text, visitor = given(stage), stage.visitor()
    stage.ask(visitor)
    visitor.get("/password/recovery")
    typed = {"username": "anna", "new_password": CHOSEN, "confirm_password": CHOSEN}
    return filled(visitor, "/password/recovery", **typed, recovery_password=text)


def _wrong(stage: Stage) -> Answer:
    form = _reset(stage)
    typed = form.fields | {"username": stage.mark or "x", "recovery_password": f"{stage.mark}x"}
    return form.visitor.post(form.target, typed)


def _changed(stage: Stage) -> Answer:
    form = _reset(stage)
    return form.visitor.post(form.target, form.fields)


def at_the_app(stage: Stage) -> Visitor:
    """Reset clara's password as far as the page that asks for her app."""
    text, visitor = given(stage, "clara"), stage.visitor()
    stage.ask(visitor)
    visitor.get("/password/recovery")
    typed = {"username": "clara", "new_password": CHOSEN, "confirm_password": CHOSEN}
    visitor.submit("/password/recovery", **typed, recovery_password=text)
    return visitor


def lost(stage: Stage) -> Filled:
    """Stand before the form that has a code mailed."""
    visitor = at_the_app(stage)
    assert visitor.page is not None
    visitor.get("/password/recovery/factor", flow=visitor.page.url.partition("flow=")[2])
    return filled(visitor, "/password/recovery/factor?")


def asked(stage: Stage, action: str = "/password/recovery/factor/code") -> Filled:
    """Stand before the forms of the page that waits for the code."""
    form = lost(stage)
    form.visitor.post(form.target, form.fields)
    return filled(form.visitor, action, **({} if action.endswith("/resend") else {"code": mailed(stage)}))


def mailed(stage: Stage) -> str:
    """Return the code of the newest mail."""
    with unit_of_work(stage.live.services, datetime.now(UTC)) as ctx:
        return list_shown(ctx)[0].code


def _without_the_app(stage: Stage) -> Answer:
    form = asked(stage)
    return form.visitor.post(form.target, form.fields)


def _wrong_code(stage: Stage) -> Answer:
    form = asked(stage)
    return form.visitor.post(form.target, form.fields | {"code": stage.mark or "x"})


def _own(stage: Stage) -> Filled:
    visitor = stage.visitor("anna")
    visitor.get("/account/recovery")
    return filled(visitor, "/account/recovery")


def _drawn(stage: Stage, action: str = "", **typed: str) -> Filled:
    form = _own(stage)
    form.visitor.post(form.target, form.fields)
    assert form.visitor.page is not None
    address = form.visitor.page.url.partition("?")[0]
    return filled(form.visitor, address.rpartition("/")[2] + action, **typed)


def _save(stage: Stage) -> Filled:
    form = _drawn(stage, "/file")
    return Filled(
        form.visitor, form.target.removesuffix("/file"), form.fields | SAVED | {"password": PASSWORD}
    )


def _own_saved(stage: Stage) -> Answer:
    form = _save(stage)
    return form.visitor.post(form.target, form.fields)


def _wanted(stage: Stage, action: str = "/recovery?", **typed: str) -> Filled:
    form = REGISTRATION["register.submit_code"](stage)
    form.visitor.post(form.target, form.fields | {"recovery_offer": "y"})
    return filled(form.visitor, action, **typed)


def _due(stage: Stage) -> Filled:
    with unit_of_work(stage.live.services) as ctx:
        ctx.db.execute(update(Account).where(Account.username == "anna").values(recovery_due=True))
    visitor: Visitor = stage.visitor("anna")
    stage.ask(visitor)
    return filled(visitor, "/recovery/new")


FORMS: dict[str, Callable[[Stage], Filled]] = {
    "recovery_reset.submit": _reset,
    "lost_factor.submit": lost,
    "lost_factor.submit_code": asked,
    "lost_factor.resend": lambda stage: a_minute_later(
        stage, asked(stage, "/password/recovery/factor/resend")
    ),
    "own_recovery.draw": _own,
    "own_recovery.save": _save,
    "own_recovery.download": lambda stage: _drawn(stage, "/file"),
    "recovery.submit": lambda stage: _wanted(stage, **SAVED),
    "recovery.later": lambda stage: _wanted(stage, "/recovery/later"),
    "recovery.download": lambda stage: _wanted(stage, "/recovery/file"),
    "recovery.draw": _due,
}

PAGES: dict[str, Callable[[Stage], Answer]] = {
    "recovery, reset": page_of(_reset),
    "recovery, reset, wrong": _wrong,
    "recovery, reset, done": _changed,
    "recovery, lost factor": page_of(lost),
    "recovery, lost factor, code": page_of(asked),
    "recovery, lost factor, wrong": _wrong_code,
    "recovery, lost factor, done": _without_the_app,
    "recovery, own": page_of(_own),
    "recovery, own, drawn": page_of(_save),
    "recovery, own, saved": _own_saved,
    "recovery, wanted": page_of(_wanted),
    "recovery, due": page_of(_due),
}
