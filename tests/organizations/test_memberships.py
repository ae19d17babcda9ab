"""Changes of a membership's status, and what others read about memberships."""

import itertools

import pytest

from idp.context import Services
from idp.errors import Refusal
from idp.organizations.memberships import (
    TRANSITIONS,
    after,
    find,
    for_account,
    normalized_customer_number,
    of_organization,
)
from idp.organizations.roles import exists
from tests.builders import make_account, make_membership, make_organization
from tests.installation import unit_of_work

STATUSES = ("", "invited", "pending", "active", "blocked", "ended")
ACTIONS = ("invite", "request", "add", "accept", "activate", "block", "unblock", "end")

ALLOWED = {
    "": {"invite": "invited", "request": "pending", "add": "active"},
    "invited": {"accept": "active", "end": "ended"},
    "pending": {"activate": "active", "end": "ended"},
    "active": {"block": "blocked", "end": "ended"},
    "blocked": {"unblock": "active", "end": "ended"},
    "ended": {"invite": "invited", "request": "pending", "add": "active"},
}


@pytest.mark.parametrize(("status", "action"), list(itertools.product(STATUSES, ACTIONS)))
def test_every_status_and_every_action(status: str, action: str) -> None:
    """What is not a change of this table is refused: nobody skips the approval."""
    if action in ALLOWED[status]:
        assert after(status, action) == ALLOWED[status][action]
    else:
        with pytest.raises(Refusal) as refused:
            after(status, action)
        assert refused.value == Refusal("membership.status", status=status, action=action)


def test_the_table_of_changes_has_no_other_rows() -> None:
    """A change that this test does not know is a change nobody reviewed."""
    assert {pair for pair in TRANSITIONS} == {(s, a) for s, actions in ALLOWED.items() for a in actions}


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("100200300", "100200300"),
        ("D100200300", "100200300"),
        ("d 100 200 300 ", "100200300"),
        ("D", "D"),
        ("DE-77", "DE-77"),
        ("ab-1", "AB-1"),
        ("", ""),
    ],
)
def test_customer_numbers_are_read_as_printed(typed: str, stored: str) -> None:
    """The printed D and blanks do not count."""
    assert normalized_customer_number(typed) == stored


def test_memberships_of_a_person(services: Services) -> None:
    """All of them, ordered by the organisation's name, with what the organisation is called."""
    with unit_of_work(services) as ctx:
        muster = make_organization(ctx)
        beispiel = make_organization(ctx, "100200400", "Beispiel AG")
        ben, anna = make_account(ctx, "ben"), make_account(ctx, "anna")
        first = make_membership(ctx, muster, ben)
        second = make_membership(ctx, beispiel, ben, status="pending")
        third = make_membership(ctx, muster, anna, role="administrator")
    with unit_of_work(services) as ctx:
        found = for_account(ctx, ben)
        assert [(m.id, m.organization_name, m.customer_number, m.status, m.role) for m in found] == [
            (second, "Beispiel AG", "100200400", "pending", "member"),
            (first, "Muster GmbH", "100200300", "active", "member"),
        ]
        assert {m.account_id for m in found} == {ben}
        assert [m.id for m in of_organization(ctx, muster)] == [first, third]
        member = find(ctx, third)
        assert member is not None
        assert member.organization_id == muster
        assert (member.role, member.organization_status, member.epoch) == ("administrator", "active", 1)
        assert find(ctx, "unknown") is None
        assert for_account(ctx, "unknown") == []


def test_roles_are_data(services: Services) -> None:
    """Two exist from the start, others only when somebody made them."""
    with unit_of_work(services) as ctx:
        assert exists(ctx.db, "member")
        assert exists(ctx.db, "member")
        assert exists(ctx.db, "administrator")
        assert not exists(ctx.db, "emperor")
