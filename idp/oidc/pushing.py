"""The pushed authorization request endpoint: the authorization endpoint's checks, earlier (RFC 9126 §2)."""

from datetime import timedelta
from typing import Any, Final

from authlib.oauth2.rfc6749 import OAuth2Error
from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.oidc import pushed_requests
from idp.oidc.authorization_request import Received, RelyingPartyMistake, check, opened
from idp.oidc.provider import Provider
from idp.oidc.request import ProtocolRequest
from idp.oidc.server import ProtocolServer
from idp.throttling.limits import Limit

PER_NETWORK: Final = Limit(60, timedelta(minutes=1))
"""How often a public client may push, from one network: nothing shows that it is the client."""
PARAMETERS: Final = frozenset(
    {
        "acr_values",
        "claims",
        "client_id",
        "code_challenge",
        "code_challenge_method",
        "dpop_jkt",
        "id_token_hint",
        "login_hint",
        "max_age",
        "nonce",
        "organization",
        "prompt",
        "redirect_uri",
        "resource",
        "response_mode",
        "response_type",
        "scope",
        "state",
        "ui_locales",
    }
)
"""What the authorization endpoint reads; all else is ignored there (RFC 6749 §3.1), so it is not kept."""
_CREDENTIALS: Final = frozenset({"client_secret", "client_assertion", "client_assertion_type"})


def push(server: ProtocolServer, request: ProtocolRequest) -> dict[str, Any]:
    """Check and keep a request; what was checked is checked again when the browser comes with it.

    :raises OAuth2Error: as the authorization endpoint answers it, and ``invalid_request`` for what that would
        show on a page.
    :raises Refusal: ``client.throttled`` (until).
    """
    provider, exchange = server.provider, request.exchange
    client = provider.authenticate(request)
    if "request_uri" in request.form:
        raise InvalidRequestError("request_uri must not be pushed (RFC 9126 section 2.1)")
    sent = {name: value for name, value in request.form.items() if name not in _CREDENTIALS}
    if client.public:
        provider.services.throttle.network_try(
            "par", exchange.origin.ip, limits=[PER_NETWORK], now=exchange.now, code="client.throttled"
        )
    try:
        received = opened(server, exchange, client, Received(sent | {"client_id": client.client_id}))
        received = _bound(received, _proven(provider, request))
        check(server, exchange, "POST", client, received)
    except RelyingPartyMistake as mistake:
        raise InvalidRequestError(f"{mistake.parameter} must be {mistake.expected}") from mistake
    except OAuth2Error as error:
        error.state = None  # it goes to the client itself, as the token endpoint's errors (RFC 9126 §2.3)
        raise
    kept = {name: value for name, value in received.parameters.items() if name in PARAMETERS}
    return pushed_requests.store(provider.services.database, client, kept, exchange.now)


def _proven(provider: Provider, request: ProtocolRequest) -> str | None:
    return provider.proofs.accept(request.proof, request.exchange.now) if request.proof else None


def _bound(received: Received, jkt: str | None) -> Received:
    """Bind the code to the key that was proven, as ``dpop_jkt`` does (RFC 9449 §10.1)."""
    if jkt is None:
        return received
    if received.parameters.get("dpop_jkt", jkt) != jkt:
        raise InvalidRequestError("dpop_jkt must be the thumbprint of the key in the DPoP header")
    return Received({**received.parameters, "dpop_jkt": jkt}, received.repeated)
