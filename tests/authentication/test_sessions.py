"""Server-side sessions (req 40, 43, 44)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from idp.accounts.models import BLOCKED, Account
from idp.authentication import devices, live_sessions, sessions, totp
from idp.authentication.assurance import AAL1, AAL2
from idp.authentication.devices import DeviceCookie
from idp.authentication.models import Session
from idp.context import Services
from idp.db import begin_writing
from idp.errors import Refusal
from tests.authentication.people import APP, PASSWORD, add_account, begin
from tests.driver import counted
from tests.installation import NOW, unit_of_work
from tests.plans import plan, scanned, selects

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("change", [{"epoch": 2}, {"status": BLOCKED}], ids=["changed", "blocked"])
def test_no_session_begins_for_who_may_not_act_any_more(services: Services, change: dict[str, Any]) -> None:
    """(req 23): what was proven before a block or a change counts no more after it."""
    with unit_of_work(services) as ctx:
        account = add_account(ctx)
    with unit_of_work(services) as ctx:
        ctx.db.execute(update(Account).values(change))
    with unit_of_work(services) as ctx:
        with pytest.raises(Refusal, match=r"principal\.may_not_act"):
            sessions.start(ctx, account, methods=[PASSWORD])
        assert ctx.db.scalar(select(func.count()).select_from(Session)) == 0
        assert ctx.db.scalar(select(Account.last_sign_in_at)) is None


def test_a_beginning_session_is_what_is_found_later(services: Services) -> None:
    """With its level, proofs, factors and remembered device."""
    with unit_of_work(services) as ctx:
        account = add_account(ctx)
        totp.enroll(ctx, account, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "App")
        device, cookie, _ = devices.recognise(ctx, account.id, None)
        devices.remember(ctx, device, cookie)
        begun, value, _ = sessions.start(ctx, account, methods=[PASSWORD, APP], device=device)
    with unit_of_work(services) as ctx:
        found = live_sessions.find(ctx, value)
        assert found is not None
        assert begun.device_trusted
        assert (begun.session, begun.account) == (found.session, found.account)
        assert (begun.assurance, begun.second_factors) == (found.assurance, found.second_factors)
        assert {proof.method for proof in begun.proofs} == {proof.method for proof in found.proofs}


def test_an_ended_session_is_gone_and_ends_once(services: Services) -> None:
    value, _ = begin(services)
    with unit_of_work(services) as ctx:
        live = live_sessions.find(ctx, value)
        assert live is not None
        assert sessions.end(ctx, live.session.id, sessions.SIGNED_OUT)
        assert not sessions.end(ctx, live.session.id, "again")
        assert not sessions.end(ctx, "none", "x")
    with unit_of_work(services) as ctx:
        assert live_sessions.find(ctx, value) is None
        row = ctx.db.get(Session, live.session.id)
        assert row is not None
        assert (row.ended_at, row.end_reason) == (NOW, "signed_out")


def test_a_new_proof_changes_the_cookie(services: Services) -> None:
    """(req 40)"""
    value, _ = begin(services)
    with unit_of_work(services, NOW + HOUR) as ctx:
        live = live_sessions.find(ctx, value)
        assert live is not None
        proven = sessions.prove(ctx, live, [APP])
        assert proven is not None
        stronger, fresh = proven
        assert (stronger.session.id, stronger.assurance.acr) == (live.session.id, AAL2)
        assert stronger.assurance.auth_time == NOW
    with unit_of_work(services, NOW + HOUR) as ctx:
        assert live_sessions.find(ctx, value) is None
        assert live_sessions.find(ctx, fresh) is not None


def test_a_fresh_first_factor_begins_the_thirty_days_again(services: Services) -> None:
    value, _ = begin(services)
    later = NOW + 11 * HOUR
    with unit_of_work(services, later) as ctx:
        live = live_sessions.find(ctx, value)
        assert live is not None
        proven = sessions.prove(ctx, live, [PASSWORD])
        assert proven is not None
        assert proven[0].assurance.auth_time == later
        assert proven[0].session.expires_at == later + timedelta(days=30)


def test_a_new_cookie_brings_no_level_back(services: Services) -> None:
    """(req 43): what ended by a pause stays ended, also where nothing noted the pause before."""
    value, _ = begin(services, PASSWORD, APP)
    with unit_of_work(services, NOW + timedelta(minutes=61)) as ctx:
        begin_writing(ctx.db.connection())  # as where a page holds its flow: the use is noted later
        live = live_sessions.find(ctx, value)
        assert live is not None
        assert live.assurance.acr == AAL1
        proven = sessions.prove(ctx, live, [])
        assert proven is not None
        assert proven[0].assurance.acr == AAL1
    with unit_of_work(services, NOW + timedelta(minutes=62)) as ctx:
        found = live_sessions.find(ctx, proven[1])
        assert found is not None
        assert found.assurance.acr == AAL1


def test_an_account_is_held_before_its_session(services: Services) -> None:
    """By a first factor, which writes to both: who holds both for a portal does it in this order."""
    value, _ = begin(services)
    with counted(services.database) as traffic, unit_of_work(services, NOW + HOUR) as ctx:
        live = live_sessions.find(ctx, value)
        assert live is not None
        traffic.clear()
        assert sessions.prove(ctx, live, [PASSWORD]) is not None
    account, session = traffic.statements[:2]
    assert account.startswith("SELECT account.id"), traffic.statements
    assert account.endswith("FOR NO KEY UPDATE") or services.database.dialect == "sqlite"
    assert session.startswith("UPDATE session"), traffic.statements


def test_an_ended_session_proves_nothing(services: Services) -> None:
    value, _ = begin(services)
    with unit_of_work(services) as ctx:
        live = live_sessions.find(ctx, value)
        assert live is not None
        sessions.end(ctx, live.session.id, "x")
        assert sessions.prove(ctx, live, [APP]) is None


def test_of_two_proofs_at_once_one_changes_the_cookie(services: Services) -> None:
    """(req 22)"""
    value, _ = begin(services)

    def prove(_: int) -> bool:
        with unit_of_work(services) as ctx:
            live = live_sessions.find(ctx, value)
            return live is not None and sessions.prove(ctx, live, [APP]) is not None

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(prove, range(8))) == 1


def test_the_oldest_beyond_twenty_are_surplus(services: Services) -> None:
    """They are named when one more begins; what has ended, or is another person's, takes no room."""
    with unit_of_work(services) as ctx:
        account, other = add_account(ctx), add_account(ctx)
    ids: list[str] = []

    def begin() -> list[str]:
        with unit_of_work(services, NOW + timedelta(minutes=len(ids))) as ctx:
            live, _, surplus = sessions.start(ctx, ctx.db.merge(account), methods=[PASSWORD])
            ids.append(live.session.id)
            return surplus

    assert [begin() for _ in range(20)] == [[]] * 20
    assert [begin(), begin()] == [[ids[0]], [ids[1], ids[0]]]
    with unit_of_work(services, NOW + HOUR) as ctx:
        for ended in (ids[5], ids[6], ids[7]):
            sessions.end(ctx, ended, "x")
        assert sessions.start(ctx, ctx.db.merge(other), methods=[PASSWORD])[2] == []
    assert [begin(), begin()] == [[], [ids[0]]]


def test_a_session_knows_factors_and_device_of_its_account(services: Services) -> None:
    with unit_of_work(services) as ctx:
        account = add_account(ctx)
        device, cookie, known = devices.recognise(ctx, account.id, None)
        assert not known
        totp.enroll(ctx, account, totp.new_secret(), "App")
        totp.enroll(ctx, account, totp.new_secret(), "Tablet")
        live, value, _ = sessions.start(ctx, account, methods=[PASSWORD], device=device)
        assert live.second_factors == ("totp",) == sessions.second_factors(ctx, account.id)
        assert not live.device_trusted
        devices.remember(ctx, device, cookie)
    with unit_of_work(services, NOW + HOUR) as ctx:
        found = live_sessions.find(ctx, value)
        assert found is not None
        assert found.device_trusted
        assert devices.recognise(ctx, account.id, cookie)[2]
        devices.forget(ctx, account.id)
    with unit_of_work(services, NOW + HOUR) as ctx:
        found = live_sessions.find(ctx, value)
        assert found is not None
        assert not found.device_trusted


def test_the_chosen_company_stays_with_the_session(services: Services) -> None:
    value, _ = begin(services)
    with unit_of_work(services) as ctx:
        live = live_sessions.find(ctx, value)
        assert live is not None
        sessions.choose_membership(ctx, live.session.id, None)
        assert live.session.membership_id is None


def test_a_new_name_of_a_browser_is_found_by_an_index(services: Services) -> None:
    """However many browsers there are (F11); one statement more, where a cookie is not known."""
    with unit_of_work(services) as ctx:
        account = add_account(ctx)
    for cookie, more in ((None, 0), (DeviceCookie.new(), 1)):
        with selects(services.database, ("UPDATE",)) as found, unit_of_work(services) as ctx:
            devices.recognise(ctx, account.id, cookie)
        assert len(found) == more
        assert [text for text in (plan(services, *one) for one in found) if scanned(text, ["device"])] == []
