"""What the userinfo endpoint tells of a person (OIDC Core §5.3)."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Error

from idp.accounts.principal import refusal_reason
from idp.crypto import sha256
from idp.installation import Vault
from idp.oidc import subject
from idp.oidc.claims import as_wished, granted_claims, organization_names, sign_in_names
from idp.oidc.clients import RegisteredClient
from idp.oidc.provider import Provider
from idp.oidc.request import Exchange
from idp.oidc.signing import TokenRefused
from idp.oidc.statements import AuthorizationFacts, PersonFacts
from idp.oidc.tokens import is_opaque, organization_claims, read_access_token

# standard claim → what gives it; the other profile claims are columns of their own name
_COMPUTED: Mapping[str, Callable[[PersonFacts], Any]] = {
    "preferred_username": lambda person: person.username,
    "updated_at": lambda person: person.updated_micros // 1_000_000,
}
_ADDRESS_CLAIMS = {"email", "email_verified", "phone_number", "phone_number_verified"}


class BearerRefused(OAuth2Error):
    """A Bearer token that does not open this resource (RFC 6750 §3.1)."""

    def __init__(self, error: str, description: str, status: int, *, presented: bool = True) -> None:
        super().__init__(description, status_code=status, error=error)
        self.presented = presented

    def get_headers(self) -> list[tuple[str, str]]:
        """Name the reason in the challenge, but not to somebody who brought no token."""
        headers: list[tuple[str, str]] = super().get_headers()
        reason = f'Bearer error="{self.error}", error_description="{self.description}"'
        return [*headers, ("WWW-Authenticate", reason if self.presented else "Bearer")]


def userinfo(provider: Provider, exchange: Exchange, token: str) -> dict[str, Any] | str:
    """Return the claims an access token opens, as a JWT where the client is registered for one (§5.3.2).

    :raises BearerRefused: not an access token of ours, ended, revoked, or without the scope ``openid``.
    """
    facts, person, claims = _authorized(provider, exchange, token)
    scopes = str(claims.get("scope", "")).split()
    if "openid" not in scopes:
        raise BearerRefused("insufficient_scope", "the access token lacks the scope openid", 403)
    asked = facts.requested_claims
    wanted = granted_claims(scopes, asked, "userinfo")
    answer = personal_claims(provider.services.vault, person, wanted)
    answer = as_wished(answer, asked, "userinfo", scopes=scopes)
    told = organization_names(scopes, asked, "userinfo")
    if told:
        answer |= organization_claims(told, facts, provider.statements.permissions(facts))
    sign_in = {"acr": facts.acr, "amr": facts.amr.split(), "auth_time": facts.auth_time}
    answer |= {name: sign_in[name] for name in sign_in_names(asked)}
    client = exchange.snapshot.by_row[facts.client_row_id]
    answer["sub"] = subject.seen_by(provider.services.vault, client, facts.sub)
    return _signed(provider, exchange, client, answer)


def _signed(
    provider: Provider, exchange: Exchange, client: RegisteredClient, claims: dict[str, Any]
) -> dict[str, Any] | str:
    """Sign the claims if the client asks for that.

    Without ``typ``, ``iat`` and ``exp``, so that nobody can take it for an ID token (RFC 8725 §3.12).
    """
    if client.userinfo_signed_response_alg is None:
        return claims
    parties = {"iss": provider.issuer, "aud": client.client_id}
    return exchange.snapshot.keys.sign(claims | parties, alg=client.userinfo_signed_response_alg, typ=None)


def _authorized(
    provider: Provider, exchange: Exchange, token: str
) -> tuple[AuthorizationFacts, PersonFacts, dict[str, Any]]:
    if is_opaque(token):
        stored = provider.statements.opaque_and_person(sha256(token), exchange.micros)
        if stored is None:
            raise BearerRefused("invalid_token", "the access token is not valid or has expired", 401)
        (claims, facts, person), revoked = stored, False
    else:
        claims = _read(provider, exchange, token)
        authorization = claims.get("authorization_id")
        statements = provider.statements
        found = statements.authorization_and_person(authorization, claims["jti"]) if authorization else None
        if found is None:
            raise BearerRefused("invalid_token", "the access token does not speak for a person", 401)
        facts, revoked, person = found
    known = facts.client_row_id in exchange.snapshot.by_row
    if revoked or not known or refusal_reason(facts.standing) is not None:
        raise BearerRefused("invalid_token", "the access token was revoked", 401)
    return facts, person, claims


def _read(provider: Provider, exchange: Exchange, token: str) -> dict[str, Any]:
    try:
        return read_access_token(exchange.snapshot.keys, token, issuer=provider.issuer, now=exchange.seconds)
    except TokenRefused as refused:
        raise BearerRefused("invalid_token", "the access token is not valid or has expired", 401) from refused


def personal_claims(vault: Vault, person: PersonFacts, wanted: Iterable[str]) -> dict[str, Any]:
    """Return those of the wanted claims that the account has; the unknown are left out (§5.3.2)."""
    names = set(wanted)
    answer: dict[str, Any] = {}
    for name in names - _ADDRESS_CLAIMS:
        compute = _COMPUTED.get(name)
        value = compute(person) if compute else getattr(person, name)
        if value is not None:
            answer[name] = value
    reached = (
        ("email", person.email_id, person.email_sealed, person.email_verified_micros),
        ("phone_number", person.phone_id, person.phone_sealed, person.phone_verified_micros),
    )
    for claim, row, sealed, verified in reached:
        told = {claim, f"{claim}_verified"} & names
        if told and row is not None and sealed is not None:
            text = vault.open(sealed, table="identifier", row=row).decode()
            found = {claim: text, f"{claim}_verified": verified is not None}
            answer |= {name: found[name] for name in told}
    return answer
