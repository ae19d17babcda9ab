"""Endpoints that programs call with a form, and userinfo: request in, answer out."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Error
from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.oidc.client_authentication import ClientRefused
from idp.oidc.clients import RegisteredClient
from idp.oidc.device_authorization import request_codes
from idp.oidc.dpop import Presented
from idp.oidc.introspection import introspect
from idp.oidc.provider import Provider
from idp.oidc.pushing import push
from idp.oidc.request import Exchange, ProtocolRequest
from idp.oidc.revocation import revoke_token
from idp.oidc.server import Answer, ProtocolServer, error_answer, json_answer, jwt_answer, note_refusal
from idp.oidc.userinfo import PresentedToken, TokenNotTaken, userinfo
from idp.web.machine.http import MachineRequest
from idp.web.parameters import FORM

Endpoint = Callable[[ProtocolServer, MachineRequest], Answer]


def token(server: ProtocolServer, request: MachineRequest) -> Answer:
    """Answer a token request (RFC 6749 §3.2)."""
    return _asked(server, request, server.create_token_response, proof=True)


def pushed_authorization_request(server: ProtocolServer, request: MachineRequest) -> Answer:
    """Answer a pushed authorization request (RFC 9126 §2)."""
    return _asked(server, request, lambda asked: json_answer(push(server, asked), 201), proof=True)


def device_authorization(server: ProtocolServer, request: MachineRequest) -> Answer:
    """Answer a device authorization request (RFC 8628 §3.2)."""
    return _asked(server, request, lambda asked: json_answer(request_codes(server.provider, asked)))


def introspection(server: ProtocolServer, request: MachineRequest) -> Answer:
    """Answer an introspection request (RFC 7662 §2)."""
    return _asked(server, request, lambda asked: json_answer(introspect(server.provider, asked)))


def revocation(server: ProtocolServer, request: MachineRequest) -> Answer:
    """Answer a revocation request (RFC 7009 §2)."""
    return _asked(server, request, lambda asked: json_answer(revoke_token(server.provider, asked)))


def user_info(server: ProtocolServer, request: MachineRequest) -> Answer:
    """Answer a userinfo request; the token comes in the header or a form body, never in the URL (req 25)."""
    exchange = _exchange(server.provider, request)
    try:
        found = userinfo(server.provider, exchange, _presented(server.provider, request))
    except OAuth2Error as refused:
        note_refusal(refused, None, exchange.origin.request_id)
        return error_answer(refused)
    return jwt_answer(found) if isinstance(found, str) else json_answer(found)


def answered(endpoint: Endpoint, server: ProtocolServer, request: MachineRequest) -> Answer:
    """Call an endpoint; its protocol errors become JSON, and a DPoP header gets its next nonce."""
    try:
        answer = endpoint(server, request)
    except OAuth2Error as error:  # nothing that could be read
        note_refusal(error, None, request.origin.request_id)
        answer = error_answer(error)
    if request.dpop is None:
        return answer
    nonce = server.provider.proofs.nonce(datetime.now(UTC))
    return answer._replace(headers=[*answer.headers, ("DPoP-Nonce", nonce)])


def _asked(
    server: ProtocolServer,
    request: MachineRequest,
    answer: Callable[[ProtocolRequest], Answer],
    *,
    proof: bool = False,
) -> Answer:
    """Read what a client asks for and answer it; a refusal is told to the operator as well."""
    provider = server.provider
    exchange = _exchange(provider, request)
    asked = ProtocolRequest(
        "POST",
        request.form(),
        exchange,
        authorization=request.authorization,
        proof=_proof(provider, request) if proof else None,
    )
    try:
        return answer(asked)
    except OAuth2Error as refused:
        client: RegisteredClient | None = asked.client
        if isinstance(refused, ClientRefused):
            client = exchange.snapshot.clients.get(refused.client_id or "")
        note_refusal(refused, None if client is None else client.client_id, exchange.origin.request_id)
        return error_answer(refused)


def _proof(provider: Provider, request: MachineRequest) -> Presented | None:
    header = request.dpop
    return None if header is None else Presented(header, request.method, provider.issuer + request.path)


def _exchange(provider: Provider, request: MachineRequest) -> Exchange:
    return Exchange(provider.snapshots.current(), datetime.now(UTC), request.origin)


def _presented(provider: Provider, request: MachineRequest) -> PresentedToken:
    header = request.authorization
    posted = _posted_token(request)
    if header is None:
        if posted is None:
            raise TokenNotTaken("invalid_token", "the access token is missing", 401, presented=False)
        return PresentedToken(posted)
    scheme, _, token_text = header.partition(" ")
    dpop = scheme.lower() == "dpop"
    if not (dpop or scheme.lower() == "bearer") or not token_text.strip():
        raise TokenNotTaken("invalid_token", "the Authorization header must use Bearer or DPoP", 401)
    if posted is not None:
        raise TokenNotTaken("invalid_request", "two access tokens in one request", 400)
    return PresentedToken(token_text.strip(), dpop, _proof(provider, request) if dpop else None)


def _posted_token(request: MachineRequest) -> str | None:
    content_type: Any = request.environ.get("CONTENT_TYPE") or ""
    if request.method != "POST" or content_type.partition(";")[0].strip().lower() != FORM:
        return None
    try:
        return request.form().get("access_token")
    except InvalidRequestError as malformed:  # with a challenge, as RFC 6750 §3.1 has it
        raise TokenNotTaken(malformed.error, malformed.description, 400) from malformed
