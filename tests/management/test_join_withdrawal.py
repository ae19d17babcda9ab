"""A request to join is taken back by its own person, alike for every number (req 59, 75, 91, 106; C5)."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from idp.audit.events import Event
from idp.audit.log import tail
from idp.context import Context, Services
from idp.errors import Refusal
from idp.management import activity, join_approval, join_codes, joining, memberships, organizations, own_data
from idp.organizations.memberships import for_account
from idp.organizations.models import JoinRequest, Membership
from tests.builders import OPERATOR, make_account, make_membership
from tests.driver import counted
from tests.installation import NOW, unit_of_work
from tests.joining import (
    MUSTER,
    UNKNOWN,
    ask,
    by_post,
    letters,
    member,
    membership_id,
    people,
    person,
    status,
    tell,
)
from tests.lock_order import check_held_first


@pytest.fixture
def ids(services: Services) -> dict[str, str]:
    """Companies and people."""
    return people(services)


def withdraw(services: Services, account_id: str, number: str = MUSTER) -> bool:
    with unit_of_work(services, actor=person(account_id)) as ctx:
        return joining.withdraw(ctx, account_id, number)


def numbers(services: Services, account_id: str) -> list[str]:
    with unit_of_work(services) as ctx:
        return [found.customer_number for found in joining.open_requests(ctx, account_id)]


def test_it_waits_no_more(services: Services, ids: dict[str, str]) -> None:
    """For nobody: those who decide see nothing, are not told, and the log knows of it (req 106)."""
    ask(services, ids["ben"])
    ask(services, ids["ben"], UNKNOWN)
    assert withdraw(services, ids["ben"])
    assert numbers(services, ids["ben"]) == [UNKNOWN]
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert join_approval.waiting(ctx, ids["muster"]) == []
        assert member(ctx, ids["muster"], ids["ben"]) is None
        entry = tail(ctx, limit=1)[0]
        assert (entry.event, entry.organization) == (Event.MEMBERSHIP_REQUEST_WITHDRAWN, ids["muster"])
        assert (entry.actor_id, entry.target_id, entry.new) == (
            ids["ben"],
            ids["ben"],
            {"customer_number": MUSTER},
        )
    assert tell(services) == 0


def test_asked_once_more_it_begins_anew(services: Services, ids: dict[str, str]) -> None:
    """As old as the new request, and those who decide can let the person in."""
    ask(services, ids["ben"])
    withdraw(services, ids["ben"])
    ask(services, ids["ben"], later=timedelta(hours=1))
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert [found.since for found in join_approval.waiting(ctx)] == [NOW + timedelta(hours=1)]
        found = member(ctx, ids["muster"], ids["ben"])
        assert found is not None
        assert join_approval.approve(ctx, ids["muster"], found.id)


def test_statements_are_alike(services: Services, ids: dict[str, str]) -> None:
    """A number we have, one nobody has, one of a company that has blocked the person (req 59)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        blocked = make_membership(ctx, ids["beispiel"], ids["clara"])
        memberships.block(ctx, ids["beispiel"], blocked)
        asked = {MUSTER: ids["ben"], UNKNOWN: make_account(ctx, "doro"), "100200400": ids["clara"]}
    for number, account in asked.items():
        ask(services, account, number)
    spent = {}
    with counted(services.database) as traffic:
        for number, account in asked.items():
            traffic.clear()
            assert withdraw(services, account, number)
            # SQLite traces a statement once more for each foreign key it looks after by itself
            spent[number] = (len(dict.fromkeys(traffic.statements)), traffic.commits)
            assert numbers(services, account) == []
    assert len(set(spent.values())) == 1, spent
    with unit_of_work(services) as ctx:
        assert ctx.db.get_one(Membership, blocked).status == "blocked"


def test_its_person_learns_nothing_of_the_company(services: Services, ids: dict[str, str]) -> None:
    """Neither the pages, nor the activity, nor all the data to take away name it (req 59)."""
    for number in (MUSTER, UNKNOWN):
        ask(services, ids["ben"], number)
        withdraw(services, ids["ben"], number)
    with unit_of_work(services, actor=person(ids["ben"])) as ctx:
        assert for_account(ctx, ids["ben"]) == []
        deeds = activity.page(ctx, ids["ben"]).deeds
        withdrawn = [deed for deed in deeds if deed.event == Event.MEMBERSHIP_REQUEST_WITHDRAWN]
        assert [deed.organization for deed in withdrawn] == [None, None]
        assert "Muster GmbH" not in str(own_data.export(ctx, ids["ben"], "json"))


def test_who_was_there_before_is_out_again(services: Services, ids: dict[str, str]) -> None:
    """The membership they had ends again, in an epoch of its own; a request of before is none."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        own = make_membership(ctx, ids["muster"], ids["ben"])
        memberships.end(ctx, ids["muster"], own)
    ask(services, ids["ben"])
    with unit_of_work(services) as ctx:
        epoch = ctx.db.get_one(Membership, own).epoch
    assert withdraw(services, ids["ben"])
    with unit_of_work(services) as ctx:
        found = ctx.db.get_one(Membership, own)
        assert (found.status, found.epoch, found.ended_at) == ("ended", epoch + 1, NOW)
        assert found.changed_by == ids["ben"]


def test_what_an_administrator_began_waits_on(services: Services, ids: dict[str, str]) -> None:
    """Who typed the number as well takes only that back."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_membership(ctx, ids["muster"], ids["ben"], status="pending")
    ask(services, ids["ben"])
    assert withdraw(services, ids["ben"])
    assert numbers(services, ids["ben"]) == []
    with unit_of_work(services) as ctx:
        assert [found.status for found in for_account(ctx, ids["ben"])] == ["pending"]


def test_what_is_decided_stays(services: Services, ids: dict[str, str]) -> None:
    """Let in or declined meanwhile, taken back already, never asked: nothing is done, nothing logged."""
    ask(services, ids["ben"])
    ask(services, ids["clara"])
    with unit_of_work(services, actor=OPERATOR) as ctx:
        join_approval.approve(ctx, ids["muster"], member(ctx, ids["muster"], ids["ben"]).id)  # type: ignore[union-attr]
        join_approval.decline(ctx, ids["muster"], member(ctx, ids["muster"], ids["clara"]).id)  # type: ignore[union-attr]
    ask(services, ids["anna"], UNKNOWN)
    assert withdraw(services, ids["anna"], UNKNOWN)
    for name, number in (("ben", MUSTER), ("clara", MUSTER), ("anna", UNKNOWN), ("anna", "'; --\0")):
        assert not withdraw(services, ids[name], number)
    with unit_of_work(services) as ctx:
        assert len(tail(ctx, limit=9, event=Event.MEMBERSHIP_REQUEST_WITHDRAWN)) == 1
        assert member(ctx, ids["muster"], ids["ben"]).status == "active"  # type: ignore[union-attr]


def test_the_code_of_its_letter_is_dead(services: Services, ids: dict[str, str]) -> None:
    """Also after the same number was asked for once more, until a new letter comes (C5)."""
    by_post(services, ids["muster"])
    ask(services, ids["ben"])
    [sent] = letters(services)
    withdraw(services, ids["ben"])
    ask(services, ids["ben"])
    with unit_of_work(services, actor=person(ids["ben"])) as ctx, pytest.raises(Refusal, match="code_wrong"):
        join_codes.redeem(ctx, ids["ben"], sent.code)


def test_nobody_takes_back_anothers(services: Services, ids: dict[str, str]) -> None:
    """By no id and no number (req 91; C5, C7)."""
    ask(services, ids["ben"])
    assert not withdraw(services, ids["clara"])
    with unit_of_work(services, actor=person(ids["clara"])) as ctx:
        with pytest.raises(Refusal, match="not_allowed"):
            joining.withdraw(ctx, ids["ben"], MUSTER)
        assert ctx.db.scalar(select(func.count()).select_from(JoinRequest)) == 1


def test_the_account_is_held_before_the_request(services: Services, ids: dict[str, str]) -> None:
    """Else it waits for who decides, who waits for this request (I8)."""
    ask(services, ids["ben"])

    def act(ctx: Context) -> None:
        assert joining.withdraw(ctx.acting(person(ids["ben"])), ids["ben"], MUSTER)

    others = [select(JoinRequest.id), select(Membership.id).where(Membership.account_id == ids["ben"])]
    assert check_held_first(services, ids["ben"], act, others) == "done"


def test_let_in_and_taken_back_at_a_time(services: Services, ids: dict[str, str]) -> None:
    """One of both counts, and what is shown is what the log says (I8)."""
    for round_ in range(8):
        ask(services, ids["ben"])
        found = membership_id(services, ids["muster"], ids["ben"])
        barrier, outcomes = threading.Barrier(2), dict[str, bool]()

        def take_back(barrier: threading.Barrier = barrier, outcomes: dict[str, bool] = outcomes) -> None:
            barrier.wait(30)
            outcomes["withdrawn"] = withdraw(services, ids["ben"])

        def let_in(
            barrier: threading.Barrier = barrier, outcomes: dict[str, bool] = outcomes, own: str = found
        ) -> None:
            barrier.wait(30)
            try:
                with unit_of_work(services, actor=OPERATOR) as ctx:
                    outcomes["approved"] = join_approval.approve(ctx, ids["muster"], own)
            except Refusal as refusal:
                outcomes["approved"] = refusal.code not in ("membership.unknown", "membership.status")

        threads = [threading.Thread(target=run) for run in (take_back, let_in)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes.values()) == [False, True], (round_, outcomes)
        is_in = status(services, ids["muster"], ids["ben"]) == "active"
        assert is_in == outcomes["approved"]
        assert numbers(services, ids["ben"]) == []
        if is_in:
            with unit_of_work(services, actor=OPERATOR) as ctx:
                memberships.end(ctx, ids["muster"], found)


def test_asking_and_taking_back_is_no_flood_of_mails(services: Services, ids: dict[str, str]) -> None:
    """The pause between two mails to a company is the company's, not the request's (req 59)."""
    ask(services, ids["ben"])
    assert tell(services) == 1
    for minute in (1, 5, 14):
        withdraw(services, ids["ben"])
        ask(services, ids["ben"], later=timedelta(minutes=minute))
        assert tell(services, later=timedelta(minutes=minute)) == 0
    assert tell(services, later=timedelta(minutes=15)) == 1


def test_taken_back_it_has_ended_as_before(services: Services, ids: dict[str, str]) -> None:
    """Whoever ended it: asking and taking back is no decision of the company (decision 72)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        own = make_membership(ctx, ids["muster"], ids["ben"])
        memberships.end(ctx, ids["muster"], own)
    ask(services, ids["ben"], later=timedelta(hours=1))
    with unit_of_work(services, NOW + timedelta(hours=2), actor=person(ids["ben"])) as ctx:
        assert joining.withdraw(ctx, ids["ben"], MUSTER)
        found = member(ctx, ids["muster"], ids["ben"])
        assert found is not None
        assert (found.status, found.ended_at) == ("ended", NOW)
    ask(services, ids["ben"], later=timedelta(hours=3))
    with unit_of_work(services, NOW + timedelta(hours=4), actor=OPERATOR) as ctx:
        assert join_approval.approve(ctx, ids["muster"], own)
        found = member(ctx, ids["muster"], ids["ben"])
        assert found is not None
        assert (found.status, found.ended_at) == ("active", None)


def test_what_was_asked_again_while_suspended_is_taken_back(services: Services, ids: dict[str, str]) -> None:
    """Nobody is let in by a request that its person took back."""
    ask(services, ids["ben"])
    with unit_of_work(services, actor=OPERATOR) as ctx:
        organizations.suspend(ctx, ids["muster"])
    ask(services, ids["ben"])
    assert withdraw(services, ids["ben"])
    with unit_of_work(services, actor=OPERATOR) as ctx:
        organizations.resume(ctx, ids["muster"])
        assert join_approval.waiting(ctx, ids["muster"]) == []
