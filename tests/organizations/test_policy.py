"""For which organisation a person acts: every rule of the module's text as rows of tables."""

from collections.abc import Sequence
from typing import Any

import pytest

from idp.organizations.memberships import MembershipFacts
from idp.organizations.policy import (
    Active,
    Blocked,
    Choice,
    Choose,
    Missing,
    NoOrganization,
    Pending,
    acting_for,
    blocked_everywhere,
    choose,
    is_usable,
)
from tests.builders import membership

MUSTER = membership()
BEISPIEL = membership(id="m2", organization_id="o2", customer_number="100200400")


def change(facts: MembershipFacts, **changed: Any) -> MembershipFacts:
    return membership(
        id=facts.id,
        organization_id=facts.organization_id,
        customer_number=facts.customer_number,
        **changed,
    )


PENDING = change(MUSTER, status="pending")
INVITED = change(BEISPIEL, status="invited")
BLOCKED = change(MUSTER, status="blocked")
ENDED = change(MUSTER, status="ended")
SUSPENDED = change(MUSTER, organization_status="blocked")
WAITING_AT_SUSPENDED = change(MUSTER, status="pending", organization_status="blocked")
STRANGE = change(MUSTER, status="strange")
ANYONE, MEMBERS = False, True

RULES: list[tuple[str, list[MembershipFacts], bool, Choice]] = [
    ("nobody's member, open client", [], ANYONE, NoOrganization()),
    ("nobody's member, client for members", [], MEMBERS, Missing()),
    ("former member, open client", [ENDED], ANYONE, NoOrganization()),
    ("former member, client for members", [ENDED], MEMBERS, Missing()),
    ("one active", [MUSTER], ANYONE, Active(MUSTER)),
    ("one active, client for members", [MUSTER], MEMBERS, Active(MUSTER)),
    ("two active", [MUSTER, BEISPIEL], ANYONE, Choose((MUSTER, BEISPIEL))),
    ("one active, one blocked", [BLOCKED, BEISPIEL], ANYONE, Active(BEISPIEL)),
    ("one active, one suspended", [SUSPENDED, BEISPIEL], MEMBERS, Active(BEISPIEL)),
    ("one active, one ended", [ENDED, BEISPIEL], MEMBERS, Active(BEISPIEL)),
    ("one active, one invited", [MUSTER, INVITED], MEMBERS, Active(MUSTER)),
    ("blocked, open client", [BLOCKED], ANYONE, Blocked((BLOCKED,))),
    ("blocked, client for members", [BLOCKED], MEMBERS, Blocked((BLOCKED,))),
    ("suspended", [SUSPENDED], ANYONE, Blocked((SUSPENDED,))),
    ("waiting at a suspended one", [WAITING_AT_SUSPENDED], MEMBERS, Blocked((WAITING_AT_SUSPENDED,))),
    ("blocked and ended", [BLOCKED, change(BEISPIEL, status="ended")], ANYONE, Blocked((BLOCKED,))),
    ("pending, open client", [PENDING], ANYONE, NoOrganization()),
    ("pending, client for members", [PENDING], MEMBERS, Pending((PENDING,))),
    ("invited, client for members", [INVITED], MEMBERS, Pending((INVITED,))),
    ("blocked and invited, open client", [BLOCKED, INVITED], ANYONE, NoOrganization()),
    ("blocked and invited, client for members", [BLOCKED, INVITED], MEMBERS, Pending((INVITED,))),
    (
        "unknown status",
        [change(MUSTER, status="strange")],
        ANYONE,
        Blocked((change(MUSTER, status="strange"),)),
    ),
]


@pytest.mark.parametrize(("memberships", "members_only", "choice"), [row[1:] for row in RULES])
def test_what_the_memberships_allow(
    memberships: Sequence[MembershipFacts], members_only: bool, choice: Choice
) -> None:
    """Blocked and suspended people act nowhere, others where they may (req 23)."""
    assert choose(memberships, require_membership=members_only) == choice


SESSION: list[tuple[str, list[MembershipFacts], str | None, Choice]] = [
    ("chosen before", [MUSTER, BEISPIEL], "m2", Active(BEISPIEL)),
    ("chosen, blocked since", [BLOCKED, BEISPIEL], "m1", Active(BEISPIEL)),
    ("chosen, and the others remain", [BLOCKED, BEISPIEL, membership(id="m3")], "m1",
     Choose((BEISPIEL, membership(id="m3")))),
    ("chosen, somebody else's", [MUSTER, BEISPIEL], "m9", Choose((MUSTER, BEISPIEL))),
    ("chosen, nothing left", [ENDED], "m1", NoOrganization()),
]  # fmt: skip


@pytest.mark.parametrize(("memberships", "chosen", "choice"), [row[1:] for row in SESSION])
def test_what_the_session_chose(
    memberships: Sequence[MembershipFacts], chosen: str | None, choice: Choice
) -> None:
    """The session's choice holds while it is usable, and no longer; our own pages show nothing else."""
    assert choose(memberships, session_membership=chosen) == choice
    settled = choice.membership if isinstance(choice, Active) else None
    assert acting_for(memberships, chosen) == settled


REQUESTED: list[tuple[str, list[MembershipFacts], str, Choice]] = [
    ("by id", [MUSTER, BEISPIEL], "o2", Active(BEISPIEL)),
    ("by customer number", [MUSTER, BEISPIEL], "100200400", Active(BEISPIEL)),
    ("by customer number as printed", [MUSTER, BEISPIEL], "D 100 200 400", Active(BEISPIEL)),
    ("against the session's choice", [BEISPIEL, MUSTER], "o2", Active(BEISPIEL)),
    ("where it waits", [PENDING, BEISPIEL], "o1", Pending((PENDING,))),
    ("where it is blocked", [BLOCKED, BEISPIEL], "o1", Blocked((BLOCKED,))),
    ("where it is suspended", [SUSPENDED, BEISPIEL], "o1", Blocked((SUSPENDED,))),
    ("where it ended", [ENDED, BEISPIEL], "o1", Missing()),
    ("somebody else's", [MUSTER, BEISPIEL], "100200500", Missing()),
    ("somebody else's, blocked", [BLOCKED], "100200500", Blocked((BLOCKED,))),
    ("nobody's member", [], "o1", Missing()),
    ("empty", [MUSTER], "", Missing()),
]


@pytest.mark.parametrize("members_only", [ANYONE, MEMBERS])
@pytest.mark.parametrize(("memberships", "wanted", "choice"), [row[1:] for row in REQUESTED])
def test_what_the_portal_asked_for(
    memberships: Sequence[MembershipFacts], wanted: str, choice: Choice, members_only: bool
) -> None:
    """A portal gets the organisation it asked for or none, never another."""
    got = choose(
        memberships, requested_organization=wanted, session_membership="m1", require_membership=members_only
    )
    assert got == choice


@pytest.mark.parametrize(
    ("memberships", "refused"),
    [
        ([], False),
        ([ENDED], False),
        ([MUSTER], False),
        ([BLOCKED, BEISPIEL], False),
        ([BLOCKED, INVITED], False),
        ([BLOCKED], True),
        ([SUSPENDED], True),
        ([BLOCKED, change(BEISPIEL, status="ended")], True),
    ],
)
def test_who_signs_in_nowhere(memberships: Sequence[MembershipFacts], refused: bool) -> None:
    """Blocked by the organisation, and no other membership left (req 23)."""
    assert blocked_everywhere(memberships) is refused


@pytest.mark.parametrize("status", ["invited", "pending", "blocked", "ended"])
def test_only_active_members_of_active_organisations_act(status: str) -> None:
    """Both sides count (req 23)."""
    assert is_usable(MUSTER)
    assert not is_usable(change(MUSTER, status=status))
    assert not is_usable(SUSPENDED)
