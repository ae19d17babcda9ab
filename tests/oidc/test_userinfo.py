"""Userinfo (OIDC Core §5.3, RFC 6750; req 24, 25, 28)."""

import pytest
from sqlalchemy import delete, update

from idp.accounts import identifiers
from idp.accounts.models import Account, Identifier
from tests.world import Desk, machine, now


def test_the_token_comes_by_header_or_body(desk: Desk) -> None:
    """The scheme in any case; never in the URL (req 25); never twice."""
    token = desk.tokens()["access_token"]

    def ask(method: str, path: str = "/userinfo", **options: object) -> int:
        return machine(desk.gateway, method, path, **options).status_code

    for scheme in ("Bearer", "bearer", "BEARER"):
        assert ask("GET", headers={"Authorization": f"{scheme}  {token} "}) == 200
    assert ask("POST", data={"access_token": token}) == 200
    assert ask("GET", f"/userinfo?access_token={token}") == 401
    assert ask("POST", f"/userinfo?access_token={token}", data={"access_token": token}) == 400
    assert ask("POST", data={"access_token": token}, headers={"Authorization": f"Bearer {token}"}) == 400
    for header in (f"Basic {token}", token, "Bearer", "Bearer "):
        assert ask("GET", headers={"Authorization": header}) == 401


def test_no_answer_is_kept(desk: Desk) -> None:
    """(req 28)"""
    tokens = desk.tokens()
    for answer in (desk.portal.userinfo(tokens["access_token"]), desk.portal.userinfo("x")):
        assert answer.headers["Cache-Control"] == "no-store"


def test_challenges(desk: Desk) -> None:
    """RFC 6750 §3: who brings no token hears the scheme alone, who brings a wrong one what is wrong."""
    bare = machine(desk.gateway, "GET", "/userinfo")
    assert (bare.status_code, bare.headers["WWW-Authenticate"]) == (401, 'Bearer realm="userinfo"')
    wrong = desk.portal.userinfo("garbage")
    assert wrong.status_code == 401
    assert wrong.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token", error_description="')
    weak = desk.portal.userinfo(desk.tokens(scope="profile")["access_token"])
    assert weak.status_code == 403
    assert weak.headers["WWW-Authenticate"].startswith('Bearer error="insufficient_scope"')


def test_a_malformed_request_has_a_challenge_too(desk: Desk) -> None:
    """Two tokens, by header and body or in the body, or parameters in the address as well (RFC 6750 §3.1)."""
    token = desk.tokens()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    for path, body, headers in (
        ("/userinfo", f"access_token={token}", bearer),
        ("/userinfo", f"access_token={token}&access_token={token}", {}),
        (f"/userinfo?access_token={token}", f"access_token={token}", {}),
    ):
        answer = machine(
            desk.gateway,
            "POST",
            path,
            data=body,
            headers=headers,
            content_type="application/x-www-form-urlencoded",
        )
        assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_request")
        assert answer.headers["WWW-Authenticate"].startswith('Bearer error="invalid_request", error_desc')


def test_what_is_no_access_token_of_a_person(desk: Desk) -> None:
    """ID tokens, refresh tokens and a client's own token (req 24)."""
    tokens = desk.tokens()
    own = desk.portal.call("/token", {"grant_type": "client_credentials"}).get_json()["access_token"]
    for token in (tokens["id_token"], tokens["refresh_token"], own, "a.b.c"):
        assert desk.portal.userinfo(token).status_code == 401


def test_a_token_of_another_authorization_server_database(desk: Desk) -> None:
    """Its authorization is unknown here."""
    keys = desk.gateway.server.provider.snapshots.current().keys
    claims = {"iss": desk.issuer, "exp": 2**33, "jti": "j", "scope": "openid", "authorization_id": "gone"}
    assert desk.portal.userinfo(keys.sign(claims, alg="ES256", typ="at+jwt")).status_code == 401


def test_unverified_and_missing_addresses(desk: Desk) -> None:
    """What is not known is left out, what is not verified says so (§5.3.2); the first of several counts."""
    token = desk.tokens(scope="openid email phone")["access_token"]
    with desk.work() as ctx:
        identifiers.add_email(ctx, desk.account_id, "later@muster.example", verified=True)
        ctx.db.execute(delete(Identifier).where(Identifier.kind == "phone"))
    assert desk.portal.userinfo(token).get_json() == {
        "sub": desk.portal.userinfo(token).get_json()["sub"],
        "email": "paul@muster.example",
        "email_verified": True,
    }
    with desk.work() as ctx:
        ctx.db.execute(update(Identifier).values(verified_at=None))
    assert desk.portal.userinfo(token).get_json()["email_verified"] is False
    with desk.work() as ctx:
        ctx.db.execute(update(Identifier).values(pending=True))
    assert set(desk.portal.userinfo(token).get_json()) == {"sub"}


def test_claims_that_the_account_does_not_have(desk: Desk) -> None:
    """Left out, not null."""
    token = desk.tokens(scope="openid profile address")["access_token"]
    with desk.work() as ctx:
        ctx.db.execute(update(Account).values(middle_name=None, address=None, updated_at=now()))
    found = desk.portal.userinfo(token).get_json()
    assert not {"middle_name", "address"} & set(found)
    assert isinstance(found["updated_at"], int)


def test_one_claim_by_name(desk: Desk) -> None:
    """email without email_verified, since only that was asked for."""
    token = desk.tokens(scope="openid", claims={"userinfo": {"email": None}})["access_token"]
    assert set(desk.portal.userinfo(token).get_json()) == {"sub", "email"}


@pytest.mark.parametrize("purpose", ["factor", "recovery"])
def test_an_address_for_proofs_alone_is_told_to_nobody(desk: Desk, purpose: str) -> None:
    """The phone that gets codes, or the address for recovery, is no claim (OIDC Core §5.1)."""
    token = desk.tokens(scope="openid email phone")["access_token"]
    with desk.work() as ctx:
        ctx.db.execute(update(Identifier).values(purpose=purpose))
    assert set(desk.portal.userinfo(token).get_json()) == {"sub"}
