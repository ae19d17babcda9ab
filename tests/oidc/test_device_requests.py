"""Requests of devices as rows: codes that collide, decisions that are taken once (RFC 8628; req 22, 30)."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from idp.accounts.models import Account
from idp.authentication import sessions
from idp.authentication.live_sessions import LiveSession
from idp.context import Context, Services
from idp.errors import Refusal
from idp.oidc import device_requests, retention, user_codes
from idp.oidc.authorization_request import AuthorizationRequest
from idp.oidc.clients import RegisteredClient, load_clients
from idp.oidc.logout import end_session
from idp.oidc.models import Authorization, Consent, DeviceRequest
from tests import cast
from tests.builders import OPERATOR
from tests.installation import NOW, unit_of_work
from tests.world import now

WANTED = AuthorizationRequest(client_id="terminal", redirect_uri="", scope="openid")


@pytest.fixture
def client(services: Services) -> RegisteredClient:
    with unit_of_work(services) as ctx:
        cast.register_device(ctx)
        return load_clients(ctx.db)["terminal"]


@pytest.fixture
def live(services: Services) -> LiveSession:
    with unit_of_work(services) as ctx:
        account = ctx.db.get_one(Account, cast.person(ctx))
        return sessions.start(ctx, account, methods=[("pwd", None)])[0]


def _store(services: Services, client: RegisteredClient) -> device_requests.Codes:
    return device_requests.store(
        services.database, services.vault, client, scope="openid", resources=(), network=None, now=NOW
    )


def _connect(ctx: Context, key: str, client: RegisteredClient, live: LiveSession) -> None:
    device_requests.connect(ctx, key, wanted=WANTED, client=client, live=live, membership_id=None)


def _decide(ctx: Context, key: str, choice: str, client: RegisteredClient, live: LiveSession) -> None:
    if choice == "connect":
        _connect(ctx, key, client, live)
    else:
        device_requests.deny(ctx, key, client, live)


def _refused(ctx: Context, code: str) -> str:
    with pytest.raises(Refusal) as caught:
        device_requests.find(ctx, code)
    return caught.value.code


def test_a_taken_user_code_is_drawn_again(
    services: Services, client: RegisteredClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two devices never show the same code; where none is free, the request fails."""
    drawn: Iterator[str] = iter(["BCDFGHJK", "BCDFGHJK", "BCDFGHJK", "KJHGFDCB"])
    monkeypatch.setattr(user_codes, "new_code", lambda: next(drawn))
    assert _store(services, client).user == "BCDFGHJK"
    assert _store(services, client).user == "KJHGFDCB"
    monkeypatch.setattr(user_codes, "new_code", lambda: "BCDFGHJK")
    with pytest.raises(RuntimeError):
        _store(services, client)


def test_a_code_that_waits_is_found(services: Services, client: RegisteredClient) -> None:
    """Until its ten minutes are over; another is unknown."""
    codes = _store(services, client)
    with unit_of_work(services) as ctx:
        found = device_requests.find(ctx, codes.user)
        assert found == device_requests.load(ctx, found.id)
        assert (found.client_row_id, found.scope, found.created_at) == (client.row_id, "openid", NOW)
        assert _refused(ctx, "BCDFGHJK" if codes.user != "BCDFGHJK" else "KJHGFDCB") == "device.unknown"
    with unit_of_work(services, NOW + timedelta(seconds=device_requests.SECONDS - 1)) as ctx:
        device_requests.find(ctx, codes.user)
    with unit_of_work(services, NOW + timedelta(seconds=device_requests.SECONDS)) as ctx:
        assert _refused(ctx, codes.user) == "device.expired"


POLLS: list[tuple[list[int], list[str]]] = [
    ([0, 5, 10], ["authorization_pending"] * 3),
    ([0, 4, 13, 27], ["authorization_pending", "slow_down", "slow_down", "slow_down"]),
    (
        [0, 4, 14, 24],
        ["authorization_pending", "slow_down", "authorization_pending", "authorization_pending"],
    ),
]


@pytest.mark.parametrize(("seconds", "heard"), POLLS, ids=str)
def test_how_often_a_device_may_ask(
    services: Services, client: RegisteredClient, seconds: list[int], heard: list[str]
) -> None:
    """From the last poll on, whatever it heard; ``slow_down`` adds five seconds (RFC 8628 §3.5)."""
    code = _store(services, client).device
    found = [
        device_requests.polled(services.database, client, code, NOW + timedelta(seconds=at)).error
        for at in seconds
    ]
    assert found == heard


def test_a_device_that_never_slowed_down(services: Services, client: RegisteredClient) -> None:
    """Its interval has grown beyond what microseconds in a small integer can hold."""
    code = _store(services, client).device
    with services.database.session() as db, db.begin():
        db.execute(update(DeviceRequest).values(interval=3600, polled_at=NOW))
    assert device_requests.polled(services.database, client, code, NOW).error == "slow_down"


@pytest.mark.parametrize("first", ["connect", "deny"])
@pytest.mark.parametrize("then", ["connect", "deny"])
def test_a_decision_is_taken_once(
    services: Services, client: RegisteredClient, live: LiveSession, first: str, then: str
) -> None:
    """What was decided stays so, whoever asks again, and no second authorization comes of it."""
    codes = _store(services, client)

    with unit_of_work(services) as ctx:
        key = device_requests.find(ctx, codes.user).id
        _decide(ctx, key, first, client, live)
    with unit_of_work(services) as ctx:
        assert _refused(ctx, codes.user) == "device.used"
        with pytest.raises(Refusal) as caught:
            _decide(ctx, key, then, client, live)
        assert caught.value.code == "device.used"
    with services.database.session() as db:
        row = db.scalars(select(DeviceRequest)).one()
        assert (row.denied_at is None) == (first == "connect")
        found = db.scalars(select(Authorization)).all()
        assert [one.id for one in found] == ([row.authorization_id] if first == "connect" else [])


@pytest.mark.parametrize("choice", ["connect", "deny"])
def test_a_decision_that_comes_late(
    services: Services, client: RegisteredClient, live: LiveSession, choice: str
) -> None:
    """The page was open when the code ran out: nothing is written."""
    codes = _store(services, client)
    with unit_of_work(services) as ctx:
        key = device_requests.find(ctx, codes.user).id
    with unit_of_work(services, NOW + timedelta(seconds=device_requests.SECONDS)) as ctx:
        with pytest.raises(Refusal) as caught:
            _decide(ctx, key, choice, client, live)
        assert caught.value.code == "device.expired"
    with services.database.session() as db:
        assert db.scalars(select(Authorization)).all() == []
        assert db.scalars(select(DeviceRequest.denied_at)).one() is None


def test_parallel_yeses_of_one_person(services: Services) -> None:
    """Eight devices of one program at once: each is connected, none waits for another for ever (C16)."""
    with unit_of_work(services) as ctx:
        cast.register_device(ctx, first_party=False)
        client = load_clients(ctx.db)["terminal"]
        account = ctx.db.get_one(Account, cast.person(ctx))
        live, *_ = sessions.start(ctx, account, methods=[("pwd", None)])
    codes = [_store(services, client).user for _ in range(8)]
    barrier = threading.Barrier(len(codes))

    def connect(code: str) -> None:
        barrier.wait()
        with unit_of_work(services) as ctx:
            _connect(ctx, device_requests.find(ctx, code).id, client, live)

    with ThreadPoolExecutor(len(codes)) as people:
        for running in [people.submit(connect, code) for code in codes]:
            running.result()
    with unit_of_work(services) as ctx:
        counts = [
            ctx.db.scalar(select(func.count()).select_from(table)) for table in (Authorization, Consent)
        ]
    assert counts == [8, 1]


def test_nobody_connects_after_a_sign_out(
    services: Services, client: RegisteredClient, live: LiveSession
) -> None:
    """The session is read again under its lock (req 23)."""
    codes = _store(services, client)
    with unit_of_work(services) as ctx:
        sessions.end(ctx, live.session.id, reason="signed out")
    with unit_of_work(services) as ctx:
        with pytest.raises(Refusal) as caught:
            _connect(ctx, device_requests.find(ctx, codes.user).id, client, live)
        assert caught.value.code == "principal.may_not_act"
        device_requests.find(ctx, codes.user)


def test_old_requests_are_removed(services: Services, client: RegisteredClient) -> None:
    """A while after their end, so that a late person reads that the code has expired (req 111)."""
    _store(services, client)
    kept = timedelta(days=services.settings.retention.expired_token_days, seconds=device_requests.SECONDS)
    for later, left in ((kept, 1), (kept + timedelta(seconds=1), 0)):
        with unit_of_work(services, NOW + later, actor=OPERATOR) as ctx:
            retention.purge(ctx, 100)
        with services.database.session() as db:
            assert len(db.scalars(select(DeviceRequest)).all()) == left


def test_what_cannot_be_connected_leaves_no_consent(services: Services) -> None:
    """The session ended in another tab just before: nothing is decided (L-14, req 16)."""
    with unit_of_work(services) as ctx:
        cast.register_device(ctx, first_party=False)
        account_id = cast.person(ctx, "paul")
        client = load_clients(ctx.db)["terminal"]
    codes = device_requests.store(
        services.database,
        services.vault,
        client,
        scope="openid profile",
        resources=(),
        network=None,
        now=now(),
    )
    with unit_of_work(services, now()) as ctx:
        account = ctx.db.get_one(Account, account_id)
        live, *_ = sessions.start(ctx, account, methods=[("pwd", None)])
        waiting = device_requests.find(ctx, codes.user)
    with unit_of_work(services, now()) as ctx:
        end_session(ctx, live.session.id, "signed out")
    wanted = AuthorizationRequest("terminal", "", "openid profile")
    with unit_of_work(services, now()) as ctx, pytest.raises(Refusal, match="may_not_act"):
        device_requests.connect(ctx, waiting.id, wanted=wanted, client=client, live=live, membership_id=None)
    with unit_of_work(services) as ctx:
        assert ctx.db.scalar(select(func.count()).select_from(Consent)) == 0
