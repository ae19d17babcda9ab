"""The walk finds each of these faults in the product: an invariant that cannot fail holds nothing (T8)."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from idp.accounts.models import ACTIVE, Account
from idp.authentication import login, notices, recovery_password, sessions, totp, transaction
from idp.flows import engine, mailed_codes, one_time_secrets
from idp.management import password_reset, recovery
from idp.web import own_pages, signing_out
from idp.web.pages import login as login_page
from tests.walker.attacker import Means
from tests.walker.test_walk import BOUNDED, EVERYBODY, walk_of
from tests.web.pages.house import House

Patch = pytest.MonkeyPatch
#: the first failure is enough, however long the walk to it
ONCE = settings(BOUNDED, phases=[Phase.generate])


def _always(value: Any) -> Callable[..., Any]:
    return lambda *_, **__: value


def _to_the_first_address_only(patch: Patch) -> None:
    rows = notices._rows
    patch.setattr(notices, "_rows", lambda ctx, addresses, mail: rows(ctx, addresses[:1], mail))


def _half_way_for_ever(ctx: Any, flow: Any) -> Any:
    mark = flow.done.get("password")
    account = ctx.db.get(Account, mark["account"], populate_existing=True) if mark else None
    if account is None or account.status != ACTIVE:
        return "no walk found it"
    return transaction.HalfWay(account, mark["earlier_failures"])


def _sessions_outlive_a_reset(patch: Patch) -> None:
    patch.setattr(password_reset, "end_account", _always(None))
    patch.setattr(sessions, "principal_may_act", _always(True))


def _links_are_not_used_up(patch: Patch) -> None:
    patch.setattr(one_time_secrets, "consume", one_time_secrets.find)


def _set(owner: object, name: str, value: Any) -> Callable[[Patch], None]:
    return lambda patch: patch.setattr(owner, name, value)


def _any_password(ctx: Any, attempt: Any) -> Any:
    key = attempt.candidate.account_id
    return login.identifiers.locked_account(ctx, key) if key else None


#: what is broken → how, who walks, and what the walk says
MUTANTS: dict[str, tuple[Callable[[Patch], None], Means, str]] = {
    "reset without the code": (
        _set(password_reset, "needs_second_factor", _always(False)),
        Means("mailbox", True),
        "without the second factor",
    ),
    "sign-in without the code": (
        _set(login_page, "_second_factor", _always(None)),
        Means("password", True),
        "the code was skipped",
    ),
    "any password": (
        _set(login, "_proven_account", _any_password),
        Means("session", False),
        "a password that does not count|stepped up without a proof|without the account's password",
    ),
    "any recovery password": (
        _set(recovery_password, "fits", _always(True)),
        Means("recovery", False),
        "an old recovery changed it",
    ),
    "recovery password not used up": (
        _set(recovery_password, "consume", _always(True)),
        Means("recovery", False),
        "is still there",
    ),
    "factors go with the recovery password": (
        _set(recovery, "removes_factors", _always(True)),
        Means("recovery", True),
        "without the second factor|the factors changed",
    ),
    "any mailed code": (
        _set(mailed_codes, "redeem", _always(None)),
        Means("recovery", True),
        "without the second factor",
    ),
    "a second proof after a link": (
        _set(password_reset, "means_of", _always("recovery_password")),
        Means("mailbox", True),
        "one thing|without the second factor|the factors changed|answers",
    ),
    "recovery saved without password": (
        _set(recovery, "asks_password", _always(False)),
        Means("session", False),
        "saved without the account's password",
    ),
    "no step-up": (
        _set(own_pages, "proven_within", _always(True)),
        Means("session", True),
        "long after the code|without a code",
    ),
    "links not used up": (_links_are_not_used_up, Means("mailbox", True), "a link worked twice"),
    "codes work again": (_set(totp, "_take_step", _always(True)), Means("password", True), "worked twice"),
    "flows in any browser": (
        _set(engine, "same", _always(True)),
        Means("session", False),
        "saved without the account's password|one thing changed the recovery password",
    ),
    "sessions outlive a reset": (
        _sessions_outlive_a_reset,
        Means("session", True),
        "outlived the change|holds a session",
    ),
    "half-way sign-in outlives a reset": (
        _set(transaction, "half_way", _half_way_for_ever),
        Means("mailbox", True),
        "does not count|an old link|an old recovery|answers",
    ),
    "sign-out ends nothing": (
        _set(signing_out, "end_session", _always(None)),
        Means("session", False),
        "an old cookie still opens",
    ),
    "no audit event": (
        _set(password_reset, "record", _always(None)),
        Means("mailbox", False),
        "in the audit log",
    ),
    "a mail to one address": (_to_the_first_address_only, Means("mailbox", False), "went to"),
}


@pytest.mark.alone_on("sqlite")
@pytest.mark.parametrize("name", MUTANTS)
def test_is_found(house: House, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the bound of a normal run, which is the walks of all attackers."""
    breaks, first, words = MUTANTS[name]
    breaks(monkeypatch)
    walks = sorted(EVERYBODY, key=lambda means: means != first)
    said = next(filter(None, (_found(means, house) for means in walks)), "no walk found it")
    assert re.search(words, said), said


def _found(means: Means, house: House) -> str:
    """Return what is wrong as the walk of one attacker says it, or nothing."""
    try:
        run_state_machine_as_test(walk_of(house, means, Counter()), settings=ONCE)
    except AssertionError as error:
        return str(error)
    return ""
