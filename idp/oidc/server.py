"""The authorization server: Authlib's framework-free core with our storage, clients and tokens (RFC 6749)."""

import json
import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from authlib.oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import OAuth2Error
from authlib.oauth2.rfc6749.errors import InvalidRequestError, UnsupportedGrantTypeError

from idp.logging import get_logger
from idp.oidc.client_fields import GRANT_TYPES
from idp.oidc.clients import RegisteredClient
from idp.oidc.grants.authorization_code import AuthorizationCodeGrant
from idp.oidc.grants.client_credentials import ClientCredentialsGrant
from idp.oidc.grants.device_code import DeviceCodeGrant
from idp.oidc.grants.pkce import S256CodeChallenge
from idp.oidc.grants.refresh_token import RefreshTokenGrant
from idp.oidc.provider import Provider
from idp.oidc.request import ProtocolRequest

# at DEBUG it writes whole tokens
logging.getLogger("authlib").setLevel(logging.INFO)


class Answer(NamedTuple):
    """An answer of a protocol endpoint, free of any web framework."""

    status: int
    body: bytes
    headers: list[tuple[str, str]]


_log = get_logger(__name__)
_EVERY_DAY = frozenset(
    {
        "login_required",
        "interaction_required",
        "consent_required",
        "account_selection_required",
        "access_denied",
        "authorization_pending",
        "use_dpop_nonce",
    }
)

NO_STORE = [("Cache-Control", "no-store"), ("Pragma", "no-cache")]
JSON_HEADERS = [("Content-Type", "application/json"), *NO_STORE]


def json_answer(
    content: Mapping[str, Any], status: int = 200, headers: list[tuple[str, str]] | None = None
) -> Answer:
    """Return a JSON answer that no cache keeps (req 28)."""
    body = json.dumps(content, separators=(",", ":")).encode()
    return Answer(status, body, [*JSON_HEADERS, *(headers or [])])


def jwt_answer(token: str) -> Answer:
    """Return a signed answer that no cache keeps (OIDC Core §5.3.2)."""
    return Answer(200, token.encode("ascii"), [("Content-Type", "application/jwt"), *NO_STORE])


def error_answer(error: OAuth2Error) -> Answer:
    """Return the JSON form of a protocol error (RFC 6749 §5.2)."""
    extra = [(name, value) for name, value in error.get_headers() if name == "WWW-Authenticate"]
    return json_answer(dict(error.get_body()), error.status_code, extra)


def note_refusal(error: OAuth2Error, client_id: str | None, request_id: str | None = None) -> None:
    """Tell the operator which portal was refused and why, in the words the portal hears: no secrets.

    What every portal hears now and then is no refusal: nobody is signed in, or has not decided yet.

    :param client_id: of a registered client, or None.
    :param request_id: where log lines do not get it by themselves.
    """
    if error.error not in _EVERY_DAY:
        bound = {} if request_id is None else {"request_id": request_id}
        _log.info("request refused", client=client_id, refusal=error.error, why=error.description, **bound)


class ProtocolServer(AuthorizationServer):
    """One for a process; registered once, then only read."""

    def __init__(self, provider: Provider) -> None:
        super().__init__()
        self.provider = provider
        self.register_grant(AuthorizationCodeGrant, [S256CodeChallenge()])
        self.register_grant(RefreshTokenGrant)
        self.register_grant(ClientCredentialsGrant)
        self.register_grant(DeviceCodeGrant)

    def create_token_response(self, request: ProtocolRequest) -> Answer:
        """Answer a token request in one transaction, committed before the answer exists for anyone else."""
        with self.provider.statements.transaction() as transaction:
            request.exchange.transaction = transaction
            answer: Answer = super().create_token_response(request)
            transaction.commit()  # errors are raised, see below
        return answer

    # Authlib's interface

    def get_token_grant(self, request: ProtocolRequest) -> Any:
        """Return the grant of a token request (RFC 6749 §5.2)."""
        try:
            return super().get_token_grant(request)
        except UnsupportedGrantTypeError as unknown:
            if not request.form.get("grant_type"):
                raise InvalidRequestError("grant_type is missing") from unknown
            known = ", ".join(GRANT_TYPES)
            raise OAuth2Error(
                f"grant_type must be one of {known}", error="unsupported_grant_type"
            ) from unknown

    def handle_error_response(self, request: ProtocolRequest, error: OAuth2Error) -> Answer:
        """Raise what Authlib has caught: one place answers errors of all endpoints."""
        raise error

    def create_oauth2_request(self, request: ProtocolRequest) -> ProtocolRequest:
        """Pass our request through."""
        return request

    def query_client(self, client_id: str) -> RegisteredClient | None:
        """Return a client of the current snapshot."""
        return self.provider.snapshots.current().clients.get(client_id)

    def handle_response(self, status: int, body: Mapping[str, Any], _headers: object) -> Answer:
        """Return a token answer with our own caching rule, in place of Authlib's headers."""
        return json_answer(body, status)
