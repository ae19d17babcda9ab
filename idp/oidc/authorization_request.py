"""The authorization request: read once, checked in one order, stored as plain values (OIDC Core §3.1.2.1).

It comes in a query or a form, as an object the client signed (RFC 9101), or by a reference to what the client
pushed (RFC 9126).  Those are sources; the checks behind them are the same.

Until client and redirect URI are certain, a mistake is shown on a page (:class:`RelyingPartyMistake`); from
then on it goes to the redirect URI as an :class:`OAuth2Error` (RFC 6749 §4.1.2.1, req 2).
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from authlib.oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import OAuth2Error
from authlib.oauth2.rfc6749.errors import InvalidRequestError, InvalidScopeError

from idp.authentication.assurance import meets
from idp.oidc import pushed_requests, request_object, resources
from idp.oidc.authorization_response import QUERY, response_mode_problem
from idp.oidc.claims import parse_claims_request, permitted_claims, requested_acr, requested_sub
from idp.oidc.client_values import MAX_SCOPES
from idp.oidc.clients import RegisteredClient
from idp.oidc.request import Exchange, ProtocolRequest
from idp.oidc.signing import ID_TOKEN, KeyRing, TokenRefused

PROMPTS = frozenset({"none", "login", "consent", "select_account"})
_LIMITS = {"state": 4096, "nonce": 1024, "login_hint": 320, "organization": 64, "scope": 1024}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class RelyingPartyMistake(Exception):
    """A request that must not redirect: its client or redirect URI is not certain.  A page says so.

    :param received: empty where nothing came, None where what came is not to be shown.
    """

    def __init__(
        self,
        error: str,
        parameter: str,
        received: str | None,
        expected: str,
        *,
        client: RegisteredClient | None = None,
    ) -> None:
        super().__init__(f"{error}: {parameter}")
        self.error = error
        self.parameter = parameter
        self.received = received
        self.expected = expected
        self.client = client


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A checked request; what the flow stores."""

    client_id: str
    redirect_uri: str
    scope: str
    response_mode: str = QUERY
    state: str | None = None
    nonce: str | None = None
    code_challenge: str | None = None
    #: thumbprint of the one key that may redeem the code (RFC 9449 §10)
    dpop_jkt: str | None = None
    prompt: tuple[str, ...] = ()
    max_age: int | None = None
    login_hint: str | None = None
    #: whom alone the answer may speak of: ``sub`` of a valid ``id_token_hint`` or of the ``claims``
    hinted_sub: str | None = None
    acr_values: tuple[str, ...] = ()
    essential_acr: bool = False
    claims: dict[str, Any] = field(default_factory=dict)
    ui_locales: str | None = None
    organization: str | None = None
    #: client ids of the resource servers that were named (RFC 8707)
    resources: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the flow's row."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "AuthorizationRequest":
        """Return the request a flow holds."""
        values = dict(stored)
        for name in ("prompt", "acr_values", "resources"):
            values[name] = tuple(values[name])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Received:
    """The parameters of a source, and the names that stood in it more than once."""

    parameters: Mapping[str, str]
    repeated: tuple[str, ...] = ()

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> "Received":
        """Read the pairs of a query or form; of what is repeated the first counts."""
        parameters: dict[str, str] = {}
        repeated = []
        for name, value in resources.joined(pairs):
            if name in parameters:
                repeated.append(name)
            else:
                parameters[name] = value
        # RFC 6749 §3.1: a parameter without a value counts as left out
        return cls({name: value for name, value in parameters.items() if value}, tuple(repeated))


def read(
    server: AuthorizationServer, exchange: Exchange, method: str, pairs: Iterable[tuple[str, str]]
) -> AuthorizationRequest:
    """Check a request at the authorization endpoint, whatever source it comes from.

    Comes before the first statement of the caller's transaction: a client's keys may have to be fetched.

    :raises RelyingPartyMistake: to be shown.
    :raises OAuth2Error: to be redirected; carries ``client_id``, ``redirect_uri``, ``response_mode`` and
        ``state``.
    """
    received = Received.of(pairs)
    client = _client(exchange, received)
    try:
        resolved = _resolved(server, exchange, client, received)
    except OAuth2Error as error:
        _address(error, client, received, _certain_redirect_uri(error, client, received))
        raise
    return check(server, exchange, method, client, resolved)


def check(
    server: AuthorizationServer, exchange: Exchange, method: str, client: RegisteredClient, received: Received
) -> AuthorizationRequest:
    """Check the parameters themselves; raises as :func:`read` does."""
    redirect_uri = _redirect_uri(client, received)
    try:
        refuse_repeated(received)
        return _checked(server, ProtocolRequest(method, received.parameters, exchange), client)
    except OAuth2Error as error:
        _address(error, client, received, redirect_uri)
        raise


def _resolved(
    server: AuthorizationServer, exchange: Exchange, client: RegisteredClient, received: Received
) -> Received:
    """Return what the client signed or pushed, where the request says so, else what was received."""
    reference = received.parameters.get("request_uri")
    if reference is not None:
        refuse_repeated(received)
        if "request" in received.parameters:
            raise InvalidRequestError("request and request_uri exclude each other")
        if not reference.startswith(pushed_requests.PREFIX):
            # RFC 9101 §10.4: an address is never fetched for whoever asks
            raise OAuth2Error(
                "request_uri must be one that the pushed authorization request endpoint issued",
                error="request_uri_not_supported",
            )
        database = server.provider.services.database
        return Received(pushed_requests.consume(database, client, reference, exchange.now))
    if client.require_pushed_authorization_requests:
        raise InvalidRequestError("this client must push its requests and send request_uri (RFC 9126)")
    return opened(server, exchange, client, received)


def opened(
    server: AuthorizationServer, exchange: Exchange, client: RegisteredClient, received: Received
) -> Received:
    """Return what stands in the request object, where there is one; raises OAuth2Error."""
    if "request" not in received.parameters:
        return received
    refuse_repeated(received)
    provider = server.provider
    signed = request_object.signed_parameters(
        received.parameters, client, provider.client_keys, issuer=provider.issuer, now=exchange.now
    )
    return Received(signed)


def _certain_redirect_uri(error: OAuth2Error, client: RegisteredClient, received: Received) -> str:
    """Return where an error of a source may go; nowhere, where it came without a registered address."""
    try:
        return _redirect_uri(client, received)
    except RelyingPartyMistake as mistake:
        if "redirect_uri" in received.parameters:
            raise
        reference = received.parameters.get("request_uri")
        source, expected = "request", error.description or mistake.expected
        if reference is not None:
            source, expected = "request_uri", "one that this client pushed within the last minute, once"
        raise RelyingPartyMistake(error.error, source, reference, expected, client=client) from error


def _address(error: OAuth2Error, client: RegisteredClient, received: Received, redirect_uri: str) -> None:
    """Say whose an error is, where and how it goes, with the state where that can travel."""
    error.client_id = client.client_id
    error.redirect_uri = redirect_uri
    mode = received.parameters.get("response_mode", QUERY)
    unusable = "response_mode" in received.repeated or response_mode_problem(mode, redirect_uri)
    error.response_mode = QUERY if unusable else mode
    state = received.parameters.get("state")
    error.state = None if "state" in received.repeated or (state and _unfit("state", state)) else state


def refuse_repeated(received: Received) -> None:
    """Refuse what stood in a source more than once (RFC 6749 §3.1, §3.2); raises InvalidRequestError."""
    if received.repeated:
        raise InvalidRequestError(f"parameter sent more than once: {safe_name(received.repeated[0])}")


def _client(exchange: Exchange, received: Received) -> RegisteredClient:
    client_id = received.parameters.get("client_id")
    expected = "the client_id of a registered client"
    if client_id is None or "client_id" in received.repeated:
        raise RelyingPartyMistake("invalid_request", "client_id", client_id or "", f"{expected}, once")
    client = exchange.snapshot.clients.get(client_id)
    if client is None:
        raise RelyingPartyMistake("invalid_client", "client_id", client_id, expected)
    return client


def _redirect_uri(client: RegisteredClient, received: Received) -> str:
    uri = received.parameters.get("redirect_uri")
    if uri is None or "redirect_uri" in received.repeated:
        expected = "one of the registered redirect URIs, once"
        raise RelyingPartyMistake("invalid_request", "redirect_uri", uri or "", expected, client=client)
    if not client.check_redirect_uri(uri):
        expected = "exactly one of the registered redirect URIs"
        raise RelyingPartyMistake("invalid_request", "redirect_uri", uri, expected, client=client)
    return uri


def _checked(
    server: AuthorizationServer, request: ProtocolRequest, client: RegisteredClient
) -> AuthorizationRequest:
    parameters, issuer = request.parameters, server.provider.issuer
    clients = request.exchange.snapshot.clients
    if "registration" in parameters:
        raise OAuth2Error(
            "the parameter registration is not supported here", error="registration_not_supported"
        )
    for name, value in parameters.items():
        if _unfit(name, value):
            raise InvalidRequestError(f"{safe_name(name)} is too long or holds control characters")
    _response(parameters)
    # Authlib's own checks: registered response type, scope, and PKCE by our extension
    server.get_consent_grant(request, None)
    claims = _claims(parameters.get("claims"), client)
    acr_values, essential = _acr(client, parameters, claims)
    return AuthorizationRequest(
        client_id=client.client_id,
        redirect_uri=parameters["redirect_uri"],
        scope=requested_scope(parameters, client),
        response_mode=parameters.get("response_mode", QUERY),
        state=parameters.get("state"),
        nonce=parameters.get("nonce"),
        code_challenge=parameters.get("code_challenge"),
        dpop_jkt=_thumbprint(parameters.get("dpop_jkt")),
        prompt=_prompt(parameters.get("prompt")),
        max_age=_max_age(parameters.get("max_age"), client.default_max_age),
        login_hint=parameters.get("login_hint"),
        hinted_sub=_demanded_sub(request.exchange.snapshot.keys, issuer, parameters, claims),
        acr_values=acr_values,
        essential_acr=essential,
        claims=claims,
        ui_locales=parameters.get("ui_locales"),
        organization=parameters.get("organization"),
        resources=resources.named(clients, client, parameters.get(resources.PARAMETER)),
    )


def _response(parameters: Mapping[str, str]) -> None:
    response_type = parameters.get("response_type")
    if response_type is None:
        raise InvalidRequestError("response_type is missing")
    if response_type != "code":
        # Authlib would quote the received value, whatever characters it holds
        raise OAuth2Error("response_type must be code", error="unsupported_response_type")
    problem = response_mode_problem(parameters.get("response_mode", QUERY), parameters["redirect_uri"])
    if problem is not None:
        raise InvalidRequestError(problem)


def requested_scope(parameters: Mapping[str, str], client: RegisteredClient) -> str:
    """Return what a request may have of the scope it asks for (RFC 6749 §3.3).

    :raises InvalidScopeError: too much of it (req 29), or nothing that the client is registered for.
    """
    scope = parameters.get("scope", "")
    if len(scope.split()) > MAX_SCOPES:
        raise InvalidScopeError(f"scope holds more than {MAX_SCOPES} values")
    allowed = client.get_allowed_scope(scope)
    if not allowed:
        registered = " ".join(sorted(client.scopes))
        raise InvalidScopeError(
            "scope holds nothing that this client is registered for: values with spaces between them, "
            f"out of {registered}"
        )
    return allowed


def _prompt(value: str | None) -> tuple[str, ...]:
    prompts = tuple(dict.fromkeys((value or "").split()))
    if not PROMPTS.issuperset(prompts):
        raise InvalidRequestError("prompt must be made of none, login, consent and select_account")
    if "none" in prompts and len(prompts) > 1:
        raise InvalidRequestError("prompt=none stands alone")
    return prompts


def _thumbprint(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[A-Za-z0-9_-]{43}", value):
        raise InvalidRequestError(
            "dpop_jkt must be the SHA-256 thumbprint of a key, 43 characters of base64url"
        )
    return value


def _max_age(value: str | None, default: int | None) -> int | None:
    if value is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise InvalidRequestError("max_age must be a number of seconds")
    return int(value)


def _claims(value: str | None, client: RegisteredClient) -> dict[str, Any]:
    if value is None:
        return {}
    try:
        asked = parse_claims_request(json.loads(value))
        json.dumps(asked, allow_nan=False)  # what Python reads and databases do not
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError("claims must be a JSON object") from error
    return permitted_claims(asked, client.scopes)


def _acr(
    client: RegisteredClient, parameters: Mapping[str, str], claims: Mapping[str, Any]
) -> tuple[tuple[str, ...], bool]:
    """Return what is asked for and whether it must be reached (design §2, acr)."""
    values, essential = requested_acr(claims)
    demanded = client.default_acr_values
    if essential and values and demanded:
        # a browser can add to the request: it does not fall below what the client is registered with
        enough = tuple(value for value in values if any(meets(value, least) for least in demanded))
        return enough or demanded, True
    if essential and values:
        return values, True
    if demanded:
        return demanded, True
    return values or tuple(parameters.get("acr_values", "").split()), False


def _demanded_sub(
    keys: KeyRing, issuer: str, parameters: Mapping[str, str], claims: Mapping[str, Any]
) -> str | None:
    """Return the one person the answer may speak of (OIDC Core §3.1.2.2, number 5)."""
    hinted = _hinted_sub(keys, issuer, parameters.get("id_token_hint"))
    demanded = requested_sub(claims)
    if hinted is not None and demanded is not None and hinted != demanded:
        raise InvalidRequestError("id_token_hint and claims name two persons")
    return hinted if demanded is None else demanded


def _hinted_sub(keys: KeyRing, issuer: str, hint: str | None) -> str | None:
    """Return whom an ID token speaks of; its time may be over (OIDC Core §3.1.2.1)."""
    if hint is None:
        return None
    try:
        claims = keys.verify(hint, ID_TOKEN)
    except TokenRefused as refused:
        raise InvalidRequestError("id_token_hint must be an ID token issued by this server") from refused
    if claims.get("iss") != issuer:
        raise InvalidRequestError("id_token_hint must be an ID token issued by this server")
    return str(claims["sub"])


def _unfit(name: str, value: str) -> bool:
    return bool(_CONTROL.search(value)) or len(value) > _LIMITS.get(name, 65_536)


def safe_name(name: str) -> str:
    """Return a received name as it may stand in an answer."""
    return re.sub(r"[^A-Za-z0-9_.:-]", "?", name)[:40]
