"""Our JWTs: what signs and what verifies (RFC 7515, RFC 8725; req 24, 33-36, 39)."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from authlib.oidc.core.util import create_half_hash
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from idp.oidc.id_token import token_hash
from idp.oidc.signing import (
    ACCESS_TOKEN,
    ALGORITHMS,
    ID_TOKEN,
    REGISTRY,
    KeyRing,
    SigningKeyPair,
    TokenRefused,
    public_key,
)

# RFC 7515 Appendix A.3
A3_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
A3_TOKEN = (
    "eyJhbGciOiJFUzI1NiJ9"
    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)
CLAIMS = {"iss": "https://login.example", "sub": "x", "text": "ä", "n": 1, "l": ["a"], "o": {}}

PRIVATE: dict[str, Any] = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "PS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
KINDS: dict[str, Any] = {"ES256": ECKey, "RS256": RSAKey, "PS256": RSAKey, "EdDSA": OKPKey}

# RFC 8037 Appendix A.1 and A.4
RFC8037_PRIVATE = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
RFC8037_PUBLIC = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
RFC8037_TOKEN = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)


def test_every_algorithm_is_tested() -> None:
    """What this module goes through is what we can sign with."""
    assert tuple(PRIVATE) == ALGORITHMS


def _der(alg: str) -> bytes:
    der: bytes = PRIVATE[alg].private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return der


def _private_pem(alg: str) -> bytes:
    pem: bytes = PRIVATE[alg].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


def _pem(alg: str) -> bytes:
    pem: bytes = PRIVATE[alg].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


@pytest.fixture
def ring() -> KeyRing:
    """One key an algorithm."""
    jwks = {alg: KINDS[alg].import_key(_pem(alg)).as_dict(private=False) for alg in PRIVATE}
    return KeyRing(
        active={alg: SigningKeyPair(f"k-{alg}", alg, _der(alg)) for alg in PRIVATE},
        verifying={f"k-{alg}": (alg, public_key(jwks[alg])) for alg in PRIVATE},
    )


def _b64(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _own(header: dict[str, Any], *, alg: str = "ES256", claims: Any = None) -> str:
    """Return a token that joserfc's algorithm signed with our private key under any header."""
    payload = (
        claims if isinstance(claims, bytes) else json.dumps(CLAIMS if claims is None else claims).encode()
    )
    signed = f"{_b64({'alg': alg, 'kid': f'k-{alg}', 'typ': 'JWT', **header})}.{_b64(payload)}"
    key = KINDS[alg].import_key(_private_pem(alg))
    signature = jws.JWSRegistry.algorithms[alg].sign(signed.encode(), key)
    return f"{signed}.{_b64(signature)}"


@pytest.mark.parametrize("alg", PRIVATE)
def test_joserfc_verifies_what_we_sign(ring: KeyRing, alg: str) -> None:
    """Header, claims and signature, many times: an ES256 signature has leading zeros now and then."""
    key = KINDS[alg].import_key(_pem(alg))
    for number in range(300 if alg == "ES256" else 3):
        token = ring.sign({**CLAIMS, "n": number}, alg=alg, typ="at+jwt")
        decoded = jwt.decode(token, key, registry=REGISTRY)
        assert decoded.header == {"alg": alg, "kid": f"k-{alg}", "typ": "at+jwt"}
        assert decoded.claims == {**CLAIMS, "n": number}


@pytest.mark.parametrize("alg", PRIVATE)
def test_we_verify_what_joserfc_signs(ring: KeyRing, alg: str) -> None:
    """The same way back."""
    assert ring.verify(_own({}, alg=alg), ID_TOKEN) == CLAIMS
    header = _own({}, alg=alg).split(".")[0]
    assert json.loads(base64.urlsafe_b64decode(header + "=="))["alg"] == alg


def test_rfc_7515_a3() -> None:
    """The specification's own ES256 signature verifies, one changed bit does not."""
    signed = jws.deserialize_compact(A3_TOKEN, public_key(A3_KEY), algorithms=["ES256"])
    assert json.loads(signed.payload)["iss"] == "joe"
    # it names no key, so our verifier, which takes the key from the kid alone, refuses it
    ring = KeyRing(active={}, verifying={"a3": ("ES256", public_key(A3_KEY))})
    with pytest.raises(TokenRefused):
        ring.verify(A3_TOKEN, ID_TOKEN)
    tampered = A3_TOKEN[:-20] + ("A" if A3_TOKEN[-20] != "A" else "B") + A3_TOKEN[-19:]
    with pytest.raises(Exception, match="bad_signature"):
        jws.deserialize_compact(tampered, public_key(A3_KEY), algorithms=["ES256"])


@pytest.mark.parametrize("alg", ["ES256", "RS256", "PS256"])
def test_at_hash_of_the_specification(alg: str) -> None:
    """The access token and at_hash of OIDC Core Appendix A.3 (req 39)."""
    token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
    assert token_hash(token, alg) == "77QmUPtjPfzWtF2AnpK9RQ"


def test_at_hash_of_eddsa() -> None:
    """SHA-512, which Ed25519 is built on, and its left half: 32 bytes; Authlib reads it so too (req 39)."""
    token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
    left = hashlib.sha512(token.encode()).digest()[:32]
    assert token_hash(token, "EdDSA") == _b64(left) == create_half_hash(token, "EdDSA").decode()


def test_rfc_8037_a4() -> None:
    """Ed25519 as the specification's own example has it, signed and verified."""
    raw = base64.urlsafe_b64decode(RFC8037_PRIVATE + "=")
    private = ed25519.Ed25519PrivateKey.from_private_bytes(raw)
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    signed, _, signature = RFC8037_TOKEN.rpartition(".")
    assert _b64(SigningKeyPair("k", "EdDSA", der)._signature(signed.encode())) == signature
    key = public_key({"kty": "OKP", "crv": "Ed25519", "x": RFC8037_PUBLIC})
    read = jws.deserialize_compact(RFC8037_TOKEN, key, registry=REGISTRY)
    assert read.payload == b"Example of Ed25519 signing"


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("other", ALGORITHMS)
def test_a_key_verifies_its_own_algorithm_alone(ring: KeyRing, alg: str, other: str) -> None:
    """RS256 and PS256 have the same kind of key; our record says which it is for (req 35; RFC 8725 §3.1)."""
    header = {"alg": other, "kid": f"k-{alg}", "typ": "JWT"}
    if KINDS[alg] is not KINDS[other]:
        signer = other
    else:
        signer = alg
    signed = f"{_b64(header)}.{_b64(CLAIMS)}"
    key = KINDS[signer].import_key(_private_pem(signer))
    token = f"{signed}.{_b64(jws.JWSRegistry.algorithms[other].sign(signed.encode(), key))}"
    if alg == other:
        assert ring.verify(token, ID_TOKEN) == CLAIMS
    else:
        with pytest.raises(TokenRefused):
            ring.verify(token, ID_TOKEN)


def _forgeries() -> dict[str, str]:
    good = _own({})
    head, body, signature = good.split(".")
    hs256 = f"{_b64({'alg': 'HS256', 'kid': 'k-ES256', 'typ': 'JWT'})}.{body}"
    as_secret = hmac.new(_pem("ES256"), hs256.encode(), "sha256").digest()
    other = ECKey.generate_key("P-256")
    own_jwk = jws.serialize_compact(
        {"alg": "ES256", "kid": "k-ES256", "jwk": other.as_dict(private=False)},
        b"{}",
        other,
        algorithms=["ES256"],
    )

    rs256 = _b64({"alg": "RS256", "kid": "k-ES256", "typ": "JWT"})
    unencoded = _b64({"alg": "ES256", "kid": "k-ES256", "b64": False, "crit": ["b64"]})

    def unsigned(alg: str) -> str:
        return f"{_b64({'alg': alg, 'kid': 'k-ES256', 'typ': 'JWT'})}.{body}."

    return {
        "none": unsigned("none"),
        "None": unsigned("None"),
        "NONE": unsigned("NONE"),
        "none with a signature": f"{_b64({'alg': 'none', 'kid': 'k-ES256'})}.{body}.{signature}",
        "no signature": f"{head}.{body}.",
        "HMAC with our public key": f"{hs256}.{_b64(as_secret)}",
        "HMAC with an empty key": f"{hs256}.{_b64(hmac.new(b'', hs256.encode(), 'sha256').digest())}",
        "own jwk": own_jwk,
        "another alg than the key's": f"{rs256}.{body}.{signature}",
        "no kid": f"{_b64({'alg': 'ES256', 'typ': 'JWT'})}.{body}.{signature}",
        "unknown crit": _own({"crit": ["x"], "x": 1}),
        "b64 false": f"{unencoded}.{body}.{signature}",
        "changed payload": f"{head}.{_b64({**CLAIMS, 'sub': 'y'})}.{signature}",
        "cut signature": good[:-1],
        "longer signature": good + "A",
        "JSON serialisation": json.dumps({"protected": head, "payload": body, "signature": signature}),
        "five parts": good + ".x.y",
        "two parts": f"{head}.{body}",
        "header is no JSON": f"{_b64(b'x')}.{body}.{signature}",
        "header is a list": f"{_b64([])}.{body}.{signature}",
        "deep header": f"{_b64(b'[' * 4000)}.{body}.{signature}",
        "not base64": f"!!.{body}.{signature}",
        "not ASCII": f"{head}.{body}.ä",
        "lone surrogate": f"{head}.{body}.\udcff",
        "payload is a list": _own({}, claims=[]),
        "payload is no JSON": _own({}, claims=b"x"),
        "too long": _own({}, claims={"x": "y" * 12_288}),
        "empty": "",
        "dots": "..",
    }


@pytest.mark.parametrize("name", _forgeries())
def test_forgeries_are_refused(ring: KeyRing, name: str) -> None:
    """(req 24, 35)"""
    with pytest.raises(TokenRefused):
        ring.verify(_forgeries()[name], ID_TOKEN)


@pytest.mark.parametrize(
    "kid",
    [
        "unknown",
        "../../etc/passwd",
        "' OR 1=1 --",
        "https://evil.example/jwks",
        "k" * 3000,
        "",
        None,
        7,
        ["k-ES256"],
    ],
    ids=str,
)
def test_a_kid_is_only_ever_a_dictionary_key(ring: KeyRing, kid: Any) -> None:
    """(req 36)"""
    good = _own({})
    token = f"{_b64({'alg': 'ES256', 'kid': kid, 'typ': 'JWT'})}.{good.split('.', 1)[1]}"
    with pytest.raises(TokenRefused):
        ring.verify(token, ID_TOKEN)


@pytest.mark.parametrize("header", ["jku", "x5u"])
def test_addresses_in_the_header_are_ignored(ring: KeyRing, header: str) -> None:
    """A genuine token stays genuine; nothing is fetched (sockets to other machines are blocked in tests)."""
    assert ring.verify(_own({header: "https://evil.example/"}), ID_TOKEN) == CLAIMS


@pytest.mark.parametrize(
    ("typ", "access", "identity"),
    [
        ("at+jwt", True, False),
        ("application/at+jwt", False, False),
        ("JWT", False, True),
        ("logout+jwt", False, False),
        ("AT+JWT", False, False),
        (None, False, False),
    ],
)
def test_types_are_strangers(ring: KeyRing, typ: str | None, access: bool, identity: bool) -> None:
    """An ID token never passes as an access token, nor the reverse, on the second look either (req 24).

    Authlib's RFC 9068 validator takes a token without a type; ours is what userinfo signs.
    """
    token = ring.sign(CLAIMS, alg="ES256", typ=typ)
    for _ in range(2):
        for profile, accepted in ((ACCESS_TOKEN, access), (ID_TOKEN, identity)):
            if accepted:
                assert ring.verify(token, profile) == CLAIMS
            else:
                with pytest.raises(TokenRefused):
                    ring.verify(token, profile)


def test_the_memory_of_verified_tokens_is_bounded(ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes; it is verified anew when it comes again."""
    monkeypatch.setattr("idp.oidc.signing.REMEMBERED", 2)
    tokens = [ring.sign({**CLAIMS, "n": number}, alg="ES256", typ="JWT") for number in range(4)]
    for token in (*tokens, tokens[0]):
        ring.verify(token, ID_TOKEN)
    assert len(ring._verified) == 2
