"""JWTs that somebody without our private keys can make (C10, C11)."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc.jwk import ECKey, OKPKey, RSAKey

from idp.crypto import b64url
from tests.plain_browser import claims

Header = dict[str, Any]


class Forger:
    """Knows one genuine token and the published keys, and has a key of its own."""

    def __init__(self, token: str, jwks: list[Header]) -> None:
        self.token = token
        head, self.payload, self.signature = token.split(".")
        self.header: Header = json.loads(_decoded(head))
        self.claims = claims(token)
        self.jwk = next(key for key in jwks if key["kid"] == self.header["kid"])
        self.jwks = jwks
        self.own = ec.generate_private_key(ec.SECP256R1())
        numbers = self.own.public_key().public_numbers()
        self.own_jwk = {
            "kty": "EC",
            "crv": "P-256",
            "x": b64url(numbers.x.to_bytes(32, "big")),
            "y": b64url(numbers.y.to_bytes(32, "big")),
        }

    def forgeries(self) -> Iterator[tuple[str, str]]:
        """Yield name and token; not one of them is ours."""
        yield from self._unsigned()
        yield from self._with_public_key_as_secret()
        yield from self._own_key()
        yield from self._headers()
        yield from self._changed()
        yield from self._shapes()

    def with_header(self, **changes: Any) -> str:
        """Return the token under a changed header, with the old signature."""
        return f"{_part(self.header | changes)}.{self.payload}.{self.signature}"

    def self_signed(self, header: Header | None = None, **changes: Any) -> str:
        """Return a token signed with the forger's own key."""
        body = f"{_part(self.header | (header or {}))}.{_part(self.claims | changes)}"
        r, s = decode_dss_signature(self.own.sign(body.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{body}.{b64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def _unsigned(self) -> Iterator[tuple[str, str]]:
        for alg in ("none", "None", "NONE", "nOnE", "", None, "HS256", 0, ["none"], {"a": 1}):
            yield f"alg {alg!r}, no signature", f"{_part(self.header | {'alg': alg})}.{self.payload}."
            yield f"alg {alg!r}, old signature", self.with_header(alg=alg)
        without = {name: value for name, value in self.header.items() if name != "alg"}
        yield "no alg", f"{_part(without)}.{self.payload}.{self.signature}"
        yield "right header, no signature", self.token.rpartition(".")[0] + "."
        yield "ECDSA of zeros", self.token.rpartition(".")[0] + "." + b64url(bytes(64))
        yield "ECDSA of order", self.token.rpartition(".")[0] + "." + b64url(_ORDER * 2)

    def _with_public_key_as_secret(self) -> Iterator[tuple[str, str]]:
        kind = {"EC": ECKey, "OKP": OKPKey}.get(self.jwk["kty"], RSAKey)
        public = kind.import_key(self.jwk).public_key
        pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        secrets = {
            "the PEM": pem,
            "the PEM after a space": b" " + pem,
            "the PEM without its last line end": pem.rstrip(),
            "the DER": der,
            "the JWK": json.dumps(self.jwk).encode(),
            "x": self.jwk.get("x", self.jwk.get("n", "")).encode(),
            "nothing": b"",
            "a zero": b"\0",
            "the kid": self.header["kid"].encode(),
            "a word": b"secret",
        }
        for name, secret in secrets.items():
            for alg, digest in (("HS256", hashlib.sha256), ("HS512", hashlib.sha512)):
                body = f"{_part(self.header | {'alg': alg})}.{self.payload}"
                signature = hmac.new(secret, body.encode(), digest).digest()
                yield f"{alg} with {name}", f"{body}.{b64url(signature)}"

    def _own_key(self) -> Iterator[tuple[str, str]]:
        yield "own key, our kid", self.self_signed()
        yield "own key in jwk", self.self_signed({"jwk": self.own_jwk})
        yield "own key in jwk, no kid", self.self_signed({"jwk": self.own_jwk, "kid": None})
        yield "own key by jku", self.self_signed({"jku": "https://evil.example/jwks"})
        yield "own key by x5u", self.self_signed({"x5u": "https://evil.example/cert"})
        yield "own key by x5c", self.self_signed({"x5c": [b64url(b"cert")]})
        yield "own key, kid of an object", self.self_signed({"kid": {"kty": "EC"}})
        rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 (a forger's)
        body = f"{_part(self.header | {'alg': 'RS256'})}.{self.payload}"
        signature = rsa_key.sign(body.encode(), padding.PKCS1v15(), hashes.SHA256())
        yield "own RSA key", f"{body}.{b64url(signature)}"

    def _headers(self) -> Iterator[tuple[str, str]]:
        others = [key["kid"] for key in self.jwks if key["kid"] != self.header["kid"]]
        changes: dict[str, Header] = {
            "unknown crit": {"crit": ["x"], "x": 1},
            "empty crit": {"crit": []},
            "b64 false": {"b64": False, "crit": ["b64"]},
            "zip": {"zip": "DEF"},
            "typ access": {"typ": "at+jwt", "extra": 1},
            "typ logout": {"typ": "logout+jwt"},
            "typ missing": {"typ": None},
            "typ list": {"typ": ["at+jwt"]},
            "cty JWT": {"cty": "JWT"},
            "other alg": {"alg": "RS256" if self.header["alg"] == "ES256" else "ES256"},
            "stronger alg": {"alg": "ES512"},
            "no kid": {"kid": None},
            "kid number": {"kid": 1},
            "kid list": {"kid": [self.header["kid"]]},
        } | {f"kid of another key {number}": {"kid": kid} for number, kid in enumerate(others)}
        for name, header in changes.items():
            yield name, self.with_header(**header)

    def _changed(self) -> Iterator[tuple[str, str]]:
        for name, change in {
            "another person": {"sub": "x" * 32},
            "another issuer": {"iss": "https://evil.example"},
            "another audience": {"aud": "other"},
            "never ends": {"exp": 9_999_999_999},
            "exp of text": {"exp": "never"},
            "more scope": {"scope": "openid profile email phone address"},
        }.items():
            yield name, f"{_part(self.header)}.{_part(self.claims | change)}.{self.signature}"
        endless = {key: value for key, value in self.claims.items() if key != "exp"}
        yield "no exp", f"{_part(self.header)}.{_part(endless)}.{self.signature}"

    def _shapes(self) -> Iterator[tuple[str, str]]:
        head = self.token.split(".")[0]
        flat = {"protected": head, "payload": self.payload, "signature": self.signature}
        yield "flattened JSON", json.dumps(flat)
        yield "general JSON", json.dumps({"payload": self.payload, "signatures": [flat]})
        yield "JSON without signature", json.dumps({"payload": self.payload, "signatures": []})
        yield "detached payload", f"{head}..{self.signature}"
        yield "JWE shape", f"{head}.a.b.c.d"
        yield "four parts", f"{self.token}.x"
        yield "two parts", self.token.rpartition(".")[0]
        yield "padded", f"{self.token}=="
        yield "standard base64", self.token.replace("-", "+").replace("_", "/") + "/"
        yield "signature of DER", f"{head}.{self.payload}.{b64url(bytes.fromhex('3006020101020101'))}"
        yield "header no object", f"{b64url(b'[1]')}.{self.payload}.{self.signature}"
        yield "header no JSON", f"{b64url(b'x')}.{self.payload}.{self.signature}"
        yield "doubled header name", f"{b64url(self._doubled())}.{self.payload}.{self.signature}"
        yield "longer than 8 KiB", f"{head}.{b64url(bytes(9000))}.{self.signature}"
        yield "deep header", f"{b64url(b'[' * 3000)}.{self.payload}.{self.signature}"
        yield "points only", ".."

    def _doubled(self) -> bytes:
        return json.dumps(self.header)[:-1].encode() + b', "alg": "none"}'


#: what a kid must never be more than a key of a dictionary for
KIDS: tuple[Any, ...] = (
    "../../../../../../dev/null",
    "/dev/null",
    "keys/../keys/master.key",
    "..\\..\\windows\\win.ini",
    "file:///etc/passwd",
    "https://evil.example/key",
    "http://127.0.0.1:1/key",
    "x' UNION SELECT 'secret';--",
    "x'; DROP TABLE signing_key;--",
    "1 OR 1=1",
    "$(touch /tmp/x)",
    "|id",
    "%00",
    "\u0000",
    "a\r\nb",
    "{{7*7}}",
    "__proto__",
    "*",
    "",
    " ",
    "\u202e",
    "a" * 6000,
)

_ORDER = bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")


def _part(content: object) -> str:
    return b64url(json.dumps(content).encode())


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
