"""Sessions as requests read them (req 23, 43, 44)."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError

from idp.accounts.models import Account
from idp.authentication import live_sessions
from idp.authentication.assurance import AAL1, AAL2
from idp.authentication.models import Session
from idp.context import Context, Services
from idp.db import begin_writing
from idp.installation import Installation
from idp.management import accounts
from idp.organizations.models import Membership
from tests.authentication.people import APP, PASSWORD, begin
from tests.builders import (
    OPERATOR,
    SignedIn,
    make_account,
    make_client,
    make_membership,
    make_organization,
    sign_in,
)
from tests.driver import counted
from tests.installation import NOW, unit_of_work

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def test_a_session_is_found_by_its_cookie_alone(services: Services) -> None:
    value, account_id = begin(services)
    with unit_of_work(services) as ctx:
        live = live_sessions.find(ctx, value)
        assert live is not None
        assert live.account.id == account_id
        assert (live.assurance.acr, live.assurance.auth_time) == (AAL1, NOW)
        for other in (value[:-1], value + "A", value.swapcase(), "", live.session.id, "\0"):
            assert live_sessions.find(ctx, other) is None
        assert value not in repr(live)


def test_reading_a_session_writes_at_most_once_a_minute(services: Services) -> None:
    value, _ = begin(services)
    with counted(services.database) as traffic:
        for seconds in (1, 59, 60, 61, 119, 120):
            with unit_of_work(services, NOW + timedelta(seconds=seconds)) as ctx:
                live_sessions.find(ctx, value)
    assert len([text for text in traffic.statements if text.lstrip().startswith("UPDATE")]) == 2


def test_one_statement_reads_a_session(services: Services) -> None:
    """(design §6): no page pays for more."""
    value, _ = begin(services)
    with counted(services.database) as traffic:
        with unit_of_work(services) as ctx:
            live_sessions.find(ctx, value)
        assert len(traffic.statements) == 1, traffic.statements


def test_limits_of_one_factor(services: Services) -> None:
    """(req 43): 12 hours idle, 30 days in all."""
    value, _ = begin(services)
    with unit_of_work(services, NOW + 12 * HOUR) as ctx:
        assert live_sessions.find(ctx, value) is None
    for count in range(1, 60):
        with unit_of_work(services, NOW + count * 12 * HOUR - count * timedelta(seconds=1)) as ctx:
            assert live_sessions.find(ctx, value) is not None
    with unit_of_work(services, NOW + 60 * 12 * HOUR) as ctx:
        assert live_sessions.find(ctx, value) is None


def test_limits_of_two_factors(services: Services) -> None:
    """(req 43): 1 hour idle or 24 hours in all, then the same session has one factor, and keeps it."""
    value, _ = begin(services, PASSWORD, APP)

    def level(after: timedelta) -> str:
        with unit_of_work(services, NOW + after) as ctx:
            live = live_sessions.find(ctx, value)
            assert live is not None
            return live.assurance.acr

    assert level(timedelta(minutes=59)) == AAL2
    assert level(timedelta(minutes=118)) == AAL2
    assert level(timedelta(minutes=178)) == AAL1
    assert level(timedelta(minutes=179)) == AAL1, "the level must not come back with the next request"


def test_two_factors_in_steady_use_end_after_a_day(services: Services) -> None:
    """(req 43)"""
    value, _ = begin(services, PASSWORD, APP)
    for minutes in range(50, 24 * 60, 50):
        with unit_of_work(services, NOW + timedelta(minutes=minutes)) as ctx:
            live = live_sessions.find(ctx, value)
            assert live is not None
            assert live.assurance.acr == AAL2
    with unit_of_work(services, NOW + timedelta(hours=24, minutes=1)) as ctx:
        live = live_sessions.find(ctx, value)
        assert live is not None
        assert live.assurance.acr == AAL1


@pytest.mark.parametrize("column", ["status", "epoch"])
def test_a_blocked_or_changed_account_has_no_session(services: Services, column: str) -> None:
    """(req 23, 44)"""
    value, account_id = begin(services)
    change = {"status": "blocked"} if column == "status" else {"epoch": 2}
    with unit_of_work(services) as ctx:
        ctx.db.execute(update(Account).where(Account.id == account_id).values(**change))
    with unit_of_work(services) as ctx:
        assert live_sessions.find(ctx, value) is None


def test_a_restored_installation_has_no_old_sessions(services: Services) -> None:
    """(datamodel, installation epoch)"""
    value, _ = begin(services)
    with unit_of_work(services) as ctx:
        ctx.db.execute(update(Installation).values(epoch=2))
    with unit_of_work(services) as ctx:
        assert live_sessions.find(ctx, value) is None


@pytest.fixture
def member(services: Services) -> tuple[SignedIn, dict[str, str]]:
    """Somebody who is signed in at a portal for a company, and the keys of all that is about it."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        keys = {"client": make_client(ctx), "account": make_account(ctx)}
        keys["membership"] = make_membership(ctx, make_organization(ctx), keys["account"])
        signed_in = sign_in(ctx, keys["account"], membership_id=keys["membership"])
    return signed_in, keys | {"session": signed_in.session}


def test_a_held_session_is_the_one_that_is_found(
    services: Services, member: tuple[SignedIn, dict[str, str]]
) -> None:
    """By its key or its cookie, with memberships and with what the asking client calls it."""
    signed_in, keys = member
    with unit_of_work(services) as ctx:
        other = make_client(ctx, "other")
        found = live_sessions.find(ctx, signed_in.cookie)
        held = live_sessions.hold(ctx, signed_in.session, keys["client"])
        assert held is not None
        assert held.live == found
        assert [mine.id for mine in held.memberships] == [keys["membership"]]
        assert held.sid is not None
        assert live_sessions.hold_by_cookie(ctx, signed_in.cookie, keys["client"]) == held
        elsewhere = live_sessions.hold_by_cookie(ctx, signed_in.cookie, other)
        assert elsewhere is not None
        assert elsewhere.sid is None
        assert live_sessions.hold(ctx, signed_in.cookie, keys["client"]) is None
        assert live_sessions.hold_by_cookie(ctx, signed_in.session, keys["client"]) is None


def test_who_may_not_act_any_more_is_not_held(
    services: Services, member: tuple[SignedIn, dict[str, str]]
) -> None:
    """(req 23)"""
    signed_in, keys = member
    with unit_of_work(services, actor=OPERATOR) as ctx:
        accounts.block(ctx, keys["account"])
    with unit_of_work(services) as ctx:
        assert live_sessions.hold(ctx, signed_in.session, keys["client"]) is None
        assert live_sessions.hold_by_cookie(ctx, signed_in.cookie, keys["client"]) is None


@pytest.mark.parametrize("model", [Account, Membership, Session])
def test_nobody_changes_what_is_held(
    services: Services, member: tuple[SignedIn, dict[str, str]], model: type[Account | Membership | Session]
) -> None:
    """Until the transaction ends (req 23, C7).  On SQLite the transaction itself keeps all others waiting."""
    signed_in, keys = member
    if services.database.dialect == "sqlite":
        with unit_of_work(services) as ctx:
            live_sessions.hold(ctx, signed_in.session, keys["client"])
            assert ctx.db.connection().connection.driver_connection.in_transaction
        return
    change = update(model).where(model.id == keys[model.__tablename__]).values(id=model.id)
    with services.database.session() as other:
        other.execute(text("SET lock_timeout = 50"))
        with unit_of_work(services) as ctx:
            live_sessions.hold(ctx, signed_in.session, keys["client"])
            with pytest.raises(OperationalError, match="lock timeout"):
                other.execute(change)
            other.rollback()
        assert other.execute(change.returning(model.id)).all() == [(keys[model.__tablename__],)]


def test_who_reads_a_session_keeps_it_from_nobody(
    services: Services, member: tuple[SignedIn, dict[str, str]]
) -> None:
    """A page may hold the account next, which the hub holds before the session: the use is noted at once."""
    signed_in, _ = member

    def noted() -> Any:
        with services.database.reading() as db:
            return db.scalar(select(Session.last_seen_at))

    with unit_of_work(services, NOW + MINUTE) as ctx:
        assert live_sessions.find(ctx, signed_in.cookie)
        assert noted() == NOW + MINUTE
    with unit_of_work(services, NOW + 2 * MINUTE) as ctx:
        begin_writing(ctx.db.connection())
        found = live_sessions.find(ctx, signed_in.cookie)
        assert found is not None
        assert found.session.last_seen_at == NOW + 2 * MINUTE
    assert noted() == NOW + MINUTE, "a later request notes it"


def test_two_who_hold_a_session_do_not_wait_for_each_other(
    services: Services, member: tuple[SignedIn, dict[str, str]]
) -> None:
    """The first notes the use only where nobody else holds the session; a later request does it."""
    signed_in, keys = member

    def hold(ctx: Context) -> None:
        held = live_sessions.hold_by_cookie(ctx, signed_in.cookie, keys["client"])
        assert held is not None
        assert held.live.session.last_seen_at == ctx.now

    if services.database.dialect == "postgresql":
        with unit_of_work(services) as first:
            assert live_sessions.hold(first, signed_in.session, keys["client"])
            with unit_of_work(services, NOW + MINUTE) as second:
                hold(second)
    with unit_of_work(services) as ctx:
        assert ctx.db.get_one(Session, signed_in.session).last_seen_at == NOW
    with unit_of_work(services, NOW + MINUTE) as ctx:
        hold(ctx)
    with unit_of_work(services) as ctx:
        assert ctx.db.get_one(Session, signed_in.session).last_seen_at == NOW + MINUTE
