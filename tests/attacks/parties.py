"""Portals of the attack tests, spoken for over HTTP."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from idp.context import Context
from idp.crypto import b64url, random_token, sha256
from tests import cast
from tests.attacks.live import Answer, Live
from tests.attacks.visitor import Visitor
from tests.cast import Registered
from tests.plain_browser import basic


@dataclass
class Party:
    """A relying party that knows only HTTP."""

    live: Live
    registered: Registered
    verifier: str = field(default_factory=random_token)

    def parameters(self, **changes: str | None) -> dict[str, str]:
        """Return the parameters of an authorization request."""
        wanted: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.registered.client_id,
            "redirect_uri": self.registered.redirect_uri,
            "scope": "openid profile email organization permissions",
            "state": "af0ifjsldkj",
            "nonce": "n-0S6_WzA2Mj",
            "code_challenge": b64url(sha256(self.verifier)),
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in (wanted | changes).items() if value is not None}

    def code(self, visitor: Visitor, username: str = "anna", **changes: str | None) -> str:
        """Bring a person through the sign-in and return the code."""
        answer = visitor.get("/authorize", **self.parameters(**changes))
        if answer.status == 200:
            answer = visitor.sign_in(username)
        assert "code" in answer.arrived, (answer.status, answer.location, answer.text[:2000])
        return answer.arrived["code"]

    def redeem(self, code: str, **changes: str | None) -> Answer:
        """Redeem a code."""
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.registered.redirect_uri,
            "code_verifier": self.verifier,
        }
        return self.call("/token", form | changes)

    def tokens(self, visitor: Visitor, username: str = "anna") -> dict[str, Any]:
        """Sign a person in and return the tokens."""
        answer = self.redeem(self.code(visitor, username))
        assert answer.status == 200, answer.text
        return parsed(answer)

    def refresh(self, token: str) -> Answer:
        """Use a refresh token."""
        return self.call("/token", {"grant_type": "refresh_token", "refresh_token": token})

    def introspect(self, token: str) -> Answer:
        """Ask what a token is worth."""
        return self.call("/introspect", {"token": token})

    def revoke(self, token: str) -> Answer:
        """Give a token back."""
        return self.call("/revoke", {"token": token})

    def userinfo(self, token: str) -> Answer:
        """Ask about the person of an access token."""
        return self.live.send("GET", "/userinfo", headers={"Authorization": f"Bearer {token}"})

    def call(self, path: str, form: Mapping[str, str | None]) -> Answer:
        """Call a machine endpoint with this client's credentials."""
        sent = {name: value for name, value in form.items() if value is not None}
        if self.registered.secret is None:
            return self.live.form(path, sent | {"client_id": self.registered.client_id})
        credentials = basic(self.registered.client_id, self.registered.secret)
        return self.live.form(path, sent, Authorization=credentials)


def parsed(answer: Answer) -> dict[str, Any]:
    """Return a JSON answer."""
    content: dict[str, Any] = json.loads(answer.body)
    return content


def other_portal(ctx: Context, client_id: str = "other", **fields: Any) -> Registered:
    """Register a second portal with addresses of its own."""
    return cast.register(
        ctx,
        client_id,
        redirect_uris=["https://other.example/callback"],
        post_logout_redirect_uris=["https://other.example/signed-out"],
        home_uri="https://other.example/",
        initiate_login_uri="https://other.example/login",
        **fields,
    )
