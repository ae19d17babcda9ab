"""The relying party's half of the protocol: code flow, refresh, sign-out (OpenID Connect Core 1.0 §3.1)."""

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
from authlib.common.security import generate_token
from authlib.oauth2 import OAuth2Client, OAuth2Error

from clients.shared import claims as rules
from clients.shared.issuer import Claims, Issuer, IssuerUnavailable, TokenRefused, json_answer
from clients.shared.sessions import PENDING, Pending

REFRESH_BEFORE = 10.0
"""Seconds before its end from which an access token counts as used up."""


@dataclass(frozen=True)
class Registration:
    """What the portal and the issuer agreed on when the portal was registered."""

    issuer: str
    client_id: str
    base_url: str
    scope: str
    client_secret: str = field(repr=False)
    trust_ca: str | None = None

    @property
    def redirect_uri(self) -> str:
        """Where answers to a sign-in arrive."""
        return self.base_url + "/callback"

    @property
    def post_logout_redirect_uri(self) -> str:
        """Where people arrive after signing out."""
        return self.base_url + "/signed-out"


class SignInRefused(Exception):
    """The issuer answered with an error; ``code`` is the protocol's word for it (:rfc:`6749` §4.1.2.1)."""

    def __init__(self, code: str, description: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.description = description


@dataclass(frozen=True)
class Tokens:
    """The answer of the token endpoint, its ID token verified. ``access_until`` is in seconds since 1970."""

    claims: Claims
    id_token: str = field(repr=False)
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    access_until: float


class RelyingParty:
    """One registered client of one issuer."""

    def __init__(self, registration: Registration) -> None:
        self.registration = registration
        self.issuer = Issuer(registration.issuer, registration.trust_ca)
        self._basic = httpx.BasicAuth(registration.client_id, registration.client_secret)

    def _client(self) -> Any:
        return OAuth2Client(
            session=self.issuer.http,
            client_id=self.registration.client_id,
            redirect_uri=self.registration.redirect_uri,
            code_challenge_method="S256",
        )

    def begin(
        self,
        *,
        browser: str,
        goal: str,
        now: float,
        acr_values: Sequence[str] = (),
        extra: Mapping[str, str] | None = None,
    ) -> tuple[str, str, Pending]:
        """The address to send the browser to, the ``state``, and what to keep until the answer.

        ``acr_values`` are demanded as an essential claim (§5.5.1.1). Raises ``IssuerUnavailable``.
        """
        state, nonce, verifier = generate_token(32), generate_token(32), generate_token(64)
        parameters = dict(extra or {})
        if acr_values:
            demand = {"id_token": {"acr": {"essential": True, "values": list(acr_values)}}}
            parameters["claims"] = json.dumps(demand, separators=(",", ":"))
        url, _ = self._client().create_authorization_url(
            self.issuer.endpoint("authorization_endpoint"),
            state=state,
            code_verifier=verifier,
            nonce=nonce,
            scope=self.registration.scope,
            **parameters,
        )
        pending = Pending(browser, now + PENDING, nonce, verifier, goal, tuple(acr_values))
        return url, state, pending

    def complete(self, answer: Mapping[str, str], pending: Pending, now: float) -> Tokens:
        """Turns the answer at the redirect URI into tokens.

        Raises ``SignInRefused``, ``TokenRefused`` and ``IssuerUnavailable``.
        """
        # RFC 9207 §2.4: an answer of another issuer is not looked at any further, be it code or error.
        if answer.get("iss") != self.registration.issuer:
            raise TokenRefused("iss of the answer")
        if "error" in answer:
            raise SignInRefused(answer["error"][:80], answer.get("error_description", "")[:400])
        if not answer.get("code"):
            raise TokenRefused("code")
        found = self._ask_for_tokens(
            grant_type="authorization_code", code=answer["code"], code_verifier=pending.code_verifier
        )
        tokens = self._read(found, now, nonce=pending.nonce)
        if tokens is None:
            raise TokenRefused("id_token")
        if pending.acr_values and tokens.claims.get("acr") not in sufficient(pending.acr_values):
            # §5.5.1.1: an essential acr that was not reached is a failed sign-in, whatever the issuer thinks.
            raise SignInRefused("unmet_authentication_requirements")
        return tokens

    def refresh(self, refresh_token: str, sub: str, now: float) -> tuple[Tokens | None, dict[str, Any]]:
        """New tokens for a refresh token: verified with an ID token if one came, and the answer as it is.

        Raises ``SignInRefused`` (``invalid_grant``: it is over), ``TokenRefused`` and ``IssuerUnavailable``.
        """
        found = self._ask_for_tokens(grant_type="refresh_token", refresh_token=refresh_token)
        return self._read(found, now, sub=sub), found

    def _ask_for_tokens(self, **parameters: str) -> dict[str, Any]:
        endpoint = self.issuer.endpoint("token_endpoint")
        try:
            found = self._client().fetch_token(endpoint, auth=self._basic, **parameters)
        except OAuth2Error as error:
            raise SignInRefused(str(error.error)[:80], str(error.description or "")[:400]) from error
        except (httpx.HTTPError, ValueError) as error:
            raise IssuerUnavailable("the token endpoint does not answer") from error
        if not isinstance(found.get("access_token"), str) or str(found.get("token_type")).lower() != "bearer":
            raise TokenRefused("token answer")
        return dict(found)

    def _read(
        self, found: dict[str, Any], now: float, *, nonce: str | None = None, sub: str | None = None
    ) -> Tokens | None:
        id_token, access_token = found.get("id_token"), found["access_token"]
        if not isinstance(id_token, str):
            return None
        claims = self.issuer.verify(id_token, rules.ID_TOKEN_TYPES)
        client_id = self.registration.client_id
        rules.check_common(claims, issuer=self.registration.issuer, audience=client_id, now=now)
        rules.check_id_token(claims, client_id=client_id, nonce=nonce, access_token=access_token, sub=sub)
        return Tokens(claims, id_token, access_token, refresh_token_of(found), access_until(found, now))

    def userinfo(self, access_token: str, sub: str) -> Claims:
        """What the userinfo endpoint tells of the person; raises ``IssuerUnavailable``, ``TokenRefused``."""
        endpoint = self.issuer.endpoint("userinfo_endpoint")
        try:
            response = self.issuer.http.get(endpoint, headers={"Authorization": f"Bearer {access_token}"})
        except (httpx.HTTPError, ValueError) as error:
            raise IssuerUnavailable("the userinfo endpoint does not answer") from error
        found = json_answer(response)
        # §5.3.2: an answer about somebody else must not be used.
        if not hmac.compare_digest(str(found.get("sub")).encode(), sub.encode()):
            raise TokenRefused("sub of userinfo")
        return found

    def end_session_url(self, *, id_token: str, state: str, language: str) -> str:
        """The issuer's address for signing out (RP-Initiated Logout 1.0 §2); raises ``IssuerUnavailable``."""
        endpoint = self.issuer.endpoint("end_session_endpoint")
        parameters = {
            "id_token_hint": id_token,
            "client_id": self.registration.client_id,
            "post_logout_redirect_uri": self.registration.post_logout_redirect_uri,
            "state": state,
            "ui_locales": language,
        }
        return endpoint + ("&" if "?" in endpoint else "?") + urlencode(parameters)

    def read_logout_token(self, token: str, now: float) -> Claims:
        """The claims of a logout token meant for us; raises ``TokenRefused`` and ``IssuerUnavailable``."""
        claims = self.issuer.verify(token, rules.LOGOUT_TOKEN_TYPES)
        rules.check_common(
            claims, issuer=self.registration.issuer, audience=self.registration.client_id, now=now
        )
        rules.check_logout_token(claims, now=now)
        return claims


def sufficient(acr_values: Sequence[str]) -> frozenset[str]:
    """The levels that satisfy a demand: those named, and the phishing-resistant form of each."""
    return frozenset(acr_values) | {f"{value}-phr" for value in acr_values}


def refresh_token_of(found: Mapping[str, Any]) -> str | None:
    """The refresh token of a token answer, if there is one."""
    value = found.get("refresh_token")
    return value if isinstance(value, str) else None


def access_until(found: Mapping[str, Any], now: float) -> float:
    """When the access token of an answer is used up; one that does not say so lasts a minute."""
    value = found.get("expires_in")
    lifetime = value if isinstance(value, int) and not isinstance(value, bool) else 60
    return now + lifetime - REFRESH_BEFORE
