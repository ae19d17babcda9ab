"""C10: no forged JWT passes as a DPoP proof, at the token endpoint or at userinfo (req 26, 35, 36)."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.crypto import b64url, random_token
from tests.attacks.forged import KIDS, Forger
from tests.attacks.live import FORM, ISSUER, Answer
from tests.attacks.parties import Party, parsed
from tests.attacks.test_fuzz import EXAMPLES
from tests.attacks.visitor import Visitor
from tests.plain_browser import basic
from tests.provers import Prover

pytestmark = pytest.mark.enable_socket

PROVER = Prover()
JWK = PROVER.signer.jwk | {"kid": "k1"}


@dataclass
class Entry:
    """One place where a proof is read."""

    party: Party
    method: str
    path: str
    #: the access token that a proof comes with
    token: str | None
    status: int

    def send(self, *proofs: str) -> Answer:
        """Send a request with these headers."""
        registered = self.party.registered
        headers = [("DPoP", proof) for proof in proofs]
        if self.token is not None:
            headers += [("Authorization", f"DPoP {self.token}")]
            return self.party.live.send(self.method, self.path, headers=headers)
        headers += [("Authorization", basic(registered.client_id, str(registered.secret))), *FORM.items()]
        body = b"grant_type=client_credentials"
        return self.party.live.send(self.method, self.path, body=body, headers=headers)

    def genuine(self, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """Return a proof that this entry takes."""
        jose = {"kid": "k1", "jwk": JWK, **(header or {})}
        address = ISSUER + self.path
        return PROVER.proof(address, self.method, token=self.token, header=jose, **changes)

    def refused(self, *proofs: str) -> bool:
        """Tell whether proofs were refused as they must be."""
        answer = self.send(*proofs)
        return (answer.status, parsed(answer).get("error")) == (self.status, "invalid_dpop_proof")


def _token_endpoint(party: Party, _visitor: Visitor) -> Entry:
    return Entry(party, "POST", "/token", None, 400)


def _userinfo(party: Party, visitor: Visitor) -> Entry:
    registered = party.registered
    form = {
        "grant_type": "authorization_code",
        "code": party.code(visitor),
        "redirect_uri": registered.redirect_uri,
        "code_verifier": party.verifier,
    }
    credentials = basic(registered.client_id, str(registered.secret))
    proof = PROVER.proof(f"{ISSUER}/token")
    answer = party.live.form("/token", form, Authorization=credentials, DPoP=proof)
    return Entry(party, "GET", "/userinfo", parsed(answer)["access_token"], 401)


ENTRIES: dict[str, Callable[[Party, Visitor], Entry]] = {"token": _token_endpoint, "userinfo": _userinfo}


@pytest.fixture(params=ENTRIES)
def entry(request: pytest.FixtureRequest, portal: Party, visitor: Visitor) -> Entry:
    return ENTRIES[request.param](portal, visitor)


def test_no_forged_proof_is_accepted(entry: Entry) -> None:
    """``none``, HMAC with the public key, changed parts, other forms; nothing is written (req 35)."""
    live, genuine = entry.party.live, entry.genuine()
    # a key of the forger's own in jwk is a right proof, of that key
    made = [
        (name, proof)
        for name, proof in Forger(genuine, [JWK]).forgeries()
        if name != "own key in jwk" and proof != genuine
    ]
    assert len(made) >= 30
    before = live.rows()
    assert [name for name, proof in made if not entry.refused(proof)] == []
    assert live.rows() == before
    assert entry.send(genuine).status == 200


def test_a_right_signature_does_not_heal_a_wrong_header(entry: Entry) -> None:
    """crit, b64, types of other purposes and keys that are not the signer's (req 26, 35)."""
    wrong: list[dict[str, Any]] = [
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"b64": True},
        {"typ": "JWT"},
        {"typ": "at+jwt"},
        {"typ": None},
        {"alg": "RS256"},
        {"alg": "HS256"},
        {"alg": "none"},
        {"jwk": None},
        {"jwk": JWK | {"d": "x"}},
        {"jwk": PROVER.signer.private_jwk},
        {"jwk": Prover(number=1).signer.jwk},
        {"kid": 1},
    ]
    assert [header for header in wrong if not entry.refused(entry.genuine(header))] == []
    right: list[dict[str, Any]] = [
        {"kid": None},
        {"kid": "another"},
        {"jku": "https://evil.example/jwks", "x5u": "https://evil.example/cert"},
    ]
    assert [header for header in right if entry.send(entry.genuine(header)).status != 200] == []


def test_a_key_of_the_forgers_own_gets_nothing_of_ours(entry: Entry) -> None:
    """At the token endpoint a token of that key, at userinfo nothing (RFC 9449 §7.1)."""
    forger = Forger(entry.genuine(), [JWK])
    answer = entry.send(forger.self_signed({"jwk": forger.own_jwk}, jti=random_token()))
    if entry.token is None:
        assert answer.status == 200
    else:
        assert (answer.status, parsed(answer)["error"]) == (401, "invalid_token")


def test_two_headers_are_none(entry: Entry) -> None:
    """Whether the server joins them or hands over one by one (RFC 9449 §4.3, number 1)."""
    first, second = entry.genuine(), entry.genuine()
    assert entry.refused(first, second)
    assert entry.refused(first, "")
    assert entry.send(first).status == 200
    assert entry.refused(first)


def test_claims_that_are_no_object_are_refused(entry: Entry) -> None:
    """Signed rightly: a list, a name that stands twice, half a surrogate pair, NaN, more than 8 KiB."""
    claims = PROVER.claims(ISSUER + entry.path, entry.method)
    jose = {"typ": "dpop+jwt", "jwk": JWK}
    for content in (
        [claims],
        "text",
        None,
        claims | {"jti": "\ud800"},
        claims | {"iat": float("nan")},
        claims | {"iat": 10**400},
        claims | {"pad": "x" * 8192},
    ):
        assert entry.refused(PROVER.signer.sign(content, **jose)), str(content)[:80]
    head = b64url(json.dumps({"alg": "ES256", **jose}).encode())
    twice = '{"htm": "x", ' + json.dumps(claims)[1:]
    body = f"{head}.{b64url(twice.encode())}"
    assert entry.refused(f"{body}.{b64url(PROVER.signer._signature(body.encode()))}")


def test_a_kid_is_only_a_name(entry: Entry) -> None:
    """Paths, SQL and addresses: ignored beside a right signature, no help beside a wrong one (req 36)."""
    forger = Forger(entry.genuine(), [JWK])
    for kid in KIDS:
        assert entry.refused(forger.with_header(kid=kid)), kid[:40]
        if len(kid) < 1000:
            assert entry.send(entry.genuine({"kid": kid})).status == 200, kid[:40]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
HEADER_NAMES = st.sampled_from(["typ", "alg", "jwk", "kid", "crit", "b64", "zip", "cty", "jku", "x5c"])
MEMBERS = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d", "use", "key_ops", "alg", "kid"])
CLAIM_NAMES = st.sampled_from(["htm", "htu", "iat", "jti", "nonce", "ath", "exp"])


@EXAMPLES
@given(
    header=st.dictionaries(HEADER_NAMES, JSON, max_size=3),
    members=st.dictionaries(MEMBERS, JSON, max_size=3),
    claims=st.dictionaries(CLAIM_NAMES, JSON, max_size=3),
)
def test_proofs_of_any_shape(
    portal: Party, header: dict[str, Any], members: dict[str, Any], claims: dict[str, Any]
) -> None:
    """Right but for what chance changed: taken, or refused by name, never a 5xx (req 29)."""
    entry = _token_endpoint(portal, Visitor(portal.live))
    jose = {"typ": "dpop+jwt", "jwk": JWK | members, **header}
    said = PROVER.claims(f"{ISSUER}/token") | claims
    answer = entry.send(PROVER.signer.sign(said, **jose))
    assert answer.status in (200, 400, 431)
    if answer.status == 400:
        assert parsed(answer)["error"] in ("invalid_dpop_proof", "use_dpop_nonce")
