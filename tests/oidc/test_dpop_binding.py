"""Codes, refresh tokens and access tokens that work with one key alone (RFC 9449 §5-§7, §10; req 7, 26)."""

from dataclasses import replace

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from idp.audit.events import Event
from idp.audit.models import AuditEvent
from idp.oidc.models import Authorization
from tests import cast
from tests.cast import Registered
from tests.plain_browser import Browser, basic, claims
from tests.provers import KINDS, Prover, ProvingPortal, with_key
from tests.world import VERIFIER, Desk, forget_snapshot, machine

PROVER, OTHER = Prover(), Prover(number=1)
INVALID_PROOF, INVALID_GRANT = (400, "invalid_dpop_proof"), (400, "invalid_grant")


def _without(desk: Desk) -> Desk:
    return replace(desk)


def _outcome(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, (answer.get_json() or {}).get("error", "")


# -- access tokens


def test_a_proof_binds_the_access_token(bound: Desk) -> None:
    """``cnf.jkt``, token_type and introspection say so (§5, §6.1, §6.2); without a proof nothing changes."""
    tokens = bound.tokens(scope="openid")
    assert tokens["token_type"] == "DPoP"
    assert claims(tokens["access_token"])["cnf"] == {"jkt": PROVER.jkt}
    assert "cnf" not in claims(tokens["id_token"])
    plain = _without(bound).tokens(scope="openid")
    assert plain["token_type"] == "Bearer"
    assert "cnf" not in claims(plain["access_token"])


@pytest.mark.parametrize("alg", KINDS)
def test_each_kind_of_key_at_every_endpoint(desk: Desk, alg: str) -> None:
    """Code, refresh and userinfo (§5, §7.1); RSA keys make the longest headers."""
    prover = Prover(alg)
    bound = with_key(desk, prover)
    first = bound.tokens(scope="openid")
    fresh = bound.portal.refresh(first["refresh_token"]).get_json()
    for tokens in (first, fresh):
        assert claims(tokens["access_token"])["cnf"] == {"jkt": prover.jkt}
        assert bound.portal.userinfo(tokens["access_token"]).status_code == 200


def test_introspection_names_the_key(desk: Desk) -> None:
    """What a resource server needs to check proofs itself (§6.2)."""
    bound = with_key(desk)
    for tokens in (bound.tokens(), bound.portal.call("/token", {"grant_type": "client_credentials"}).json):
        assert tokens is not None
        shown = desk.introspect(tokens["access_token"])
        assert (shown["token_type"], shown["cnf"]) == ("DPoP", {"jkt": PROVER.jkt})
    shown = desk.introspect(desk.tokens()["access_token"])
    assert (shown["token_type"], "cnf" in shown) == ("Bearer", False)


def test_an_opaque_token_is_bound_too(desk: Desk) -> None:
    """Its key is kept with its claims, and asked for alike."""
    with desk.work() as ctx:
        registered = cast.register(ctx, "opaque", access_token_format="opaque")
    forget_snapshot(desk.gateway)
    bound = with_key(Desk(desk.services, desk.gateway, registered, desk.account_id))
    tokens = bound.tokens()
    shown = bound.introspect(tokens["access_token"])
    assert (shown["token_type"], shown["cnf"]) == (tokens["token_type"], {"jkt": PROVER.jkt})
    assert bound.portal.userinfo(tokens["access_token"]).status_code == 200
    assert _without(bound).portal.userinfo(tokens["access_token"]).status_code == 401
    assert with_key(bound, OTHER).portal.userinfo(tokens["access_token"]).status_code == 401


def test_a_client_that_is_bound_to_proofs(desk: Desk) -> None:
    """``dpop_bound_access_tokens``: no grant without a proof, and its code is not spent (§5.2)."""
    with desk.work() as ctx:
        registered = cast.register(ctx, "strict", dpop_bound_access_tokens=True)
    forget_snapshot(desk.gateway)
    strict = Desk(desk.services, desk.gateway, registered, desk.account_id)
    bound = with_key(strict)
    code = strict.code().code
    assert _outcome(strict.redeem(code)) == INVALID_PROOF
    tokens = bound.redeem(code).get_json()
    assert _outcome(strict.portal.refresh(tokens["refresh_token"])) == INVALID_PROOF
    assert bound.portal.refresh(tokens["refresh_token"]).status_code == 200
    grant = {"grant_type": "client_credentials"}
    assert _outcome(strict.portal.call("/token", grant)) == INVALID_PROOF
    assert bound.portal.call("/token", grant).get_json()["token_type"] == "DPoP"
    assert strict.portal.call("/introspect", {"token": tokens["access_token"]}).status_code == 200
    pushed = strict.portal.call("/par", strict.portal.parameters())
    assert pushed.status_code == 201


def test_an_invalid_proof_costs_nothing(bound: Desk) -> None:
    """Code and refresh token can be used afterwards; an authentication that fails comes first."""
    code = bound.code().code
    wrong = with_key(bound)

    class Broken(ProvingPortal):
        def headers(self, method: str, path: str) -> dict[str, str]:
            return {"DPoP": self.prover.proof(self._issuer + path, "GET")}

    wrong.portal = Broken(bound.gateway, bound.registered, verifier=VERIFIER)
    assert _outcome(wrong.redeem(code)) == INVALID_PROOF
    tokens = bound.redeem(code).get_json()
    assert _outcome(wrong.portal.refresh(tokens["refresh_token"])) == INVALID_PROOF
    assert bound.portal.refresh(tokens["refresh_token"]).status_code == 200
    stranger = replace(bound, registered=replace(bound.registered, client_id="nobody"))
    stranger.portal = replace(wrong.portal, registered=stranger.registered)
    assert _outcome(stranger.redeem("x")) == (401, "invalid_client")


def test_a_nonce_costs_no_code(bound: Desk) -> None:
    """``use_dpop_nonce`` with a fresh one, and the same code goes with it (§8)."""
    portal = bound.portal
    assert isinstance(portal, ProvingPortal)
    portal.nonce = "stale"
    code = bound.code().code
    answer = bound.redeem(code)
    assert _outcome(answer) == (400, "use_dpop_nonce")
    assert answer.headers["Cache-Control"] == "no-store"
    portal.nonce = answer.headers["DPoP-Nonce"]
    assert bound.redeem(code).status_code == 200


def test_every_answer_to_a_proof_has_the_next_nonce(bound: Desk) -> None:
    """Success and refusal alike (§8.2); and none where nobody sent a proof."""
    token = bound.tokens()["access_token"]
    answers = [
        bound.redeem(bound.code().code),
        bound.redeem("unknown"),
        bound.portal.userinfo(token),
        bound.portal.userinfo(token + "x"),
        bound.portal.call("/par", bound.portal.parameters()),
        bound.portal.call("/par", {}),
    ]
    assert [answer.status_code for answer in answers] == [200, 400, 200, 401, 201, 400]
    assert len({answer.headers["DPoP-Nonce"] for answer in answers}) <= 2
    plain = _without(bound)
    for answer in (plain.redeem(plain.code().code), plain.redeem("x"), plain.portal.userinfo(token)):
        assert "DPoP-Nonce" not in answer.headers


def test_a_proof_is_used_up_by_a_request_that_fails(bound: Desk) -> None:
    """The same proof beside the right code is too late."""
    proof = PROVER.proof(bound.issuer + "/token")

    class Same(ProvingPortal):
        def headers(self, method: str, path: str) -> dict[str, str]:
            return {"DPoP": proof}

    same = replace(bound)
    same.portal = Same(bound.gateway, bound.registered, verifier=VERIFIER)
    assert _outcome(same.redeem("unknown")) == INVALID_GRANT
    assert _outcome(same.redeem(bound.code().code)) == INVALID_PROOF


def test_the_address_is_ours_whatever_the_host(bound: Desk) -> None:
    """A proof for another name of this server is none, though the request came by that name."""
    form = {"grant_type": "authorization_code", "code": bound.code().code, "client_id": "app"}
    for address in ("https://other.example/token", "http://127.0.0.1:8000/token", "/token"):
        headers = {"DPoP": PROVER.proof(address), "X-Forwarded-Host": "other.example"}
        if bound.registered.secret:
            headers["Authorization"] = basic("portal", bound.registered.secret)
            form.pop("client_id", None)
        answer = machine(bound.gateway, "POST", "/token", data=form, headers=headers)
        assert _outcome(answer) == INVALID_PROOF
        assert bound.issuer + "/token" in answer.get_json()["error_description"]


# -- codes


def test_a_code_bound_to_a_key(bound: Desk) -> None:
    """``dpop_jkt``: that key alone, else invalid_grant and the code is burnt (§10, req 7)."""
    for wrong in (with_key(bound, OTHER), _without(bound)):
        code = bound.code(dpop_jkt=PROVER.jkt).code
        assert _outcome(wrong.redeem(code)) == INVALID_GRANT
        assert _outcome(bound.redeem(code)) == INVALID_GRANT
    tokens = bound.tokens(dpop_jkt=PROVER.jkt)
    assert claims(tokens["access_token"])["cnf"] == {"jkt": PROVER.jkt}
    with bound.services.database.session() as db:
        reasons = db.scalars(select(AuditEvent.reason).where(AuditEvent.event == Event.CODE_MISUSED)).all()
    assert len(reasons) == 2
    assert all("DPoP key" in str(reason) for reason in reasons)


@pytest.mark.parametrize("value", ["x", "a" * 42, "a" * 44, "a" * 42 + "=", "a" * 43 + "\n", "\u00e4" * 43])
def test_dpop_jkt_is_a_thumbprint(bound: Desk, value: str) -> None:
    """Refused by query and pushed, by the same rule."""
    browser = Browser(bound.gateway)
    bound.portal.authorize(browser, dpop_jkt=value)
    assert bound.portal.answer(browser)["error"] == "invalid_request"
    pushed = _without(bound).portal.call("/par", bound.portal.parameters(dpop_jkt=value))
    assert _outcome(pushed) == (400, "invalid_request")


def test_a_pushed_request_binds_its_code(bound: Desk) -> None:
    """By the parameter, by the header, or by both when they agree (§10.1)."""
    plain = _without(bound)
    stranger = with_key(bound, OTHER)
    for portal, jkt in ((plain.portal, PROVER.jkt), (bound.portal, None), (bound.portal, PROVER.jkt)):
        for redeeming, status in ((stranger, 400), (bound, 200)):
            browser = Browser(bound.gateway)
            pushed = portal.call("/par", portal.parameters(dpop_jkt=jkt))
            assert pushed.status_code == 201, pushed.text
            client_id, uri = bound.registered.client_id, pushed.get_json()["request_uri"]
            browser.get("/authorize", client_id=client_id, request_uri=uri)
            browser.sign_in("paul")
            code = portal.answer(browser)["code"]
            assert redeeming.redeem(code).status_code == status
    refused = bound.portal.call("/par", bound.portal.parameters(dpop_jkt=OTHER.jkt))
    assert _outcome(refused) == (400, "invalid_request")


def test_a_pushed_request_needs_a_right_proof(bound: Desk) -> None:
    """For this endpoint, and once (§10.1)."""
    for address in ("/token", "/par"):
        proof = PROVER.proof(bound.issuer + address)

        class Fixed(ProvingPortal):
            def headers(self, method: str, path: str, proof: str = proof) -> dict[str, str]:
                return {"DPoP": proof}

        fixed = Fixed(bound.gateway, bound.registered, verifier=VERIFIER)
        outcomes = [_outcome(fixed.call("/par", fixed.parameters())) for _ in range(2)]
        assert outcomes == [INVALID_PROOF if address == "/token" else (201, ""), INVALID_PROOF]


# -- refresh tokens


def test_a_public_clients_refresh_token_is_bound(desk: Desk, app: Registered) -> None:
    """To the key of the code exchange (§5); a wrong try spends nothing."""
    bound = with_key(Desk(desk.services, desk.gateway, app, desk.account_id))
    token = bound.tokens()["refresh_token"]
    for _ in range(2):
        for wrong in (with_key(bound, OTHER), _without(bound)):
            assert _outcome(wrong.portal.refresh(token)) == INVALID_GRANT
        answer = bound.portal.refresh(token)
        assert answer.get_json()["token_type"] == "DPoP"
        token = answer.get_json()["refresh_token"]


def test_a_refresh_with_a_first_proof_binds_too(desk: Desk, app: Registered) -> None:
    """From then on there is no way back to a Bearer token."""
    plain = Desk(desk.services, desk.gateway, app, desk.account_id)
    bound = with_key(plain)
    token = bound.portal.refresh(plain.tokens()["refresh_token"]).get_json()["refresh_token"]
    for wrong in (plain, with_key(plain, OTHER)):
        assert _outcome(wrong.portal.refresh(token)) == INVALID_GRANT
    assert bound.portal.refresh(token).status_code == 200


def test_a_confidential_client_may_change_its_key(desk: Desk) -> None:
    """Its authentication binds the refresh token (§5); but a bound one never yields a Bearer token."""
    bound, other = with_key(desk), with_key(desk, OTHER)
    token = bound.tokens()["refresh_token"]
    assert _outcome(desk.portal.refresh(token)) == INVALID_GRANT
    answer = other.portal.refresh(token).get_json()
    assert claims(answer["access_token"])["cnf"] == {"jkt": OTHER.jkt}
    assert _outcome(desk.portal.refresh(answer["refresh_token"])) == INVALID_GRANT
    assert bound.portal.refresh(answer["refresh_token"]).status_code == 200


def test_reuse_is_seen_without_the_key(desk: Desk, app: Registered) -> None:
    """A used refresh token ends the family, whoever brings it (req 21)."""
    bound = with_key(Desk(desk.services, desk.gateway, app, desk.account_id))
    first = bound.tokens()["refresh_token"]
    second = bound.portal.refresh(first).get_json()["refresh_token"]
    assert _outcome(with_key(bound, OTHER).portal.refresh(first)) == INVALID_GRANT
    assert _outcome(bound.portal.refresh(second)) == INVALID_GRANT


def test_the_lineage_keeps_the_key(bound: Desk) -> None:
    """Where a refresh token came of it, or the request named it."""
    bound.tokens()
    bound.tokens(dpop_jkt=PROVER.jkt)
    _without(bound).tokens()
    with bound.services.database.session() as db:
        found = [row.cnf for row in db.scalars(select(Authorization))]
    assert sorted(map(str, found)) == sorted(map(str, [{"jkt": PROVER.jkt}] * 2 + [None]))
