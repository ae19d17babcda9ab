"""Which claims about which company a client may know: the rules, and what is stored (L-11; decision 74)."""

from dataclasses import replace
from typing import Any

import pytest

from idp.context import Services
from idp.oidc import consent
from idp.oidc.clients import RegisteredClient, load_clients
from idp.oidc.consent import Decision, Extent
from tests import cast
from tests.builders import make_account
from tests.installation import unit_of_work


def extent(scopes: str = "", claims: str = "") -> Extent:
    return Extent(frozenset(scopes.split()), frozenset(claims.split()))


@pytest.fixture
def client(services: Services) -> RegisteredClient:
    """A client of somebody else."""
    with unit_of_work(services) as ctx:
        cast.register(ctx, "third", scope="openid email organization permissions", first_party=False)
        return load_clients(ctx.db)["third"]


def known(*pairs: str) -> frozenset[tuple[str, str]]:
    """Return what may be told of which company, as ``claim/company``."""
    return frozenset((name, company) for name, _, company in (pair.partition("/") for pair in pairs))


FIRST_KNOWN = Decision(extent("openid organization"), organizations=known("organization/o1"))
TOLD: list[tuple[str, Decision, str, str, str | None, Decision]] = [
    ("nothing of companies", Decision(), "openid email", "email", "o1", Decision(extent("openid email"))),
    ("the one that was shown", Decision(), "openid organization", "organization", "o1", FIRST_KNOWN),
    (
        "a second one",
        FIRST_KNOWN,
        "openid organization",
        "organization",
        "o2",
        Decision(extent("openid organization"), organizations=known("organization/o1", "organization/o2")),
    ),
    (
        "none, for none was shown",
        Decision(),
        "openid organization",
        "organization",
        None,
        Decision(extent("openid organization")),
    ),
    (
        "more of the second one",
        FIRST_KNOWN,
        "openid organization permissions",
        "organization permissions",
        "o2",
        Decision(
            extent("openid organization permissions"),
            organizations=known("organization/o1", "organization/o2", "permissions/o2"),
        ),
    ),
    (
        "something different of the second one",
        FIRST_KNOWN,
        "openid permissions",
        "permissions",
        "o2",
        Decision(
            extent("openid organization permissions"),
            organizations=known("organization/o1", "permissions/o2"),
        ),
    ),
    (
        "something else at the second one",
        FIRST_KNOWN,
        "openid email",
        "email",
        "o2",
        replace(FIRST_KNOWN, allowed=extent("openid organization email")),
    ),
    (
        "taken back at the second one",
        FIRST_KNOWN,
        "openid organization",
        "",
        "o2",
        Decision(extent("openid"), extent("organization")),
    ),
]


@pytest.mark.parametrize("case", [row[1:] for row in TOLD], ids=[row[0] for row in TOLD])
def test_the_companies_a_client_may_know(
    services: Services,
    client: RegisteredClient,
    case: tuple[Decision, str, str, str | None, Decision],
) -> None:
    """Those whose values were shown when it was allowed to know companies (req 16)."""
    before, wanted, ticked, company, after = case
    with unit_of_work(services) as ctx:
        ben = make_account(ctx, "ben")
        if before.allowed:
            consent.decide(ctx, ben, client, before.allowed, before.allowed, organization_id="o1")
            assert consent.find(ctx, ben, client.row_id) == before
        consent.decide(ctx, ben, client, extent(wanted), extent(ticked), organization_id=company)
        assert consent.find(ctx, ben, client.row_id) == after


@pytest.mark.parametrize(
    ("scope", "wish", "company", "asks"),
    [
        ("openid organization", {}, "o1", False),
        ("openid organization", {}, "o2", True),
        ("openid permissions", {}, "o2", True),
        ("openid permissions", {}, "o3", False),
        ("openid organization", {}, "o3", True),
        ("openid organization permissions", {}, "o3", True),
        ("openid organization", {}, None, False),
        ("openid", {}, "o2", False),
        ("openid", {"userinfo": {"organization": None}}, "o2", True),
        ("openid", {"id_token": {"permissions": None}}, "o1", False),
    ],
)
def test_each_company_is_asked_about(
    client: RegisteredClient, scope: str, wish: dict[str, Any], company: str | None, asks: bool
) -> None:
    """Where the request would tell of it, by scope or by name (req 16)."""
    decision = Decision(
        extent("openid organization permissions"),
        organizations=known("organization/o1", "permissions/o1", "permissions/o3"),
    )
    assert consent.must_ask(client, scope, wish, decision, organization_id=company) is asks
    unticked = Decision(extent("openid"), extent("organization permissions"))
    assert not consent.must_ask(client, scope, wish, unticked, organization_id=company)
    assert not consent.must_ask(replace(client, first_party=True), scope, wish, None, organization_id=company)
