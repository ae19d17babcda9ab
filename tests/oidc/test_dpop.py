"""DPoP proofs as a pure rule: each field wrong once, and the examples of the specification (req 26, 35)."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from joserfc import jws
from joserfc.jwk import ECKey

from idp.crypto import b64url
from idp.oidc.dpop import ALGORITHMS, NonceWanted, Presented, Proof, ProofRefused, check
from idp.oidc.signing import Admitted
from tests.attacks.forged import Forger
from tests.provers import KINDS, Prover
from tests.signers import encoded

ADDRESS = "https://login.example/token"
NOW = datetime(2026, 11, 28, 12, 0, 0, 500_000, UTC)
SECONDS = int(NOW.timestamp())
TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
"""The access token of RFC 9449 §7.1."""
PROVER = Prover()

TOKEN_REQUEST = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpD"
    "a0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6"
    "IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUu"
    "Y29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-"
    "FNyJK70nfbV37xRZT3Lg"
)
"""RFC 9449 §4.1 and §5."""
RESOURCE_REQUEST = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpD"
    "a0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6"
    "IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxl"
    "Lm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1"
    "OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
)
"""RFC 9449 §7.1."""
THUMBPRINT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
"""RFC 9449 §6.1."""


def _check(
    header: str,
    *,
    method: str = "POST",
    address: str = ADDRESS,
    now: datetime = NOW,
    nonces: tuple[str, ...] = ("fresh", "former"),
    required: bool = False,
    token: str | None = None,
) -> Proof:
    presented = Presented(header, method, address)
    return check(presented, now, nonces, nonce_required=required, access_token=token)


def _proof(prover: Prover = PROVER, **changes: Any) -> str:
    return prover.proof(ADDRESS, **({"iat": SECONDS} | changes))


def _refused(header: str, **where: Any) -> str:
    with pytest.raises(ProofRefused) as refused:
        _check(header, **where)
    return str(refused.value.description)


@pytest.mark.parametrize("alg", KINDS)
def test_each_kind_of_key(alg: str) -> None:
    """ECDSA, both RSA schemes, whose headers are longer than joserfc reads, and Ed25519 by both names."""
    prover = Prover(alg)
    found = _check(_proof(prover, jti="once"))
    assert found == Proof(prover.jkt, "once", SECONDS)
    assert set(KINDS) == set(ALGORITHMS)


def test_the_examples_of_the_specification() -> None:
    """RFC 9449 §4.1, §5, §6.1 and §7.1, byte for byte."""
    issued = datetime.fromtimestamp(1562262616, UTC)
    address = "https://server.example.com/token"
    found = _check(TOKEN_REQUEST, address=address, now=issued)
    assert found == Proof(THUMBPRINT, "-BwC3ESc6acc2lTc", 1562262616)
    address = "https://resource.example.org/protectedresource"
    found = _check(RESOURCE_REQUEST, method="GET", address=address, now=issued, token=TOKEN)
    assert found == Proof(THUMBPRINT, "e1j3V_bKic8-LAEB", 1562262618)


def b64decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


EC_JWK, OTHER_JWK = PROVER.signer.jwk, Prover(number=1).signer.jwk
HEADERS: dict[str, dict[str, Any]] = {
    "typ missing": {"typ": None},
    "typ of a plain JWT": {"typ": "JWT"},
    "typ of an access token": {"typ": "at+jwt"},
    "typ in other letters": {"typ": "DPoP+JWT"},
    "typ a list": {"typ": ["dpop+jwt"]},
    "alg missing": {"alg": None},
    "alg none": {"alg": "none"},
    "alg symmetric": {"alg": "HS256"},
    "alg of another kind of key": {"alg": "RS256"},
    "alg of another curve": {"alg": "ES384"},
    "alg of a curve we do not take": {"alg": "ES256K"},
    "alg a list": {"alg": ["ES256"]},
    "alg a table": {"alg": {"a": 1}},
    "jwk missing": {"jwk": None},
    "jwk another key": {"jwk": OTHER_JWK},
    "jwk with the private part": {"jwk": PROVER.signer.private_jwk},
    "jwk with an empty private part": {"jwk": EC_JWK | {"d": ""}},
    "jwk symmetric": {"jwk": {"kty": "oct", "k": "AAAA"}},
    "jwk a text": {"jwk": json.dumps(EC_JWK)},
    "jwk a list": {"jwk": [EC_JWK]},
    "jwk without a curve": {"jwk": {name: value for name, value in EC_JWK.items() if name != "crv"}},
    "jwk off the curve": {"jwk": EC_JWK | {"y": EC_JWK["x"]}},
    "jwk for encryption": {"jwk": EC_JWK | {"use": "enc"}},
    "jwk for another algorithm": {"jwk": EC_JWK | {"alg": "RS256"}},
    "kid instead of jwk": {"jwk": None, "kid": "k1"},
    "jku instead of jwk": {"jwk": None, "jku": "https://evil.example/jwks"},
    "unknown crit": {"crit": ["x"], "x": 1},
    "empty crit": {"crit": []},
    "zip": {"zip": "DEF"},
    "jwk with a number that is filled up": {"jwk": EC_JWK | {"x": b64url(b"\0" + b64decode(EC_JWK["x"]))}},
    "jwk with a number that is cut": {"jwk": EC_JWK | {"x": EC_JWK["x"][:-2]}},
    "jwk with a number of other letters": {"jwk": EC_JWK | {"x": EC_JWK["x"] + "="}},
    "jwk with a number of another kind": {"jwk": EC_JWK | {"x": 7}},
    "b64": {"b64": False, "crit": ["b64"]},
    "longer than 4 KiB": {"pad": "x" * 4096},
}


@pytest.mark.parametrize("wrong", HEADERS)
def test_each_header_parameter_wrong_once(wrong: str) -> None:
    """RFC 9449 §4.3, numbers 2 to 7 (req 26, 35)."""
    assert _refused(_proof(header=HEADERS[wrong])).startswith("the DPoP header must be a JWT with typ")


@pytest.mark.parametrize("alg", ["EdDSA", "Ed25519"])
def test_both_names_of_ed25519(alg: str) -> None:
    """In the header and in the key, whichever stands where (RFC 9864)."""
    prover = Prover("Ed25519")
    header = {"jwk": prover.signer.jwk | {"alg": alg}}
    assert _check(_proof(prover, header=header)).jkt == prover.jkt


def test_an_rsa_key_with_zeros_in_front() -> None:
    """Would be the same key by another thumbprint (RFC 7518 §6.3.1)."""
    prover = Prover("RS256")
    for name in ("n", "e"):
        number = prover.signer.jwk[name]
        jwk = prover.signer.jwk | {name: b64url(b"\0" + b64decode(number))}
        assert _refused(_proof(prover, header={"jwk": jwk})).startswith("the DPoP header must be a JWT")


def test_a_number_that_is_written_in_another_way() -> None:
    """Bits that no byte has, or padding: another thumbprint of the same key (RFC 7638 §7, RFC 7515 §2)."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    x = EC_JWK["x"]
    for other in (x[:-1] + letters[letters.index(x[-1]) + 1], x + "="):
        assert b64decode(other) == b64decode(x)
        assert _refused(_proof(header={"jwk": EC_JWK | {"x": other}})).startswith("the DPoP header must be a")


def test_header_parameters_that_do_not_matter() -> None:
    """RFC 7515 §4: what is not understood is ignored; a key may have a name."""
    jwk = EC_JWK | {"kid": "mine", "use": "sig", "alg": "ES256"}
    assert _check(_proof(header={"jwk": jwk, "kid": "mine", "x-of-a-library": 1})).jkt == PROVER.jkt


def test_keys_that_are_too_weak_or_of_another_kind() -> None:
    """RSA below 2048 bits, and a curve of which nothing is known here (req 33)."""
    claims = PROVER.claims(ADDRESS, iat=SECONDS)
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505  (refused)
    modulus = small.public_key().public_numbers().n
    not_taken = "the DPoP header must be a JWT with typ"
    jwk = {"kty": "RSA", "n": b64url(modulus.to_bytes(128, "big")), "e": "AQAB"}
    body = encoded({"typ": "dpop+jwt", "alg": "RS256", "jwk": jwk}, claims)
    signature = small.sign(body.encode(), padding.PKCS1v15(), hashes.SHA256())
    assert _refused(f"{body}.{b64url(signature)}").startswith(not_taken)
    key = ECKey.import_key(ec.generate_private_key(ec.SECP384R1()))
    header = {"typ": "dpop+jwt", "alg": "ES384", "jwk": key.as_dict(private=False)}
    signed = jws.serialize_compact(
        header, json.dumps(claims), key, registry=Admitted(strict_check_header=False)
    )
    assert _refused(signed).startswith(not_taken)


CLAIMS: dict[str, tuple[dict[str, Any], str]] = {
    "htm missing": ({"htm": None}, "htm"),
    "htm another": ({"htm": "GET"}, "htm"),
    "htm in small letters": ({"htm": "post"}, "htm"),
    "htm a list": ({"htm": ["POST"]}, "htm"),
    "htu missing": ({"htu": None}, "htu"),
    "htu another endpoint": ({"htu": "https://login.example/par"}, "htu"),
    "htu another host": ({"htu": "https://evil.example/token"}, "htu"),
    "htu another scheme": ({"htu": "http://login.example/token"}, "htu"),
    "htu another port": ({"htu": "https://login.example:8443/token"}, "htu"),
    "htu with a slash": ({"htu": "https://login.example/token/"}, "htu"),
    "htu the path in capitals": ({"htu": "https://login.example/TOKEN"}, "htu"),
    "htu with a user": ({"htu": "https://login.example@evil.example/token"}, "htu"),
    "htu with a user at us": ({"htu": "https://x@login.example/token"}, "htu"),
    "htu the path alone": ({"htu": "/token"}, "htu"),
    "htu with a line end": ({"htu": "https://login.example/to\nken"}, "htu"),
    "htu after a space": ({"htu": " https://login.example/token"}, "htu"),
    "htu no address": ({"htu": "https://[login.example/token"}, "htu"),
    "htu a list": ({"htu": [ADDRESS]}, "htu"),
    "htu empty": ({"htu": ""}, "htu"),
    "jti missing": ({"jti": None}, "jti"),
    "jti empty": ({"jti": ""}, "jti"),
    "jti a number": ({"jti": 1}, "jti"),
    "iat missing": ({"iat": None}, "iat"),
    "iat 61 seconds ago": ({"iat": SECONDS - 60}, "iat"),
    "iat 11 seconds ahead": ({"iat": SECONDS + 11}, "iat"),
    "iat an hour ahead": ({"iat": SECONDS + 3600}, "iat"),
    "iat zero": ({"iat": 0}, "iat"),
    "iat a text": ({"iat": str(SECONDS)}, "iat"),
    "iat true": ({"iat": True}, "iat"),
    "iat not a number": ({"iat": float("nan")}, "iat"),
    "iat endless": ({"iat": float("inf")}, "iat"),
    "iat of thousands of digits": ({"iat": 10**400}, "iat"),
}


@pytest.mark.parametrize("wrong", CLAIMS)
def test_each_claim_wrong_once(wrong: str) -> None:
    """RFC 9449 §4.3, numbers 3, 8, 9 and 11; the developer reads which one (req 26)."""
    changes, named = CLAIMS[wrong]
    assert _refused(_proof(**changes)).startswith(f"{named} must be")


def test_a_clock_that_is_wrong_can_be_seen() -> None:
    """The developer reads both times; what is none is not repeated."""
    hour, here = SECONDS + 3600, f"it is {NOW.timestamp():.0f} here"
    assert _refused(_proof(iat=hour)).endswith(f"; received {hour}, {here}")
    for iat in (None, float("nan"), 10**400, "canary"):
        assert _refused(_proof(iat=iat)).endswith(f"; received no such number, {here}")


def test_how_old_a_proof_may_be() -> None:
    """60 seconds back and 10 ahead (RFC 9449 §11.1), also with parts of a second."""
    for iat in (SECONDS - 59, SECONDS - 59.5, SECONDS, SECONDS + 10, SECONDS + 10.5):
        assert _check(_proof(iat=iat)).issued_at == iat
    for iat in (SECONDS - 59.6, SECONDS + 10.6):
        assert _refused(_proof(iat=iat)).startswith("iat must be")


@pytest.mark.parametrize(
    "htu",
    [
        "https://login.example/token?grant_type=x",
        "https://login.example/token#part",
        "https://login.example/token?",
        "HTTPS://LOGIN.Example/token",
        "https://login.example:443/token",
    ],
)
def test_addresses_that_are_the_same(htu: str) -> None:
    """Query and fragment do not count (§4.3, number 9); nor do letter case of the host and its usual port."""
    assert _check(_proof(htu=htu)).jkt == PROVER.jkt


def test_the_port_of_http() -> None:
    """The demo's address has one that is no default; port 80 of http is."""
    assert _check(_proof(htu="http://localhost:8000/token"), address="http://localhost:8000/token")
    assert _check(_proof(htu="http://localhost:80/token"), address="http://localhost/token")
    wrong = _proof(htu="http://localhost:443/token")
    assert _refused(wrong, address="http://localhost/token").startswith("htu must be")


def test_the_hash_of_the_access_token() -> None:
    """§4.3, number 12: missing, of another token, in another form; without a token it says nothing."""
    right = _proof(token=TOKEN)
    assert _check(right, token=TOKEN).jkt == PROVER.jkt
    assert _check(right).jkt == PROVER.jkt
    padded = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo="
    for ath in (None, "", TOKEN, padded, 1):
        assert _refused(_proof(ath=ath), token=TOKEN).startswith("ath must be")
    assert _refused(_proof(token=TOKEN + "x"), token=TOKEN).startswith("ath must be")


def test_nonces() -> None:
    """§8: a wrong one is never taken, none only where none is demanded; ``iat`` counts all the same."""
    for nonce in ("fresh", "former"):
        assert _check(_proof(nonce=nonce), required=True).jkt == PROVER.jkt
    assert _check(_proof()).jkt == PROVER.jkt
    for nonce in ("stale", "", 1, ["fresh"]):
        with pytest.raises(NonceWanted):
            _check(_proof(nonce=nonce))
    with pytest.raises(NonceWanted):
        _check(_proof(), required=True)
    assert _refused(_proof(nonce="fresh", iat=SECONDS - 3600)).startswith("iat must be")


def test_an_invalid_proof_hears_so_before_it_hears_of_nonces() -> None:
    """Who has no key gets no nonce asked of it."""
    assert _refused(_proof(header={"typ": "JWT"}), required=True).startswith("the DPoP header must")
    assert _refused(_proof(htm="GET"), required=True).startswith("htm must be")


SHAPES: dict[str, Callable[[str], str]] = {
    "empty": lambda _: "",
    "a word": lambda _: "proof",
    "two proofs": lambda proof: f"{proof},{proof}",
    "two proofs with a space": lambda proof: f"{proof}, {proof}",
    "a trailing comma": lambda proof: f"{proof},",
    "a scheme before it": lambda proof: f"DPoP {proof}",
    "quotation marks": lambda proof: f'"{proof}"',
    "a space after it": lambda proof: f"{proof} ",
    "letters of another script": lambda proof: proof + "\u00e4",
    "longer than 8 KiB": lambda proof: proof + "A" * 8192,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_header_that_is_no_single_jwt(shape: str) -> None:
    """§4.3, numbers 1 and 2."""
    assert _refused(SHAPES[shape](_proof())).startswith("the DPoP header must")


def test_no_forged_form_passes() -> None:
    """What somebody without the key can make of a proof they have seen (C10, req 35)."""
    for alg in ("ES256", "RS256"):
        prover = Prover(alg)
        genuine = _proof(prover, header={"kid": "k1"})
        made = [
            (name, token)
            for name, token in Forger(genuine, [prover.signer.jwk | {"kid": "k1"}]).forgeries()
            if name != "own key in jwk" and token != genuine
        ]
        assert len(made) >= 30
        for name, token in made:
            with pytest.raises((ProofRefused, NonceWanted)):
                pytest.fail(f"{name}: {_check(token)}")
        assert _check(genuine).jkt == prover.jkt


def test_a_key_of_ones_own_proves_that_key_alone() -> None:
    """Signed with a key that the header names: a right proof of somebody else."""
    genuine = _proof(header={"kid": "k1"})
    forger = Forger(genuine, [EC_JWK | {"kid": "k1"}])
    assert _check(forger.self_signed({"jwk": forger.own_jwk})).jkt != PROVER.jkt


def test_claims_in_another_encoding() -> None:
    """A JWT's are UTF-8 (RFC 7519 §7.2)."""
    text = json.dumps(PROVER.claims(ADDRESS, iat=SECONDS))
    assert _check(_signed_bytes(text.encode())).jkt == PROVER.jkt
    for encoding in ("utf-8-sig", "utf-16", "utf-32-le"):
        assert _refused(_signed_bytes(text.encode(encoding))).startswith("the DPoP header")


def _signed_bytes(payload: bytes) -> str:
    header = json.dumps({"alg": "ES256", "typ": "dpop+jwt", "jwk": EC_JWK}).encode()
    body = f"{b64url(header)}.{b64url(payload)}"
    return f"{body}.{b64url(PROVER.signer._signature(body.encode()))}"


def test_claims_that_are_no_object() -> None:
    """Signed rightly: a list, a text, a name that stands twice, half a surrogate pair."""
    signer, jose = PROVER.signer, {"typ": "dpop+jwt", "jwk": EC_JWK}
    claims = PROVER.claims(ADDRESS, iat=SECONDS)
    for content in ([claims], "text", None, claims | {"jti": "\ud800"}):
        assert _refused(signer.sign(content, **jose)), str(content)
    twice = '{"jti": "x", ' + json.dumps(claims)[1:]
    assert _refused(_signed_bytes(twice.encode()))


def test_the_time_is_handed_in() -> None:
    """The same proof, a minute later."""
    proof = _proof()
    assert _check(proof, now=NOW + timedelta(seconds=59))
    assert _refused(proof, now=NOW + timedelta(seconds=60)).startswith("iat must be")
