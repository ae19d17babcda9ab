"""Request objects: an authorization request that the client signed (RFC 9101 §4, §6; OIDC Core §6.1, req 15).

What is decided here, since the specifications leave it open or differ:

- Only signed parameters count (RFC 9101 §6.3).  ``client_id`` stands outside, and ``response_type`` may,
  since OIDC Core §6.1 demands it there; what stands in both places must be equal.
- ``iss`` and ``aud`` are demanded (RFC 9101 §4 recommends them): another server's object is not for us.
- ``exp`` is demanded, at most an hour ahead.  The signature is the only proof of where a request comes from
  (RFC 9101 §10.2), and one found in a browser's history must not prove that for ever.
- ``sub`` must not be the client_id, so that no object passes as a client's assertion (RFC 9101 §10.8).
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from authlib.oauth2.rfc6749 import OAuth2Error

from idp.oidc import resources
from idp.oidc.client_jwt import REQUEST_OBJECT, ClientJwtRefused, check_times, verify
from idp.oidc.client_keys import ClientKeys
from idp.oidc.clients import RegisteredClient

MAX_SECONDS: Final = 3600
MAX_PARAMETERS: Final = 100
_OF_THE_JWT: Final = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti", "sub"})
_OUTSIDE: Final = ("client_id", "response_type")
_NEVER_INSIDE: Final = ("request", "request_uri")


class InvalidRequestObject(OAuth2Error):
    """``invalid_request_object`` (RFC 9101 §7): not signed, not for us, or not readable."""

    error = "invalid_request_object"


def signed_parameters(
    outside: Mapping[str, str],
    client: RegisteredClient,
    keys: ClientKeys,
    *,
    issuer: str,
    now: datetime,
) -> dict[str, str]:
    """Return the parameters of the object that stands in ``request``.

    :param outside: the parameters it came with.
    :raises InvalidRequestObject: with what it must be.
    """
    try:
        claims = verify(
            outside["request"], client, keys, REQUEST_OBJECT, alg=client.request_object_signing_alg, now=now
        )
        check_times(claims, now, longest=MAX_SECONDS)
        _check_parties(claims, client, issuer)
    except ClientJwtRefused as refused:
        raise InvalidRequestObject(f"request: {refused}") from refused
    parameters = _texts({name: value for name, value in claims.items() if name not in _OF_THE_JWT})
    for name in _OUTSIDE:
        if name in outside and parameters.setdefault(name, outside[name]) != outside[name]:
            raise InvalidRequestObject(f"{name} must be the same inside and outside of request")
    return parameters


def _check_parties(claims: Mapping[str, Any], client: RegisteredClient, issuer: str) -> None:
    if claims.get("iss") != client.client_id:
        raise ClientJwtRefused("iss must be the client_id")
    audience = claims.get("aud")
    if issuer not in (audience if isinstance(audience, list) else [audience]):
        raise ClientJwtRefused(f"aud must be the issuer {issuer}")
    if claims.get("sub") == client.client_id:
        raise ClientJwtRefused("sub must not be the client_id: that is a client assertion")


def _texts(claims: Mapping[str, Any]) -> dict[str, str]:
    """Return claims as the parameters they stand for; objects and numbers are JSON (OIDC Core §6.1)."""
    if len(claims) > MAX_PARAMETERS:
        raise InvalidRequestObject(f"request: must have at most {MAX_PARAMETERS} parameters")
    parameters = {}
    for name, value in claims.items():
        if name in _NEVER_INSIDE:
            raise InvalidRequestObject(f"request: must not hold {name} (RFC 9101 section 4)")
        if name == resources.PARAMETER and _are_texts(value):
            value = resources.as_text(value)
        if isinstance(value, bool) or not isinstance(value, str | int | dict):
            shown = re.sub(r"[^A-Za-z0-9_.-]", "?", name)[:40]
            raise InvalidRequestObject(f"request: {shown} must be a text, a whole number or an object")
        text = value if isinstance(value, str) else json.dumps(value)
        if text:  # a parameter without a value counts as left out, here as outside
            parameters[name] = text
    return parameters


def _are_texts(value: object) -> bool:
    """Tell whether a value is the array of a parameter that is repeated outside (RFC 8707 §2)."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
