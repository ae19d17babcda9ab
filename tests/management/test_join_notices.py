"""Our own people and administrators are told: by the worker, once, in few mails (M11; req 59)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from idp.context import Services
from idp.errors import Refusal
from idp.management import (
    account_deletion,
    accounts,
    join_approval,
    join_letters,
    memberships,
    organizations,
)
from idp.settings.models import Support
from tests.builders import OPERATOR, make_account, make_membership
from tests.installation import unit_of_work
from tests.joining import BEISPIEL, UNKNOWN, ask, by_post, facts, mails, member, membership_id, people, tell

QUARTER = timedelta(minutes=15)


@pytest.fixture
def ids(services: Services) -> dict[str, str]:
    """Companies and people."""
    return people(services)


def test_administrators_are_told_once(services: Services, ids: dict[str, str]) -> None:
    """Who can be reached: not members, not the blocked; nothing is told of a number nobody has."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        for name in ("adam", "blocked", "ended", "unreachable"):
            address = [] if name == "unreachable" else [f"{name}@muster.example"]
            made = make_account(ctx, name, emails=address)
            own = make_membership(ctx, ids["muster"], made, role="administrator")
            if name == "blocked":
                accounts.block(ctx, made)
            if name == "ended":
                memberships.end(ctx, ids["muster"], own)
        make_membership(ctx, ids["muster"], make_account(ctx, "mia", emails=["mia@muster.example"]))
    ask(services, ids["ben"])
    ask(services, ids["clara"], UNKNOWN)
    assert mails(services) == []
    assert [tell(services), tell(services)] == [1, 0]
    assert sorted(mails(services)) == [
        ("access_waiting", "adam@muster.example"),
        ("access_waiting", "anna@muster.example"),
    ]
    assert facts(services) == {
        "person": "Ben Brandt",
        "organization": "Muster GmbH",
        "others": 0,
        "customer_number": "",
    }
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert join_approval.waiting(ctx)[0].told_at is not None


def test_nobody_hears_of_whose_account_goes(services: Services, ids: dict[str, str]) -> None:
    """No mail, list or letter names them, and nobody lets them in; undone, they wait (req 110)."""
    ask(services, ids["ben"])
    by_post(services, ids["muster"])
    with unit_of_work(services, actor=OPERATOR) as ctx:
        account_deletion.plan(ctx, ids["ben"])
        assert join_approval.waiting(ctx) == []
        assert join_letters.due(ctx) == []
        with pytest.raises(Refusal, match=r"account\.status"):
            join_approval.approve(ctx, ids["muster"], membership_id(services, ids["muster"], ids["ben"]))
    assert tell(services) == 0
    with unit_of_work(services, actor=OPERATOR) as ctx:
        flow = account_deletion.offer(ctx, ids["ben"], then=None, browser_hash=b"b")
        account_deletion.undo_in(ctx, flow)
        assert [one.name for one in join_approval.waiting(ctx)] == ["Ben Brandt"]
        assert [one.person for one in join_letters.due(ctx)] == ["Ben Brandt"]
    assert tell(services) == 1


def test_a_flood_of_requests_is_none_of_mails(services: Services, ids: dict[str, str]) -> None:
    """Who comes within a quarter of an hour is told of together afterwards."""
    ask(services, ids["ben"])
    tell(services)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        many = [make_account(ctx, f"p{n}", profile={"name": f"Person {n}"}) for n in range(5)]
    for account_id in many:
        ask(services, account_id)
    assert tell(services, later=QUARTER - timedelta(seconds=1)) == 0
    assert tell(services, later=QUARTER) == 5
    assert facts(services)["others"] == 4
    assert len(mails(services)) == 2


def test_our_own_people_are_told_of_everybody(services: Services, ids: dict[str, str]) -> None:
    """At the installation's support address, for it is they who decide; without one the list has it."""
    support = Support(mail="hilfe@lotse.example")
    staffed = replace(services, settings=services.settings.model_copy(update={"support": support}))
    with unit_of_work(services, actor=OPERATOR) as ctx:
        organizations.change(ctx, ids["beispiel"], join_policy="admin_approval")
    ask(services, ids["ben"], BEISPIEL)
    tell(staffed)
    assert mails(services) == [("access_waiting", "hilfe@lotse.example")]
    assert facts(services)["customer_number"] == BEISPIEL
    ask(services, ids["ben"], later=QUARTER)
    tell(staffed, later=QUARTER)
    assert sorted(mails(services)[1:]) == [
        ("access_waiting", "anna@muster.example"),
        ("access_waiting", "hilfe@lotse.example"),
    ]
    ask(services, ids["clara"], BEISPIEL, later=QUARTER)
    assert tell(services, later=QUARTER) == 1
    assert len(mails(services)) == 3


def test_what_waits_no_more_is_not_told(services: Services, ids: dict[str, str]) -> None:
    """Decided meanwhile, or the company suspended; asked anew it is news again."""
    ask(services, ids["ben"])
    with unit_of_work(services, actor=OPERATOR) as ctx:
        join_approval.decline(ctx, ids["muster"], membership_id(services, ids["muster"], ids["ben"]))
    assert tell(services) == 0
    ask(services, ids["ben"])
    assert tell(services) == 1
    ask(services, ids["clara"], later=QUARTER)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        organizations.suspend(ctx, ids["muster"])
        assert member(ctx, ids["muster"], ids["clara"]) is not None
    assert tell(services, later=2 * QUARTER) == 0
