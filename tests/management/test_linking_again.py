"""Linking an old account again is no way around what somebody decided meanwhile (req 23, 38, 90, 92; C7)."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from idp.context import Context, Services
from idp.management import (
    account_deletion,
    accounts,
    join_approval,
    linking,
    memberships,
    permissions,
)
from idp.management.joining import withdraw
from idp.management.linking import Linked
from idp.organizations.memberships import for_account
from tests import joining
from tests.builders import OPERATOR, make_membership
from tests.installation import NOW, unit_of_work
from tests.legacy import link_account, old_account
from tests.management.old_accounts import prepare_linking

MINUTE = timedelta(minutes=1)
TWO_WEEKS = timedelta(days=14)

Decision = Callable[[Context, dict[str, str], str], object]


@pytest.fixture
def ids(services: Services) -> dict[str, str]:
    """Muster GmbH, two accounts of one person, and two old accounts of the company."""
    common = {"customer_number": "100200300", "email": "sabine@alt.example"}
    rows = [old_account(**common, permissions="Belege Shop"), old_account("second", **common)]
    return prepare_linking(services, "ben2", rows)


def undo(services: Services, account_id: str, linked: Linked, later: timedelta = MINUTE) -> None:
    """Undo a link as its person does, or as the link of the mail does."""
    with unit_of_work(services, NOW + later, actor=joining.person(account_id)) as ctx:
        linking.undo(ctx, account_id, linked.link_id)


def status(services: Services, ids: dict[str, str], name: str) -> str | None:
    return joining.status(services, ids["muster"], ids[name])


def end(ctx: Context, ids: dict[str, str], membership_id: str) -> None:
    memberships.end(ctx, ids["muster"], membership_id)


def block(ctx: Context, ids: dict[str, str], membership_id: str) -> None:
    memberships.block(ctx, ids["muster"], membership_id)


def block_account(ctx: Context, ids: dict[str, str], _membership_id: str) -> None:
    accounts.block(ctx, ids["ben"])


def delete_account(ctx: Context, ids: dict[str, str], _membership_id: str) -> None:
    accounts.delete(ctx, ids["ben"])


def delete_blocked_account(ctx: Context, ids: dict[str, str], _membership_id: str) -> None:
    account_deletion.plan(ctx, ids["ben"])
    accounts.block(ctx, ids["ben"])


DECISIONS = [end, block, block_account, delete_account, delete_blocked_account]


def test_who_was_put_out_is_not_let_in_by_asking_first(services: Services, ids: dict[str, str]) -> None:
    """The company ended it; asking by the number and then linking begins nothing (req 23, 92)."""
    linked = link_account(services, ids["ben"])
    with unit_of_work(services, actor=OPERATOR) as ctx:
        end(ctx, ids, linked.membership_id or "")
    undo(services, ids["ben"], linked)
    joining.ask(services, ids["ben"], later=2 * MINUTE)
    assert status(services, ids, "ben") == "pending"

    assert link_account(services, ids["ben"]).membership_id is None

    assert status(services, ids, "ben") == "pending"


def test_who_was_declined_is_not_let_in_by_asking_again(services: Services, ids: dict[str, str]) -> None:
    """A request that was answered is not one that waits for an answer (req 92)."""
    joining.ask(services, ids["ben"])
    with unit_of_work(services, actor=OPERATOR) as ctx:
        join_approval.decline(ctx, ids["muster"], joining.membership_id(services, ids["muster"], ids["ben"]))
    joining.ask(services, ids["ben"], later=MINUTE)

    link_account(services, ids["ben"])

    assert status(services, ids, "ben") == "pending"


def test_what_an_operator_made_to_wait_waits(services: Services, ids: dict[str, str]) -> None:
    """Whatever the person asked for once, by the row's first life (req 92)."""
    joining.ask(services, ids["ben"])
    row = joining.membership_id(services, ids["muster"], ids["ben"])
    with unit_of_work(services, actor=OPERATOR) as ctx:
        join_approval.decline(ctx, ids["muster"], row)
        make_membership(ctx, ids["muster"], ids["ben"], status="pending")
        found = joining.member(ctx, ids["muster"], ids["ben"])
        assert found is not None
        assert (found.id, found.asked_at) == (row, None)
        assert [one.status for one in for_account(ctx, ids["ben"])] == ["pending"]

    link_account(services, ids["ben"])

    assert status(services, ids, "ben") == "pending"


@pytest.mark.parametrize("decide", DECISIONS)
@pytest.mark.parametrize("erased", [False, True], ids=["at once", "after the data is gone"])
def test_a_second_account_is_no_way_around_a_decision(
    services: Services, ids: dict[str, str], decide: Decision, *, erased: bool
) -> None:
    """The old account is free by the mail's link; by another account it lets nobody in (req 23, 90; C7)."""
    linked = link_account(services, ids["ben"])
    with unit_of_work(services, actor=OPERATOR) as ctx:
        decide(ctx, ids, linked.membership_id or "")
    undo(services, ids["ben"], linked)
    if erased:
        erase(services, ids)

    again = link_account(services, ids["ben2"])

    assert (again.organization_id, again.membership_id) == (None, None)
    assert status(services, ids, "ben2") is None
    joining.ask(services, ids["ben2"])
    assert status(services, ids, "ben2") == "pending"


@pytest.mark.parametrize("decide", DECISIONS)
def test_a_decision_outlasts_a_deleted_account(
    services: Services, ids: dict[str, str], decide: Decision
) -> None:
    """Erasure frees the old account, and lets nobody in whom somebody had put out (req 23, 109; C7)."""
    linked = link_account(services, ids["ben"])
    with unit_of_work(services, actor=OPERATOR) as ctx:
        decide(ctx, ids, linked.membership_id or "")
    erase(services, ids)

    link_account(services, ids["ben2"])

    assert status(services, ids, "ben2") is None


def erase(services: Services, ids: dict[str, str]) -> None:
    """Delete Ben's account, if it is not yet, and let the 14 days pass."""
    with unit_of_work(services, NOW + MINUTE, actor=OPERATOR) as ctx:
        if accounts.show(ctx, ids["ben"]).status == "active":
            account_deletion.plan(ctx, ids["ben"])
        elif accounts.show(ctx, ids["ben"]).status == "blocked":
            accounts.delete(ctx, ids["ben"])
    with unit_of_work(services, NOW + TWO_WEEKS + MINUTE, actor=OPERATOR) as ctx:
        assert account_deletion.erase_due(ctx, 5) == 1


def test_the_owner_gets_in_once_a_strangers_link_is_undone(services: Services, ids: dict[str, str]) -> None:
    """Where nobody decided anything, the old account stands for the same as before (req 90)."""
    first, second = link_account(services, ids["ben"]), link_account(services, ids["ben"], "second")
    undo(services, ids["ben"], first)
    undo(services, ids["ben"], second, 2 * MINUTE)

    assert link_account(services, ids["ben2"]).membership_begun

    assert (status(services, ids, "ben"), status(services, ids, "ben2")) == ("ended", "active")


@pytest.mark.parametrize("name", ["ben", "ben2"])
def test_a_request_that_was_taken_back_decides_nothing(
    services: Services, ids: dict[str, str], name: str
) -> None:
    """After an undone link a request that its person takes back leaves all as it was, for owners as well."""
    undo(services, ids["ben"], link_account(services, ids["ben"]))
    joining.ask(services, ids["ben"], later=2 * MINUTE)
    with unit_of_work(services, NOW + 3 * MINUTE, actor=joining.person(ids["ben"])) as ctx:
        assert withdraw(ctx, ids["ben"], joining.MUSTER)
    assert link_account(services, ids[name]).membership_id is not None
    assert status(services, ids, name) == "active"


def test_a_withdrawn_permission_does_not_come_by_another_account(
    services: Services, ids: dict[str, str]
) -> None:
    """What the company took from who had linked the old account is not mapped any more (req 92)."""
    linked = link_account(services, ids["ben"])
    with unit_of_work(services, actor=OPERATOR) as ctx:
        membership_id = linked.membership_id or ""
        permissions.withdraw_from_member(ctx, ids["muster"], membership_id, "portal", ["orders"])
    undo(services, ids["ben"], linked)

    again = link_account(services, ids["ben2"])

    with unit_of_work(services, actor=OPERATOR) as ctx:
        membership_id = again.membership_id or ""
        withdraw = permissions.withdraw_from_member
        assert withdraw(ctx, ids["muster"], membership_id, "portal", ["orders", "shop"]) == ["shop"]
