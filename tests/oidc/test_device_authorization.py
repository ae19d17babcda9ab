"""The device authorization endpoint (RFC 8628 §3.1-3.2; req 18, 30, 95)."""

from typing import Any

import pytest
from sqlalchemy import select

from idp.context import Services
from idp.crypto import sha256
from idp.oidc.device_authorization import PER_NETWORK
from idp.oidc.models import DeviceRequest
from idp.web.gateway import Gateway
from tests import cast
from tests.cast import DEVICE_GRANT, Registered
from tests.device_programs import Device
from tests.installation import unit_of_work
from tests.plain_browser import basic
from tests.world import ALL_SCOPES, Desk, machine


@pytest.fixture
def device(services: Services, gateway: Gateway) -> Device:
    with unit_of_work(services) as ctx:
        return Device(gateway, cast.register_device(ctx))


def _rows(services: Services) -> list[DeviceRequest]:
    with services.database.session() as db:
        return list(db.scalars(select(DeviceRequest)))


def _refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["error"]


def test_what_a_device_hears(device: Device, services: Services) -> None:
    """Both codes, both addresses, how long and how often; no cache keeps it."""
    answer = device.call("/device_authorization", {"scope": "openid profile"})
    told = answer.get_json()
    issuer = services.settings.public_url
    assert answer.headers["Cache-Control"] == "no-store"
    assert told.pop("device_code") != told["user_code"]
    assert told == {
        "user_code": told["user_code"],
        "verification_uri": f"{issuer}/device",
        "verification_uri_complete": f"{issuer}/device?user_code={told['user_code']}",
        "expires_in": 600,
        "interval": 5,
    }


def test_only_hashes_are_stored(device: Device, services: Services) -> None:
    """256 bit as SHA-256, 34 bit keyed: a copy of the table gives neither code (req 37)."""
    shown = device.ask("openid")
    row = _rows(services)[0]
    assert len(device.codes["device_code"]) == 43
    assert row.hash == sha256(device.codes["device_code"])
    plain = shown.replace("-", "")
    assert row.user_code_hash not in (sha256(plain), sha256(shown))
    assert row.user_code_hash == services.vault.keyed_hash("user code", plain)
    assert row.network == "203.0.113.0/24"
    assert (row.expires_at - row.created_at).total_seconds() == 600


def test_scopes_are_the_client_s_own(device: Device, services: Services) -> None:
    """What it may not have is left out, as at the authorization endpoint; too much is refused (req 29)."""
    device.ask("openid profile openid made-up offline_access")
    assert _rows(services)[0].scope == "openid profile"
    for nothing in ("", "made-up", "openid,profile"):
        answer = device.call("/device_authorization", {"scope": nothing})
        assert _refusal(answer) == (400, "invalid_scope")
    many = " ".join(f"s{number}" for number in range(51))
    assert _refusal(device.call("/device_authorization", {"scope": many})) == (400, "invalid_scope")


def test_a_confidential_device_proves_who_it_is(services: Services, gateway: Gateway) -> None:
    """By exactly the registered method, here as everywhere (req 18)."""
    with unit_of_work(services) as ctx:
        safe = Device(gateway, cast.register_device(ctx, token_endpoint_auth_method="client_secret_basic"))
    assert safe.registered.secret is not None
    safe.ask()
    assert safe.hears() == "authorization_pending"
    for form, headers in (
        ({"client_id": "terminal"}, {}),
        ({"client_id": "terminal", "client_secret": safe.registered.secret}, {}),
        ({"scope": "openid"}, {"Authorization": basic("terminal", "wrong")}),
    ):
        answer = machine(gateway, "POST", "/device_authorization", data=form, headers=headers)
        assert _refusal(answer) == (401, "invalid_client")


def test_nobody_and_a_secret_too_much(device: Device) -> None:
    """Unknown clients, and a public one that brings a secret."""
    nobody = Device(device.gateway, Registered("nobody", None))
    assert _refusal(nobody.call("/device_authorization", {"scope": "openid"})) == (401, "invalid_client")
    loud = Device(device.gateway, Registered("terminal", "secret"))
    assert _refusal(loud.call("/device_authorization", {"scope": "openid"})) == (401, "invalid_client")


def test_the_grant_must_be_registered(desk: Desk, services: Services) -> None:
    """Switched off for a client is refused at both endpoints, not only hidden (req 95)."""
    assert _refusal(desk.portal.call("/device_authorization", {"scope": "openid"})) == (
        400,
        "unauthorized_client",
    )
    poll = {"grant_type": DEVICE_GRANT, "device_code": "x" * 43}
    assert _refusal(desk.portal.call("/token", poll)) == (400, "unauthorized_client")
    assert _rows(services) == []


def test_a_native_program_may_have_it_beside_the_code_flow(services: Services, gateway: Gateway) -> None:
    """A command line that runs with and without a browser."""
    with unit_of_work(services) as ctx:
        registered = cast.register(
            ctx,
            "cli",
            kind="native",
            scope=ALL_SCOPES,
            token_endpoint_auth_method="none",
            redirect_uris=["http://127.0.0.1/callback"],
            grant_types=["authorization_code", "refresh_token", DEVICE_GRANT],
        )
    cli = Device(gateway, registered)
    cli.ask()
    assert cli.hears() == "authorization_pending"


def test_a_flood_from_one_network_is_stopped(device: Device, services: Services, gateway: Gateway) -> None:
    """Each waiting code is one more to guess; another network, and a client with a secret, go on (§5.1)."""
    with unit_of_work(services) as ctx:
        made = cast.register_device(ctx, "safe", token_endpoint_auth_method="client_secret_basic")
    gateway.server.provider.snapshots.expire()
    for _ in range(PER_NETWORK.count):
        device.ask()
    answer = device.call("/device_authorization", {"scope": "openid"})
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) <= 60
    Device(gateway, device.registered, address="198.51.100.7").ask()
    Device(gateway, made).ask()


def test_parameters_stand_in_the_body_once(device: Device) -> None:
    """A query is refused, and no method but POST is there."""
    query = machine(device.gateway, "POST", "/device_authorization?client_id=terminal", data={})
    assert _refusal(query) == (400, "invalid_request")
    assert machine(device.gateway, "GET", "/device_authorization").status_code == 405
