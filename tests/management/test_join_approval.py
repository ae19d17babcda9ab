"""Deciding about people who wait: once, with a mail, by those it is up to (req 91, 106; M12)."""

import pytest

from idp.accounts.models import Account
from idp.audit.events import Event
from idp.audit.log import tail
from idp.authentication import sessions
from idp.context import Services
from idp.errors import Refusal
from idp.management import accounts, join_approval, joining, memberships, organizations
from idp.organizations.memberships import for_account
from idp.organizations.models import Membership
from tests.builders import OPERATOR, make_client, make_membership, sign_in
from tests.installation import NOW, unit_of_work
from tests.joining import MUSTER, UNKNOWN, ask, mails, membership_id, people, person, status


@pytest.fixture
def ids(services: Services) -> dict[str, str]:
    """Ben waits for Muster GmbH."""
    made = people(services)
    ask(services, made["ben"])
    return made


def test_who_waits_is_listed(services: Services, ids: dict[str, str]) -> None:
    """With name and address, for all companies or one; unknown numbers wait nowhere."""
    ask(services, ids["clara"], UNKNOWN)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        [found] = join_approval.waiting(ctx)
        assert (found.name, found.email, found.since) == ("Ben Brandt", "ben@muster.example", NOW)
        assert (found.customer_number, found.told_at, found.letter_at) == (MUSTER, None, None)
        assert join_approval.waiting(ctx, ids["beispiel"]) == []
        make_membership(ctx, ids["beispiel"], ids["clara"], status="pending")
        accounts.create(ctx, username="nobody")
        assert [found.name for found in join_approval.waiting(ctx)] == ["Ben Brandt", "Clara Curtius"]
        assert [found.name for found in join_approval.waiting(ctx, limit=1)] == ["Ben Brandt"]


def test_approved_once(services: Services, ids: dict[str, str]) -> None:
    """The person is in, at home there and told, once; what was asked waits no more."""
    own = membership_id(services, ids["muster"], ids["ben"])
    for changed in (True, False):
        with unit_of_work(services, actor=OPERATOR) as ctx:
            assert join_approval.approve(ctx, ids["muster"], own) is changed
    assert mails(services) == [("access_activated", "ben@muster.example")]
    with unit_of_work(services) as ctx:
        assert [found.status for found in for_account(ctx, ids["ben"])] == ["active"]
        assert ctx.db.get_one(Account, ids["ben"]).home_organization_id == ids["muster"]
        assert joining.open_requests(ctx, ids["ben"]) == []
        entry = tail(ctx, limit=1)[0]
        assert (entry.event, entry.actor_kind) == (Event.MEMBERSHIP_ACTIVATED, "operator")


def test_declined_once_and_nobody_is_signed_out(services: Services, ids: dict[str, str]) -> None:
    """The request ends, the person is told and keeps the session, for nothing was issued for what waits."""
    own = membership_id(services, ids["muster"], ids["ben"])
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_client(ctx)
        session = sign_in(ctx, ids["ben"]).session
    for changed in (True, False):
        with unit_of_work(services, actor=OPERATOR) as ctx:
            assert join_approval.decline(ctx, ids["muster"], own, reason="unknown here") is changed
    assert mails(services) == [("access_declined", "ben@muster.example")]
    with unit_of_work(services) as ctx:
        assert sessions.open_ids(ctx, ids["ben"]) == [session]
        assert ctx.db.get_one(Membership, own).status == "ended"
        entry = tail(ctx, limit=1)[0]
        assert (entry.event, entry.reason) == (Event.MEMBERSHIP_ENDED, "unknown here")
        assert joining.open_requests(ctx, ids["ben"]) == []


def test_only_what_waits_is_decided(services: Services, ids: dict[str, str]) -> None:
    """Blocked, ended and invited people are not let in so; who is in is not declined."""
    own = membership_id(services, ids["muster"], ids["ben"])
    with unit_of_work(services, actor=OPERATOR) as ctx:
        join_approval.approve(ctx, ids["muster"], own)
        with pytest.raises(Refusal, match=r"membership\.status"):
            join_approval.decline(ctx, ids["muster"], own)
        memberships.block(ctx, ids["muster"], own)
        for decide in (join_approval.approve, join_approval.decline):
            with pytest.raises(Refusal, match=r"membership\.status"):
                decide(ctx, ids["muster"], own)
        memberships.end(ctx, ids["muster"], own)
        with pytest.raises(Refusal, match=r"membership\.status"):
            join_approval.approve(ctx, ids["muster"], own)
        invited = make_membership(ctx, ids["muster"], ids["clara"], status="invited")
        with pytest.raises(Refusal, match=r"membership\.status"):
            join_approval.approve(ctx, ids["muster"], invited)


def test_decided_by_whom_it_is_theirs(services: Services, ids: dict[str, str]) -> None:
    """Not the person, not by another company's id, not into a suspended company (req 91; C7)."""
    own = membership_id(services, ids["muster"], ids["ben"])
    for call in (join_approval.approve, join_approval.decline):
        with unit_of_work(services, actor=person(ids["ben"])) as ctx:
            with pytest.raises(Refusal, match=r"actor\.not_allowed"):
                call(ctx, ids["muster"], own)
            with pytest.raises(Refusal, match=r"actor\.not_allowed"):
                join_approval.waiting(ctx)
        with (
            unit_of_work(services, actor=OPERATOR) as ctx,
            pytest.raises(Refusal, match=r"membership\.unknown"),
        ):
            call(ctx, ids["beispiel"], own)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        organizations.suspend(ctx, ids["muster"])
        with pytest.raises(Refusal) as suspended:
            join_approval.approve(ctx, ids["muster"], own)
        assert suspended.value == Refusal("organization.status", status="suspended")
    assert status(services, ids["muster"], ids["ben"]) == "pending"


def test_who_has_no_proven_address_gets_no_mail(services: Services, ids: dict[str, str]) -> None:
    """The decision stands all the same."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        nora = accounts.create(ctx, username="nora")
    ask(services, nora)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert join_approval.approve(ctx, ids["muster"], membership_id(services, ids["muster"], nora))
    assert mails(services) == []
