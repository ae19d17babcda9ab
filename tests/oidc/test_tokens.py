"""Access tokens and ID tokens (RFC 9068 §2, OIDC Core §2; req 24, 39)."""

from typing import Any

import pytest

from idp.management import permissions
from idp.oidc.signing import TokenRefused
from idp.oidc.tokens import read_access_token
from tests import cast
from tests.builders import OPERATOR, make_catalogue, make_membership, make_organization
from tests.world import ALL_SCOPES, Desk, at_hash, forget_snapshot, verified


def test_access_token_of_a_person(desk: Desk) -> None:
    """Type, kid, algorithm; iss, aud, client, sub, times, jti (req 24); how the session was signed in."""
    tokens = desk.tokens(scope="openid email")
    header, claims = verified(desk.gateway, tokens["access_token"])
    assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")
    assert header["kid"]
    assert claims["iss"] == claims["aud"] == desk.issuer
    assert claims["client_id"] == "portal"
    assert claims["scope"] == "openid email"
    assert claims["exp"] - claims["iat"] == tokens["expires_in"] == 300
    assert claims["amr"] == ["pwd"]
    assert claims["acr"] == "urn:lotse:acr:aal1"
    assert claims["auth_time"] <= claims["iat"]
    assert claims["jti"]
    assert "email" not in claims


@pytest.mark.parametrize("apis", [["orders-api"], ["orders-api", "documents-api"]])
def test_audience(desk: Desk, apis: list[str]) -> None:
    """One as a text, several as a list, the issuer where none is registered (design §2, aud)."""
    with desk.work() as ctx:
        for api in apis:
            cast.register_api(ctx, api)
        made = cast.register(ctx, "shop", audiences=apis)
    forget_snapshot(desk.gateway)
    tokens = Desk(desk.services, desk.gateway, made, desk.account_id).tokens()
    access = verified(desk.gateway, tokens["access_token"])[1]
    assert access["aud"] == (apis[0] if len(apis) == 1 else apis)
    assert access["client_id"] == "shop"
    # the ID token has none of these audiences; azp names whom it was issued to (OIDC Core §2)
    identity = verified(desk.gateway, tokens["id_token"])[1]
    assert (identity["aud"], identity["azp"]) == ("shop", "shop")
    assert "azp" not in access


def test_id_token(desk: Desk) -> None:
    """at_hash, sid, acr, amr, auth_time and the nonce unchanged."""
    tokens = desk.tokens(nonce="n-0S6_WzA2Mj ä")
    header, claims = verified(desk.gateway, tokens["id_token"])
    assert header["typ"] == "JWT"
    assert claims["nonce"] == "n-0S6_WzA2Mj ä"
    assert claims["at_hash"] == at_hash(tokens["access_token"])
    assert claims["aud"] == "portal"
    assert set(claims) == {
        *("iss", "sub", "aud", "azp", "iat", "exp", "auth_time", "acr", "amr", "at_hash", "sid", "nonce")
    }


@pytest.fixture
def at_work(desk: Desk) -> str:
    """The person's membership, with a permission of the asking client and one of another's."""
    with desk.work() as ctx:
        cast.register(ctx, "other")
        make_catalogue(ctx, "portal", ("orders", "shop"))
        make_catalogue(ctx, "other", ("secret",))
        organization = make_organization(ctx)
        member = make_membership(ctx, organization, desk.account_id)
        acting = ctx.acting(OPERATOR)
        for client, key in (("portal", "shop"), ("other", "secret")):
            permissions.grant_to_organization(acting, organization, client, [key])
            permissions.grant_to_member(acting, organization, member, client, [key])
        permissions.grant_to_organization(acting, organization, "portal", ["orders"])
    forget_snapshot(desk.gateway)
    return member


def test_organisation_and_permissions(desk: Desk, at_work: str) -> None:
    """In all tokens and userinfo: one active organisation, the asking client's permissions (design §5)."""
    tokens = desk.tokens(scope=ALL_SCOPES, membership=at_work)
    found: list[dict[str, Any]] = [
        verified(desk.gateway, tokens["id_token"])[1],
        verified(desk.gateway, tokens["access_token"])[1],
        desk.portal.userinfo(tokens["access_token"]).get_json(),
        desk.introspect(tokens["access_token"]),
    ]
    for claims in found:
        organization = claims["organization"]
        assert set(organization) == {"id", "name", "customer_number", "role"}
        assert (organization["name"], organization["customer_number"]) == ("Muster GmbH", "100200300")
        assert organization["role"] == "member"
        assert claims["permissions"] == ["shop"]


def test_only_with_their_scopes(desk: Desk, at_work: str) -> None:
    """Not asked for, not told (req 110)."""
    tokens = desk.tokens(scope="openid", membership=at_work)
    for token in (tokens["id_token"], tokens["access_token"]):
        assert not set(verified(desk.gateway, token)[1]) & {"organization", "permissions"}


def test_a_person_without_an_organisation(desk: Desk) -> None:
    """No organisation, and no permissions."""
    claims = verified(desk.gateway, desk.tokens(scope=ALL_SCOPES)["id_token"])[1]
    assert "organization" not in claims
    assert claims["permissions"] == []


def test_a_withdrawn_permission_is_gone_from_the_next_token(desk: Desk, at_work: str) -> None:
    """Cached under the versions that the same request read, so never stale."""
    tokens = desk.tokens(scope=ALL_SCOPES, membership=at_work)
    with desk.work() as ctx:
        organization = verified(desk.gateway, tokens["id_token"])[1]["organization"]["id"]
        permissions.withdraw_from_member(ctx.acting(OPERATOR), organization, at_work, "portal", ["shop"])
    assert desk.portal.userinfo(tokens["access_token"]).get_json()["permissions"] == []
    fresh = desk.portal.refresh(tokens["refresh_token"]).get_json()
    assert verified(desk.gateway, fresh["access_token"])[1]["permissions"] == []


def test_reading_an_access_token(desk: Desk) -> None:
    """Ours, not over, of this issuer; anything else is refused (req 24)."""
    keys = desk.gateway.server.provider.snapshots.current().keys
    claims = {"iss": desk.issuer, "exp": 100, "client_id": "portal", "jti": "j"}
    good = keys.sign(claims, alg="ES256", typ="at+jwt")
    assert read_access_token(keys, good, issuer=desk.issuer, now=99) == claims
    for wrong, now in (
        (good, 100),
        (keys.sign({**claims, "iss": "https://other.example"}, alg="ES256", typ="at+jwt"), 99),
        (keys.sign(claims, alg="ES256", typ="JWT"), 99),
    ):
        with pytest.raises(TokenRefused):
            read_access_token(keys, wrong, issuer=desk.issuer, now=now)


def test_portals_see_different_sids_of_one_session(desk: Desk) -> None:
    """sid is the client's own name of the session."""
    with desk.work() as ctx:
        other = cast.register(ctx, "other")
    forget_snapshot(desk.gateway)
    sids = {
        verified(desk.gateway, found.tokens()["id_token"])[1]["sid"]
        for found in (desk, Desk(desk.services, desk.gateway, other, desk.account_id))
    }
    assert len(sids) == 2
