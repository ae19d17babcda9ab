"""Which claims a scope or the ``claims`` parameter gives (OIDC Core §5.1, §5.4, §5.5)."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

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
#: claims that bear the name of their scope
ORGANIZATIONAL: Final = frozenset({"organization", "permissions"})
#: what an authorization knows itself; every ID token has them, userinfo where they are asked for by name
OF_THE_SIGN_IN: Final = frozenset({"acr", "amr", "auth_time"})
CLAIMS_SUPPORTED = (
    "sub",
    "iss",
    "aud",
    "azp",
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
_SCOPE_OF: Final[Mapping[str, str]] = {
    **{name: scope for scope, names in BY_SCOPE.items() for name in names},
    **{name: name for name in ORGANIZATIONAL},
}
#: a wish, its values, and of them an object: an address, say
_DEPTH: Final = 4
#: claims whose values decide who may sign in, and how
_DECIDING: Final = frozenset({"sub", "acr"})


def parse_claims_request(value: Any) -> dict[str, dict[str, Any]]:
    """Return the checked ``claims`` parameter (OIDC Core §5.5): unknown members and claims are ignored.

    :raises InvalidRequestError: not an object of objects as the section describes.
    """
    if not isinstance(value, dict):
        raise InvalidRequestError("claims must be a JSON object")
    checked: dict[str, dict[str, Any]] = {}
    for target in ("userinfo", "id_token"):
        wanted = value.get(target, {})
        if not isinstance(wanted, dict):
            raise InvalidRequestError(f"claims: {target} must be a JSON object")
        checked[target] = {
            name: _wish(target, name, wish) for name, wish in wanted.items() if name in CLAIMS_SUPPORTED
        }
    return {target: wishes for target, wishes in checked.items() if wishes}


def _wish(target: str, name: str, wish: Any) -> dict[str, Any] | None:
    if wish is None:
        return None
    if not isinstance(wish, dict):
        raise InvalidRequestError(f"claims: each member of {target} must be null or a JSON object")
    if _deeper_than(wish, _DEPTH):
        raise InvalidRequestError(f"claims: value and values are nested too deeply in {target}")
    if not isinstance(wish.get("essential", False), bool) or not isinstance(wish.get("values", []), list):
        raise InvalidRequestError(f"claims: essential must be a boolean and values an array in {target}")
    if name in _DECIDING and not all(isinstance(item, str) for item in _values(wish) or ()):
        raise InvalidRequestError(f"claims: value and values of {name} must be texts in {target}")
    return {key: item for key, item in wish.items() if key in _MEMBERS}


def _deeper_than(value: Any, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_deeper_than(item, depth - 1) for item in inner)


def _values(wish: Mapping[str, Any] | None) -> list[Any] | None:
    """Return the values a claim is asked for with, the preferred first; None where any will do."""
    if not wish:
        return None
    return wish.get("values") or ([wish["value"]] if "value" in wish else None)


def permitted_claims(
    claims_request: Mapping[str, Mapping[str, Any]], scopes: Collection[str]
) -> dict[str, dict[str, Any]]:
    """Return what a client with these scopes may ask for: by name it gets no more than by scope."""
    return limited(claims_request, claims_given(scopes))


def requested_acr(claims_request: Mapping[str, Any] | None) -> tuple[tuple[str, ...], bool]:
    """Return the acr values the ``claims`` parameter asks for and whether they are essential (§5.5.1.1)."""
    wish = _wishes(claims_request, "id_token").get("acr") or {}
    return tuple(_values(wish) or ()), bool(wish.get("essential"))


def requested_sub(claims_request: Mapping[str, Any]) -> str | None:
    """Return the ``sub`` that ID token and userinfo must have, None where any will do (§5.5.1).

    :raises InvalidRequestError: several persons; nobody can sign in as more than one.
    """
    targets = ("id_token", "userinfo")
    asked = {item for target in targets for item in _values(_wishes(claims_request, target).get("sub")) or ()}
    if len(asked) > 1:
        raise InvalidRequestError("claims: sub must have one value")
    return next(iter(asked), None)


def requested_names(claims_request: Mapping[str, Any]) -> frozenset[str]:
    """Return the personal claims that are asked for by name, in either place (§5.5)."""
    return frozenset(name for wishes in claims_request.values() for name in wishes) & PERSONAL


def requested_scopes(claims_request: Mapping[str, Any]) -> frozenset[str]:
    """Return the scopes whose one claim, which bears their name, is asked for by name."""
    return frozenset(name for wishes in claims_request.values() for name in wishes) & ORGANIZATIONAL


def claims_of(scopes: Iterable[str]) -> frozenset[str]:
    """Return the personal claims that scopes bring (§5.4)."""
    return frozenset(name for scope in scopes for name in BY_SCOPE.get(scope, ()))


def claims_given(scopes: Collection[str]) -> frozenset[str]:
    """Return all claims that scopes give; a scope of a resource server gives none, whatever its name is."""
    return claims_of(scopes) | ORGANIZATIONAL.intersection(scopes)


def limited(claims_request: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return a claims request without what a scope would bring and is not among *names*."""
    kept = {
        target: {name: wish for name, wish in wishes.items() if name in names or name not in _SCOPE_OF}
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
    names = set(_wishes(claims_request, target))
    if target == "userinfo":
        names |= claims_of(scopes)
    return frozenset(names & PERSONAL)


def organization_names(
    scopes: Iterable[str], claims_request: Mapping[str, Any] | None, target: str
) -> frozenset[str]:
    """Return which of ``organization`` and ``permissions`` go to a target: by scope, or asked for by name."""
    return ORGANIZATIONAL.intersection(scopes) | ORGANIZATIONAL.intersection(_wishes(claims_request, target))


def sign_in_names(claims_request: Mapping[str, Any] | None) -> frozenset[str]:
    """Return which facts of the sign-in userinfo tells beside the ID token."""
    return OF_THE_SIGN_IN.intersection(_wishes(claims_request, "userinfo"))


def as_wished(
    found: Mapping[str, Any], claims_request: Mapping[str, Any] | None, target: str, *, scopes: Iterable[str]
) -> dict[str, Any]:
    """Leave out what was asked for with values that it does not have (§5.5.1), but for what a scope gives."""
    wishes = _wishes(claims_request, target)
    if not wishes:
        return dict(found)
    given = set(scopes) if target == "userinfo" else set()
    return {
        name: value
        for name, value in found.items()
        if _SCOPE_OF.get(name) in given or _fits(_values(wishes.get(name)), value)
    }


def _fits(wanted: list[Any] | None, value: Any) -> bool:
    # in JSON, true is not 1
    return wanted is None or any(item == value and type(item) is type(value) for item in wanted)


def _wishes(claims_request: Mapping[str, Any] | None, target: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (claims_request or {}).get(target) or {}
    return found
