"""K-09: where a person is signed in, and ending it (req 43, 44, 91)."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from idp.audit.models import AuditEvent
from idp.authentication.models import Device, Session
from idp.context import Actor, Context, Services
from idp.crypto import sha256
from idp.db import new_id
from idp.delivery.models import OutboxMessage
from idp.errors import Refusal
from idp.management import own_sessions
from idp.management.own_sessions import ConnectedDevice
from idp.oidc.models import Authorization, RefreshToken
from tests.builders import OPERATOR, SignedIn, make_account, make_client, sign_in
from tests.installation import NOW, unit_of_work


@pytest.fixture
def people(services: Services) -> dict[str, str]:
    """Two people and a portal that is told of sign-outs."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_client(ctx, client_name="Portal", backchannel_logout_uri="https://portal.example/logout")
        return {name: make_account(ctx, name) for name in ("ben", "clara")}


def remember(ctx: Context, account_id: str, *, session: str | None = None) -> str:
    """Return a browser that skips the second factor for a day."""
    row = Device(
        id=new_id(),
        account_id=account_id,
        cookie_hash=sha256(new_id()),
        user_agent="Firefox/140.0 (Windows)",
        known_since=ctx.now,
        last_seen_at=ctx.now,
        trust_hash=sha256("trust"),
        trusted_until=ctx.now + timedelta(days=1),
    )
    ctx.db.add(row)
    ctx.db.flush()
    if session:
        ctx.db.execute(update(Session).where(Session.id == session).values(device_id=row.id))
    return row.id


def let_in(ctx: Context, account_id: str) -> str:
    """Return the id of a device that was let in, as the device grant leaves it (RFC 8628)."""
    made = sign_in(ctx, account_id).authorization
    ctx.db.execute(update(Authorization).where(Authorization.id == made).values(redirect_uri=""))
    return made


def test_the_list_shows_what_counts_now(services: Services, people: dict[str, str]) -> None:
    """Its portals and when its browser is forgotten; neither idle, expired nor ended ones, nor others'."""
    ben = people["ben"]
    with unit_of_work(services, actor=Actor("account", ben)) as ctx:
        first, idle, old, ended = (sign_in(ctx, ben) for _ in range(4))
        sign_in(ctx, people["clara"])
        remember(ctx, ben, session=first.session)
        for key, values in (
            (idle.session, {"last_seen_at": NOW - timedelta(hours=12)}),
            (old.session, {"expires_at": NOW}),
        ):
            ctx.db.execute(update(Session).where(Session.id == key).values(values))
        own_sessions.end(ctx, ben, ended.session)
        [found] = own_sessions.list_all(ctx, ben)
        assert (found.id, found.portals) == (first.session, ("Portal",))
        assert found.remembered_until == NOW + timedelta(days=1)
        [device] = own_sessions.remembered(ctx, ben)
        assert device.remembered_until == NOW + timedelta(days=1)


def test_a_browser_whose_time_is_over_is_not_remembered(services: Services, people: dict[str, str]) -> None:
    ben = people["ben"]
    with unit_of_work(services, actor=Actor("account", ben)) as ctx:
        session = sign_in(ctx, ben).session
        remember(ctx, ben, session=session)
        ctx.db.execute(update(Device).values(trusted_until=NOW))
        assert own_sessions.list_all(ctx, ben)[0].remembered_until is None
        assert own_sessions.remembered(ctx, ben) == []


def test_ending_one_tells_its_portals(services: Services, people: dict[str, str]) -> None:
    """By the back channel (Back-Channel Logout §2); a second click changes nothing."""
    ben = people["ben"]
    with unit_of_work(services, actor=Actor("account", ben)) as ctx:
        kept, gone = sign_in(ctx, ben), sign_in(ctx, ben)
        for _ in range(2):
            own_sessions.end(ctx, ben, gone.session)
        assert [found.id for found in own_sessions.list_all(ctx, ben)] == [kept.session]
        assert len(ctx.db.scalars(select(OutboxMessage)).all()) == 1
        [event] = ctx.db.scalars(select(AuditEvent).where(AuditEvent.event == "session.ended"))
        assert (event.actor_id, event.target_id, event.reason) == (ben, gone.session, "ended_by_owner")


def test_ending_all_others(services: Services, people: dict[str, str]) -> None:
    """This one and those of other people stay; with none there is nothing to tell."""
    ben, clara = people["ben"], people["clara"]
    with unit_of_work(services, actor=Actor("account", ben)) as ctx:
        here, *_ = [sign_in(ctx, ben) for _ in range(3)]
        hers = sign_in(ctx, clara)
        assert own_sessions.end_others(ctx, ben, keep=here.session) == 2
        assert own_sessions.end_others(ctx, ben, keep=here.session) == 0
        assert [found.id for found in own_sessions.list_all(ctx, ben)] == [here.session]
        assert ctx.db.get_one(Session, hers.session).ended_at is None
        [event] = ctx.db.scalars(select(AuditEvent).where(AuditEvent.event == "sessions.ended"))
        assert (event.target_id, event.new) == (ben, '{"sessions":2}')


def test_forgetting_a_device(services: Services, people: dict[str, str]) -> None:
    """Once; the browser stays known."""
    ben = people["ben"]
    with unit_of_work(services, actor=Actor("account", ben)) as ctx:
        kept, gone = remember(ctx, ben), remember(ctx, ben)
        for _ in range(2):
            own_sessions.forget_device(ctx, ben, gone)
        assert [found.id for found in own_sessions.remembered(ctx, ben)] == [kept]
        assert (
            len(ctx.db.scalars(select(AuditEvent).where(AuditEvent.event == "device.forgotten")).all()) == 1
        )


def test_connected_devices_are_shown_while_they_count(services: Services, people: dict[str, str]) -> None:
    """The newest first, with the last fetching of tokens; neither ended or expired ones, nor others'."""
    ben = people["ben"]
    with unit_of_work(services, NOW - timedelta(days=2)) as ctx:
        used = let_in(ctx, ben)
    with unit_of_work(services, actor=Actor("account", ben)) as ctx:
        fresh, ended, expired = (let_in(ctx, ben) for _ in range(3))
        let_in(ctx, people["clara"])
        own_sessions.disconnect(ctx, ben, ended)
        ctx.db.execute(update(Authorization).where(Authorization.id == expired).values(expires_at=NOW))
        for hours in (30, 3):
            at = NOW - timedelta(hours=hours)
            token = RefreshToken(hash=sha256(new_id()), authorization_id=used, issued_at=at, expires_at=NOW)
            ctx.db.add(token)
        ctx.db.flush()
        assert own_sessions.connected(ctx, ben) == [
            ConnectedDevice(fresh, "Portal", NOW, None),
            ConnectedDevice(used, "Portal", NOW - timedelta(days=2), NOW - timedelta(hours=3)),
        ]


def test_two_clicks_at_once_disconnect_a_device_once(services: Services, people: dict[str, str]) -> None:
    """The second waits for the first, then finds nothing left to end; one row each says so."""
    ben = people["ben"]
    with unit_of_work(services) as ctx:
        device = let_in(ctx, ben)
    at_once = threading.Barrier(2)

    def click() -> None:
        at_once.wait()
        with unit_of_work(services, actor=Actor("account", ben)) as ctx:
            own_sessions.disconnect(ctx, ben, device)

    with ThreadPoolExecutor(2) as threads:
        clicks = [threads.submit(click) for _ in range(2)]
    assert [done.exception() for done in clicks] == [None, None]
    with unit_of_work(services) as ctx:
        for event, target in (("authorization.revoked", device), ("device_request.disconnected", ben)):
            [row] = ctx.db.scalars(select(AuditEvent).where(AuditEvent.event == event))
            assert (row.actor_id, row.target_id) == (ben, target)


def test_what_is_another_persons_does_not_exist(services: Services, people: dict[str, str]) -> None:
    """(req 91): one's own id with another's session or device, and the other way round."""
    ben, clara = people["ben"], people["clara"]
    with unit_of_work(services, actor=Actor("account", ben)) as ctx:
        hers: SignedIn = sign_in(ctx, clara)
        device = remember(ctx, clara)
        connected, at_a_portal = let_in(ctx, clara), sign_in(ctx, ben).authorization
        for call, code in (
            (lambda: own_sessions.end(ctx, ben, hers.session), "session.unknown"),
            (lambda: own_sessions.end(ctx, ben, "nothing"), "session.unknown"),
            (lambda: own_sessions.forget_device(ctx, ben, device), "known_device.unknown"),
            (lambda: own_sessions.disconnect(ctx, ben, connected), "connected_device.unknown"),
            (lambda: own_sessions.disconnect(ctx, ben, at_a_portal), "connected_device.unknown"),
            (lambda: own_sessions.disconnect(ctx, ben, "nothing"), "connected_device.unknown"),
        ):
            with pytest.raises(Refusal) as caught:
                call()
            assert caught.value.code == code
        assert ctx.db.get_one(Session, hers.session).ended_at is None
        assert ctx.db.get_one(Device, device).trust_hash is not None
        for kept in (connected, at_a_portal):
            assert ctx.db.get_one(Authorization, kept).revoked_at is None


OPERATIONS: dict[str, Callable[[Context, str], Any]] = {
    "list": own_sessions.list_all,
    "remembered": own_sessions.remembered,
    "end": lambda ctx, account: own_sessions.end(ctx, account, "x"),
    "end others": lambda ctx, account: own_sessions.end_others(ctx, account, keep="x"),
    "connected": own_sessions.connected,
    "disconnect": lambda ctx, account: own_sessions.disconnect(ctx, account, "x"),
    "forget": lambda ctx, account: own_sessions.forget_device(ctx, account, "x"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_others_are_refused(services: Services, people: dict[str, str], operation: str) -> None:
    for actor in (Actor("account", people["clara"]), Actor("client", people["ben"]), Actor("anonymous")):
        with unit_of_work(services, actor=actor) as ctx, pytest.raises(Refusal, match=r"actor\.not_allowed"):
            OPERATIONS[operation](ctx, people["ben"])
