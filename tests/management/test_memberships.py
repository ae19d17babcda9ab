"""Memberships: begin, approve, block, end; what was issued for them (req 23, 91, C7)."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from idp.audit.log import tail
from idp.authentication import live_sessions, sessions
from idp.authentication.models import Session
from idp.context import Actor, Context, Services
from idp.errors import Refusal
from idp.management import memberships, permissions
from idp.oidc.models import Authorization
from idp.organizations.memberships import MembershipFacts, find
from idp.organizations.models import Membership
from tests.builders import (
    OPERATOR,
    SignedIn,
    make_account,
    make_catalogue,
    make_client,
    make_membership,
    make_organization,
    sign_in,
)
from tests.installation import NOW, unit_of_work


@pytest.fixture
def people(services: Services) -> dict[str, str]:
    """Ben at Muster GmbH and at Beispiel AG, Clara at Muster GmbH, and a portal."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_client(ctx)
        muster, beispiel = make_organization(ctx), make_organization(ctx, "100200400", "Beispiel AG")
        ben, clara = make_account(ctx, "ben"), make_account(ctx, "clara")
        return {
            "muster": muster,
            "beispiel": beispiel,
            "ben": ben,
            "clara": clara,
            "ben at muster": make_membership(ctx, muster, ben),
            "ben at beispiel": make_membership(ctx, beispiel, ben),
            "clara at muster": make_membership(ctx, muster, clara),
        }


def facts(ctx: Context, membership_id: str) -> MembershipFacts:
    found = find(ctx, membership_id)
    assert found is not None
    return found


def lives(ctx: Context, signed_in: SignedIn) -> tuple[bool, bool]:
    """Tell whether session and authorization live."""
    session = live_sessions.find(ctx, signed_in.cookie)
    authorization = ctx.db.get_one(Authorization, signed_in.authorization, populate_existing=True)
    return session is not None, authorization.revoked_at is None


def test_a_block_ends_what_was_issued_for_the_membership(services: Services, people: dict[str, str]) -> None:
    """At once: its authorizations and the sessions that served it; others stay (req 23)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        at_muster = sign_in(ctx, people["ben"], membership_id=people["ben at muster"])
        at_beispiel = sign_in(ctx, people["ben"], membership_id=people["ben at beispiel"])
        clara = sign_in(ctx, people["clara"], membership_id=people["clara at muster"])
    with unit_of_work(services, actor=OPERATOR) as ctx:
        ended = memberships.block(ctx, people["muster"], people["ben at muster"], reason="left the team")
        assert (ended.sessions, ended.authorizations, len(ended.notices)) == (1, 1, 1)
    with unit_of_work(services) as ctx:
        assert lives(ctx, at_muster) == (False, False)
        assert lives(ctx, at_beispiel) == (True, True)
        assert lives(ctx, clara) == (True, True)
        blocked = facts(ctx, people["ben at muster"])
        assert (blocked.status, blocked.epoch, blocked.version) == ("blocked", 2, 2)
        entry = next(e for e in tail(ctx, account=people["ben"]) if e.event == "membership.blocked")
        assert (entry.organization, entry.reason) == (people["muster"], "left the team")


def test_the_last_membership_takes_every_session(services: Services, people: dict[str, str]) -> None:
    """Who is blocked everywhere is signed in nowhere (req 23, C7)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        for_nobody = sign_in(ctx, people["clara"])
        at_muster = sign_in(ctx, people["clara"], membership_id=people["clara at muster"])
        ended = memberships.block(ctx, people["muster"], people["clara at muster"])
        assert (ended.sessions, ended.authorizations) == (2, 1)
        assert lives(ctx, for_nobody)[0] is False
        assert lives(ctx, at_muster) == (False, False)


def test_a_session_that_served_two_companies_ends_with_either(
    services: Services, people: dict[str, str]
) -> None:
    """The portal can be told of the session only."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        signed_in = sign_in(ctx, people["ben"], membership_id=people["ben at muster"])
        sessions.choose_membership(ctx, signed_in.session, people["ben at beispiel"])
        memberships.block(ctx, people["muster"], people["ben at muster"])
        session = ctx.db.get_one(Session, signed_in.session, populate_existing=True)
        assert session.end_reason == "membership blocked"


def test_a_session_that_chose_the_company_ends_with_it(services: Services, people: dict[str, str]) -> None:
    """Before any portal was told of the choice."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        signed_in = sign_in(ctx, people["ben"])
        sessions.choose_membership(ctx, signed_in.session, people["ben at muster"])
        assert memberships.block(ctx, people["muster"], people["ben at muster"]).sessions == 1
        assert lives(ctx, signed_in)[0] is False


def test_unblocking_revives_nothing(services: Services, people: dict[str, str]) -> None:
    """The epoch stays raised (req 44)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        before = sign_in(ctx, people["clara"], membership_id=people["clara at muster"])
        memberships.block(ctx, people["muster"], people["clara at muster"])
        memberships.unblock(ctx, people["muster"], people["clara at muster"])
        assert lives(ctx, before) == (False, False)
        assert facts(ctx, people["clara at muster"]).status == "active"
        assert facts(ctx, people["clara at muster"]).epoch == 2


def test_ending_leaves_time_to_undo(services: Services, people: dict[str, str]) -> None:
    """14 days (design §2, Lifetimes); until then the permissions wait in the row."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        signed_in = sign_in(ctx, people["clara"], membership_id=people["clara at muster"])
        assert memberships.end(ctx, people["muster"], people["clara at muster"]).sessions == 1
        assert lives(ctx, signed_in) == (False, False)
        row = ctx.db.get_one(Membership, people["clara at muster"])
        assert (row.status, row.ended_at) == ("ended", NOW)
        assert row.restore_until is not None
        assert (row.restore_until - NOW).days == 14
        assert row.changed_by == OPERATOR.id


def test_who_comes_back_brings_no_permissions(services: Services, people: dict[str, str]) -> None:
    """A new beginning in the old row: other epoch, no old rights (req 38)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_catalogue(ctx)
        permissions.grant_to_organization(ctx, people["muster"], "portal", ["*"])
        permissions.grant_to_member(ctx, people["muster"], people["clara at muster"], "portal", ["*"])
        memberships.end(ctx, people["muster"], people["clara at muster"])
        again = memberships.add(
            ctx, organization_id=people["muster"], account_id=people["clara"], status="pending"
        )
        assert again == people["clara at muster"]
        assert permissions.withdraw_from_member(ctx, people["muster"], again, "portal", ["*"]) == []
        assert (facts(ctx, again).status, facts(ctx, again).epoch) == ("pending", 3)
        assert ctx.db.get_one(Membership, again).restore_until is None


def test_approval(services: Services, people: dict[str, str]) -> None:
    """Who waits is activated, once; who is active is not."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        emil = make_account(ctx, "emil")
        waiting = make_membership(ctx, people["muster"], emil, status="pending", role="administrator")
        memberships.activate(ctx, people["muster"], waiting)
        assert (facts(ctx, waiting).status, facts(ctx, waiting).role) == ("active", "administrator")
        with pytest.raises(Refusal) as refused:
            memberships.activate(ctx, people["muster"], waiting)
        assert refused.value == Refusal("membership.status", status="active", action="activate")
        events = [entry.event for entry in tail(ctx, account=emil)]
        assert {"membership.requested", "membership.activated"} <= set(events)


BEGINNINGS: list[tuple[dict[str, str], str]] = [
    ({"account_id": "nobody"}, "account.unknown"),
    ({"organization_id": "nowhere"}, "organization.unknown"),
    ({"role": "emperor"}, "role.unknown"),
    ({"status": "blocked"}, "membership.status"),
    ({"status": "ended"}, "membership.status"),
    ({}, "membership.status"),
    ({"status": "invited"}, "membership.status"),
]


@pytest.mark.parametrize(("wrong", "code"), BEGINNINGS)
def test_what_cannot_begin(
    services: Services, people: dict[str, str], wrong: dict[str, str], code: str
) -> None:
    """One membership for a person and a company, in a status to begin with."""
    right = {"organization_id": people["muster"], "account_id": people["ben"]}
    with unit_of_work(services, actor=OPERATOR) as ctx:
        with pytest.raises(Refusal) as refused:
            memberships.add(ctx, **{**right, **wrong})
        assert refused.value.code == code
        assert facts(ctx, people["ben at muster"]).status == "active"


OPERATIONS: list[Callable[[Context, str, str], Any]] = [
    memberships.activate,
    memberships.block,
    memberships.unblock,
    memberships.end,
    memberships.locked,
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_targets_are_found_through_their_organisation(
    services: Services, people: dict[str, str], operation: Callable[[Context, str, str], Any]
) -> None:
    """A membership of another company is as unknown as one that never was (req 91)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        for organization, membership in (
            (people["beispiel"], people["clara at muster"]),
            (people["muster"], people["ben at beispiel"]),
            (people["muster"], "nobody"),
            ("nowhere", people["clara at muster"]),
        ):
            with pytest.raises(Refusal) as refused:
                operation(ctx, organization, membership)
            assert refused.value == Refusal("membership.unknown")
        rows = ctx.db.execute(select(Membership.status, Membership.epoch)).all()
        assert {tuple(row) for row in rows} == {("active", 1)}


@pytest.mark.parametrize("kind", ["account", "client", "anonymous", ""])
def test_only_operators_touch_memberships(services: Services, people: dict[str, str], kind: str) -> None:
    """Until company administrators have pages of their own (req 92)."""
    muster, clara = people["muster"], people["clara at muster"]
    with unit_of_work(services, actor=Actor(kind=kind, id=people["clara"])) as ctx:
        attempts: list[Callable[[], object]] = [
            lambda: memberships.add(ctx, organization_id=muster, account_id=people["ben"]),
            lambda: memberships.list_all(ctx, muster),
            *(
                lambda operation=operation: operation(ctx, muster, clara)  # type: ignore[misc]
                for operation in OPERATIONS[:-1]
            ),
        ]
        for attempt in attempts:
            with pytest.raises(Refusal, match=r"actor\.not_allowed"):
                attempt()


def test_a_list_for_the_operator(services: Services, people: dict[str, str]) -> None:
    """In the order of creation."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        listed = memberships.list_all(ctx, people["muster"])
        assert [found.id for found in listed] == sorted([people["ben at muster"], people["clara at muster"]])


def test_parallel_beginnings_make_one_membership(services: Services, people: dict[str, str]) -> None:
    """Eight at once: one begins, seven hear that there is one (req 22)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        emil = make_account(ctx, "emil")
    barrier = threading.Barrier(8)
    outcomes: list[str] = []

    def begin() -> None:
        barrier.wait()
        try:
            with unit_of_work(services, actor=OPERATOR) as ctx:
                memberships.add(ctx, organization_id=people["muster"], account_id=emil)
            outcomes.append("begun")
        except Refusal as refusal:
            outcomes.append(refusal.code)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["begun"] + ["membership.status"] * 7
    with unit_of_work(services) as ctx:
        assert len(ctx.db.scalars(select(Membership).where(Membership.account_id == emil)).all()) == 1
