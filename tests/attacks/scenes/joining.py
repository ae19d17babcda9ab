"""Joining a company by its customer number, for sweeps over all pages and forms."""

from collections.abc import Callable
from datetime import UTC, datetime

from idp.management import accounts, joining
from tests.attacks.live import Answer
from tests.attacks.scenes.stage import Filled, Stage, filled, page_of
from tests.builders import OPERATOR
from tests.installation import unit_of_work


def _code(stage: Stage) -> Filled:
    visitor = stage.visitor("nora")
    _ask(stage)  # so that the try is counted
    visitor.get("/join/code")
    return filled(visitor, "/join/code", code="BCDF-GHJK-LMNP")


def _withdraw(stage: Stage) -> Filled:
    visitor = stage.visitor("nora")
    _ask(stage)
    visitor.get("/join")
    return filled(visitor, "/join/withdraw", customer_number="100200300")


def _waiting(stage: Stage, target: str = "/join") -> Answer:
    visitor = stage.visitor("nora")
    _ask(stage)
    return visitor.get(target, **(stage.members.parameters() if target == "/authorize" else {}))


def _ask(stage: Stage) -> None:
    """Ask for a company that exists and one that does not."""
    with unit_of_work(stage.live.services, datetime.now(UTC), actor=OPERATOR) as ctx:
        for number in ("100200300", "999888777"):
            joining.ask(ctx, accounts.find(ctx, "nora"), number)


FORMS: dict[str, Callable[[Stage], Filled]] = {
    "joining.submit_code": _code,
    "joining.withdraw": _withdraw,
}

PAGES: dict[str, Callable[[Stage], Answer]] = {
    "join, waiting": _waiting,
    "join, waiting at a portal": lambda stage: _waiting(stage, "/authorize"),
    "join, code": page_of(_code),
}
