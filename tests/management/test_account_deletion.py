"""K-14: deleting one's account, undoing it, and what stays when the time is over (req 38, 44, 109)."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from idp.accounts.deletion import UNDO
from idp.accounts.models import Account
from idp.audit.models import AuditEvent, AuditPersonal
from idp.authentication.models import Device, Session
from idp.context import Actor, Context, Origin, Services
from idp.db import Base, new_id
from idp.delivery.models import OutboxMessage
from idp.errors import Refusal
from idp.flows import engine
from idp.flows.models import OneTimeSecret
from idp.management import account_deletion, accounts, memberships
from idp.management.own_data_fields import TABLES, UNTOLD
from idp.oidc.models import Authorization
from idp.organizations.memberships import for_account
from tests import cast
from tests.builders import OPERATOR, make_client, make_membership, make_organization, sign_in
from tests.installation import NOW, unit_of_work

AFTER = NOW + UNDO
"""When the data goes."""


@pytest.fixture
def anna(services: Services) -> str:
    """Somebody with a proven address, at a portal."""
    with unit_of_work(services, origin=Origin("192.0.2.7", "Firefox")) as ctx:
        make_client(ctx, client_name="Wetter")
        account = cast.person(ctx, "anna", app=True)
        sign_in(ctx, account)
        return account


def plan(services: Services, account_id: str) -> str:
    """Plan the deletion, and return the secret of the mail's link."""
    with unit_of_work(services, actor=Actor("account", account_id)) as ctx:
        assert account_deletion.plan(ctx, account_id) == AFTER
    return link(services)


def link(services: Services) -> str:
    with unit_of_work(services) as ctx:
        return str(mail(ctx, "deletion_planned")["link"]).partition("token=")[2]


def mail(ctx: Context, name: str) -> dict[str, Any]:
    """Return the facts of the one mail of a kind."""
    rows = ctx.db.scalars(select(OutboxMessage).where(OutboxMessage.kind == "mail"))
    payloads = [ctx.vault.open_json(row.payload or b"", table="outbox", row=row.id) for row in rows]
    [found] = [payload for payload in payloads if payload["mail"] == name]
    return dict(found["facts"])


def status(services: Services, account_id: str) -> str:
    with unit_of_work(services) as ctx:
        return ctx.db.get_one(Account, account_id).status


def code_of(call: Callable[[], Any]) -> str:
    with pytest.raises(Refusal) as caught:
        call()
    return caught.value.code


def test_everything_ends_at_once(services: Services, anna: str) -> None:
    """Sessions, what portals got, offline access too, and remembered browsers (req 44, 109)."""
    with unit_of_work(services) as ctx:
        ctx.db.execute(update(Authorization).values(offline=True))
        ctx.db.add(
            Device(
                id=new_id(),
                account_id=anna,
                cookie_hash=b"d",
                known_since=NOW,
                last_seen_at=NOW,
                trust_hash=b"t",
                trusted_until=AFTER,
            )
        )
    plan(services, anna)
    with unit_of_work(services) as ctx:
        assert ctx.db.scalars(select(Session).where(Session.ended_at.is_(None))).all() == []
        assert ctx.db.scalars(select(Authorization).where(Authorization.revoked_at.is_(None))).all() == []
        assert ctx.db.scalars(select(Device).where(Device.trust_hash.is_not(None))).all() == []
        account = ctx.db.get_one(Account, anna)
        assert (account.status, account.epoch, account.deletion_due_at) == ("deleted", 2, AFTER)
        [event] = ctx.db.scalars(select(AuditEvent).where(AuditEvent.event == "account.deleted"))
        assert (event.actor_id, event.target_id) == (anna, anna)


def test_the_link_undoes_it_once(services: Services, anna: str) -> None:
    """Reading it changes nothing (req 68); the person is told, and what ended stays ended."""
    token = plan(services, anna)
    with unit_of_work(services, AFTER - timedelta(seconds=1)) as ctx:
        for _ in range(2):
            assert account_deletion.of_link(ctx, token) == account_deletion.Undoable(anna, AFTER)
        account_deletion.undo_by_link(ctx, token)
        account = ctx.db.get_one(Account, anna)
        assert (account.status, account.restore_status, account.deletion_due_at) == ("active", None, None)
        assert mail(ctx, "deletion_undone") == {}
        assert ctx.db.scalars(select(Session).where(Session.ended_at.is_(None))).all() == []
        assert code_of(lambda: account_deletion.undo_by_link(ctx, token)) == "token.used"
        [event] = ctx.db.scalars(select(AuditEvent).where(AuditEvent.event == "account.restored"))
        assert (event.actor_id, event.target_id) == (anna, anna)


def test_a_link_of_an_earlier_deletion_undoes_no_later_one(services: Services, anna: str) -> None:
    """Undoing by the sign-in voids the mail's link."""
    token = plan(services, anna)
    with unit_of_work(services) as ctx:
        flow = account_deletion.offer(ctx, anna, then=None, browser_hash=b"b")
        account_deletion.undo_in(ctx, flow)
    with unit_of_work(services, actor=Actor("account", anna)) as ctx:
        account_deletion.plan(ctx, anna)
        assert code_of(lambda: account_deletion.undo_by_link(ctx, token)) == "token.used"


def test_a_flow_undoes_it_once(services: Services, anna: str) -> None:
    """One of another kind does nothing."""
    plan(services, anna)
    with unit_of_work(services) as ctx:
        flow = account_deletion.offer(ctx, anna, then=None, browser_hash=b"b")
        other = engine.start(ctx, engine.SIGN_IN, browser_hash=b"b", request={})
        other.account_id = anna
        status_page = engine.start(ctx, engine.DELETION, browser_hash=b"b", request={})
        for wrong in (other, status_page):
            assert code_of(lambda wrong=wrong: account_deletion.undo_in(ctx, wrong)) == "flow.lost"
        account_deletion.undo_in(ctx, flow)
        assert code_of(lambda: account_deletion.undo_in(ctx, flow)) == "token.expired"
        engine.finish(ctx, flow)
    with unit_of_work(services, actor=Actor("account", anna)) as ctx:
        account_deletion.plan(ctx, anna)
        assert code_of(lambda: account_deletion.undo_in(ctx, flow)) == "token.used"


def test_what_is_no_link_undoes_nothing(services: Services, anna: str) -> None:
    plan(services, anna)
    with unit_of_work(services) as ctx:
        assert code_of(lambda: account_deletion.of_link(ctx, "nothing")) == "token.expired"
        assert code_of(lambda: account_deletion.undo_by_link(ctx, "")) == "token.expired"


def test_when_the_time_is_over_nothing_undoes_it(services: Services, anna: str) -> None:
    """Not even before the job has come round."""
    token = plan(services, anna)
    with unit_of_work(services, AFTER) as ctx:
        assert code_of(lambda: account_deletion.undo_by_link(ctx, token)) == "token.expired"
        flow = account_deletion.offer(ctx, anna, then=None, browser_hash=b"b")
        assert code_of(lambda: account_deletion.undo_in(ctx, flow)) == "token.expired"


def test_a_second_plan_is_refused(services: Services, anna: str) -> None:
    """Two tabs: the second click changes nothing, and moves no date."""
    plan(services, anna)
    with unit_of_work(services, NOW + timedelta(days=1), actor=Actor("account", anna)) as ctx:
        with pytest.raises(Refusal) as caught:
            account_deletion.plan(ctx, anna)
        assert caught.value == Refusal("account.status", status="deleted")
        assert ctx.db.get_one(Account, anna).deletion_due_at == AFTER


def test_a_block_meanwhile_has_the_last_word(services: Services, anna: str) -> None:
    """Nothing brings the account back before the operator lets it; the data still goes in time (req 23)."""
    token = plan(services, anna)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        accounts.block(ctx, anna)
        assert code_of(lambda: accounts.block(ctx, anna)) == "account.status"
        assert code_of(lambda: account_deletion.undo_by_link(ctx, token)) == "token.expired"
        flow = account_deletion.offer(ctx, anna, then=None, browser_hash=b"b")
        assert code_of(lambda: account_deletion.undo_in(ctx, flow)) == "token.expired"
        accounts.unblock(ctx, anna)
        assert code_of(lambda: accounts.unblock(ctx, anna)) == "account.status"
        accounts.block(ctx, anna)
    with unit_of_work(services, AFTER) as ctx:
        assert account_deletion.erase_due(ctx, 500) == 1
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert code_of(lambda: accounts.unblock(ctx, anna)) == "account.status"


def test_a_company_that_ends_a_membership_meanwhile_has_the_last_word(services: Services, anna: str) -> None:
    """The undone account comes back without it (decision 49)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        organization = make_organization(ctx)
        member = make_membership(ctx, organization, anna)
    token = plan(services, anna)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert [found.status for found in for_account(ctx, anna)] == ["active"]
        memberships.block(ctx, organization, member)
        account_deletion.undo_by_link(ctx, token)
        assert [found.status for found in for_account(ctx, anna)] == ["blocked"]


class TestLastAdministrator:
    @pytest.fixture
    def organization(self, services: Services, anna: str) -> str:
        """A company that anna administers."""
        with unit_of_work(services, actor=OPERATOR) as ctx:
            organization = make_organization(ctx)
            make_membership(ctx, organization, anna, role="administrator")
            return organization

    def add(self, services: Services, organization: str, name: str, **facts: Any) -> str:
        with unit_of_work(services, actor=OPERATOR) as ctx:
            account = cast.person(ctx, name)
            make_membership(ctx, organization, account, **facts)
            return account

    def refused(self, services: Services, account_id: str) -> bool:
        with unit_of_work(services, actor=Actor("account", account_id)) as ctx:
            shown = account_deletion.consequences(ctx, account_id).refused
        acting = Actor("account", account_id)
        [outcome] = race([lambda ctx: account_deletion.plan(ctx.acting(acting), account_id)], services)
        assert outcome == ("admin.last" if shown else "done")
        return shown

    def test_who_is_alone_may_go(self, services: Services, anna: str, organization: str) -> None:
        assert not self.refused(services, anna)

    def test_with_other_people_only(self, services: Services, anna: str, organization: str) -> None:
        """One who waits counts as a person, for nobody else could let them in."""
        self.add(services, organization, "ben", status="pending")
        assert self.refused(services, anna)

    def test_another_administrator_lets_go(self, services: Services, anna: str, organization: str) -> None:
        self.add(services, organization, "ben", role="administrator")
        assert not self.refused(services, anna)

    def test_a_blocked_administrator_is_none(self, services: Services, anna: str, organization: str) -> None:
        ben = self.add(services, organization, "ben", role="administrator")
        with unit_of_work(services, actor=OPERATOR) as ctx:
            accounts.block(ctx, ben)
        assert self.refused(services, anna)

    def test_one_who_goes_too_is_neither(self, services: Services, anna: str, organization: str) -> None:
        """The other administrator planned the deletion first: anna stays for clara, and goes without her."""
        ben = self.add(services, organization, "ben", role="administrator")
        clara = self.add(services, organization, "clara")
        assert not self.refused(services, ben)
        assert self.refused(services, anna)
        assert not self.refused(services, clara)
        assert not self.refused(services, anna)

    def test_of_two_who_leave_at_once_one_stays(
        self, services: Services, anna: str, organization: str
    ) -> None:
        """A barrier in front of both; exactly one succeeds (C16)."""
        ben = self.add(services, organization, "ben", role="administrator")
        self.add(services, organization, "clara")
        outcome = race(
            [
                lambda ctx, who=who: account_deletion.plan(ctx.acting(Actor("account", who)), who)
                for who in (anna, ben)
            ],
            services,
        )
        assert sorted(outcome) == ["admin.last", "done"]


def race(acts: list[Callable[[Context], Any]], services: Services, now: Any = NOW) -> list[str]:
    """Do all at the same moment, each in its own transaction; returns how each went."""
    barrier, outcome = threading.Barrier(len(acts)), []

    def run(act: Callable[[Context], Any]) -> None:
        barrier.wait()
        try:
            with unit_of_work(services, now) as ctx:
                act(ctx)
            outcome.append("done")
        except Refusal as refusal:
            outcome.append(refusal.code)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcome


def test_many_clicks_on_a_link_undo_it_once(services: Services, anna: str) -> None:
    """(C16, A1): one mail, one event."""
    token = plan(services, anna)
    outcome = race([lambda ctx: account_deletion.undo_by_link(ctx, token)] * 4, services)
    assert sorted(outcome) == ["done", *["token.used"] * 3]
    with unit_of_work(services) as ctx:
        assert mail(ctx, "deletion_undone") == {}


def test_undoing_against_the_job(services: Services, anna: str) -> None:
    """Clocks differ: one is past the day, one is not.  Either all of it is gone, or nothing (C16)."""
    token = plan(services, anna)

    def job(ctx: Context) -> None:
        late = services.context(ctx.db, now=AFTER, actor=Actor("system"))
        account_deletion.erase_due(late, 500)

    outcome = race([job, lambda ctx: account_deletion.undo_by_link(ctx, token)], services)
    with unit_of_work(services) as ctx:
        account = ctx.db.get_one(Account, anna)
        if sorted(outcome) == ["done", "done"]:
            assert (account.status, account.username, account.erased_at) == ("active", "anna", None)
        else:
            assert sorted(outcome) == ["done", "token.expired"]
            assert (account.status, account.username) == ("deleted", None)


def test_two_jobs_make_one_tombstone(services: Services, anna: str) -> None:
    plan(services, anna)
    assert race([lambda ctx: account_deletion.erase_due(ctx, 500)] * 2, services, AFTER) == ["done", "done"]
    with unit_of_work(services) as ctx:
        assert len(ctx.db.scalars(select(AuditEvent).where(AuditEvent.event == "account.erased")).all()) == 1


def test_the_job_leaves_what_is_not_due(services: Services, anna: str) -> None:
    plan(services, anna)
    with unit_of_work(services, AFTER - timedelta(seconds=1)) as ctx:
        assert account_deletion.erase_due(ctx, 500) == 0
    assert status(services, anna) == "deleted"


def test_the_tombstone(services: Services, anna: str) -> None:
    """Nothing personal stays in any table that hangs on the account; address and name are free (req 109)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        sub = ctx.db.get_one(Account, anna).sub
        make_membership(ctx, make_organization(ctx), anna)
    plan(services, anna)
    with unit_of_work(services, AFTER, actor=Actor("system")) as ctx:
        assert account_deletion.erase_due(ctx, 500) == 1
        assert account_deletion.erase_due(ctx, 500) == 0
    with unit_of_work(services, AFTER) as ctx:
        left = {
            name: len(ctx.db.execute(Base.metadata.tables[name].select()).all())
            for name in TABLES.keys() | UNTOLD
        }
        assert {name for name, count in left.items() if count} == {"account", "membership"}
        [row] = ctx.db.execute(Base.metadata.tables["account"].select()).mappings()
        kept = {name for name, value in row.items() if value is not None}
        assert kept == {
            "id",
            "sub",
            "status",
            "epoch",
            "created_at",
            "updated_at",
            "recovery_due",
            "erased_at",
        }
        assert (row["sub"], row["status"], row["recovery_due"]) == (sub, "deleted", False)
        assert [found.status for found in for_account(ctx, anna)] == ["ended"]
        assert ctx.db.scalars(select(OneTimeSecret)).all() == []
        personal = select(AuditPersonal).join(AuditEvent).where(AuditEvent.target_id == anna)
        rows = ctx.db.scalars(personal).all()
        assert rows
        assert not [part for part in rows if part.origin or part.details]
        again = cast.person(ctx, "anna")
        assert again != anna
        assert ctx.db.get_one(Account, again).sub != sub


def test_what_an_operator_deleted_goes_by_the_same_job(services: Services, anna: str) -> None:
    """And its owner undoes nothing."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        accounts.delete(ctx, anna)
        flow = account_deletion.offer(ctx, anna, then=None, browser_hash=b"b")
        assert code_of(lambda: account_deletion.undo_in(ctx, flow)) == "token.expired"
    with unit_of_work(services, AFTER) as ctx:
        assert account_deletion.erase_due(ctx, 500) == 1


def test_consequences(services: Services, anna: str) -> None:
    """Portals and companies by name, ended ones left out."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_membership(ctx, make_organization(ctx), anna)
        left = make_organization(ctx, "100200400", "Beispiel AG")
        memberships.end(ctx, left, make_membership(ctx, left, anna))
        found = account_deletion.consequences(ctx, anna)
        assert found.portals == ("Wetter",)
        assert [company.name for company in found.companies] == ["Muster GmbH"]
        assert (found.old_accounts, found.refused) == (0, False)


@pytest.mark.parametrize("operation", [account_deletion.consequences, account_deletion.plan])
def test_others_are_refused(services: Services, anna: str, operation: Callable[..., Any]) -> None:
    """(req 91): whatever id they name."""
    for actor in (Actor("account", "another"), Actor("anonymous"), Actor("client", anna)):
        with unit_of_work(services, actor=actor) as ctx, pytest.raises(Refusal, match=r"actor\.not_allowed"):
            operation(ctx, anna)
