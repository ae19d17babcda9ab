"""What the userinfo endpoint tells of a person (OIDC Core §5.3)."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Error
from sqlalchemy import select

from idp.accounts.models import Account, Identifier
from idp.accounts.principal import refusal_reason
from idp.context import Context
from idp.db import to_micros
from idp.oidc.claims import granted_claims
from idp.oidc.clients import RegisteredClient
from idp.oidc.provider import Provider
from idp.oidc.request import Exchange
from idp.oidc.signing import TokenRefused
from idp.oidc.statements import AuthorizationFacts
from idp.oidc.tokens import organization_claims, read_access_token

# standard claim → what gives it; the other profile claims are columns of their own name
_COMPUTED: Mapping[str, Callable[[Account], Any]] = {
    "preferred_username": lambda account: account.username,
    "updated_at": lambda account: to_micros(account.updated_at) // 1_000_000,
}
_ADDRESSES = {"email": "email", "phone": "phone_number"}


class BearerRefused(OAuth2Error):
    """A Bearer token that does not open this resource (RFC 6750 §3.1)."""

    def __init__(self, error: str, description: str, status: int) -> None:
        super().__init__(description, status_code=status, error=error)

    def get_headers(self) -> list[tuple[str, str]]:
        """Name the reason in the challenge."""
        headers: list[tuple[str, str]] = super().get_headers()
        challenge = f'Bearer error="{self.error}", error_description="{self.description}"'
        return [*headers, ("WWW-Authenticate", challenge)]


def userinfo(provider: Provider, exchange: Exchange, token: str) -> dict[str, Any]:
    """Return the claims an access token opens.

    :raises BearerRefused: not an access token of ours, ended, revoked, or without the scope ``openid``.
    """
    facts, claims, client = _authorized(provider, exchange, token)
    scopes = str(claims.get("scope", "")).split()
    if "openid" not in scopes:
        raise BearerRefused("insufficient_scope", "the access token lacks the scope openid", 403)
    answer: dict[str, Any] = {}
    wanted = granted_claims(scopes, facts.requested_claims, "userinfo")
    if wanted:
        with provider.services.database.reading() as db:
            answer |= personal_claims(provider.context(db, exchange, client), facts.account_id, wanted)
    if "organization" in scopes or "permissions" in scopes:
        answer |= organization_claims(scopes, facts, provider.statements.permissions(facts))
    return answer | {"sub": facts.sub}


def _authorized(
    provider: Provider, exchange: Exchange, token: str
) -> tuple[AuthorizationFacts, dict[str, Any], RegisteredClient]:
    try:
        claims = read_access_token(
            exchange.snapshot.keys, token, issuer=provider.issuer, now=exchange.seconds
        )
    except TokenRefused as refused:
        raise BearerRefused("invalid_token", "the access token is not valid or has expired", 401) from refused
    authorization = claims.get("authorization_id")
    found = provider.statements.authorization(authorization, claims["jti"]) if authorization else None
    if found is None:
        raise BearerRefused("invalid_token", "the access token does not speak for a person", 401)
    facts, revoked = found
    client = exchange.snapshot.by_row.get(facts.client_row_id)
    if revoked or client is None or refusal_reason(facts.standing) is not None:
        raise BearerRefused("invalid_token", "the access token was revoked", 401)
    return facts, claims, client


def personal_claims(ctx: Context, account_id: str, wanted: Iterable[str]) -> dict[str, Any]:
    """Return those of the wanted claims that the account has; the unknown are left out (§5.3.2)."""
    names = set(wanted)
    account = ctx.db.get(Account, account_id)
    if account is None:
        return {}
    answer: dict[str, Any] = {}
    for name in names - {"email", "email_verified", "phone_number", "phone_number_verified"}:
        compute = _COMPUTED.get(name)
        value = compute(account) if compute else getattr(account, name)
        if value is not None:
            answer[name] = value
    for kind, claim in _ADDRESSES.items():
        if names & {claim, f"{claim}_verified"}:
            answer |= {k: v for k, v in _address(ctx, account_id, kind, claim).items() if k in names}
    return answer


def _address(ctx: Context, account_id: str, kind: str, claim: str) -> dict[str, Any]:
    stored = ctx.db.scalars(
        select(Identifier)
        .where(
            Identifier.account_id == account_id,
            Identifier.kind == kind,
            Identifier.purpose == "sign_in",
            Identifier.pending.is_(False),
        )
        .order_by(Identifier.created_at)
        .limit(1)
    ).first()
    if stored is None:
        return {}
    text = ctx.vault.open(stored.sealed, table="identifier", row=stored.id).decode()
    return {claim: text, f"{claim}_verified": stored.verified_at is not None}
