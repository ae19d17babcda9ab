"""The forms and pages of registration and of a forgotten password."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import update

from idp.delivery.preview import Shown, list_shown
from idp.flows.models import OneTimeSecret
from tests.attacks.live import ISSUER, Answer
from tests.attacks.scenes.stage import Filled, Stage, filled, page_of
from tests.installation import unit_of_work

CHOSEN = "Möwen über dem Hafen 7"


def _mail(stage: Stage) -> Shown:
    """Return the newest mail."""
    with unit_of_work(stage.live.services, datetime.now(UTC)) as ctx:
        return list_shown(ctx)[0]


def link(stage: Stage) -> str:
    """Return where the link of the newest mail leads."""
    return _mail(stage).link.removeprefix(ISSUER)


def a_minute_later(stage: Stage, form: Filled) -> Filled:
    """Let the pause between two mails pass."""
    with unit_of_work(stage.live.services, datetime.now(UTC)) as ctx:
        own = OneTimeSecret.target == form.target.partition("flow=")[2]
        ctx.db.execute(update(OneTimeSecret).where(own).values(created_at=ctx.now - timedelta(minutes=2)))
    return form


def _form(stage: Stage) -> Filled:
    visitor = stage.visitor()
    stage.ask(visitor)
    visitor.get("/register")
    entries = {"email": "neu@portal.example", "given_name": f"Neu{stage.mark}", "family_name": "Mann"}
    return filled(visitor, "/register", **entries, password=CHOSEN, confirm_password=CHOSEN)


def _waiting(stage: Stage, action: str = "/register/code?") -> Filled:
    form = _form(stage)
    form.visitor.post(form.target, form.fields)
    return filled(form.visitor, action, **({"code": _mail(stage).code} if action.endswith("?") else {}))


def _linked(stage: Stage) -> Filled:
    """The mail is opened elsewhere: the password has to be known."""
    _waiting(stage)
    visitor = stage.visitor()
    visitor.get(link(stage))
    return filled(visitor, "/register/link", password=CHOSEN)


def _wrong(stage: Stage) -> Answer:
    form = _form(stage)
    typed = form.fields | {"email": stage.mark or "x", "password": "x", "confirm_password": "y"}
    return form.visitor.post(form.target, typed)


def _forgotten(stage: Stage) -> Filled:
    visitor = stage.visitor()
    stage.ask(visitor)
    visitor.get("/password/forgot")
    return filled(visitor, "/password/forgot", email="anna@muster.example")


def _sent(stage: Stage) -> Filled:
    form = _forgotten(stage)
    form.visitor.post(form.target, form.fields)
    return filled(form.visitor, "/password/forgot/resend")


def _reset(stage: Stage) -> Filled:
    _sent(stage)
    visitor = stage.visitor()
    visitor.get(link(stage))
    return filled(visitor, "/password/reset", new_password=CHOSEN, confirm_password=CHOSEN)


def _changed(stage: Stage) -> Answer:
    form = _reset(stage)
    return form.visitor.post(form.target, form.fields)


def _used(stage: Stage) -> Answer:
    form = _reset(stage)
    mailed = link(stage)
    form.visitor.post(form.target, form.fields)
    return stage.visitor().get(mailed)


FORMS: dict[str, Callable[[Stage], Filled]] = {
    "register.submit": _form,
    "register.submit_code": _waiting,
    "register.resend": lambda stage: a_minute_later(stage, _waiting(stage, "/register/code/resend")),
    "register.submit_link": _linked,
    "forgotten_password.submit": _forgotten,
    "forgotten_password.resend": lambda stage: a_minute_later(stage, _sent(stage)),
    "forgotten_password.submit_reset": _reset,
}

PAGES: dict[str, Callable[[Stage], Answer]] = {
    "register": page_of(_form),
    "register, mistakes": _wrong,
    "register, code": page_of(_waiting),
    "register, link": page_of(_linked),
    "password forgotten": page_of(_forgotten),
    "password forgotten, sent": page_of(_sent),
    "password reset": page_of(_reset),
    "password changed": _changed,
    "password reset, used": _used,
}
