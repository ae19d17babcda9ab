"""Authlib's client, the library most portals in Python use (OIDC Core, RFC 9126, RFC 9449).

It has neither PAR nor DPoP of its own and signs with Bearer tokens alone; a portal that wants them adds what
:func:`_push` and :class:`BoundSession` add here, and the library does the rest.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Auth, OAuth2Session
from click.testing import CliRunner
from joserfc import jwt
from joserfc.jwk import KeySet
from requests import PreparedRequest, Response

from idp.cli import cli
from tests.demo_process import Demo
from tests.documents import blocks, commands
from tests.foreign.conftest import CALLBACK, SIGNED_OUT, Person
from tests.infrastructure import _until as until
from tests.provers import Prover

pytestmark = pytest.mark.enable_socket

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
"""RFC 7636 Appendix B."""


def _with_dpop(token: str, uri: str, headers: Any, body: Any, _place: str) -> tuple[str, Any, Any]:
    headers["Authorization"] = f"DPoP {token}"
    return uri, headers, body


class _BoundAuth(OAuth2Auth):
    """Knows the token type that the library does not (RFC 9449 §7.1)."""

    SIGN_METHODS = OAuth2Auth.SIGN_METHODS | {"dpop": _with_dpop}


class BoundSession(OAuth2Session):
    """A session that proves its key with every request (RFC 9449 §4.2)."""

    token_auth_class = _BoundAuth
    prover = Prover()

    def send(self, request: PreparedRequest, **options: Any) -> Response:
        """Add the proof where the address is known at last."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        address = str(request.url).partition("?")[0]
        bound_to = token if scheme == "DPoP" else None
        request.headers["DPoP"] = self.prover.proof(address, str(request.method), token=bound_to)
        return super().send(request, **options)


@pytest.mark.parametrize("client_id", ["probe", "probe-public"])
@pytest.mark.parametrize(
    ("session", "pushed"),
    [(OAuth2Session, False), (OAuth2Session, True), (BoundSession, True)],
    ids=["plain", "par", "par-dpop"],
)
def test_sign_in_refresh_userinfo_sign_out(
    demo: Demo, ben: Person, secrets: dict[str, str | None], *, client_id: str, session: Any, pushed: bool
) -> None:
    """A person signs in, the tokens are renewed once, and nothing is left after the sign-out."""
    with session(
        client_id,
        secrets[client_id],
        scope="openid profile",
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
        token_endpoint_auth_method="none" if secrets[client_id] is None else "client_secret_basic",
    ) as party:
        provider = party.get(
            f"{demo.facts['issuer']}/.well-known/openid-configuration", withhold_token=True
        ).json()
        address, state = party.create_authorization_url(
            provider["authorization_endpoint"], code_verifier=VERIFIER, nonce="of-this-request"
        )
        if pushed:
            address = _push(party, provider, address)
        token_endpoint = provider["token_endpoint"]
        tokens = party.fetch_token(
            token_endpoint, authorization_response=ben.visit(address), state=state, code_verifier=VERIFIER
        )
        keys = KeySet.import_key_set(party.get(provider["jwks_uri"], withhold_token=True).json())
        claims = jwt.decode(tokens["id_token"], keys, algorithms=["ES256"]).claims
        assert (claims["aud"], claims["nonce"]) == (client_id, "of-this-request")
        assert tokens["token_type"] == ("DPoP" if session is BoundSession else "Bearer")
        person = party.get(provider["userinfo_endpoint"]).json()
        assert (person["sub"], person["preferred_username"]) == (claims["sub"], "ben")
        renewed = party.refresh_token(token_endpoint)
        assert renewed["refresh_token"] != tokens["refresh_token"]
        leaving = {"id_token_hint": renewed["id_token"], "post_logout_redirect_uri": SIGNED_OUT}
        assert ben.visit(f"{provider['end_session_endpoint']}?{urlencode(leaving)}") == SIGNED_OUT
        with pytest.raises(OAuthError, match="invalid_grant"):
            party.refresh_token(token_endpoint)


def test_it_signs_as_the_page_says(
    demo: Demo, ben: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code and command of docs/how-to/sign-as-a-client.md: code, refresh, revocation, each newly signed."""
    page = "docs/how-to/sign-as-a-client.md"
    monkeypatch.chdir(tmp_path)
    texts = [text for where, text in blocks("python") if where == page]
    (making,) = (text for text in texts if "generate_key" in text)
    (snippet,) = (text for text in texts if "PrivateKeyJWT" in text)
    (words,) = (words for where, words in commands() if where == page)
    exec(compile(making, page, "exec"), {})  # noqa: S102  (our own page)
    made = CliRunner().invoke(cli, ["--config", str(demo.folder / "lotse.toml"), *words])
    assert "my-portal" in made.output
    names: dict[str, Any] = {}
    local = snippet.replace("http://localhost:8000", demo.facts["issuer"])
    exec(compile(local, page, "exec"), names)  # noqa: S102
    with names["session"] as party:
        provider = party.get(
            f"{demo.facts['issuer']}/.well-known/openid-configuration", withhold_token=True
        ).json()
        address, state = party.create_authorization_url(
            provider["authorization_endpoint"], code_verifier=VERIFIER
        )
        assert until(lambda: httpx.get(address).status_code == 303, seconds=20)
        token_endpoint = provider["token_endpoint"]
        tokens = party.fetch_token(
            token_endpoint, authorization_response=ben.visit(address), state=state, code_verifier=VERIFIER
        )
        renewed = party.refresh_token(token_endpoint)
        assert renewed["refresh_token"] != tokens["refresh_token"]
        revoked = party.revoke_token(provider["revocation_endpoint"], token=renewed["refresh_token"])
        assert revoked.status_code == 200
        with pytest.raises(OAuthError, match="invalid_grant"):
            party.refresh_token(token_endpoint)


def _push(party: OAuth2Session, provider: dict[str, Any], address: str) -> str:
    """Push a request as RFC 9126 has it: the library has no words of its own for that."""
    query = address.partition("?")[2]
    answer = party.post(
        provider["pushed_authorization_request_endpoint"],
        data=query,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        # a public client's id stands in the request already
        auth=party.client_auth(party.token_endpoint_auth_method) if party.client_secret else None,
        withhold_token=True,
    )
    assert answer.status_code == 201, answer.text
    reference = {"client_id": party.client_id, "request_uri": answer.json()["request_uri"]}
    return f"{provider['authorization_endpoint']}?{urlencode(reference)}"
