"""Applying a file that names old portals and product families: made once, changed, refused with its place."""

import tomllib
from typing import Any

import pytest

from idp.context import Services
from idp.errors import Refusal
from idp.management import affiliation, legacy_directories
from idp.management.apply import apply
from idp.oidc.metadata_reader import InvalidMetadata
from tests.builders import OPERATOR
from tests.installation import unit_of_work
from tests.legacy import import_rows, old_account
from tests.management.applying import TEXT, problems

OLD_PORTAL = """
[[legacy_directory]]
slug = "servicewelt"
name = { de = "Servicewelt", en = "Service world" }
product_families = ["sage-100"]
offer_at_sign_in = true

[legacy_directory.permissions]
Belege = { portal = ["orders"] }

[[legacy_directory]]
slug = "b7"
name = { de = "b7-Portal", en = "b7 portal" }
kind = "https"
endpoint = "https://b7.example/verify"
"""

FAMILY: dict[str, Any] = {
    "slug": "sage-100",
    "country": "DE",
    "name": {"de": "Sage 100", "en": "Sage 100"},
    "home": "portal",
}


@pytest.fixture
def document() -> dict[str, Any]:
    return tomllib.loads(TEXT)


def test_legacy_directories(services: Services, document: dict[str, Any]) -> None:
    """Made once, changed where the file says so, and never to another kind once accounts are in it."""
    document |= tomllib.loads(OLD_PORTAL)

    def made() -> list[tuple[str, str, tuple[str, ...]]]:
        with unit_of_work(services, actor=OPERATOR) as ctx:
            found = [change for change in apply(ctx, document) if change.kind == "legacy directory"]
        return [(change.name, change.action, change.detail) for change in found]

    assert made() == [("servicewelt", "created", ()), ("b7", "created", ())]
    assert made() == [("servicewelt", "unchanged", ()), ("b7", "unchanged", ())]
    document["legacy_directory"][0]["name"]["de"] = "Alte Servicewelt"
    document["legacy_directory"][0]["offer_at_sign_in"] = False
    assert made()[0] == ("servicewelt", "updated", ("name_de", "offer_at_sign_in"))
    with unit_of_work(services) as ctx:
        found = legacy_directories.find(ctx, "servicewelt")
        assert found.product_families == ("sage-100",)
        assert found.permission_map == {"Belege": {"portal": ["orders"]}}
    import_rows(services, [old_account()])
    document["legacy_directory"][0] |= {"kind": "https", "endpoint": "https://alt.example/"}
    with pytest.raises(Refusal, match=r"legacy_directory\.kind"):
        made()


@pytest.mark.parametrize(
    ("change", "field", "expected"),
    [
        ({"slug": "Service Welt"}, "slug", "small letters"),
        ({"name": {"de": "S"}}, "name.en", "visible"),
        ({"kind": "ldap"}, "kind", "imported or https"),
        ({"kind": "https"}, "endpoint", "kind https"),
        ({"endpoint": "https://alt.example/"}, "endpoint", "kind https"),
        ({"kind": "https", "endpoint": "ftp://alt.example/"}, "endpoint", "https://"),
        ({"kind": "https", "endpoint": "https://a@alt.example/"}, "endpoint", "https://"),
        ({"kind": "https", "endpoint": "https://[alt/"}, "endpoint", "read"),
        ({"colour": "blue"}, "colour", "known field"),
        ({"permissions": {"Belege": ["orders"]}}, "permissions.Belege", "table of client"),
        ({"permissions": {"Be lege": {"portal": ["orders"]}}}, "permissions", "without blanks"),
        ({"permissions": {"Belege": {"portal": ["Orders"]}}}, "permissions.Belege.portal", "small letters"),
        (
            {"permissions": {"Belege": {"portal": ["none"]}}},
            "permissions.Belege.portal",
            "keys of the client",
        ),
        ({"permissions": {"Belege": {"nobody": ["orders"]}}}, "permissions.Belege", "registered client"),
    ],
)
def test_a_legacy_directory_that_is_wrong(
    services: Services, document: dict[str, Any], change: dict[str, Any], field: str, expected: str
) -> None:
    """Place, received and expected are told; nothing is made."""
    table = {"slug": "servicewelt", "name": {"de": "S", "en": "S"}, **change}
    with unit_of_work(services, actor=OPERATOR) as ctx, pytest.raises(InvalidMetadata) as caught:
        apply(ctx, document | {"legacy_directory": [table]})
    told = [found.expected for found in caught.value.problems if found.field.endswith(f".{field}")]
    assert any(expected in one for one in told), caught.value.problems


def test_a_legacy_directory_stands_once(services: Services, document: dict[str, Any]) -> None:
    table = {"slug": "servicewelt", "name": {"de": "S", "en": "S"}}
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert "legacy_directory" in problems(ctx, document | {"legacy_directory": [table, table]})


def test_product_families(services: Services, document: dict[str, Any]) -> None:
    """Made once, changed where the file says so, listed in its order."""
    other = FAMILY | {"slug": "sage-dpw", "country": "AT"}

    def made(*families: dict[str, Any]) -> list[tuple[str, str, tuple[str, ...]]]:
        with unit_of_work(services, actor=OPERATOR) as ctx:
            changes = apply(ctx, document | {"product_family": list(families)})
        return [(one.name, one.action, one.detail) for one in changes if one.kind == "product family"]

    assert made(FAMILY, other) == [("sage-100", "created", ()), ("sage-dpw", "created", ())]
    assert made(FAMILY, other) == [("sage-100", "unchanged", ()), ("sage-dpw", "unchanged", ())]
    assert made(other, FAMILY | {"country": "CH"}) == [
        ("sage-dpw", "updated", ("position",)),
        ("sage-100", "updated", ("country", "position")),
    ]
    with unit_of_work(services) as ctx:
        assert [found.slug for found in affiliation.families(ctx)] == ["sage-dpw", "sage-100"]


@pytest.mark.parametrize(
    ("change", "field", "expected"),
    [
        ({"slug": "Sage 100"}, "slug", "small letters"),
        ({"country": "de"}, "country", "two capital letters"),
        ({"country": "DEU"}, "country", "two capital letters"),
        ({"name": {"de": "S"}}, "name.en", "visible"),
        ({"home": "nobody"}, "home", "registered client"),
        ({"colour": "blue"}, "colour", "known field"),
    ],
)
def test_what_is_wrong_with_a_family(
    services: Services, document: dict[str, Any], change: dict[str, Any], field: str, expected: str
) -> None:
    with unit_of_work(services, actor=OPERATOR) as ctx, pytest.raises(InvalidMetadata) as caught:
        apply(ctx, document | {"product_family": [FAMILY | change]})
    assert any(found.field.endswith(field) and expected in found.expected for found in caught.value.problems)


def test_a_family_is_named_once_and_picks_one_directory(services: Services, document: dict[str, Any]) -> None:
    directories = [
        {"slug": slug, "name": {"de": "S", "en": "S"}, "product_families": ["sage-100"]} for slug in "ab"
    ]
    wanted = document | {"product_family": [FAMILY, FAMILY], "legacy_directory": directories}
    with unit_of_work(services, actor=OPERATOR) as ctx, pytest.raises(InvalidMetadata) as caught:
        apply(ctx, wanted)
    assert {found.field for found in caught.value.problems} == {
        "product_family",
        "legacy_directory.product_families",
    }
