"""Pushed authorization requests (RFC 9126): a client hands its request over itself, and gets a reference.

The browser carries the reference alone; it works once, within a minute, and for that client (req 14).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from authlib.oauth2.rfc6749 import OAuth2Error
from sqlalchemy import update

from idp.crypto import random_token, sha256
from idp.db import Database
from idp.oidc.clients import RegisteredClient
from idp.oidc.models import PushedRequest

PREFIX: Final = "urn:ietf:params:oauth:request_uri:"
SECONDS: Final = 60
"""How long a reference works: a redirect takes no longer, and what lives short is stolen seldom."""


class InvalidRequestUri(OAuth2Error):
    """``invalid_request_uri`` (RFC 9101 §7): unknown, expired, used, or another client's."""

    error = "invalid_request_uri"


def store(
    database: Database, client: RegisteredClient, parameters: Mapping[str, str], now: datetime
) -> dict[str, Any]:
    """Keep checked parameters and return what the client hears (RFC 9126 §2.2)."""
    reference = random_token(32)
    row = PushedRequest(
        hash=sha256(reference),
        client_id=client.row_id,
        parameters=dict(parameters),
        created_at=now,
        expires_at=now + timedelta(seconds=SECONDS),
    )
    with database.session() as db:
        db.add(row)
        db.commit()
    return {"request_uri": PREFIX + reference, "expires_in": SECONDS}


def consume(database: Database, client: RegisteredClient, request_uri: str, now: datetime) -> dict[str, str]:
    """Return what was pushed, once; the same statement finds and uses it, so of many callers one succeeds.

    In a transaction of its own: whatever becomes of the request, the reference was used.

    :raises InvalidRequestUri: unknown, expired, used, or another client's, which stays usable for its owner.
    """
    using = (
        update(PushedRequest)
        .where(
            PushedRequest.hash == sha256(request_uri.removeprefix(PREFIX)),
            PushedRequest.client_id == client.row_id,
            PushedRequest.used_at.is_(None),
            PushedRequest.expires_at > now,
        )
        .values(used_at=now)
        .returning(PushedRequest.parameters)
    )
    with database.session() as db:
        parameters = db.execute(using, execution_options={"synchronize_session": False}).scalar_one_or_none()
        db.commit()
    if parameters is None:
        raise InvalidRequestUri("request_uri is unknown, expired, used before or of another client")
    return dict(parameters)
