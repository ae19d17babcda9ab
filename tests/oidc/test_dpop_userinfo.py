"""Userinfo by a token that works with one key alone (RFC 9449 §7; req 26)."""

from dataclasses import replace
from typing import Any

from werkzeug.test import Client, TestResponse

from tests.plain_browser import basic
from tests.provers import Prover, with_key
from tests.world import Desk, machine

PROVER, OTHER = Prover(), Prover(number=1)


def _outcome(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, (answer.get_json() or {}).get("error", "")


def _userinfo(desk: Desk, authorization: str, proof: str | None, method: str = "GET") -> TestResponse:
    headers = {"Authorization": authorization} | ({} if proof is None else {"DPoP": proof})
    return machine(desk.gateway, method, "/userinfo", headers=headers)


def _challenges(answer: TestResponse) -> list[str]:
    assert answer.status_code == 401
    return answer.headers.getlist("WWW-Authenticate")


def test_userinfo_with_the_key(bound: Desk) -> None:
    """The scheme in any case, by GET and POST."""
    token = bound.tokens()["access_token"]
    address = bound.issuer + "/userinfo"
    for method in ("GET", "POST"):
        for scheme in ("DPoP", "dpop"):
            proof = PROVER.proof(address, method, token=token)
            answer = _userinfo(bound, f"{scheme} {token}", proof, method)
            assert answer.status_code == 200
            assert answer.get_json()["sub"]


def test_a_bound_token_is_no_bearer_token(bound: Desk) -> None:
    """By header or body, with a proof beside it or without (§7.2, req 26)."""
    token = bound.tokens()["access_token"]
    proof = PROVER.proof(bound.issuer + "/userinfo", token=token)
    posted = Client(bound.gateway).post("/userinfo", base_url=bound.issuer, data={"access_token": token})
    for answer in (
        _userinfo(bound, f"Bearer {token}", None),
        _userinfo(bound, f"Bearer {token}", proof),
        posted,
    ):
        bearer, dpop = _challenges(answer)
        assert bearer.startswith('Bearer error="invalid_token", error_description="')
        assert dpop == 'DPoP algs="ES256 RS256 PS256 EdDSA Ed25519"'
        assert _outcome(answer) == (401, "invalid_token")


def test_a_bearer_token_is_no_bound_token(bound: Desk) -> None:
    """An unbound token by the scheme DPoP (§7.1); a DPoP header beside a Bearer token says nothing."""
    token = replace(bound).tokens()["access_token"]
    proof = PROVER.proof(bound.issuer + "/userinfo", "GET", token=token)
    (challenge,) = _challenges(_userinfo(bound, f"DPoP {token}", proof))
    assert challenge.startswith('DPoP error="invalid_token", error_description="')
    assert challenge.endswith(', algs="ES256 RS256 PS256 EdDSA Ed25519"')
    assert _userinfo(bound, f"Bearer {token}", proof).status_code == 200
    assert _userinfo(bound, f"Bearer {token}", "garbage").status_code == 200


def _wrong_proofs(issuer: str, token: str) -> dict[str, tuple[str | None, str]]:
    address = issuer + "/userinfo"
    return {
        "none": (None, "invalid_dpop_proof"),
        "empty": ("", "invalid_dpop_proof"),
        "no ath": (PROVER.proof(address, "GET"), "invalid_dpop_proof"),
        "ath of another token": (PROVER.proof(address, "GET", token=token + "x"), "invalid_dpop_proof"),
        "another method": (PROVER.proof(address, "POST", token=token), "invalid_dpop_proof"),
        "another endpoint": (PROVER.proof(issuer + "/token", "GET", token=token), "invalid_dpop_proof"),
        "another key": (OTHER.proof(address, "GET", token=token), "invalid_token"),
        "a stale nonce": (PROVER.proof(address, "GET", token=token, nonce="x"), "use_dpop_nonce"),
        "two": (",".join([PROVER.proof(address, "GET", token=token)] * 2), "invalid_dpop_proof"),
    }


def test_userinfo_without_the_right_proof(bound: Desk) -> None:
    """401 with one challenge of the scheme DPoP, which names the error (§7.1, §9)."""
    token = bound.tokens()["access_token"]
    for name, (proof, error) in _wrong_proofs(bound.issuer, token).items():
        answer = _userinfo(bound, f"DPoP {token}", proof)
        (challenge,) = _challenges(answer)
        assert challenge.startswith(f'DPoP error="{error}", error_description="'), name
        assert _outcome(answer) == (401, error), name
    right = PROVER.proof(bound.issuer + "/userinfo", "GET", token=token)
    assert _userinfo(bound, f"DPoP {token}", right).status_code == 200
    assert _outcome(_userinfo(bound, f"DPoP {token}", right)) == (401, "invalid_dpop_proof")


def test_a_strangers_key_uses_up_nothing(bound: Desk) -> None:
    """Who has a token without its key leaves no row."""
    token = bound.tokens()["access_token"]
    address = bound.issuer + "/userinfo"
    proof = OTHER.proof(address, "GET", token=token)
    for _ in range(2):
        assert _outcome(_userinfo(bound, f"DPoP {token}", proof)) == (401, "invalid_token")


def test_userinfo_of_a_token_that_ended(bound: Desk) -> None:
    """A right proof heals nothing: revoked, garbage, too little scope."""
    tokens = bound.tokens()
    assert bound.portal.call("/revoke", {"token": tokens["access_token"]}).status_code == 200
    for token in (tokens["access_token"], "garbage", tokens["id_token"]):
        (challenge,) = _challenges(bound.portal.userinfo(token))
        assert challenge.startswith('DPoP error="invalid_token"')
    weak = bound.portal.userinfo(bound.tokens(scope="profile")["access_token"])
    assert weak.status_code == 403
    assert weak.headers["WWW-Authenticate"].startswith('DPoP error="insufficient_scope"')


def test_who_brings_no_token_hears_of_both_schemes(desk: Desk) -> None:
    """RFC 9110 §11.6.1; no error is named to somebody who brought nothing (RFC 6750 §3.1)."""
    bare = machine(desk.gateway, "GET", "/userinfo")
    assert _challenges(bare) == ['Bearer realm="userinfo"', 'DPoP algs="ES256 RS256 PS256 EdDSA Ed25519"']
    for header in ("DPoP", "DPoP ", "Basic x"):
        assert len(_challenges(_userinfo(desk, header, None))) == 2


def test_a_proof_at_other_endpoints_says_nothing(desk: Desk) -> None:
    """Introspection and revocation know no proofs, right or wrong."""
    tokens: dict[str, Any] = with_key(desk).tokens()
    headers = {"DPoP": "garbage", "Authorization": basic("portal", desk.registered.secret or "")}
    for path in ("/introspect", "/revoke"):
        form = {"token": tokens["access_token"]}
        assert machine(desk.gateway, "POST", path, data=form, headers=headers).status_code == 200
