"""Public keys of clients: which are taken, and what each verifies (RFC 7517; req 33, 37)."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey

from idp.oidc.public_jwks import choose, jwks_problem, usable_keys
from tests.signers import Signer

EC, RSA, PSS, ED = (Signer(alg=alg, kid=alg) for alg in ("ES256", "RS256", "PS256", "EdDSA"))
P384 = dict(ECKey.import_key(ec.generate_private_key(ec.SECP384R1())).as_dict(private=False))
#: 1024 bits; a modulus need not have prime factors to be too short
SHORT = {"kty": "RSA", "n": "gA" + "A" * 168 + "E", "e": "AQAB"}
LONG = {"kty": "RSA", "n": "gA" + "A" * 1800 + "E", "e": "AQAB"}
FOR_ENCRYPTION = {**P384, "use": "enc", "kid": "e"}


def test_keys_that_sign() -> None:
    """Each kind, alone without a kid, several with one each; keys for encryption may stand beside them."""
    for signer in (EC, RSA, PSS, ED):
        assert jwks_problem(signer.jwks) is None
    assert jwks_problem({"keys": [signer.jwk for signer in (EC, RSA, ED)]}) is None
    assert jwks_problem(Signer(kid=None).jwks) is None
    assert jwks_problem({"keys": [EC.jwk, FOR_ENCRYPTION]}) is None
    assert jwks_problem({"keys": [EC.jwk | {"use": "sig", "key_ops": ["verify"], "alg": "ES256"}]}) is None


PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
REFUSED: list[tuple[str, object, str]] = [
    ("no table", ["x"], "must have keys"),
    ("no keys", {}, "must have keys"),
    ("none", {"keys": []}, "must have keys"),
    ("too many", {"keys": [EC.jwk] * 51}, "must have keys"),
    ("no tables", {"keys": ["x"]}, "must have tables"),
    *((f"private {one.alg}", {"keys": [one.private_jwk]}, "public keys only") for one in (EC, RSA, ED)),
    *((f"with {name}", {"keys": [RSA.jwk | {name: "AAAA"}]}, "public keys only") for name in PRIVATE),
    ("symmetric", {"keys": [{"kty": "oct", "k": "AAAA"}]}, "public keys only"),
    ("symmetric without its secret", {"keys": [{"kty": "oct"}]}, "for signatures"),
    ("short RSA", {"keys": [SHORT]}, "RSA of 2048 to 8192 bits"),
    ("long RSA", {"keys": [LONG]}, "RSA of 2048 to 8192 bits"),
    ("dear RSA", {"keys": [RSA.jwk | {"e": "AQAAAAE"}]}, "for signatures"),
    ("no number", {"keys": [{"kty": "RSA", "n": "A", "e": "AQAB"}]}, "for signatures"),
    ("another curve", {"keys": [P384]}, "EC on P-256"),
    ("no point", {"keys": [EC.jwk | {"x": "AA", "y": "AA"}]}, "for signatures"),
    ("half a point", {"keys": [{**EC.jwk, "y": None}]}, "for signatures"),
    ("another algorithm", {"keys": [EC.jwk | {"alg": "ES384"}]}, "with alg one of"),
    ("another key's algorithm", {"keys": [EC.jwk | {"alg": "RS256"}]}, "with alg one of"),
    ("for signing", {"keys": [EC.jwk | {"key_ops": ["sign"]}]}, "for signatures"),
    ("odd operations", {"keys": [EC.jwk | {"key_ops": "verify"}]}, "for signatures"),
    ("only for encryption", {"keys": [FOR_ENCRYPTION]}, "for signatures"),
    ("kty of a list", {"keys": [EC.jwk | {"kty": ["EC"]}]}, "for signatures"),
    ("crv of a list", {"keys": [EC.jwk | {"crv": ["P-256"]}]}, "for signatures"),
    ("kid of a number", {"keys": [EC.jwk | {"kid": 1}]}, "for signatures"),
    ("long kid", {"keys": [EC.jwk | {"kid": "k" * 257}]}, "for signatures"),
    ("no kid", {"keys": [EC.jwk, Signer(kid=None, number=1).jwk]}, "a kid of its own"),
    ("same kid", {"keys": [EC.jwk, RSA.jwk | {"kid": "ES256"}]}, "a kid of its own"),
    ("no JSON", {"keys": [EC.jwk | {"x5u": object()}]}, "as JSON has them"),
    ("no number of JSON", {"keys": [EC.jwk | {"nbf": float("nan")}]}, "as JSON has them"),
]


@pytest.mark.parametrize(("jwks", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_sets_that_are_refused(jwks: object, words: str) -> None:
    """In words that say what is expected."""
    assert words in (jwks_problem(jwks) or "")


def test_a_fetched_set_may_hold_more() -> None:
    """What is not understood is left out; a private key, too, with which anybody could sign."""
    odd: list[Any] = ["x", {"kty": "oct", "k": "AAAA"}, P384, FOR_ENCRYPTION, SHORT]
    private = [RSA.private_jwk | {"kid": "RS256"}, ED.private_jwk | {"kid": "EdDSA"}]
    found = usable_keys({"keys": [*odd, EC.jwk, *private]})
    assert [(key.kid, key.key.is_private) for key in found] == [("ES256", False)]
    assert len(usable_keys({"keys": [ED.jwk | {"alg": name} for name in ("EdDSA", "Ed25519", "x")]})) == 2
    for wrong in ({}, [], {"keys": "x"}, {"keys": [EC.jwk] * 51}):
        with pytest.raises(ValueError, match="no JWK set"):
            usable_keys(wrong)


def test_one_key_is_chosen_or_none() -> None:
    """By kid and algorithm; without a kid only where one key fits (OIDC Core §10.1)."""
    keys = usable_keys({"keys": [EC.jwk, RSA.jwk, Signer(kid="other", number=1).jwk]})
    by_kid = {key.kid: key.key for key in keys}
    assert choose(keys, "ES256", "ES256") is by_kid["ES256"]
    assert choose(keys, "RS256", "PS256") is by_kid["RS256"]
    assert choose(keys, None, "RS256") is by_kid["RS256"]
    for kid, alg in ((None, "ES256"), ("RS256", "ES256"), ("x", "ES256"), (None, "EdDSA"), ("ES256", "none")):
        assert choose(keys, kid, alg) is None
    twice = usable_keys({"keys": [EC.jwk, Signer(kid="ES256", number=1).jwk]})
    assert choose(twice, "ES256", "ES256") is None
