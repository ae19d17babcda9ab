"""Client authentication by exactly the registered method, at every endpoint (RFC 6749 §2.3, req 18).

Replaces Authlib's, which takes the first of several credentials, answers 500 to a header that is not UTF-8,
and does not form-decode Basic credentials.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749 import OAuth2Error
from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.oidc.clients import RegisteredClient


class ClientRefused(OAuth2Error):
    """``invalid_client`` (RFC 6749 §5.2); the description never tells which part was wrong."""

    error = "invalid_client"
    status_code = 401

    def __init__(self, description: str, *, client_id: str | None = None) -> None:
        super().__init__(description)
        self.client_id = client_id

    def get_headers(self) -> list[tuple[str, str]]:
        """Name the scheme to use, as RFC 9110 §11.6.1 wants for each 401."""
        headers: list[tuple[str, str]] = super().get_headers()
        return [*headers, ("WWW-Authenticate", 'Basic realm="token endpoint", charset="UTF-8"')]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client presented."""

    client_id: str
    secret: str | None
    method: str


def read_credentials(authorization: str | None, form: Mapping[str, str]) -> Credentials:
    """Return the one credential of a request.

    :raises InvalidRequestError: two ways at once (RFC 6749 §2.3).
    :raises ClientRefused: none, or one that cannot be read.
    """
    posted_id, posted_secret = form.get("client_id"), form.get("client_secret")
    if "client_assertion" in form or "client_assertion_type" in form:
        raise ClientRefused("client_assertion is not supported", client_id=posted_id)
    if authorization is None:
        if not posted_id:
            raise ClientRefused("client authentication is missing: send HTTP Basic or client_id")
        method = "none" if posted_secret is None else "client_secret_post"
        return Credentials(posted_id, posted_secret, method)
    client_id, secret = _basic(authorization)
    if posted_secret is not None:
        raise InvalidRequestError(
            "two ways of client authentication in one request: use the Authorization header or client_secret"
        )
    if posted_id is not None and posted_id != client_id:
        raise InvalidRequestError("client_id differs from the one in the Authorization header")
    return Credentials(client_id, secret, "client_secret_basic")


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise ClientRefused("the Authorization header must use the Basic scheme here")
    try:
        client_id, colon, secret = (
            base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
        )
        if not colon:
            raise ValueError("no colon")
        # RFC 6749 §2.3.1: both halves are form-encoded first, where a space may be + or %20
        return unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except (binascii.Error, ValueError) as error:
        raise ClientRefused(
            "the Basic credentials cannot be read: form-encode both in UTF-8, join by a colon, then base64"
        ) from error


def authenticate(
    clients: Mapping[str, RegisteredClient], credentials: Credentials, now: datetime
) -> RegisteredClient:
    """Return the authenticated client.

    :raises ClientRefused: unknown, expired, wrong secret, or not its registered method.
    """
    client = clients.get(credentials.client_id)
    if client is None or (client.expires_at is not None and client.expires_at <= now):
        raise ClientRefused("client authentication failed", client_id=credentials.client_id)
    if client.token_endpoint_auth_method != credentials.method:
        registered = client.token_endpoint_auth_method
        raise ClientRefused(
            f"this client is registered for {registered}, received {credentials.method}",
            client_id=client.client_id,
        )
    if not client.public and not client.check_secret(credentials.secret or "", now):
        raise ClientRefused("client authentication failed", client_id=client.client_id)
    return client
