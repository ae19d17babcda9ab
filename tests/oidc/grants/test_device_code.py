"""Polling with a device code: what each poll is told (RFC 8628 §3.4-3.5; req 22, 23, 30)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from idp.accounts.models import Account
from idp.authentication import sessions
from idp.context import Context, Services
from idp.management import accounts
from idp.oidc import device_requests
from idp.oidc.authorization import revoke
from idp.oidc.authorization_request import AuthorizationRequest
from idp.oidc.clients import load_clients
from idp.oidc.models import DeviceRequest, RefreshToken
from idp.web.gateway import Gateway
from tests import cast
from tests.builders import OPERATOR
from tests.device_programs import Device
from tests.installation import unit_of_work
from tests.provers import Prover
from tests.world import forget_snapshot, machine, move_back, now, verified


@pytest.fixture
def device(services: Services, gateway: Gateway) -> Device:
    with unit_of_work(services) as ctx:
        registered = cast.register_device(ctx)
        cast.person(ctx)
    made = Device(gateway, registered)
    made.ask("openid profile")
    return made


def _decide(services: Services, choice: str = "connect") -> str:
    """Decide as the page does; returns the authorization."""
    with unit_of_work(services, now()) as ctx:
        account = ctx.db.get_one(Account, accounts.find(ctx, "anna"))
        live, *_ = sessions.start(ctx, account, methods=[("pwd", None)])
        row = ctx.db.scalars(select(DeviceRequest).order_by(DeviceRequest.created_at.desc())).first()
        assert row is not None
        clients = load_clients(ctx.db)
        client = next(each for each in clients.values() if each.row_id == row.client_id)
        if choice == "deny":
            device_requests.deny(ctx, row.id, client, live)
            return ""
        wanted = AuthorizationRequest(client_id=client.client_id, redirect_uri="", scope=row.scope)
        device_requests.connect(ctx, row.id, wanted=wanted, client=client, live=live, membership_id=None)
        return str(ctx.db.scalars(select(DeviceRequest.authorization_id)).first())


def _later(services: Services, seconds: float) -> None:
    """Have the last poll be so much earlier."""
    move_back(services, (DeviceRequest.polled_at,), timedelta(seconds=seconds))


def _interval(services: Services) -> int:
    with services.database.session() as db:
        return db.scalars(select(DeviceRequest.interval)).one()


def _expire(services: Services) -> None:
    move_back(services, (DeviceRequest.expires_at,), timedelta(seconds=device_requests.SECONDS))


Step = Callable[[Services], object]

POLLS: dict[str, tuple[tuple[Step, ...], str]] = {
    "nobody has decided": ((), "authorization_pending"),
    "refused": ((lambda services: _decide(services, "deny"),), "access_denied"),
    "too late": ((_expire,), "expired_token"),
    "refused, and too late": ((lambda services: _decide(services, "deny"), _expire), "access_denied"),
    "allowed, and too late": ((_decide, _expire), "expired_token"),
}


@pytest.mark.parametrize("case", POLLS)
def test_what_a_poll_is_told(device: Device, services: Services, case: str) -> None:
    """The error codes of RFC 8628 §3.5, and again at each poll that keeps the pace."""
    steps, told = POLLS[case]
    for step in steps:
        step(services)
    for _ in range(2):
        assert device.hears() == told
        _later(services, 5)


def test_tokens_come_once(device: Device, services: Services) -> None:
    """Those of the code flow: access token, ID token without nonce, refresh token; then invalid_grant."""
    lineage = _decide(services)
    answer = device.poll()
    tokens = answer.get_json()
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(tokens) == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
    assert verified(device.gateway, tokens["access_token"])[1]["authorization_id"] == lineage
    assert "nonce" not in verified(device.gateway, tokens["id_token"])[1]
    assert device.hears() == "invalid_grant"
    # a second poll is a device that missed the answer, no thief: what was issued goes on
    assert device.userinfo(tokens["access_token"]).status_code == 200


def test_no_refresh_token_without_the_grant(device: Device, services: Services) -> None:
    """Registered for the device grant alone."""
    with unit_of_work(services) as ctx:
        lone = Device(device.gateway, cast.register_device(ctx, "lone", grant_types=[cast.DEVICE_GRANT]))
    forget_snapshot(device.gateway)
    lone.ask()
    _decide(services)
    assert "refresh_token" not in lone.poll().get_json()
    with services.database.session() as db:
        assert db.scalars(select(RefreshToken)).all() == []


def test_without_openid_there_is_no_id_token(device: Device, services: Services) -> None:
    """Plain OAuth."""
    device.ask("profile")
    _decide(services)
    assert "id_token" not in device.poll().get_json()


def test_userinfo_is_signed_for_devices_too(device: Device, services: Services) -> None:
    """As for portals that are registered so (OIDC Core §5.3.2)."""
    with unit_of_work(services) as ctx:
        registered = cast.register_device(ctx, "signed", userinfo_signed_response_alg="ES256")
    forget_snapshot(device.gateway)
    signed = Device(device.gateway, registered)
    signed.ask()
    _decide(services)
    answer = signed.userinfo(signed.poll().get_json()["access_token"])
    assert answer.content_type == "application/jwt"
    assert verified(device.gateway, answer.text)[1]["aud"] == "signed"


def test_who_polls_too_fast_is_slowed_down(device: Device, services: Services) -> None:
    """Five seconds more each time, for this and all later polls (RFC 8628 §3.5)."""
    assert device.hears() == "authorization_pending"
    for expected in (10, 15):
        assert device.hears() == "slow_down"
        assert _interval(services) == expected
    _later(services, 14)
    assert device.hears() == "slow_down"
    _later(services, 20)
    assert device.hears() == "authorization_pending"
    assert _interval(services) == 20


def test_an_impatient_device_gets_its_tokens(device: Device, services: Services) -> None:
    """slow_down is a kind of pending: once the person has decided, the pace is no matter."""
    device.hears()
    device.hears()
    _decide(services)
    assert device.poll().status_code == 200


def test_the_interval_of_hours_is_no_fault(device: Device, services: Services) -> None:
    """A device that never slows down gets an answer, however long it has to wait by now (req 29)."""
    with services.database.session() as db, db.begin():
        db.execute(update(DeviceRequest).values(interval=100_000, polled_at=now()))
    assert device.hears() == "slow_down"


def test_a_decision_between_two_looks(
    device: Device, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person decides while the poll is answered: pending once more, then tokens."""
    polled = device_requests.polled

    def just_then(*arguments: Any) -> Any:
        _decide(services)
        return polled(*arguments)

    monkeypatch.setattr(device_requests, "polled", just_then)
    assert device.hears() == "authorization_pending"
    monkeypatch.undo()
    assert device.poll().status_code == 200


def test_a_code_works_for_its_client_alone(device: Device, services: Services) -> None:
    """Another client, registered likewise, is told nothing and uses nothing up (req 7, C2)."""
    with unit_of_work(services) as ctx:
        thief = Device(device.gateway, cast.register_device(ctx, "thief"), codes=device.codes)
    forget_snapshot(device.gateway)
    assert thief.hears() == "invalid_grant"
    with services.database.session() as db:
        assert db.scalars(select(DeviceRequest.polled_at)).one() is None
    _decide(services)
    assert thief.hears() == "invalid_grant"
    assert device.poll().status_code == 200


@pytest.mark.parametrize("code", ["x" * 43, "BCDF-GHJK", "\u00e4", "a" * 10_000])
def test_unknown_codes(device: Device, code: str) -> None:
    """The user code is none of them."""
    assert device.hears(device_code=code) == "invalid_grant"
    assert device.hears(device_code=device.codes["user_code"]) == "invalid_grant"


def test_a_missing_code(device: Device) -> None:
    """invalid_request."""
    assert device.hears(device_code=None) == "invalid_request"
    assert device.hears(device_code="") == "invalid_request"


def _block(ctx: Context, _lineage: str) -> None:
    accounts.block(ctx, accounts.find(ctx, "anna"))


def _delete(ctx: Context, _lineage: str) -> None:
    accounts.delete(ctx, accounts.find(ctx, "anna"))


def _change_password(ctx: Context, _lineage: str) -> None:
    accounts.set_password(ctx, accounts.find(ctx, "anna"), "Leise rieselt der Sand 8")


def _revoke(ctx: Context, lineage: str) -> None:
    revoke(ctx, "test", authorization_id=lineage)


@pytest.mark.parametrize("end", [_block, _delete, _change_password, _revoke])
def test_the_gate_is_asked_when_the_tokens_are_fetched(
    device: Device, services: Services, end: Callable[[Context, str], None]
) -> None:
    """A person who was let go after the click is refused at the redemption (req 23, 30; C7)."""
    lineage = _decide(services)
    with unit_of_work(services, now()) as ctx:
        end(ctx.acting(OPERATOR), lineage)
    for _ in range(2):
        assert device.hears() == "invalid_grant"
    with services.database.session() as db:
        assert db.scalars(select(RefreshToken)).all() == []


def test_a_device_proves_its_key(services: Services, gateway: Gateway) -> None:
    """Where it is registered for bound tokens: without a proof the code is not used up (RFC 9449 §5)."""
    with unit_of_work(services) as ctx:
        device = Device(gateway, cast.register_device(ctx, dpop_bound_access_tokens=True))
        cast.person(ctx)
    forget_snapshot(gateway)
    device.ask("openid")
    _decide(services)
    assert device.hears() == "invalid_dpop_proof"
    code = {"grant_type": cast.DEVICE_GRANT, "device_code": device.codes["device_code"]}
    proof = Prover().proof(gateway.server.provider.issuer + "/token")
    form = code | {"client_id": "terminal"}
    answer = machine(gateway, "POST", "/token", data=form, headers={"DPoP": proof})
    assert (answer.status_code, answer.get_json()["token_type"]) == (200, "DPoP")
    assert verified(gateway, answer.get_json()["access_token"])[1]["cnf"] == {"jkt": Prover().jkt}
