"""The claims parameter, claim by claim (OIDC Core §5.5; conformance reference §3, oidcc-claims-essential)."""

import json
from typing import Any

import pytest

from idp.oidc.claims import PERSONAL
from tests import cast
from tests.builders import PASSWORD, make_account, make_catalogue, make_membership, make_organization
from tests.conformance.conftest import Op
from tests.installation import unit_of_work
from tests.plain_browser import Portal
from tests.world import ALL_SCOPES, forget_snapshot, now

pytestmark = pytest.mark.alone_on("postgresql")

AAL1, AAL2, PHR = (f"urn:lotse:acr:{level}" for level in ("aal1", "aal2", "aal2-phr"))


def asked(op: Op, userinfo: Any = None, id_token: Any = None, **changes: str | None) -> dict[str, Any]:
    """Sign in with a claims parameter, the scope openid alone; returns both answers without the usual."""
    wanted = {"userinfo": userinfo or {}, "id_token": id_token or {}}
    changes = {"scope": "openid", **changes, "claims": json.dumps(wanted)}
    tokens = op.log_in(op.browser(), **changes)
    claims = op.id_token(tokens)
    usual = {"iss", "sub", "aud", "azp", "iat", "exp", "auth_time", "acr", "amr", "at_hash", "sid", "nonce"}
    return {
        "userinfo": op.client.userinfo(tokens["access_token"]).get_json(),
        "id_token": {name: value for name, value in claims.items() if name not in usual},
        "all": claims,
    }


@pytest.mark.parametrize("wish", [None, {"essential": True}, {"essential": False}], ids=str)
def test_every_standard_claim_by_name(op: Op, wish: Any) -> None:
    """All of them where they were asked for, with the values that the scopes give, and nowhere else."""
    wishes = dict.fromkeys(PERSONAL, wish)
    by_scope = op.log_in(op.browser(), scope="openid profile email phone address")
    values = op.client.userinfo(by_scope["access_token"]).get_json()
    in_userinfo = asked(op, userinfo=wishes)
    assert in_userinfo["userinfo"] == values
    assert in_userinfo["id_token"] == {}
    in_id_token = asked(op, id_token=wishes)
    assert in_id_token["id_token"] == {name: value for name, value in values.items() if name != "sub"}
    assert set(in_id_token["userinfo"]) == {"sub"}


def test_values_of_claims(op: Op) -> None:
    """A claim asked for with other values than it has does not come; the sign-in succeeds all the same."""
    right = {"email": {"value": "paul@muster.example"}, "locale": {"values": ["en", "de-DE"]}}
    wrong = {"name": {"value": "Somebody Else", "essential": True}, "email_verified": {"value": False}}
    found = asked(op, userinfo=right | wrong, id_token=right | wrong)
    assert set(found["id_token"]) == {"email", "locale"}
    assert set(found["userinfo"]) == {"sub", "email", "locale"}


def test_unknown_members_are_ignored(op: Op) -> None:
    """At every level, with language tags and claims_locales beside (§5.2, §5.5)."""
    wishes = {"name": {"purpose": "x"}, "name#ja-Kana-JP": None, "made_up": 7, "https://x.example/y": None}
    found = asked(op, userinfo=wishes, id_token=wishes, claims_locales="ja de")
    assert set(found["userinfo"]) == {"sub", "name"}
    assert set(found["id_token"]) == {"name"}


def test_facts_of_the_sign_in(op: Op) -> None:
    """auth_time as an essential claim is there (§5.5.1), and userinfo tells it where it is asked."""
    wishes = {"acr": None, "amr": None, "auth_time": {"essential": True}, "sub": None, "iss": None}
    found = asked(op, userinfo=wishes, id_token=wishes)
    assert set(found["userinfo"]) == {"sub", "acr", "amr", "auth_time"}
    for name in ("acr", "amr", "auth_time"):
        assert found["userinfo"][name] == found["all"][name]


def test_facts_of_the_sign_in_with_other_values(op: Op) -> None:
    """They are left out of userinfo like every claim that has not the value that is asked for (§5.5.1)."""
    wishes = {"acr": {"value": AAL1}, "amr": {"value": ["sms"]}, "auth_time": {"values": [0, 1]}}
    assert set(asked(op, userinfo=wishes)["userinfo"]) == {"sub", "acr"}


@pytest.mark.parametrize("target", ["userinfo", "id_token"])
def test_organization_and_permissions_by_name(op: Op, target: str) -> None:
    """As their scopes give them, to the asked place alone; permissions of the asking client."""
    with unit_of_work(op.services) as ctx:
        make_catalogue(ctx, "first")
        account = make_account(ctx, "mia", password=PASSWORD)
        make_membership(ctx, make_organization(ctx), account)
    browser = op.browser()
    tokens = op.client.authorize(browser, scope="openid organization permissions")
    browser.sign_in("mia")
    tokens = op.client.tokens(browser)
    expected = op.client.userinfo(tokens["access_token"]).get_json()
    assert expected["organization"]["customer_number"] == "100200300"
    wishes = json.dumps({target: {"organization": None, "permissions": {"essential": True}}})
    tokens = op.silent(browser, scope="openid", claims=wishes)
    found = {
        "id_token": op.id_token(tokens),
        "userinfo": op.client.userinfo(tokens["access_token"]).get_json(),
    }
    for name in ("organization", "permissions"):
        assert found[target][name] == expected[name]
        assert name not in found["userinfo" if target == "id_token" else "id_token"]


def test_a_narrow_client_gets_no_more_by_name(op: Op) -> None:
    """Claims beyond its registered scopes are ignored, as those scopes are (req 31, C20)."""
    with unit_of_work(op.services) as ctx:
        op.client = Portal(op.gateway, cast.register(ctx, "narrow", scope="openid email"))
    forget_snapshot(op.gateway)
    wishes = dict.fromkeys([*PERSONAL, "organization", "permissions"])
    found = asked(op, userinfo=wishes, id_token=wishes, scope=ALL_SCOPES)
    assert set(found["userinfo"]) == {"sub", "email", "email_verified"}
    assert set(found["id_token"]) == {"email", "email_verified"}


@pytest.mark.parametrize(
    ("wish", "met"),
    [
        ({"essential": True, "values": [AAL1]}, True),
        ({"essential": True, "values": [PHR, AAL1]}, True),
        ({"essential": True, "value": AAL2}, False),
        ({"essential": True, "values": [PHR, AAL2]}, False),
        ({"essential": True, "values": ["urn:made-up"]}, False),
        ({"essential": True}, True),
        ({"values": [AAL2]}, True),
        (None, True),
    ],
    ids=str,
)
def test_acr(op: Op, wish: Any, met: bool) -> None:
    """§5.5.1.1: essential values that cannot be met end in unmet_authentication_requirements."""
    browser = op.browser()
    claims = json.dumps({"id_token": {"acr": wish}})
    op.client.authorize(browser, claims=claims)
    browser.sign_in("paul")
    if met:
        assert op.id_token(op.client.tokens(browser))["acr"] == AAL1
        return
    assert op.client.answer(browser)["error"] == "unmet_authentication_requirements"
    refused = op.refused(browser, claims=claims, prompt="none")
    assert refused["error"] == "unmet_authentication_requirements"


@pytest.mark.parametrize(
    ("wish", "named"),
    [
        ({"essential": True, "values": [AAL1]}, AAL1),
        ({"essential": True, "values": [AAL1, AAL2]}, AAL2),
        ({"essential": True, "values": ["urn:made-up", AAL1]}, AAL1),
        ({"essential": True}, AAL2),
        ({"values": [AAL1]}, AAL2),
        (None, AAL2),
    ],
    ids=str,
)
def test_the_acr_of_somebody_who_proved_more(op: Op, wish: Any, named: str) -> None:
    """§5.5.1.1: of essential values the answer names one; a mere wish hears what was reached."""
    with unit_of_work(op.services) as ctx:
        cast.person(ctx, "clara", app=True)
    browser = op.browser()
    op.client.authorize(browser, claims=json.dumps({"id_token": {"acr": wish}}))
    browser.sign_in("clara")
    with unit_of_work(op.services, now()) as ctx:
        code = cast.app_code(ctx)
    browser.submit(expect_action="/login/totp", code=code)
    claims = op.id_token(op.client.tokens(browser))
    assert claims["acr"] == named
    assert "mfa" in claims["amr"]


@pytest.mark.parametrize("target", ["id_token", "userinfo"])
def test_sub(op: Op, target: str) -> None:
    """§5.5.1: the answer is for that very person, silent where it is, and for nobody else."""
    browser = op.browser()
    sub = op.id_token(op.log_in(browser))["sub"]
    this = json.dumps({target: {"sub": {"value": sub}}})
    other = json.dumps({target: {"sub": {"value": "somebody-else"}}})
    assert op.id_token(op.silent(browser, prompt="none", claims=this))["sub"] == sub
    assert op.refused(browser, prompt="none", claims=other)["error"] == "login_required"
    op.client.authorize(browser, claims=other)
    browser.sign_in("paul")
    assert op.client.answer(browser)["error"] == "login_required"
