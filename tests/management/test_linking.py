"""Linking and its undoing: one owner, mapped rights, the exact state again (req 55, 89, 90, 91; C5)."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from idp.accounts.legacy.models import LegacyAccount, LegacyLink
from idp.accounts.legacy.questions import recovery_due
from idp.accounts.models import Account
from idp.audit.events import Event
from idp.audit.log import tail
from idp.authentication import live_sessions
from idp.context import Context, Services
from idp.errors import Refusal
from idp.management import accounts, linking, memberships, organizations, permissions
from idp.organizations import roles
from idp.organizations.memberships import MembershipFacts, for_account
from idp.organizations.models import Membership, MembershipPermission
from tests.builders import OPERATOR, make_membership, sign_in
from tests.installation import NOW, unit_of_work
from tests.joining import person
from tests.legacy import SLUG, import_rows, link_account, old_account, proof_of
from tests.management.old_accounts import MONTH, four_old_accounts, prepare_linking, refusal, undo


@pytest.fixture
def ids(services: Services) -> dict[str, str]:
    """Ben and Clara, Muster GmbH that holds two permissions, and four old accounts."""
    return prepare_linking(services, "clara", four_old_accounts())


def state(ctx: Context, account_id: str) -> dict[str, Any]:
    """Return memberships with their permissions, and the home."""
    found = {
        m.organization_id: (m.status, m.role, sorted(permissions_of(ctx, m)))
        for m in for_account(ctx, account_id)
        if m.status != "ended"
    }
    return {
        "memberships": found,
        "home": ctx.db.get_one(Account, account_id, populate_existing=True).home_organization_id,
    }


def permissions_of(ctx: Context, member: MembershipFacts) -> list[str]:
    held = select(MembershipPermission.permission_id).where(MembershipPermission.membership_id == member.id)
    catalogue = {entry.id: entry.key for entry in catalogue_of(ctx)}
    return [catalogue[permission_id] for permission_id in ctx.db.scalars(held)]


def catalogue_of(ctx: Context) -> Any:
    from idp.oidc.clients import load_clients
    from idp.organizations.permissions import catalogue

    return catalogue(ctx.db, load_clients(ctx.db)["portal"].row_id)


def states(services: Services, account_id: str) -> dict[str, Any]:
    with unit_of_work(services) as ctx:
        return state(ctx, account_id)


def test_a_link_brings_membership_and_mapped_permissions(services: Services, ids: dict[str, str]) -> None:
    """What has no mapping is not granted; the audit log and the notices say what happened (req 90, 106)."""
    proof = proof_of(services, ids["ben"], "SMueller")
    with unit_of_work(services, actor=person(ids["ben"])) as ctx:
        linked = linking.link(ctx, proof)
        assert state(ctx, ids["ben"]) == {
            "memberships": {ids["muster"]: ("active", "member", ["orders"])},
            "home": ids["muster"],
        }
        assert (linked.organization_name, linked.membership_begun, linked.recovery_due) == (
            "Muster GmbH",
            True,
            True,
        )
        assert linked.undo_until == NOW + MONTH
        assert linked.notices.own_addresses == ("ben@muster.example",)
        assert linked.notices.old_address == "s.mueller@alt.example"
        assert (linked.notices.directory_de, linked.notices.username) == ("Servicewelt", "smueller")
        assert "ben@muster.example" not in repr(linked)
        (entry,) = tail(ctx, event=Event.LEGACY_ACCOUNT_LINKED)
        assert (entry.target_id, entry.organization) == (ids["ben"], ids["muster"])
        assert entry.new["directory"] == SLUG
        assert "mueller" not in entry.to_json()


def test_permissions_show_for_the_membership_at_once(services: Services, ids: dict[str, str]) -> None:
    """Caches are keyed by the membership's version, which grows with each change; its epoch does not."""
    with unit_of_work(services) as ctx:
        membership_id = make_membership(ctx, ids["muster"], ids["ben"])
        before = for_account(ctx, ids["ben"])[0]
    link_account(services, ids["ben"])
    with unit_of_work(services) as ctx:
        after = for_account(ctx, ids["ben"])[0]
    assert (after.id, after.epoch, after.version) == (membership_id, before.epoch, before.version + 1)


@pytest.mark.parametrize("username", ["nowhere", "citizen"])
def test_an_old_account_without_a_company_of_ours(
    services: Services, ids: dict[str, str], username: str
) -> None:
    """It is linked, and brings nothing; neither does a company that is suspended (req 23)."""
    assert link_account(services, ids["ben"], username).membership_id is None
    assert states(services, ids["ben"]) == {"memberships": {}, "home": None}
    with unit_of_work(services, actor=OPERATOR) as ctx:
        organizations.suspend(ctx, ids["muster"])
    assert link_account(services, ids["ben"]).membership_id is None
    assert states(services, ids["ben"]) == {"memberships": {}, "home": None}


def test_undo_restores_the_exact_state(services: Services, ids: dict[str, str]) -> None:
    """Nothing of the link is left, what was issued for it ends, and the old password works again."""
    before = states(services, ids["ben"])
    linked = link_account(services, ids["ben"])
    with unit_of_work(services) as ctx:
        signed_in = sign_in(ctx, ids["ben"], membership_id=linked.membership_id)

    undone = undo(services, ids["ben"], linked.link_id, later=MONTH - timedelta(seconds=1))

    assert states(services, ids["ben"]) == before
    assert undone.ended.sessions == 1
    assert undone.notices.old_address == "s.mueller@alt.example"
    with unit_of_work(services) as ctx:
        assert live_sessions.find(ctx, signed_in.cookie) is None
        assert not recovery_due(ctx, ids["ben"])
        assert [entry.target_id for entry in tail(ctx, event=Event.LEGACY_ACCOUNT_UNLINKED)] == [ids["ben"]]
    assert proof_of(services, ids["clara"]).identity.linked is False


def test_undo_takes_only_what_the_link_gave(services: Services, ids: dict[str, str]) -> None:
    """Permissions and home from before stay, and the membership too."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        membership_id = make_membership(ctx, ids["muster"], ids["ben"])
        permissions.grant_to_member(ctx, ids["muster"], membership_id, "portal", ["orders"])
    before = states(services, ids["ben"])
    linked = link_account(services, ids["ben"], "second")
    assert states(services, ids["ben"])["memberships"][ids["muster"]][2] == ["orders", "shop"]

    undo(services, ids["ben"], linked.link_id)

    assert states(services, ids["ben"]) == before


def test_several_old_accounts_of_one_person(services: Services, ids: dict[str, str]) -> None:
    """Undoing one leaves what the others bring, in either order."""
    for first, second, rest in (
        ("smueller", "second", ["orders", "shop"]),
        ("second", "smueller", ["orders"]),
    ):
        one, two = (link_account(services, ids["ben"], name) for name in (first, second))
        assert not two.membership_begun
        undo(services, ids["ben"], one.link_id)
        assert states(services, ids["ben"])["memberships"] == {ids["muster"]: ("active", "member", rest)}
        undo(services, ids["ben"], two.link_id, later=timedelta(seconds=1))
        assert states(services, ids["ben"]) == {"memberships": {}, "home": None}


def test_linking_again_after_undoing_begins_again(services: Services, ids: dict[str, str]) -> None:
    linked = link_account(services, ids["ben"])
    undo(services, ids["ben"], linked.link_id, later=timedelta(seconds=5))

    again = link_account(services, ids["ben"])

    assert again.membership_id == linked.membership_id
    assert states(services, ids["ben"])["memberships"] == {ids["muster"]: ("active", "member", ["orders"])}
    with unit_of_work(services) as ctx:
        assert for_account(ctx, ids["ben"])[0].epoch == 3


@pytest.mark.parametrize("decision", ["blocked", "ended", "pending"])
def test_a_companys_decision_stands(services: Services, ids: dict[str, str], decision: str) -> None:
    """Whoever was blocked, ended or still waits gains nothing by an old account (req 92, C18)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        membership_id = make_membership(
            ctx, ids["muster"], ids["ben"], status="pending" if decision == "pending" else "active"
        )
        if decision == "blocked":
            memberships.block(ctx, ids["muster"], membership_id)
        if decision == "ended":
            memberships.end(ctx, ids["muster"], membership_id)

    linked = link_account(services, ids["ben"])

    assert linked.membership_id is None
    with unit_of_work(services) as ctx:
        (found,) = for_account(ctx, ids["ben"])
        assert (found.status, permissions_of(ctx, found)) == (decision, [])
    undo(services, ids["ben"], linked.link_id)
    with unit_of_work(services) as ctx:
        assert for_account(ctx, ids["ben"])[0].status == decision


def test_a_block_between_link_and_undo_stays_a_block(services: Services, ids: dict[str, str]) -> None:
    """Undoing and linking again is no way around it (C18)."""
    linked = link_account(services, ids["ben"])
    with unit_of_work(services, actor=OPERATOR) as ctx:
        memberships.block(ctx, ids["muster"], linked.membership_id or "")
    undo(services, ids["ben"], linked.link_id)
    link_account(services, ids["ben"])
    with unit_of_work(services) as ctx:
        assert [found.status for found in for_account(ctx, ids["ben"])] == ["blocked"]


def test_a_withdrawn_permission_does_not_come_back(services: Services, ids: dict[str, str]) -> None:
    """Neither by linking again, nor by another old account (req 92)."""
    linked = link_account(services, ids["ben"])
    with unit_of_work(services, actor=OPERATOR) as ctx:
        permissions.withdraw_from_member(ctx, ids["muster"], linked.membership_id or "", "portal", ["orders"])
    undo(services, ids["ben"], linked.link_id)
    link_account(services, ids["ben"])
    link_account(services, ids["ben"], "second")
    assert states(services, ids["ben"])["memberships"][ids["muster"]][2] == ["shop"]


def test_what_the_company_does_not_hold_is_not_granted(services: Services, ids: dict[str, str]) -> None:
    with unit_of_work(services, actor=OPERATOR) as ctx:
        permissions.withdraw_from_organization(ctx, ids["muster"], "portal", ["shop"])
    link_account(services, ids["ben"], "second")
    assert states(services, ids["ben"])["memberships"][ids["muster"]][2] == ["orders"]


def test_who_became_administrator_stays_one(services: Services, ids: dict[str, str]) -> None:
    """Undoing never takes a company its administrator (req 93); what somebody granted anew stays too."""
    linked = link_account(services, ids["ben"])
    with unit_of_work(services, actor=OPERATOR) as ctx:
        roles.exists(ctx.db, "administrator")
        ctx.db.get_one(Membership, linked.membership_id).role = "administrator"
        permissions.withdraw_from_member(ctx, ids["muster"], linked.membership_id or "", "portal", ["orders"])
        permissions.grant_to_member(ctx, ids["muster"], linked.membership_id or "", "portal", ["orders"])
    undo(services, ids["ben"], linked.link_id)
    assert states(services, ids["ben"])["memberships"] == {
        ids["muster"]: ("active", "administrator", ["orders"])
    }


def test_undo_where_the_membership_is_gone(services: Services, ids: dict[str, str]) -> None:
    linked = link_account(services, ids["ben"])
    with unit_of_work(services) as ctx:
        ctx.db.delete(ctx.db.get_one(Membership, linked.membership_id))
    assert undo(services, ids["ben"], linked.link_id).ended.sessions == 0


def test_undo_is_refused(services: Services, ids: dict[str, str]) -> None:
    """After 30 days, twice, and of another person's link, which is not even known (req 91, C17)."""
    linked = link_account(services, ids["ben"])

    assert refusal(lambda: undo(services, ids["clara"], linked.link_id)) == Refusal("link.unknown")
    late = refusal(lambda: undo(services, ids["ben"], linked.link_id, later=MONTH))
    assert late == Refusal("link.final", until=NOW + MONTH)
    with unit_of_work(services, actor=person(ids["clara"])) as ctx:
        assert refusal(lambda: linking.undo(ctx, ids["ben"], linked.link_id)).code == "actor.not_allowed"
    undo(services, ids["ben"], linked.link_id)
    assert refusal(lambda: undo(services, ids["ben"], linked.link_id)) == Refusal("link.undone")
    assert refusal(lambda: undo(services, ids["ben"], "nothing")) == Refusal("link.unknown")


def test_link_is_refused(services: Services, ids: dict[str, str]) -> None:
    """For somebody else, for a blocked account, and with a proof that an import made old."""
    proof = proof_of(services, ids["ben"])
    with unit_of_work(services, actor=person(ids["clara"])) as ctx:
        assert refusal(lambda: linking.link(ctx, proof)).code == "actor.not_allowed"
    import_rows(services, [old_account(customer_number="100200400")])
    with unit_of_work(services, actor=person(ids["ben"])) as ctx:
        assert refusal(lambda: linking.link(ctx, proof)).code == "link.failed"
    proof = proof_of(services, ids["ben"])
    with unit_of_work(services, actor=OPERATOR) as ctx:
        accounts.block(ctx, ids["ben"])
        assert refusal(lambda: linking.link(ctx, proof)) == Refusal("account.status", status="blocked")


def test_a_proof_is_good_once(services: Services, ids: dict[str, str]) -> None:
    """Shown before somebody linked it, it says that it is taken; whose, only to the owner (C5)."""
    proofs = {name: proof_of(services, ids[name]) for name in ("ben", "clara")}
    with unit_of_work(services, actor=OPERATOR) as ctx:
        linking.link(ctx, proofs["ben"])
    for name, own in (("ben", True), ("clara", False)):
        with unit_of_work(services, actor=OPERATOR) as ctx:
            taken = refusal(lambda name=name: linking.link(ctx, proofs[name]))  # type: ignore[misc]
            assert taken == Refusal("link.taken", own=own)
    with unit_of_work(services) as ctx:
        assert len(ctx.db.scalars(select(LegacyLink)).all()) == 1


@pytest.mark.parametrize("racers", [64])
def test_one_of_64_links_of_one_old_account_succeeds(
    services: Services, ids: dict[str, str], racers: int
) -> None:
    """Two persons, 32 tries each, at the same moment: one link, one membership (req 22, 90; C16)."""
    proofs = [proof_of(services, ids[name]) for name in ("ben", "clara")]
    barrier = threading.Barrier(racers)
    outcomes: list[str] = []

    def race(number: int) -> None:
        barrier.wait()
        try:
            with unit_of_work(services, actor=OPERATOR) as ctx:
                linking.link(ctx, proofs[number % 2])
            outcomes.append("linked")
        except Refusal as refused:
            outcomes.append(refused.code)
        except Exception as error:  # the pool of connections is small: who waits too long gets none
            outcomes.append(type(error).__name__)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(racers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(outcomes) == racers
    assert outcomes.count("linked") == 1
    assert set(outcomes) <= {"linked", "link.taken", "TimeoutError", "OperationalError"}
    with unit_of_work(services) as ctx:
        assert len(ctx.db.scalars(select(LegacyLink)).all()) == 1
        assert len(for_account(ctx, ids["ben"]) + for_account(ctx, ids["clara"])) == 1
        owner = ctx.db.scalar(select(LegacyAccount.owner_id).where(LegacyAccount.linked_at.is_not(None)))
        assert owner in (ids["ben"], ids["clara"])
