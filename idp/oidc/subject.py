"""Subject identifiers: one for all clients, or one for each sector (OIDC Core §8, req 38)."""

import hashlib
import hmac
from typing import Final

from idp.crypto import b64url
from idp.installation import PAIRWISE_SALT, Vault
from idp.oidc.clients import RegisteredClient

_SALT: Final = 1
"""The salt's first version, for ever: under another one all people would be strangers to their portals."""


def seen_by(vault: Vault, client: RegisteredClient, sub: str) -> str:
    """Return by which ``sub`` a client knows an account.

    A pairwise one is the HMAC of sector and account, so it needs no row, and two sectors cannot compare.
    """
    if client.sector is None:
        return sub
    key = vault.secrets[PAIRWISE_SALT][_SALT]
    return b64url(hmac.digest(key, f"{client.sector}\0{sub}".encode(), hashlib.sha256))
