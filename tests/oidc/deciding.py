"""Requests, clients and people that the hub decides about, and its decision."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from idp.authentication.assurance import AAL1, AAL2, Assurance
from idp.oidc import interaction
from idp.oidc.authorization_request import AuthorizationRequest
from idp.oidc.clients import RegisteredClient
from idp.oidc.interaction import Person, Step
from tests.builders import membership

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

REQUEST = AuthorizationRequest("portal", "https://portal.example/callback", "openid")
CLIENT = RegisteredClient(
    row_id="c1",
    client_id="portal",
    client_name="Portal",
    kind="web",
    first_party=True,
    redirect_uris=("https://portal.example/callback",),
    post_logout_redirect_uris=(),
    grant_types=frozenset({"authorization_code"}),
    response_types=frozenset({"code"}),
    scopes=frozenset({"openid"}),
    token_endpoint_auth_method="client_secret_basic",
    id_token_signed_response_alg="ES256",
    userinfo_signed_response_alg=None,
    require_pkce=True,
    audiences=(),
    access_token_format="jwt",
    resource_uri=None,
    strict_revocation=False,
    default_acr_values=(),
    default_max_age=None,
    require_membership=False,
    product=None,
    home_uri=None,
    initiate_login_uri=None,
    logo_uri=None,
    policy_uri=None,
    tos_uri=None,
    backchannel_logout_uri=None,
    frontchannel_logout_uri=None,
    allowed_origins=(),
    secrets=(),
    jwks=None,
    jwks_uri=None,
    token_endpoint_auth_signing_alg=None,
    request_object_signing_alg=None,
    require_pushed_authorization_requests=False,
    sector=None,
    dpop_bound_access_tokens=False,
)
PERSON = Person(
    account_id="a1",
    sub="sub-1",
    assurance=Assurance(AAL1, ("pwd",), NOW - timedelta(minutes=10)),
    second_factor_seen=False,
    has_second_factor=False,
    device_trusted=False,
    memberships=(),
)
STRONG = replace(
    PERSON,
    assurance=Assurance(AAL2, ("otp", "pwd", "mfa"), NOW - timedelta(minutes=10)),
    second_factor_seen=True,
    has_second_factor=True,
)
#: proven in this session, but aal2 has lapsed
LAPSED = replace(PERSON, has_second_factor=True, second_factor_seen=True)
DUE = replace(PERSON, recovery_due=True)

FIRST, OTHER = membership(), membership(id="m2", organization_id="o2", customer_number="100200400")
PENDING = membership(status="pending")
BLOCKED = membership(status="blocked")

#: what a request can say of the level
WANTED = {"acr_values": (AAL2,)}
DEMANDED = {**WANTED, "essential_acr": True}


def decide(
    request: dict[str, Any],
    person: Person | None = PERSON,
    done: dict[str, Any] | None = None,
    **client: Any,
) -> Step:
    """Return what the hub does next, or raise what the portal hears."""
    return interaction.next_step(
        replace(REQUEST, **request), replace(CLIENT, **client), person, done or {}, NOW
    )


def members(person: Person, *memberships: Any, **facts: Any) -> Person:
    """Return a person with memberships."""
    return replace(person, memberships=memberships, **facts)
