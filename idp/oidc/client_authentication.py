"""Client authentication by exactly the registered method, at every endpoint (RFC 6749 §2.3, req 18).

Replaces Authlib's, which takes the first of several credentials, answers 500 to a header that is not UTF-8,
and does not form-decode Basic credentials.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749 import OAuth2Error
from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.oidc.client_assertion import ASSERTION_TYPE
from idp.oidc.client_jwt import ClientJwtRefused, unverified_claims
from idp.oidc.clients import RegisteredClient

CheckAssertion = Callable[[RegisteredClient, str], None]
"""Accepts a client assertion once; raises ClientJwtRefused."""


class ClientRefused(OAuth2Error):
    """``invalid_client`` (RFC 6749 §5.2); the description never tells whether client or secret was wrong."""

    error = "invalid_client"
    status_code = 401

    def __init__(self, description: str, *, client_id: str | None = None) -> None:
        super().__init__(description)
        self.client_id = client_id

    def get_headers(self) -> list[tuple[str, str]]:
        """Name the scheme to use, as RFC 9110 §11.6.1 wants for each 401, and the reason.

        Some client libraries stop at the challenge and never read the body.
        """
        headers: list[tuple[str, str]] = super().get_headers()
        reason = f'error="{self.error}", error_description="{self.description}"'
        return [*headers, ("WWW-Authenticate", f'Basic realm="token endpoint", charset="UTF-8", {reason}')]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client presented."""

    client_id: str
    secret: str | None
    method: str
    #: a JWT the client signed (RFC 7523 §2.2)
    assertion: str | None = None


def read_credentials(authorization: str | None, form: Mapping[str, str]) -> Credentials:
    """Return the one credential of a request.

    :raises InvalidRequestError: two ways at once (RFC 6749 §2.3).
    :raises ClientRefused: none, or one that cannot be read.
    """
    posted_id, posted_secret = form.get("client_id"), form.get("client_secret")
    if "client_assertion" in form or "client_assertion_type" in form:
        return _assertion(authorization, form)
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


def _assertion(authorization: str | None, form: Mapping[str, str]) -> Credentials:
    """Read an assertion; whose it says it is decides only which key must have signed it."""
    posted_id = form.get("client_id")
    if authorization is not None or "client_secret" in form:
        raise InvalidRequestError(
            "two ways of client authentication in one request: send client_assertion and no secret"
        )
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise ClientRefused(f"client_assertion_type must be {ASSERTION_TYPE}", client_id=posted_id)
    assertion = form.get("client_assertion", "")
    try:
        client_id = unverified_claims(assertion).get("sub")
    except ClientJwtRefused as refused:
        raise ClientRefused(f"client_assertion: {refused}", client_id=posted_id) from refused
    if not isinstance(client_id, str):
        raise ClientRefused("client_assertion: sub must be the client_id", client_id=posted_id)
    if posted_id is not None and posted_id != client_id:
        raise InvalidRequestError("client_id differs from sub of the client_assertion")
    return Credentials(client_id, None, "private_key_jwt", assertion)


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
    clients: Mapping[str, RegisteredClient],
    credentials: Credentials,
    now: datetime,
    check_assertion: CheckAssertion,
) -> RegisteredClient:
    """Return the authenticated client.

    :param check_assertion: asked for a client that signs; everything else was compared before.
    :raises ClientRefused: unknown, wrong secret, or not its registered method.
    """
    client = clients.get(credentials.client_id)
    if client is None:
        raise ClientRefused("client authentication failed", client_id=credentials.client_id)
    if client.token_endpoint_auth_method != credentials.method:
        registered = client.token_endpoint_auth_method
        raise ClientRefused(
            f"this client is registered for {registered}, received {credentials.method}",
            client_id=client.client_id,
        )
    if credentials.assertion is not None:
        try:
            check_assertion(client, credentials.assertion)
        except ClientJwtRefused as refused:
            raise ClientRefused(f"client_assertion: {refused}", client_id=client.client_id) from refused
    elif not client.public and not client.check_secret(credentials.secret or "", now):
        raise ClientRefused("client authentication failed", client_id=client.client_id)
    return client
