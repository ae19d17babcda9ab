"""The pushed authorization request endpoint: the authorization endpoint's checks, earlier (RFC 9126 §2)."""

from typing import Any, Final

from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.oidc import pushed_requests
from idp.oidc.authorization_request import Received, RelyingPartyMistake, check, opened
from idp.oidc.provider import Provider
from idp.oidc.request import ProtocolRequest
from idp.oidc.server import ProtocolServer

_CREDENTIALS: Final = frozenset({"client_secret", "client_assertion", "client_assertion_type"})


def push(server: ProtocolServer, request: ProtocolRequest) -> dict[str, Any]:
    """Check and keep a request; what was checked is checked again when the browser comes with it.

    :raises OAuth2Error: as the authorization endpoint answers it, and ``invalid_request`` for what that would
        show on a page.
    """
    provider, exchange = server.provider, request.exchange
    client = provider.authenticate(request)
    if "request_uri" in request.form:
        raise InvalidRequestError("request_uri must not be pushed (RFC 9126 section 2.1)")
    sent = {name: value for name, value in request.form.items() if name not in _CREDENTIALS}
    try:
        received = opened(server, exchange, client, Received(sent | {"client_id": client.client_id}))
        received = _bound(received, _proven(provider, request))
        check(server, exchange, "POST", client, received)
    except RelyingPartyMistake as mistake:
        raise InvalidRequestError(f"{mistake.parameter} must be {mistake.expected}") from mistake
    return pushed_requests.store(provider.services.database, client, received.parameters, exchange.now)


def _proven(provider: Provider, request: ProtocolRequest) -> str | None:
    return provider.proofs.accept(request.proof, request.exchange.now) if request.proof else None


def _bound(received: Received, jkt: str | None) -> Received:
    """Bind the code to the key that was proven, as ``dpop_jkt`` does (RFC 9449 §10.1)."""
    if jkt is None:
        return received
    if received.parameters.get("dpop_jkt", jkt) != jkt:
        raise InvalidRequestError("dpop_jkt must be the thumbprint of the key in the DPoP header")
    return Received({**received.parameters, "dpop_jkt": jkt}, received.repeated)
