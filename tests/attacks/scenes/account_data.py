"""The forms and pages of one's own records: sessions, portals, activity, data, deletion."""

from collections.abc import Callable
from datetime import UTC, datetime

from idp.context import Actor
from idp.management import account_deletion, accounts
from tests.attacks.live import Answer
from tests.attacks.scenes.stage import Filled, Stage, filled, page_of, shown
from tests.attacks.visitor import Visitor
from tests.builders import OPERATOR, PASSWORD
from tests.installation import unit_of_work


def _on(stage: Stage, target: str, username: str = "anna") -> Visitor:
    visitor = stage.visitor(username)
    visitor.get(target)
    return visitor


def _session(stage: Stage) -> Filled:
    return filled(_on(stage, "/account/sessions"), "/end")


def _others(stage: Stage) -> Filled:
    stage.visitor("anna")
    return filled(_on(stage, "/account/sessions"), "/account/sessions/others")


def _forget(stage: Stage) -> Filled:
    visitor = stage.visitor()
    visitor.get("/login")
    visitor.sign_in("clara")
    visitor.submit("/login/totp", code=stage.code(), remember_device="y")
    visitor.get("/account/sessions")
    return filled(visitor, "/forget")


def _disconnect(stage: Stage) -> Filled:
    visitor = _on(stage, "/device")
    visitor.submit("/device", code=stage.user_code())
    visitor.submit("/device/", choice="connect")
    visitor.get("/account/sessions")
    return filled(visitor, "/disconnect")


def _withdraw(stage: Stage) -> Filled:
    visitor = stage.visitor("anna")
    visitor.get("/authorize", **stage.third.parameters())
    visitor.submit("/consent", choice="allow")
    visitor.get("/account/portals")
    return filled(visitor, "/withdraw")


def _data(stage: Stage) -> Filled:
    return filled(_on(stage, "/account/data"), "/account/data", format="json")


def _deletion(stage: Stage) -> Filled:
    return filled(_on(stage, "/account/delete"), "/account/delete", agreed="y")


def _deleted(stage: Stage) -> Answer:
    form = _deletion(stage)
    return form.visitor.post(form.target, form.fields)


def _undo(stage: Stage) -> Filled:
    """Sign in after planning it."""
    with unit_of_work(stage.live.services, datetime.now(UTC)) as ctx:
        account_id = accounts.find(ctx.acting(OPERATOR), "anna")
        account_deletion.plan(ctx.acting(Actor("account", account_id)), account_id)
    visitor = stage.visitor()
    visitor.get("/login")
    visitor.submit("/login", username="anna", password=PASSWORD)
    return filled(visitor, "/account/delete/undo")


def _undone(stage: Stage) -> Answer:
    form = _undo(stage)
    return form.visitor.post(form.target, form.fields)


FORMS: dict[str, Callable[[Stage], Filled]] = {
    "own_sessions.end": _session,
    "own_sessions.end_others": _others,
    "own_sessions.disconnect": _disconnect,
    "own_sessions.forget": _forget,
    "own_portals.withdraw": _withdraw,
    "own_data.download": _data,
    "own_deletion.submit": _deletion,
    "own_deletion.undo": _undo,
}

PAGES: dict[str, Callable[[Stage], Answer]] = {
    "own sessions": page_of(_others),
    "own sessions, with a device": page_of(_forget),
    "own sessions, with a connected device": page_of(_disconnect),
    "own portals": page_of(_withdraw),
    "own activity": lambda stage: shown(stage, "anna", "/account/activity"),
    "own data": page_of(_data),
    "deletion": page_of(_deletion),
    "deletion, planned": _deleted,
    "deletion, undoing it": page_of(_undo),
    "deletion, undone": _undone,
}
