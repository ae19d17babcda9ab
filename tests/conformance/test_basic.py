"""Basic OP: logins, ID tokens, userinfo and scopes (conformance reference §3)."""

import json
import math
from collections import Counter
from typing import Any

import pytest

from idp.context import Services
from tests import cast
from tests.conformance.conftest import IN_BOTH_PLANS, STATE, Op
from tests.installation import unit_of_work
from tests.world import PROFILE, forget_snapshot, machine, verified

pytestmark = [IN_BOTH_PLANS, pytest.mark.alone_on("postgresql")]

TYPES: dict[str, type] = {
    "email_verified": bool,
    "phone_number_verified": bool,
    "updated_at": int,
    "address": dict,
}
BY_SCOPE = {
    "profile": {*PROFILE, "preferred_username", "updated_at"} - {"address"},
    "email": {"email", "email_verified"},
    "phone": {"phone_number", "phone_number_verified"},
    "address": {"address"},
}


def _entropy(text: str) -> float:
    """Return the bits a Shannon estimate over its characters gives a text."""
    counts = Counter(text)
    return -sum(n * math.log2(n / len(text)) for n in counts.values())


def test_oidcc_server(op: Op) -> None:
    """A whole login, then a second client's; a code of 128 bits and more; at_hash right; an ID token holds
    nothing that was not asked for.
    """
    browser = op.browser()
    op.client.authorize(browser, scope="openid profile email", state=STATE)
    browser.sign_in("paul")
    answer = op.client.answer(browser)
    assert answer["state"] == STATE
    assert answer["iss"] == op.issuer
    assert set(answer) == {"code", "state", "iss"}
    assert len(answer["code"]) * 6 >= 128
    assert _entropy(answer["code"]) >= 96
    claims = op.id_token(op.tokens(browser))
    assert not set(claims) & {"name", "email", "given_name", "preferred_username", "address", "phone_number"}
    op.second.authorize(browser, state=STATE)
    assert op.second.answer(browser)["code"] != answer["code"]
    _, other = verified(op.gateway, op.second.tokens(browser)["id_token"])
    assert other["aud"] == "second"
    assert other["sub"] == claims["sub"]


def test_oidcc_response_type_missing(op: Op) -> None:
    """No response_type: unsupported_response_type or invalid_request at the redirect URI."""
    assert op.refused(op.browser(), response_type=None)["error"] == "invalid_request"


def test_oidcc_idtoken_signature(op: Op, services: Services) -> None:
    """RS256 where the client's registration says so, ES256 for the others; a kid of the JWKS."""
    with unit_of_work(services) as ctx:
        rsa = cast.register(ctx, "rsa", id_token_signed_response_alg="RS256")
    forget_snapshot(op.gateway)
    browser = op.browser()
    op.log_in(browser)
    for portal, alg in ((op.portal(rsa), "RS256"), (op.client, "ES256")):
        portal.authorize(browser)
        header, _ = verified(op.gateway, portal.tokens(browser)["id_token"])
        assert header["alg"] == alg
        assert header["kid"] in {key["kid"] for key in machine(op.gateway, "GET", "/jwks").get_json()["keys"]}


def test_oidcc_idtoken_unsigned(op: Op) -> None:
    """Unsigned ID tokens are not advertised, so the module is skipped."""
    metadata = machine(op.gateway, "GET", "/.well-known/openid-configuration").get_json()
    assert "none" not in metadata["id_token_signing_alg_values_supported"]


@pytest.mark.parametrize("method", ["GET", "POST"], ids=["oidcc-userinfo-get", "oidcc-userinfo-post-header"])
def test_oidcc_userinfo(op: Op, method: str) -> None:
    """GET and POST with the token in the header: JSON, the ID token's sub, right types of claims."""
    tokens = op.log_in(op.browser(), scope="openid profile email phone address")
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    answer = machine(op.gateway, method, "/userinfo", headers=bearer)
    assert answer.status_code == 200
    assert answer.mimetype == "application/json"
    claims = answer.get_json()
    assert claims["sub"] == op.id_token(tokens)["sub"]
    for name, value in claims.items():
        assert type(value) is TYPES.get(name, str), name


def test_oidcc_userinfo_post_body(op: Op) -> None:
    """The token in a form body is taken too."""
    tokens = op.log_in(op.browser())
    answer = machine(op.gateway, "POST", "/userinfo", data={"access_token": tokens["access_token"]})
    assert answer.get_json()["sub"] == op.id_token(tokens)["sub"]


def test_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(op: Op) -> None:
    """No nonce is fine where the front channel carries no ID token."""
    assert "nonce" not in op.id_token(op.log_in(op.browser(), nonce=None), nonce=None)


def test_oidcc_ensure_request_without_nonce_fails(op: Op) -> None:
    """For response types that bring an ID token by the front channel alone: there are none (req 9)."""
    for wanted in ("id_token", "id_token token", "code id_token", "code token", "code id_token token"):
        error = op.refused(op.browser(), response_type=wanted, nonce=None)["error"]
        assert error in ("unsupported_response_type", "unauthorized_client"), wanted


@pytest.mark.parametrize("scope", ["profile", "email", "address", "phone"], ids="oidcc-scope-{}".format)
def test_oidcc_scope(op: Op, scope: str) -> None:
    """oidcc-scope-profile, -email, -address, -phone: userinfo has every claim of the scope and no other."""
    tokens = op.log_in(op.browser(), scope=f"openid {scope}")
    assert set(op.client.userinfo(tokens["access_token"]).get_json()) == {"sub", *BY_SCOPE[scope]}
    assert not set(op.id_token(tokens)) & BY_SCOPE[scope]


def test_oidcc_scope_all(op: Op) -> None:
    """All scopes at once: all claims, from userinfo."""
    tokens = op.log_in(op.browser(), scope="openid profile email address phone")
    userinfo = op.client.userinfo(tokens["access_token"]).get_json()
    assert set(userinfo) == {"sub"}.union(*BY_SCOPE.values())
    assert {name: userinfo[name] for name in PROFILE} == PROFILE
    assert userinfo["email"] == "paul@muster.example"
    assert userinfo["phone_number"] == "+4940123456"


def test_oidcc_alternate_happy_flow(op: Op) -> None:
    """Scope words and parameters in another order."""
    browser = op.browser()
    parameters = op.client.parameters(scope="email openid profile")
    browser.get("/authorize", **dict(reversed(parameters.items())))
    browser.sign_in("paul")
    assert op.id_token(op.tokens(browser))["aud"] == op.client.registered.client_id


@pytest.mark.parametrize("display", ["page", "popup"], ids="oidcc-display-{}".format)
def test_oidcc_display(op: Op, display: str) -> None:
    """oidcc-display-page, -popup: display breaks nothing."""
    assert op.id_token(op.log_in(op.browser(), display=display))["aud"] == op.client.registered.client_id


def test_oidcc_ensure_request_with_unknown_parameter_succeeds(op: Op) -> None:
    """extra=foobar is ignored."""
    assert op.id_token(op.log_in(op.browser(), extra="foobar"))["aud"] == op.client.registered.client_id


def test_oidcc_login_hint(op: Op) -> None:
    """login_hint breaks nothing; the page has the name filled in."""
    browser = op.browser()
    op.client.authorize(browser, login_hint="paul")
    assert browser.page is not None
    assert 'value="paul"' in browser.page.text
    browser.sign_in("paul")
    assert op.id_token(op.tokens(browser))["aud"] == op.client.registered.client_id


@pytest.mark.parametrize(("locales", "language"), [("se", "de"), ("en", "en"), ("se en de", "en")])
def test_oidcc_ui_locales(op: Op, locales: str, language: str) -> None:
    """A language we do not have breaks nothing; one we have is spoken."""
    browser = op.browser()
    op.client.authorize(browser, ui_locales=locales)
    assert browser.page is not None
    assert f'<html lang="{language}"' in browser.page.text
    browser.sign_in("paul")
    assert op.id_token(op.tokens(browser))["aud"] == op.client.registered.client_id


def test_oidcc_claims_locales(op: Op) -> None:
    """claims_locales=se breaks nothing."""
    assert op.id_token(op.log_in(op.browser(), claims_locales="se"))["aud"] == op.client.registered.client_id


@pytest.mark.parametrize("known", [True, False], ids=["from acr_values_supported", "1 2"])
def test_oidcc_ensure_request_with_acr_values_succeeds(op: Op, known: bool) -> None:
    """acr_values: the ID token carries one of the supported values; unknown ones are ignored."""
    metadata = machine(op.gateway, "GET", "/.well-known/openid-configuration").get_json()
    wanted = metadata["acr_values_supported"] if known else ["1", "2"]
    claims = op.id_token(op.log_in(op.browser(), acr_values=" ".join(wanted)))
    assert claims["acr"] in metadata["acr_values_supported"]


def test_oidcc_claims_essential(op: Op) -> None:
    """name asked for as essential in userinfo, by name alone: it comes, and nothing else does."""
    wanted = json.dumps({"userinfo": {"name": {"essential": True}}})
    tokens = op.log_in(op.browser(), scope="openid", claims=wanted)
    assert set(op.client.userinfo(tokens["access_token"]).get_json()) == {"sub", "name"}
    assert "name" not in op.id_token(tokens)


def test_oidcc_server_client_secret_post(op: Op, services: Services) -> None:
    """A login of a client that is registered for client_secret_post."""
    with unit_of_work(services) as ctx:
        registered = cast.register(ctx, "post", token_endpoint_auth_method="client_secret_post")
    forget_snapshot(op.gateway)
    portal, browser = op.portal(registered), op.browser()
    portal.authorize(browser)
    browser.sign_in("paul")
    form: dict[str, Any] = {
        "grant_type": "authorization_code",
        "code": portal.answer(browser)["code"],
        "redirect_uri": registered.redirect_uri,
        "code_verifier": portal.verifier,
        "client_id": "post",
        "client_secret": registered.secret,
    }
    answer = machine(op.gateway, "POST", "/token", data=form)
    assert answer.status_code == 200
    _, claims = verified(op.gateway, answer.get_json()["id_token"])
    assert claims["aud"] == "post"


def test_oidcc_ensure_request_with_valid_pkce_succeeds(op: Op) -> None:
    """S256 works, and the verifier is compared."""
    browser = op.browser()
    assert op.id_token(op.log_in(browser))["aud"] == op.client.registered.client_id
    op.client.authorize(browser)
    wrong = op.client.exchange(op.client.answer(browser)["code"], code_verifier="v" * 43)
    assert (wrong.status_code, wrong.get_json()["error"]) == (400, "invalid_grant")


def test_a_client_registered_without_pkce_and_nonce_is_served(op: Op, services: Services) -> None:
    """The certification's clients send neither; the switch exists for them alone (req 4)."""
    with unit_of_work(services) as ctx:
        registered = cast.register(ctx, "certification", require_pkce=False)
    forget_snapshot(op.gateway)
    portal, browser = op.portal(registered), op.browser()
    bare = {"code_challenge": None, "code_challenge_method": None, "nonce": None}
    portal.authorize(browser, **bare)
    browser.sign_in("paul")
    assert portal.tokens(browser, code_verifier=None)["id_token"]
    # what a client that must send a challenge gets
    assert op.refused(browser, **bare)["error"] == "invalid_request"
