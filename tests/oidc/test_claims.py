"""Which claims go where, and the ``claims`` parameter (OIDC Core §5.4, §5.5)."""

from typing import Any

import pytest
from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.oidc.claims import (
    BY_SCOPE,
    CLAIMS_SUPPORTED,
    as_wished,
    granted_claims,
    organization_names,
    parse_claims_request,
    permitted_claims,
    requested_acr,
    requested_sub,
    sign_in_names,
)


@pytest.mark.parametrize("scope", ["profile", "email", "phone", "address"])
def test_scopes_give_userinfo_alone(scope: str) -> None:
    """An ID token of the code flow has no claim that was not asked for by name."""
    assert granted_claims([scope], None, "userinfo") == set(BY_SCOPE[scope])
    assert granted_claims([scope], None, "id_token") == frozenset()


@pytest.mark.parametrize("target", ["userinfo", "id_token"])
def test_claims_by_name(target: str) -> None:
    """Each target gets what was asked for there; what is not personal is another function's."""
    wanted = {target: {"email": None, "iss": None, "permissions": None, "made_up": None}}
    assert granted_claims([], wanted, target) == {"email"}
    assert granted_claims([], wanted, "userinfo" if target == "id_token" else "id_token") == frozenset()


def test_what_is_kept() -> None:
    """Unknown members and claims are ignored at every level, an empty target is left out."""
    asked = {
        "userinfo": {"name": {"essential": True, "made_up": 1}, "email": None, "made_up": 7, "name#de": 8},
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
        {"id_token": {"acr": {"values": ["urn:x", 1]}}},
        {"id_token": {"sub": {"value": 7}}},
        {"userinfo": {"sub": {"value": None}}},
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
        ({"id_token": {"acr": {"values": ["b", "a"], "value": "c", "essential": True}}}, (("b", "a"), True)),
        ({"id_token": {"acr": {"values": [], "essential": True}}}, ((), True)),
        ({"userinfo": {"acr": {"value": "a", "essential": True}}}, ((), False)),
    ],
)
def test_requested_acr(claims: dict[str, Any] | None, expected: tuple[tuple[str, ...], bool]) -> None:
    """§5.5.1.1: in the ID token alone, values before value, in their order."""
    assert requested_acr(claims) == expected


@pytest.mark.parametrize(
    ("claims", "sub"),
    [
        ({}, None),
        ({"id_token": {"sub": None}}, None),
        ({"id_token": {"sub": {"essential": True}}}, None),
        ({"id_token": {"sub": {"value": "x"}}}, "x"),
        ({"id_token": {"sub": {"values": ["x"]}}}, "x"),
        ({"userinfo": {"sub": {"value": "x"}}}, "x"),
        ({"userinfo": {"sub": {"value": "x"}}, "id_token": {"sub": {"values": ["x", "x"]}}}, "x"),
    ],
)
def test_requested_sub(claims: dict[str, Any], sub: str | None) -> None:
    """§5.5.1: the person the answers must speak of."""
    assert requested_sub(claims) == sub


@pytest.mark.parametrize(
    "claims",
    [
        {"id_token": {"sub": {"values": ["x", "y"]}}},
        {"userinfo": {"sub": {"value": "x"}}, "id_token": {"sub": {"value": "y"}}},
    ],
)
def test_nobody_is_two_persons(claims: dict[str, Any]) -> None:
    """Better refused than answered for one that was not meant."""
    with pytest.raises(InvalidRequestError):
        requested_sub(claims)


def test_what_a_client_may_ask_for() -> None:
    """By name no more than its scopes give; what belongs to every ID token is nobody's scope (C20)."""
    wishes = {name: None for name in CLAIMS_SUPPORTED}
    allowed = permitted_claims({"userinfo": wishes, "id_token": wishes}, {"openid", "email", "organization"})
    assert allowed["userinfo"] == allowed["id_token"]
    left_out = set(wishes) - set(allowed["userinfo"])
    assert left_out == {*BY_SCOPE["profile"], *BY_SCOPE["phone"], *BY_SCOPE["address"], "permissions"}
    assert permitted_claims({"userinfo": {"address": None}}, {"openid"}) == {}
    assert permitted_claims({"userinfo": {"gender": None}}, {"openid", "gender"}) == {}, "an API's own scope"


@pytest.mark.parametrize(("target", "other"), [("userinfo", "id_token"), ("id_token", "userinfo")])
def test_organizational_claims(target: str, other: str) -> None:
    """By their scopes to both, by name where they were asked for."""
    asked = {target: {"permissions": None, "email": None}}
    assert organization_names(["openid", "organization"], None, target) == {"organization"}
    assert organization_names(["organization"], asked, target) == {"organization", "permissions"}
    assert organization_names(["openid"], asked, other) == frozenset()


def test_facts_of_the_sign_in() -> None:
    """Userinfo has them by name alone."""
    asked = {"acr": None, "auth_time": {"essential": True}, "amr": None, "sid": None}
    assert sign_in_names({"userinfo": asked}) == {"acr", "auth_time", "amr"}
    assert sign_in_names({"id_token": asked}) == frozenset()
    assert sign_in_names(None) == frozenset()


FOUND = {"email": "a@x.example", "email_verified": True, "updated_at": 1, "name": "Anna"}


@pytest.mark.parametrize(
    ("wishes", "left_out"),
    [
        ({}, set()),
        ({"email": None, "name": {"essential": True}}, set()),
        ({"email": {"value": "a@x.example"}}, set()),
        ({"email": {"values": ["b@x.example", "a@x.example"]}}, set()),
        ({"email": {"values": []}}, set()),
        ({"email": {"value": "b@x.example"}, "name": None}, {"email"}),
        ({"email": {"value": None}}, {"email"}),
        ({"email_verified": {"value": True}}, set()),
        ({"email_verified": {"value": 1}}, {"email_verified"}),
        ({"updated_at": {"values": [True, "1"]}}, {"updated_at"}),
    ],
)
def test_values(wishes: dict[str, Any], left_out: set[str]) -> None:
    """§5.5.1: with (one of) the values, or not at all; what a scope gives userinfo, it gives all the same."""
    asked = {"userinfo": wishes, "id_token": wishes}
    for target in asked:
        found = as_wished(FOUND, asked, target, scopes=())
        assert found == {name: value for name, value in FOUND.items() if name not in left_out}
    assert as_wished(FOUND, asked, "userinfo", scopes=("email", "profile")) == FOUND
    assert set(as_wished(FOUND, asked, "id_token", scopes=("email", "profile"))) == set(FOUND) - left_out
