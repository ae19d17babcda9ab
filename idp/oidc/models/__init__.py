"""Tables of the protocol."""

from idp.oidc.models.authorization import Authorization, RefreshToken, RevokedJti
from idp.oidc.models.client import Client, ClientSecret
from idp.oidc.models.signing_key import SigningKey

__all__ = ["Authorization", "Client", "ClientSecret", "RefreshToken", "RevokedJti", "SigningKey"]
