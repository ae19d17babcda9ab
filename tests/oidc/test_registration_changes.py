"""What an operator changes counts for what was issued before (design §2, Freshness)."""

import json
from typing import Any

import pytest

from idp.context import Origin
from idp.errors import Refusal
from idp.management import clients, permissions
from idp.oidc import consent
from idp.oidc.clients import load_clients
from idp.oidc.logout import read_logout_request
from idp.oidc.request import Exchange
from tests import cast
from tests.builders import OPERATOR, make_catalogue, make_membership, make_organization
from tests.plain_browser import Portal
from tests.world import Desk, forget_snapshot, now, verified


def _change(desk: Desk, **fields: Any) -> None:
    """Write the registration again, with other fields."""
    with desk.work() as ctx:
        known = clients.show(ctx.acting(OPERATOR), desk.registered.client_id).metadata
        kept = {name: value for name, value in known.items() if value is not None}
        clients.change(ctx.acting(OPERATOR), kept | fields)
    forget_snapshot(desk.gateway)


@pytest.fixture
def membership(desk: Desk) -> str:
    """The person's membership of a company that holds two permissions, as the person does."""
    with desk.work() as ctx:
        acting = ctx.acting(OPERATOR)
        organization = make_organization(ctx)
        found = make_membership(ctx, organization, desk.account_id)
        make_catalogue(ctx, "portal", ["orders", "payroll"])
        permissions.grant_to_organization(acting, organization, "portal", "*")
        permissions.grant_to_member(acting, organization, found, "portal", "*")
    forget_snapshot(desk.gateway)
    return found


@pytest.mark.parametrize("form", ["jwt", "opaque"])
def test_introspection_tells_permissions_as_they_stand(desk: Desk, membership: str, form: str) -> None:
    """An API that must know of a withdrawal at once asks there (RFC 7662 §2.2)."""
    _change(desk, access_token_format=form)
    token = desk.tokens(scope="openid organization permissions", membership=membership)["access_token"]
    before = desk.introspect(token)
    assert (before["permissions"], before["organization"]["name"]) == (["orders", "payroll"], "Muster GmbH")
    with desk.work() as ctx:
        organization = before["organization"]["id"]
        permissions.withdraw_from_member(
            ctx.acting(OPERATOR), organization, membership, "portal", ["payroll"]
        )
    assert desk.introspect(token)["permissions"] == ["orders"]
    assert desk.portal.userinfo(token).get_json()["permissions"] == ["orders"]


def test_permissions_come_in_the_catalogue_s_order_of_today(desk: Desk, membership: str) -> None:
    """Nobody remembers an older one."""
    token = desk.tokens(scope="openid permissions", membership=membership)["access_token"]
    assert desk.portal.userinfo(token).get_json()["permissions"] == ["orders", "payroll"]
    with desk.work() as ctx:
        make_catalogue(ctx, "portal", ["payroll", "orders"])
    forget_snapshot(desk.gateway)
    assert desk.portal.userinfo(token).get_json()["permissions"] == ["payroll", "orders"]


@pytest.mark.parametrize("form", ["jwt", "opaque"])
def test_a_scope_that_was_taken_away_gives_nothing_more(desk: Desk, form: str) -> None:
    """Neither at userinfo nor at introspection, by refreshing, or where its claims were asked for by name."""
    _change(desk, access_token_format=form)
    claims = {"id_token": {"email": None}, "userinfo": {"phone_number": None}}
    tokens = desk.tokens(scope="openid email profile", claims=claims)
    _, claimed = verified(desk.gateway, tokens["id_token"])
    assert "email" in claimed
    _change(desk, scope="openid profile")
    told = desk.portal.userinfo(tokens["access_token"]).get_json()
    assert told.keys() & {"email", "email_verified", "phone_number"} == set()
    assert "updated_at" in told
    assert desk.introspect(tokens["access_token"])["scope"] == "openid profile"
    wider = desk.portal.refresh(tokens["refresh_token"], scope="openid email")
    assert (wider.status_code, wider.get_json()["error"]) == (400, "invalid_scope")
    fresh = desk.portal.refresh(tokens["refresh_token"]).get_json()
    assert fresh["scope"] == "openid profile"
    assert "email" not in verified(desk.gateway, fresh["id_token"])[1]


@pytest.mark.parametrize("form", ["jwt", "opaque"])
def test_access_while_the_person_is_away_ends_with_its_scope(desk: Desk, form: str) -> None:
    """It outlives the sign-out, so that nothing else would end it; what the session ends goes on."""
    scope = "openid email offline_access"
    _change(desk, access_token_format=form, scope=scope)
    with desk.work() as ctx:
        client = load_clients(ctx.db)["portal"]
        wanted = consent.asked(client, scope, {})
        consent.decide(ctx, desk.account_id, client, wanted, wanted)
    spared, tokens, code = desk.tokens(), desk.tokens(scope=scope), desk.code(scope=scope).code
    assert tokens["scope"] == scope
    _change(desk, scope="openid email")
    for answer in (desk.portal.refresh(tokens["refresh_token"]), desk.redeem(code)):
        assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_grant")
    assert desk.portal.userinfo(tokens["access_token"]).status_code == 401
    assert desk.introspect(tokens["access_token"]) == {"active": False}
    assert desk.portal.refresh(spared["refresh_token"]).status_code == 200
    _change(desk, scope=scope)  # what comes back is back
    assert desk.portal.refresh(tokens["refresh_token"]).get_json()["scope"] == scope


@pytest.mark.parametrize("form", ["jwt", "opaque"])
def test_an_api_that_was_taken_away_learns_nothing_more(desk: Desk, form: str) -> None:
    """Of a person's token and of the client's own; the client still does, and the API that is left."""
    with desk.work() as ctx:
        apis = [Portal(desk.gateway, cast.register_api(ctx, name)) for name in ("orders", "stock")]
    _change(desk, access_token_format=form, audiences=["orders", "stock"])
    own = desk.portal.call("/token", {"grant_type": "client_credentials"}).get_json()
    tokens = [desk.tokens()["access_token"], own["access_token"]]
    asking = [(token, api) for token in tokens for api in (*apis, desk.portal)]
    assert all(desk.introspect(token, api)["active"] for token, api in asking)
    _change(desk, audiences=["stock"])
    assert [desk.introspect(token, api)["active"] for token, api in asking] == [False, True, True] * 2


def test_a_code_gives_what_the_client_is_registered_for_when_it_is_redeemed(desk: Desk) -> None:
    """A minute lies between."""
    code = desk.code(scope="openid email").code
    _change(desk, scope="openid profile")
    assert desk.redeem(code).get_json()["scope"] == "openid"


def test_where_no_scope_is_left_none_is_said(desk: Desk) -> None:
    """No empty one (RFC 6749 §3.3)."""
    tokens = desk.tokens(scope="email")
    _change(desk, scope="openid profile")
    answer = desk.portal.refresh(tokens["refresh_token"]).get_json()
    assert answer.keys() == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert "scope" not in desk.introspect(answer["access_token"])


@pytest.mark.parametrize(
    "fields",
    [
        {"redirect_uris": ["https://new.example/callback"], "post_logout_redirect_uris": []},
        {"subject_type": "public"},
    ],
    ids=["another host", "public"],
)
def test_nobody_changes_their_name_in_the_middle(desk: Desk, fields: dict[str, Any]) -> None:
    """Where people get another ``sub``, what was issued ends (OIDC Core §5.3.2, §12.2)."""
    with desk.work() as ctx:
        made = cast.register(ctx, "pair", subject_type="pairwise")
    forget_snapshot(desk.gateway)
    pair = Desk(desk.services, desk.gateway, made, desk.account_id)
    spared, tokens = desk.tokens(), pair.tokens()
    _change(pair, client_name="Another name")
    assert pair.introspect(tokens["access_token"])["active"]
    _change(pair, **fields)
    assert not pair.introspect(tokens["access_token"])["active"]
    assert pair.portal.refresh(tokens["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert desk.introspect(spared["access_token"])["active"]


def test_the_largest_catalogue_fits_into_tokens_that_we_take(desk: Desk) -> None:
    """In the access token, at userinfo and as a hint at sign-out; one key more is refused."""
    keys = [f"department_{number:03d}_payroll_documents_read" for number in range(200)]
    fits = max(number for number in range(200) if len(json.dumps(keys[:number])) <= permissions.MAX_CATALOGUE)
    with desk.work() as ctx:
        organization = make_organization(ctx, name="Ä" * 100)
        membership = make_membership(ctx, organization, desk.account_id)
        make_catalogue(ctx, "portal", keys[:fits])
        acting = ctx.acting(OPERATOR)
        permissions.grant_to_organization(acting, organization, "portal", "*")
        permissions.grant_to_member(acting, organization, membership, "portal", "*")
    forget_snapshot(desk.gateway)
    claims = {"id_token": {"permissions": None, "organization": None}}
    tokens = desk.tokens(scope="openid organization permissions", membership=membership, claims=claims)
    assert len(desk.portal.userinfo(tokens["access_token"]).get_json()["permissions"]) == fits
    assert desk.introspect(tokens["access_token"])["active"]
    exchange = Exchange(desk.gateway.server.provider.snapshots.current(), now(), Origin())
    leaving = read_logout_request(exchange, desk.issuer, [("id_token_hint", tokens["id_token"])])
    assert leaving.client_id == "portal"
    with desk.work() as ctx, pytest.raises(Refusal, match=r"client\.catalogue"):
        make_catalogue(ctx, "portal", keys[: fits + 1])
