"""Joining by customer number: alike for numbers we have and others; nothing twice (req 59; C4, C5)."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from idp.accounts.models import Account
from idp.audit.events import Event
from idp.audit.log import tail
from idp.context import Origin, Services
from idp.errors import Refusal
from idp.management import accounts, joining, linking, memberships, organizations, permissions
from idp.organizations.memberships import for_account
from idp.organizations.models import JoinRequest, Membership, MembershipPermission
from idp.settings import Settings
from tests.builders import (
    OPERATOR,
    make_account,
    make_catalogue,
    make_client,
    make_membership,
    make_organization,
)
from tests.driver import counted
from tests.installation import NOW, unit_of_work
from tests.joining import BEISPIEL, MUSTER, UNKNOWN, ask, member, people, person
from tests.legacy import import_rows, link_account, make_directory, old_account


@pytest.fixture
def ids(services: Services) -> dict[str, str]:
    """Companies and people."""
    return people(services)


def waiting(services: Services, account_id: str, *, later: timedelta = timedelta(0)) -> list[str]:
    with unit_of_work(services, NOW + later) as ctx:
        return [found.customer_number for found in joining.open_requests(ctx, account_id)]


def refused(call: Callable[[], object]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call()
    return caught.value


def test_a_request_waits_and_opens_nothing(services: Services, ids: dict[str, str]) -> None:
    """The membership is pending, its person is shown the number alone; the log knows (req 59, 106)."""
    assert ask(services, ids["ben"]) == joining.Asked("sent", MUSTER)
    with unit_of_work(services) as ctx:
        found = member(ctx, ids["muster"], ids["ben"])
        assert found is not None
        assert (found.status, found.role, found.asked_at) == ("pending", "member", NOW)
        assert for_account(ctx, ids["ben"]) == []
        assert ctx.db.get_one(Account, ids["ben"]).home_organization_id is None
        entry = tail(ctx, limit=1, event=Event.MEMBERSHIP_REQUESTED)[0]
        assert (entry.organization, entry.target_id) == (ids["muster"], ids["ben"])
        assert entry.new == {"customer_number": MUSTER}
    assert waiting(services, ids["ben"]) == [MUSTER]


@pytest.mark.parametrize(
    "typed", ["D100200300", "d 100 200 300", "0100200300", " D 0100200300 ", "100\t200 300"]
)
def test_a_number_is_understood_as_people_write_it(
    services: Services, ids: dict[str, str], typed: str
) -> None:
    """With the printed D, with blanks, with the zero that the old form had in its field."""
    assert ask(services, ids["ben"], typed).customer_number == MUSTER
    with unit_of_work(services) as ctx:
        assert member(ctx, ids["muster"], ids["ben"]) is not None


@pytest.mark.parametrize("typed", ["012345678", "D012345678", "0012345678"])
def test_a_number_that_begins_with_zero_is_one(services: Services, ids: dict[str, str], typed: str) -> None:
    """Its own zero is not the one that was put in front."""
    with unit_of_work(services) as ctx:
        make_organization(ctx, "012345678", name="Null GmbH")
    assert ask(services, ids["ben"], typed).customer_number == "012345678"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "D",
        "0",
        "000000000",
        "12345678",
        "1002003001",
        "10020030A",
        "'; --",
        "１００２００３００",
        "1" * 400,
    ],
)
def test_what_cannot_be_a_number_is_refused(services: Services, ids: dict[str, str], typed: str) -> None:
    """Before anything is counted or written."""
    assert refused(lambda: ask(services, ids["ben"], typed)).code == "customer.format"
    with services.database.session() as db:
        ctx = services.context(db, actor=person(ids["ben"]))
        for _ in range(10):
            assert refused(lambda: joining.admit(ctx, ids["ben"], typed)).code == "customer.format"
    assert waiting(services, ids["ben"]) == []


def test_numbers_of_another_form(services: Services, settings: Settings, ids: dict[str, str]) -> None:
    """An installation says how many digits its numbers have, or that they have letters."""
    other = settings.organizations.model_copy(update={"number_digits": None})
    services = Services(
        settings.model_copy(update={"organizations": other}),
        services.database,
        services.vault,
        services.throttle,
        services.passwords,
    )
    with unit_of_work(services, actor=OPERATOR) as ctx:
        kontor = make_organization(ctx, "K-17", "Kontor")
        zeros = make_organization(ctx, "00815", "Nullen")
    assert ask(services, ids["ben"], "k-17").customer_number == "K-17"
    ask(services, ids["ben"], "00815")
    with unit_of_work(services) as ctx:
        assert member(ctx, kontor, ids["ben"]) is not None
        assert member(ctx, zeros, ids["ben"]) is not None
    assert refused(lambda: ask(services, ids["ben"], "?")).code == "customer.unlike"


def test_statements_and_answers_are_alike(services: Services, ids: dict[str, str]) -> None:
    """A number we have, one nobody has, one of a company that is suspended: same words and work (req 59)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        suspended = make_organization(ctx, "100200500", "Still AG")
        organizations.suspend(ctx, suspended)
        people = {n: make_account(ctx, f"p{n}") for n in (MUSTER, UNKNOWN, "100200500", "100200600")}
        kraft = make_organization(ctx, "100200600", "Kraft KG")
        make_membership(ctx, kraft, people["100200600"])
        memberships.block(ctx, kraft, member(ctx, kraft, people["100200600"]).id)  # type: ignore[union-attr]
    ask(services, ids["clara"], UNKNOWN)  # roles are there, statements compiled
    spent = {}
    with counted(services.database) as traffic:
        for round_ in range(2):  # asked again as well
            for number, account in people.items():
                traffic.clear()
                assert ask(services, account, number) == joining.Asked("sent", number)
                spent[number, round_] = (len(traffic.statements), traffic.commits)
                assert waiting(services, account) == [number]
    assert len(set(spent.values())) == 1, spent
    with unit_of_work(services) as ctx:
        assert member(ctx, suspended, people["100200500"]) is None
        blocked = member(ctx, kraft, people["100200600"])
        assert blocked is not None
        assert blocked.status == "blocked"


def test_the_number_alone_opens_a_company_without_administrator(
    services: Services, ids: dict[str, str]
) -> None:
    """Sage's rule, only by policy and only while nobody administers it."""
    asked = ask(services, ids["ben"], "D" + BEISPIEL)
    with unit_of_work(services) as ctx:
        found = member(ctx, ids["beispiel"], ids["ben"])
        assert found is not None
        assert (found.status, found.role, found.asked_at) == ("active", "member", None)
        assert ctx.db.get_one(Account, ids["ben"]).home_organization_id == ids["beispiel"]
        assert tail(ctx, limit=1)[0].event == Event.MEMBERSHIP_CREATED
        assert asked == joining.Asked("joined", BEISPIEL, found.id, "Beispiel AG")
    assert waiting(services, ids["ben"]) == []
    assert ask(services, ids["ben"], BEISPIEL).outcome == "already_member"
    with unit_of_work(services) as ctx:
        make_membership(ctx, ids["beispiel"], ids["anna"], role="administrator")
    assert ask(services, ids["clara"], BEISPIEL).outcome == "sent"


@pytest.mark.parametrize("role", ["member", "administrator"])
def test_who_is_a_member_already_hears_so(services: Services, ids: dict[str, str], role: str) -> None:
    """Nothing changes, the role least of all; the home of somebody with one stays."""
    with unit_of_work(services) as ctx:
        own = make_membership(ctx, ids["beispiel"], ids["clara"], role=role)
    assert ask(services, ids["clara"], BEISPIEL) == joining.Asked(
        "already_member", BEISPIEL, own, "Beispiel AG"
    )
    with unit_of_work(services) as ctx:
        assert member(ctx, ids["beispiel"], ids["clara"]).role == role  # type: ignore[union-attr]


@pytest.mark.parametrize("number", [MUSTER, BEISPIEL])
def test_who_was_put_out_waits_for_somebody(services: Services, ids: dict[str, str], number: str) -> None:
    """An ended member asks as a stranger: new epoch, no permissions; the number alone lets nobody back."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        company = organizations.find(ctx, number).id
        make_client(ctx)
        make_catalogue(ctx)
        permissions.grant_to_organization(ctx, company, "portal", ["orders"])
        own = make_membership(ctx, company, ids["ben"])
        permissions.grant_to_member(ctx, company, own, "portal", ["orders"])
        memberships.end(ctx, company, own)
        epoch = ctx.db.get_one(Membership, own).epoch
    assert ask(services, ids["ben"], number).outcome == "sent"
    with unit_of_work(services) as ctx:
        found = ctx.db.get_one(Membership, own)
        assert (found.status, found.ended_at, found.restore_until) == ("pending", NOW, None)
        assert found.epoch == epoch + 1
        assert ctx.db.scalar(select(func.count()).select_from(MembershipPermission)) == 0


def test_asked_again_it_stays_as_old_as_it_is(services: Services, ids: dict[str, str]) -> None:
    """A second request is the same one, for known and unknown numbers alike; ended ones begin anew."""
    day = timedelta(days=1)
    for number in (MUSTER, UNKNOWN):
        ask(services, ids["ben"], number)
        ask(services, ids["ben"], number, later=day)
    with unit_of_work(services, NOW + day, actor=OPERATOR) as ctx:
        assert {r.asked_at for r in joining.open_requests(ctx, ids["ben"])} == {NOW}
        memberships.end(ctx, ids["muster"], member(ctx, ids["muster"], ids["ben"]).id)  # type: ignore[union-attr]
    assert waiting(services, ids["ben"], later=day) == [UNKNOWN]
    ask(services, ids["ben"], later=2 * day)
    assert waiting(services, ids["ben"], later=2 * day) == [MUSTER, UNKNOWN]


def test_requests_are_shown_for_a_time_and_then_removed(services: Services, ids: dict[str, str]) -> None:
    """A number nobody answers for does not stay."""
    ask(services, ids["ben"], UNKNOWN)
    late = joining.REQUEST_LASTS + timedelta(seconds=1)
    assert waiting(services, ids["ben"], later=late) == []
    with unit_of_work(services, NOW + late) as ctx:
        assert joining.purge(ctx, 10) == 1
        assert ctx.db.scalar(select(func.count()).select_from(JoinRequest)) == 0


def test_nobody_asks_for_another_or_without_a_live_account(services: Services, ids: dict[str, str]) -> None:
    """Somebody else's id, a blocked account, one that is none (req 91; C7)."""
    with unit_of_work(services, actor=person(ids["clara"])) as ctx:
        assert refused(lambda: joining.ask(ctx, ids["ben"], MUSTER)).code == "actor.not_allowed"
    with unit_of_work(services, actor=OPERATOR) as ctx:
        accounts.block(ctx, ids["ben"])
        assert refused(lambda: joining.ask(ctx, "nobody", MUSTER)).code == "account.unknown"
    assert refused(lambda: ask(services, ids["ben"])).code == "account.status"


def test_numbers_are_counted_for_accounts_and_networks(services: Services, ids: dict[str, str]) -> None:
    """Five a day for an account whatever its addresses, twenty an hour for a network."""
    with services.database.session() as db:

        def admit(account: str, ip: str) -> None:
            ctx = services.context(db, now=NOW, origin=Origin(ip=ip), actor=person(account))
            joining.admit(ctx, account, MUSTER)

        for at in range(5):
            admit(ids["ben"], f"198.51.100.{at}")
        refusal = refused(lambda: admit(ids["ben"], "198.51.100.9"))
        assert (refusal.code, refusal.params["until"]) == ("join.throttled", NOW + timedelta(days=1))
        for at in range(20):
            admit(f"account{at}", "203.0.113.1")
        assert refused(lambda: admit("other", "203.0.113.1")).code == "join.throttled"


def test_of_many_requests_at_once_there_is_one(services: Services, ids: dict[str, str]) -> None:
    """64 of one person at a time: one membership, one request, and under number_only one that is active."""
    for number, expected in ((MUSTER, {"sent": 64}), (BEISPIEL, {"joined": 1, "already_member": 63})):
        barrier = threading.Barrier(4)  # as many as there are connections without a wait
        outcomes: list[str] = []

        def run(
            number: str = number, barrier: threading.Barrier = barrier, outcomes: list[str] = outcomes
        ) -> None:
            barrier.wait(30)
            outcomes.extend(ask(services, ids["ben"], number).outcome for _ in range(16))

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {outcome: outcomes.count(outcome) for outcome in set(outcomes)} == expected
    with unit_of_work(services) as ctx:
        mine = select(func.count()).select_from(Membership).where(Membership.account_id == ids["ben"])
        assert ctx.db.scalar(mine) == 2
        assert ctx.db.scalar(select(func.count()).select_from(JoinRequest)) == 1


def test_an_old_account_answers_what_was_asked(services: Services) -> None:
    """Who asks first and brings the old account then is in, as who brings it at once; undone, it is gone."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        muster, ben = make_organization(ctx), make_account(ctx, "ben")
        make_directory(ctx)
    import_rows(services, [old_account(customer_number="D 100 200 300")])
    ask(services, ben, MUSTER)
    linked = link_account(services, ben)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        found = member(ctx, muster, ben)
        assert found is not None
        assert found.status == "active"
    assert waiting(services, ben) == []
    with unit_of_work(services, actor=OPERATOR) as ctx:
        linking.undo(ctx, ben, linked.link_id)
        assert [membership.status for membership in for_account(ctx, ben)] == ["ended"]


def test_an_old_account_answers_nobody_elses_question(services: Services) -> None:
    """Who waits because an administrator said so waits on, whatever is linked."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        muster, ben = make_organization(ctx), make_account(ctx, "ben")
        make_membership(ctx, muster, ben, status="pending")
        make_directory(ctx)
    import_rows(services, [old_account(customer_number="D 100 200 300")])
    link_account(services, ben)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert [membership.status for membership in for_account(ctx, ben)] == ["pending"]
