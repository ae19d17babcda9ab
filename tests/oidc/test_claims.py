"""Which claims go where, and the ``claims`` parameter (OIDC Core §5.4, §5.5)."""

from typing import Any

import pytest
from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.oidc.claims import (
    BY_SCOPE,
    granted_claims,
    parse_claims_request,
    requested_acr,
    requested_sub,
)


@pytest.mark.parametrize("scope", ["profile", "email", "phone", "address"])
def test_scopes_give_userinfo_alone(scope: str) -> None:
    """An ID token of the code flow has no claim that was not asked for by name."""
    assert granted_claims([scope], None, "userinfo") == set(BY_SCOPE[scope])
    assert granted_claims([scope], None, "id_token") == frozenset()


@pytest.mark.parametrize("target", ["userinfo", "id_token"])
def test_claims_by_name(target: str) -> None:
    """Each target gets what was asked for there; what is not personal is not given by name."""
    wanted = {target: {"email": None, "iss": None, "permissions": None, "made_up": None}}
    assert granted_claims([], wanted, target) == {"email"}
    assert granted_claims([], wanted, "userinfo" if target == "id_token" else "id_token") == frozenset()


def test_what_is_kept() -> None:
    """Unknown members at every level are ignored, an empty target is left out."""
    asked = {
        "userinfo": {"name": {"essential": True, "made_up": 1}, "email": None},
        "id_token": {},
        "other": {"x": None},
    }
    assert parse_claims_request(asked) == {"userinfo": {"name": {"essential": True}, "email": None}}


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "text",
        1,
        {"userinfo": []},
        {"id_token": "x"},
        {"id_token": None},
        {"userinfo": {"name": True}},
        {"userinfo": {"name": []}},
        {"id_token": {"acr": {"essential": "yes"}}},
        {"id_token": {"acr": {"values": "urn:x"}}},
    ],
    ids=str,
)
def test_wrong_types_are_refused(value: Any) -> None:
    """Anything but objects of objects or null (req 29)."""
    with pytest.raises(InvalidRequestError):
        parse_claims_request(value)


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        (None, ((), False)),
        ({}, ((), False)),
        ({"id_token": {"acr": None}}, ((), False)),
        ({"id_token": {"acr": {"essential": True}}}, ((), True)),
        ({"id_token": {"acr": {"value": "a"}}}, (("a",), False)),
        ({"id_token": {"acr": {"value": "a", "essential": True}}}, (("a",), True)),
        ({"id_token": {"acr": {"values": ["a", 1, "b"], "essential": True}}}, (("a", "b"), True)),
        ({"userinfo": {"acr": {"value": "a", "essential": True}}}, ((), False)),
    ],
)
def test_requested_acr(claims: dict[str, Any] | None, expected: tuple[tuple[str, ...], bool]) -> None:
    """§5.5.1.1: in the ID token alone, values before value, texts only."""
    assert requested_acr(claims) == expected


@pytest.mark.parametrize(
    ("claims", "sub"),
    [
        ({}, None),
        ({"id_token": {"sub": None}}, None),
        ({"id_token": {"sub": {"essential": True}}}, None),
        ({"id_token": {"sub": {"value": 7}}}, None),
        ({"id_token": {"sub": {"value": "x"}}}, "x"),
        ({"userinfo": {"sub": {"value": "x"}}}, None),
    ],
)
def test_requested_sub(claims: dict[str, Any], sub: str | None) -> None:
    """§5.5.1: the person the ID token must speak of."""
    assert requested_sub(claims) == sub
