"""The ways from an old portal and to a company with made-up data (R-03 to R-05)."""

from collections.abc import Callable
from types import SimpleNamespace as Shown
from typing import Any

from idp.web.join_forms import JoinCodeForm
from idp.web.wording import word
from tests.web.made_up import HOSTILE, NOW, PORTAL, Page


def _affiliation(errors: list[tuple[str, str]] | None = None, **values: Any) -> Page:
    groups = [
        ("Deutschland", [("sage-100", "Sage 100"), ("other", HOSTILE)]),
        ("Schweiz", [("ch", "Sage CH")]),
    ]
    shown = {
        "groups": groups,
        "selected": None,
        "action": "/affiliation",
        "back_url": None,
        "portal": PORTAL,
        "cancel_url": "/leave",
        "errors": errors or [],
    }
    return "pages/affiliation.html", shown | values


def _link(errors: list[tuple[str, str]] | None = None, **values: Any) -> Page:
    shown = {
        "welcome": PORTAL,
        "from_account": False,
        "directory": HOSTILE,
        "action": "/link",
        "number_action": "/link/number",
        "legacy_username": HOSTILE,
        "customer_number": HOSTILE,
        "number_digits": 9,
        "withdrawn": False,
        "affiliation_url": "/affiliation",
        "back_url": None,
        "portal": PORTAL,
        "cancel_url": "/leave",
        "errors": errors or [],
    }
    return "pages/link.html", shown | values


def _link_sent(**values: Any) -> Page:
    shown = {"return_url": "/leave", "back_url": None, "again_url": "/link", "portal": PORTAL}
    return "pages/link_sent.html", shown | values


def _link_taken(*, own: bool) -> Page:
    shown = {"own": own, "directory": HOSTILE, "on_url": "/account", "other_url": "/link", "portal": PORTAL}
    return "pages/link_taken.html", shown


def _link_undo(errors: list[tuple[str, str]] | None = None) -> Page:
    return "pages/link_undo.html", {
        "directory": HOSTILE,
        "linked_at": NOW,
        "token": HOSTILE,
        "action": "/link/undo",
        "errors": errors or [],
    }


def _old_account(*, may_register: bool) -> Page:
    return "pages/old_account.html", {
        "directory": HOSTILE,
        "username": HOSTILE,
        "action": "/old-account",
        "may_register": may_register,
        "portal": PORTAL,
    }


def _old_account_bring() -> Page:
    return "pages/old_account_bring.html", {
        "directory": HOSTILE,
        "username": HOSTILE,
        "person": HOSTILE,
        "action": "/old-account/bring",
        "portal": PORTAL,
    }


def _waiting(*numbers: str, **values: Any) -> Page:
    shown = {
        "requests": [Shown(customer_number=number, asked_at=NOW) for number in numbers],
        "code_url": "/join/code",
        "withdraw_url": "/join/withdraw",
        "portal": PORTAL,
        "return_url": "/leave",
        "switch_url": "/other",
    }
    return "pages/join_waiting.html", shown | values


def _join_code(typed: str = "", errors: list[tuple[str, str]] | None = None) -> Page:
    return "pages/join_code.html", {
        "form": JoinCodeForm(data={"code": typed}),
        "action": "/join/code",
        "back_url": "/join",
        "portal": PORTAL,
        "errors": errors or [],
    }


PAGES: dict[str, Callable[[], Page]] = {
    "affiliation": _affiliation,
    "affiliation-not-chosen": lambda: _affiliation(
        [("family", "Wählen Sie Ihre Zugehörigkeit aus.")], portal=None, cancel_url=None, back_url="/account"
    ),
    "link": _link,
    "link-withdrawn": lambda: _link(withdrawn=True),
    "link-wrong": lambda: _link([("legacy_username", word("login.failed"))]),
    "link-number-wrong": lambda: _link([("customer_number", "Geben Sie Ihre Kundennummer ein.")]),
    "link-of-oneself": lambda: _link(
        welcome=None,
        directory=None,
        portal=None,
        cancel_url=None,
        affiliation_url=None,
        back_url="/account",
        from_account=True,
    ),
    "link-at-a-portal-of-no-family": lambda: _link(affiliation_url=None, cancel_url=None),
    "link-sent": _link_sent,
    "link-sent-of-oneself": lambda: _link_sent(portal=None, return_url=None, back_url="/account"),
    "link-taken": lambda: _link_taken(own=False),
    "link-taken-by-oneself": lambda: _link_taken(own=True),
    "link-undo": _link_undo,
    "link-undo-stale": lambda: _link_undo([("", word("form.stale"))]),
    "link-undone": lambda: ("pages/link_undone.html", {"signed_out": False}),
    "link-undone-and-signed-out": lambda: ("pages/link_undone.html", {"signed_out": True}),
    "old-account": lambda: _old_account(may_register=True),
    "old-account-without-registration": lambda: _old_account(may_register=False),
    "old-account-bring": _old_account_bring,
    "join-waiting": lambda: _waiting("100200300", HOSTILE),
    "join-waiting-of-oneself": lambda: _waiting("100200300", portal=None, return_url=None, switch_url=None),
    "join-code": _join_code,
    "join-code-wrong": lambda: _join_code(HOSTILE, [("code", word("join.code_wrong"))]),
}
