"""Which claims a scope or the ``claims`` parameter gives (OIDC Core §5.1, §5.4, §5.5)."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidRequestError

PROFILE = (
    "name",
    "family_name",
    "given_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "updated_at",
)
BY_SCOPE: Mapping[str, tuple[str, ...]] = {
    "profile": PROFILE,
    "email": ("email", "email_verified"),
    "phone": ("phone_number", "phone_number_verified"),
    "address": ("address",),
}
PERSONAL = frozenset(name for names in BY_SCOPE.values() for name in names)
CLAIMS_SUPPORTED = (
    "sub",
    "iss",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "at_hash",
    "acr",
    "amr",
    "sid",
    *PROFILE,
    "email",
    "email_verified",
    "phone_number",
    "phone_number_verified",
    "address",
    "organization",
    "permissions",
)

_MEMBERS = frozenset({"essential", "value", "values"})


def parse_claims_request(value: Any) -> dict[str, dict[str, Any]]:
    """Return the checked ``claims`` parameter (OIDC Core §5.5): unknown members are ignored.

    :raises InvalidRequestError: not an object of objects as the section describes.
    """
    if not isinstance(value, dict):
        raise InvalidRequestError("claims must be a JSON object")
    checked: dict[str, dict[str, Any]] = {}
    for target in ("userinfo", "id_token"):
        wanted = value.get(target, {})
        if not isinstance(wanted, dict):
            raise InvalidRequestError(f"claims: {target} must be a JSON object")
        checked[target] = {name: _wish(target, name, wish) for name, wish in wanted.items()}
    return {target: wishes for target, wishes in checked.items() if wishes}


def _wish(target: str, name: str, wish: Any) -> dict[str, Any] | None:
    if wish is None:
        return None
    if not isinstance(wish, dict):
        raise InvalidRequestError(f"claims: each member of {target} must be null or a JSON object")
    if not isinstance(wish.get("essential", False), bool) or not isinstance(wish.get("values", []), list):
        raise InvalidRequestError(f"claims: essential must be a boolean and values an array in {target}")
    return {key: item for key, item in wish.items() if key in _MEMBERS}


def requested_acr(claims_request: Mapping[str, Any] | None) -> tuple[tuple[str, ...], bool]:
    """Return the acr values the ``claims`` parameter asks for and whether they are essential (§5.5.1.1)."""
    wish = ((claims_request or {}).get("id_token") or {}).get("acr")
    if not wish:
        return (), False
    values = wish.get("values") or ([wish["value"]] if "value" in wish else [])
    return tuple(item for item in values if isinstance(item, str)), bool(wish.get("essential"))


def requested_sub(claims_request: Mapping[str, Any]) -> str | None:
    """Return the ``sub`` the ID token must have, None where any will do (§5.5.1)."""
    wish = (claims_request.get("id_token") or {}).get("sub") or {}
    value = wish.get("value")
    return value if isinstance(value, str) else None


def requested_names(claims_request: Mapping[str, Any]) -> frozenset[str]:
    """Return the personal claims that are asked for by name, in either place (§5.5)."""
    return frozenset(name for wishes in claims_request.values() for name in wishes) & PERSONAL


def claims_of(scopes: Iterable[str]) -> frozenset[str]:
    """Return the personal claims that scopes bring (§5.4)."""
    return frozenset(name for scope in scopes for name in BY_SCOPE.get(scope, ()))


def limited(claims_request: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return a claims request without the personal claims that are not among *names*."""
    kept = {
        target: {name: wish for name, wish in wishes.items() if name in names or name not in PERSONAL}
        for target, wishes in claims_request.items()
    }
    return {target: wishes for target, wishes in kept.items() if wishes}


def granted_claims(
    scopes: Iterable[str], claims_request: Mapping[str, Any] | None, target: str
) -> frozenset[str]:
    """Return the personal claims that go to ``userinfo`` or ``id_token``.

    The scopes' claims go to userinfo only: an ID token of the code flow carries none that were not asked for
    by name (OIDC Core §5.4).
    """
    names = set((claims_request or {}).get(target, {}))
    if target == "userinfo":
        names |= claims_of(scopes)
    return frozenset(names & PERSONAL)
