"""The issuer as a relying party sees it: metadata, keys, verified tokens (OpenID Connect Discovery 1.0)."""

import functools
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

ALGORITHM = "ES256"
METADATA_LIFETIME = 3600.0
"""Seconds after which metadata and keys are read again."""
REFETCH_INTERVAL = 10.0
"""Seconds between two reads of the key set, however many unknown key ids arrive."""
LARGEST_TOKEN = 16_384
LARGEST_ANSWER = 1_048_576

Claims = dict[str, Any]


class IssuerUnavailable(Exception):
    """The issuer does not answer, or not as its specification says."""


class TokenRefused(Exception):
    """A token is not what it has to be; the text says why, in English, for the log and for developers."""


@functools.cache
def tls_context(trust_ca: str | None) -> ssl.SSLContext:
    """What certificates are checked against, read once: the store of authorities is large."""
    context = ssl.create_default_context()
    if trust_ca:
        context.load_verify_locations(cafile=trust_ca)
    return context


def http_client(url: str, trust_ca: str | None = None) -> httpx.Client:
    """An HTTP client for the server of ``url``; ``trust_ca`` names a PEM file of authorities trusted as well.

    A proxy named by the environment is for the world outside: this machine's own addresses avoid it.
    Raises ``OSError`` or ``ssl.SSLError`` when the file cannot be read.
    """
    local = urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
    return httpx.Client(
        verify=tls_context(trust_ca), trust_env=not local, timeout=httpx.Timeout(10.0, connect=3.0)
    )


def json_answer(response: httpx.Response) -> dict[str, Any]:
    """The JSON object of a successful answer; raises ``IssuerUnavailable`` for everything else."""
    if response.status_code != 200 or len(response.content) > LARGEST_ANSWER:
        raise IssuerUnavailable(f"{response.request.url.path} answered {response.status_code}")
    try:
        content = response.json()
    except ValueError as error:
        raise IssuerUnavailable(f"{response.request.url.path} did not answer with JSON") from error
    if not isinstance(content, dict):
        raise IssuerUnavailable(f"{response.request.url.path} did not answer with a JSON object")
    return content


class Issuer:
    """One issuer, read when it is first needed, so that it may start after its relying parties."""

    def __init__(self, url: str, trust_ca: str | None = None) -> None:
        self.url = url
        self.http = http_client(url, trust_ca)
        self._lock = threading.Lock()
        self._metadata: dict[str, Any] = {}
        self._metadata_until = 0.0
        self._keys: dict[str, ECKey] = {}
        self._keys_read_at: float | None = None

    def _get(self, url: str) -> dict[str, Any]:
        try:
            return json_answer(self.http.get(url))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise IssuerUnavailable(f"{self.url} does not answer: {type(error).__name__}") from error

    def metadata(self) -> Mapping[str, Any]:
        """The issuer's metadata, at most an hour old; raises ``IssuerUnavailable``."""
        with self._lock:
            return self._current_metadata()

    def _current_metadata(self) -> dict[str, Any]:
        now = time.monotonic()
        if now >= self._metadata_until:
            content = self._get(self.url.rstrip("/") + "/.well-known/openid-configuration")
            # Discovery §4.3: a document that names another issuer could lend us that issuer's keys.
            if content.get("issuer") != self.url:
                raise IssuerUnavailable(f"the metadata of {self.url} names another issuer")
            self._metadata, self._metadata_until = content, now + METADATA_LIFETIME
        return self._metadata

    def endpoint(self, name: str) -> str:
        """An endpoint by its metadata name, such as ``token_endpoint``; raises ``IssuerUnavailable``."""
        value = self.metadata().get(name)
        if not isinstance(value, str):
            raise IssuerUnavailable(f"the metadata of {self.url} has no {name}")
        return value

    def _read_keys(self, now: float) -> None:
        address = self._current_metadata().get("jwks_uri")
        if not isinstance(address, str):
            raise IssuerUnavailable(f"the metadata of {self.url} has no jwks_uri")
        self._keys_read_at = now
        self._keys = signing_keys(self._get(address))

    def _key(self, kid: str) -> ECKey:
        with self._lock:
            now = time.monotonic()
            age = None if self._keys_read_at is None else now - self._keys_read_at
            # A key id nobody knows may be a new key, or one of many forgeries: read again, but not each time.
            if age is None or age > METADATA_LIFETIME or (kid not in self._keys and age > REFETCH_INTERVAL):
                self._read_keys(now)
            if kid not in self._keys:
                if not self._keys:
                    raise IssuerUnavailable(f"{self.url} publishes no {ALGORITHM} key")
                raise TokenRefused("unknown key")
            return self._keys[kid]

    def verify(self, token: str, types: frozenset[str]) -> Claims:
        """The claims of a token this issuer signed with ES256, its ``typ`` header being one of ``types``.

        Types are lower case; ``""`` admits a token without one. What the claims say is the caller's to check.
        Raises ``TokenRefused``, and ``IssuerUnavailable`` when the keys cannot be read.
        """
        if len(token) > LARGEST_TOKEN:
            raise TokenRefused("too long")
        try:
            header = jws.extract_compact(token.encode("ascii")).headers()
        except (JoseError, ValueError) as error:
            raise TokenRefused("not a signed token") from error
        typ, kid = header.get("typ", ""), header.get("kid")
        # RFC 8725 §3.1 and §3.11: algorithm and kind are ours to name, never the token's to choose.
        if header.get("alg") != ALGORITHM or "crit" in header:
            raise TokenRefused("algorithm")
        if not isinstance(typ, str) or typ.lower().removeprefix("application/") not in types:
            raise TokenRefused("kind of token")
        if not isinstance(kid, str):
            raise TokenRefused("no key id")
        try:
            return jwt.decode(token, self._key(kid), algorithms=[ALGORITHM]).claims
        except (JoseError, ValueError) as error:
            raise TokenRefused("signature") from error


def signing_keys(jwk_set: Mapping[str, Any]) -> dict[str, ECKey]:
    """The P-256 signing keys of a JWK set by key id; keys of other kinds are for others and left out."""
    keys: dict[str, ECKey] = {}
    members = jwk_set.get("keys")
    for jwk in members if isinstance(members, list) else []:
        if not isinstance(jwk, dict) or jwk.get("kty") != "EC" or jwk.get("crv") != "P-256":
            continue
        if jwk.get("use", "sig") != "sig" or jwk.get("alg", ALGORITHM) != ALGORITHM:
            continue
        kid = jwk.get("kid")
        if not isinstance(kid, str):
            continue
        try:
            keys[kid] = ECKey.import_key({name: jwk[name] for name in ("kty", "crv", "x", "y")})
        except (JoseError, KeyError, ValueError, TypeError):
            continue  # one broken key must not hide the sound ones
    return keys
