"""For which organisation a person acts at a client, and who may not act at all; pure rules.

The order of the rules, the first that holds wins:

1. No live membership (none at all, or all ended): a client that requires one gets :class:`Missing`, others
   :class:`NoOrganization`, since people without a company (citizens) are people too.
2. An organisation was asked for (``organization`` at the authorization endpoint, by id or customer number):
   that one decides, whatever it is.  One the person does not belong to is :class:`Missing` at every client: a
   portal that asked for a company must not silently get another, and it learns nothing about others' numbers.
3. Something is usable (membership and organisation active): the session's choice if it is among them, the
   only one, or a page to :class:`Choose` on.
4. Nothing usable, and nothing that waits: :class:`Blocked` at every client.  The block of an organisation is
   the block of its membership, and whoever has no other membership left signs in nowhere.
5. Nothing usable, something pending or invited: :class:`Pending` where the client requires a membership, else
   :class:`NoOrganization`: a person who waits for a company may still use what needs none.

A suspended organisation counts as blocked for all its members (req 23).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from idp.organizations.memberships import MembershipFacts, normalized_customer_number
from idp.organizations.models import ACTIVE, ENDED, INVITED, PENDING


@dataclass(frozen=True, slots=True)
class Active:
    """The person acts for this organisation."""

    membership: MembershipFacts


@dataclass(frozen=True, slots=True)
class Choose:
    """Several would do: the person chooses on a page."""

    memberships: tuple[MembershipFacts, ...]


@dataclass(frozen=True, slots=True)
class Pending:
    """All that could do wait: for the organisation's approval, or for the person to accept an invitation."""

    memberships: tuple[MembershipFacts, ...]


@dataclass(frozen=True, slots=True)
class Blocked:
    """All that could do are blocked, or their organisations suspended."""

    memberships: tuple[MembershipFacts, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """The client requires a membership, or a named one, that the person does not have."""


@dataclass(frozen=True, slots=True)
class NoOrganization:
    """The person acts for nobody, and may."""


Choice = Active | Choose | Pending | Blocked | Missing | NoOrganization


def acting_for(
    memberships: Sequence[MembershipFacts], session_membership: str | None
) -> MembershipFacts | None:
    """Return which membership a session acts for where no portal asks, None where that is not settled."""
    chosen = choose(memberships, session_membership=session_membership)
    return chosen.membership if isinstance(chosen, Active) else None


def choose(
    memberships: Sequence[MembershipFacts],
    *,
    requested_organization: str | None = None,
    session_membership: str | None = None,
    require_membership: bool = False,
) -> Choice:
    """Decide for which organisation a person acts (rules: the module's text).

    :param memberships: all memberships of the person, in the order pages list them.
    :param requested_organization: id or customer number from the authorization request.
    :param session_membership: id of the membership the session acts for.
    :param require_membership: the client serves members only.
    """
    live = [membership for membership in memberships if membership.status != ENDED]
    if requested_organization is not None:
        return _requested(live, requested_organization)
    if not live:
        return Missing() if require_membership else NoOrganization()
    usable = tuple(membership for membership in live if is_usable(membership))
    if usable:
        return _among(usable, session_membership)
    waiting = tuple(membership for membership in live if _waits(membership))
    if not waiting:
        return Blocked(tuple(live))
    return Pending(waiting) if require_membership else NoOrganization()


def is_usable(membership: MembershipFacts) -> bool:
    """Tell whether a person may act for this organisation now."""
    return membership.status == ACTIVE and membership.organization_status == ACTIVE


def is_named(membership: MembershipFacts, wanted: str) -> bool:
    """Tell whether a request names this company, by id or customer number."""
    return wanted == membership.organization_id or (
        membership.customer_number == normalized_customer_number(wanted)
    )


def blocked_everywhere(memberships: Iterable[MembershipFacts]) -> bool:
    """Tell whether sign-in is refused at every client: a block, and no other membership left (req 23)."""
    live = [membership for membership in memberships if membership.status != ENDED]
    return bool(live) and not any(is_usable(m) or _waits(m) for m in live)


def _requested(live: Sequence[MembershipFacts], wanted: str) -> Choice:
    for membership in live:
        if not is_named(membership, wanted):
            continue
        if is_usable(membership):
            return Active(membership)
        return Pending((membership,)) if _waits(membership) else Blocked((membership,))
    # Whose every membership is blocked hears so first: it is true whatever was asked for.
    return Blocked(tuple(live)) if blocked_everywhere(live) else Missing()


def _among(usable: tuple[MembershipFacts, ...], session_membership: str | None) -> Choice:
    for membership in usable:
        if membership.id == session_membership:
            return Active(membership)
    return Active(usable[0]) if len(usable) == 1 else Choose(usable)


def _waits(membership: MembershipFacts) -> bool:
    return membership.status in {INVITED, PENDING} and membership.organization_status == ACTIVE
