"""The device authorization endpoint: a device asks for its two codes (RFC 8628 §3.1-3.2, req 30).

``resource`` is read as in an authorization request (RFC 8707 §2), since this is one of a device.
"""

from datetime import timedelta
from typing import Any, Final

from authlib.oauth2.rfc6749.errors import UnauthorizedClientError

from idp.audit.log import shorten
from idp.oidc import device_requests, resources, user_codes
from idp.oidc.authorization_request import requested_scope
from idp.oidc.client_fields import DEVICE_GRANT
from idp.oidc.provider import Provider
from idp.oidc.request import ProtocolRequest
from idp.throttling.limits import Limit

VERIFICATION_PATH: Final = "/device"

PER_NETWORK: Final = Limit(60, timedelta(minutes=1))
"""Requests of public clients: anybody can speak in their name, and each code that waits helps a guesser."""


def request_codes(provider: Provider, request: ProtocolRequest) -> dict[str, Any]:
    """Return what the device hears; nobody is asked anything yet.

    :raises OAuth2Error: ``invalid_client``, ``unauthorized_client``, ``invalid_scope``, ``invalid_target``.
    :raises Refusal: ``client.throttled`` (until).
    """
    exchange, services = request.exchange, provider.services
    client = provider.authenticate(request)
    if not client.check_grant_type(DEVICE_GRANT):
        raise UnauthorizedClientError(f"this client is not registered for {DEVICE_GRANT}")
    scope = requested_scope(request.form, client)
    wanted = resources.named(exchange.snapshot.clients, client, request.form.get(resources.PARAMETER))
    address = exchange.origin.ip
    if client.public:
        services.throttle.network_try(
            "device_request", address, limits=[PER_NETWORK], now=exchange.now, code="client.throttled"
        )
    codes = device_requests.store(
        services.database,
        services.vault,
        client,
        scope=scope,
        resources=wanted,
        network=shorten(address) if address else None,
        now=exchange.now,
    )
    shown, page = user_codes.shown(codes.user), provider.issuer + VERIFICATION_PATH
    return {
        "device_code": codes.device,
        "user_code": shown,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={shown}",
        "expires_in": device_requests.SECONDS,
        "interval": device_requests.INTERVAL,
    }
