"""What a verified token must say: ID token, logout token, access token (OpenID Connect Core 1.0 §3.1.3.7).

All times are seconds since 1970; ``now`` is handed in.
"""

import base64
import hashlib
import hmac
import math
from collections.abc import Mapping
from typing import Any

from clients.shared.issuer import TokenRefused

LEEWAY = 30.0
"""Seconds two clocks may differ."""
LOGOUT_TOKEN_AGE = 600.0
"""Seconds a logout token may be old, however long it says it lives."""
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
ID_TOKEN_TYPES = frozenset({"", "jwt"})
ACCESS_TOKEN_TYPES = frozenset({"at+jwt"})
LOGOUT_TOKEN_TYPES = frozenset({"logout+jwt"})


def text(claims: Mapping[str, Any], name: str) -> str:
    """A claim that has to be a text with something in it; raises ``TokenRefused``."""
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise TokenRefused(name)
    return value


def seconds(claims: Mapping[str, Any], name: str) -> float:
    """A claim that has to be a time; raises ``TokenRefused``."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TokenRefused(name)
    return float(value)


def audiences(claims: Mapping[str, Any]) -> list[str]:
    """The audience as a list; raises ``TokenRefused`` when it is neither a text nor a list of texts."""
    value = claims.get("aud")
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        raise TokenRefused("aud")
    return found


def check_common(claims: Mapping[str, Any], *, issuer: str, audience: str, now: float) -> None:
    """Issuer, audience, expiry and time of issue, which every token has; raises ``TokenRefused``."""
    if claims.get("iss") != issuer:
        raise TokenRefused("iss")
    if audience not in audiences(claims):
        raise TokenRefused("aud")
    if seconds(claims, "exp") + LEEWAY <= now:
        raise TokenRefused("expired")
    if seconds(claims, "iat") - LEEWAY > now:
        raise TokenRefused("iat")
    if "nbf" in claims and seconds(claims, "nbf") - LEEWAY > now:
        raise TokenRefused("nbf")


def check_id_token(
    claims: Mapping[str, Any], *, client_id: str, nonce: str | None, access_token: str, sub: str | None
) -> None:
    """What makes an ID token ours, beyond ``check_common``; raises ``TokenRefused``.

    ``nonce`` is None for one that came with a refresh; ``sub`` must then be that of the session (§12.2).
    """
    subject = text(claims, "sub")
    if sub is not None and subject != sub:
        raise TokenRefused("sub")
    if (len(audiences(claims)) > 1 or "azp" in claims) and claims.get("azp") != client_id:
        raise TokenRefused("azp")
    if nonce is not None and not hmac.compare_digest(text(claims, "nonce").encode(), nonce.encode()):
        raise TokenRefused("nonce")
    if "at_hash" in claims:
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        if claims["at_hash"] != base64.urlsafe_b64encode(half).rstrip(b"=").decode():
            raise TokenRefused("at_hash")
    for name in ("sid", "acr"):
        if name in claims:
            text(claims, name)


def check_logout_token(claims: Mapping[str, Any], *, now: float) -> None:
    """What makes a token a logout token, beyond ``check_common`` (Back-Channel Logout 1.0 §2.6).

    Raises ``TokenRefused``.
    """
    if seconds(claims, "iat") + LOGOUT_TOKEN_AGE < now:
        raise TokenRefused("iat")
    if len(text(claims, "jti")) > 255:
        raise TokenRefused("jti")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise TokenRefused("events")
    if "sid" not in claims and "sub" not in claims:
        raise TokenRefused("sid or sub")
    for name in ("sid", "sub"):
        if name in claims:
            text(claims, name)
    # §2.4: a logout token never has a nonce, so that no ID token can be played back as one.
    if "nonce" in claims:
        raise TokenRefused("nonce")
