"""A foreign issuer over real HTTP, with keys of its own, that answers what a test tells it to."""

import base64
import hashlib
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
PERSON = "person-1"


@dataclass
class Code:
    """An authorization code, and what it is to be exchanged for."""

    challenge: str
    redirect_uri: str
    answer: dict[str, Any]


@dataclass
class ForeignIssuer:
    """The state of the issuer; tests read and change it."""

    url: str = ""
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256"))
    kid: str = "k1"
    published: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    refresh_answers: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=lambda: {"sub": PERSON, "name": "Ben Muster"})
    requests: list[str] = field(default_factory=list)
    broken: bool = False
    person: dict[str, Any] | None = None
    """Claims of the person who sits at the browser and is signed in, for tests that drive one."""

    def publish(self, key: ECKey, kid: str) -> None:
        """Adds a public key to the JWK set."""
        public = key.as_dict(private=False)
        self.published.append({**public, "kid": kid, "use": "sig", "alg": "ES256"})

    def sign(self, claims: dict[str, Any], typ: str | None, **header: Any) -> str:
        """A token with these claims; ``header`` overrides algorithm and key id, None leaves one out."""
        named = {"alg": "ES256", "kid": self.kid, "typ": typ, **header}
        members = {name: value for name, value in named.items() if value is not None}
        return jws.serialize_compact(members, json.dumps(claims), self.key, algorithms=[members["alg"]])

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Claims every token has; a change to None removes a claim."""
        now = int(time.time())
        found = {
            "iss": self.url,
            "aud": "customer-portal",
            "sub": PERSON,
            "sid": "sid-1",
            "iat": now,
            "exp": now + 120,
        }
        return {name: value for name, value in {**found, **changes}.items() if value is not None}

    def logout_token(self, typ: str = "logout+jwt", **changes: Any) -> str:
        """A good logout token but for the changes."""
        own = {"jti": secrets.token_hex(8), "events": {LOGOUT_EVENT: {}}}
        return self.sign(self.claims(**{**own, **changes}), typ)

    def access_token(self, typ: str | None = "at+jwt", **changes: Any) -> str:
        """A good access token for the orders API but for the changes."""
        own = {
            "aud": ["orders-api"],
            "client_id": "customer-portal",
            "jti": secrets.token_hex(8),
            "scope": "openid orders",
            "organization": {"id": "o1", "name": "Muster GmbH", "customer_number": "100200300"},
        }
        return self.sign(self.claims(**{**own, **changes}), typ)

    def tokens(self, id_token: str | None, *, expires_in: int = 300, **changes: Any) -> dict[str, Any]:
        """An answer of the token endpoint."""
        found = {
            "access_token": self.access_token(),
            "token_type": "Bearer",
            "expires_in": expires_in,
            "refresh_token": secrets.token_hex(8),
            "id_token": id_token,
        }
        return {name: value for name, value in {**found, **changes}.items() if value is not None}

    def accept(self, location: str, answer: dict[str, Any] | None = None, **claims: Any) -> str:
        """Plays the person who signs in: the address at the portal, with a code, for a request.

        The code is exchanged for ``answer``, or for an ID token with ``claims``.
        """
        asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_hex(8)
        if answer is None:
            answer = self.tokens(self.sign(self.claims(**{"nonce": asked["nonce"], **claims}), "JWT"))
        self.codes[code] = Code(asked["code_challenge"], asked["redirect_uri"], answer)
        return f"/callback?code={code}&state={asked['state']}&iss={self.url}"

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """The token endpoint: client authentication, PKCE, codes once."""
        known = (f"{name}-portal:secret" for name in ("customer", "support"))
        if authorization not in {f"Basic {base64.b64encode(pair.encode()).decode()}" for pair in known}:
            return 401, {"error": "invalid_client"}
        if form.get("grant_type") == "refresh_token":
            return self.refresh_answers.pop(form["refresh_token"], (400, {"error": "invalid_grant"}))
        code = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if code is None or code.challenge != challenge or code.redirect_uri != form.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        return 200, code.answer

    def redirect(self, path: str) -> str | None:
        """Where a browser goes from here: back from signing in, back from signing out."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        if path.startswith("/authorize?"):
            base_url = asked["redirect_uri"].removesuffix("/callback")
            return base_url + self.accept(
                f"{self.url}{path}", **{"aud": asked["client_id"], **(self.person or {})}
            )
        if path.startswith("/logout?"):
            return f"{asked['post_logout_redirect_uri']}?state={asked['state']}"
        return None

    def document(self, path: str) -> dict[str, Any] | None:
        """What a GET of a path answers."""
        documents = {
            "/.well-known/openid-configuration": self.metadata,
            "/jwks": {"keys": self.published},
            "/userinfo": self.userinfo,
        }
        return documents.get(path)


def serve(issuer: ForeignIssuer) -> ThreadingHTTPServer:
    """Starts the issuer on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.requests.append(self.path)
            target = issuer.redirect(self.path)
            if target is not None:
                self.send_response(303)
                self.send_header("Location", target)
                self.end_headers()
                return
            found = None if issuer.broken else issuer.document(self.path)
            self.answer(*((200, found) if found is not None else (503, {})))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            issuer.requests.append(self.path)
            form = {name: values[0] for name, values in parse_qs(body).items()}
            if issuer.broken:
                self.answer(503, {})
            else:
                self.answer(*issuer.exchange(form, self.headers.get("Authorization", "")))

        def answer(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Tests read ``requests`` instead."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    issuer.publish(issuer.key, issuer.kid)
    issuer.metadata = {
        "issuer": issuer.url,
        "authorization_endpoint": issuer.url + "/authorize",
        "token_endpoint": issuer.url + "/token",
        "userinfo_endpoint": issuer.url + "/userinfo",
        "end_session_endpoint": issuer.url + "/logout",
        "jwks_uri": issuer.url + "/jwks",
    }
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server
