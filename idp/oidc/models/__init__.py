"""Tables of the protocol (data model)."""

from idp.oidc.models.authorization import AccessToken, Authorization, RefreshToken, RevokedJti, UsedJti
from idp.oidc.models.client import Client, ClientSecret
from idp.oidc.models.consent import Consent
from idp.oidc.models.signing_key import SigningKey
from idp.oidc.models.waiting import DeviceRequest, PushedRequest

__all__ = [
    "AccessToken",
    "Authorization",
    "Client",
    "ClientSecret",
    "Consent",
    "DeviceRequest",
    "PushedRequest",
    "RefreshToken",
    "RevokedJti",
    "SigningKey",
    "UsedJti",
]
