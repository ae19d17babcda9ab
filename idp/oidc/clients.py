"""Clients as requests see them: an immutable record in the shape Authlib asks for (RFC 7591 §2)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from authlib.oauth2.rfc6749 import ClientMixin
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from idp.crypto import same, sha256
from idp.oidc.claims import permitted_claims
from idp.oidc.client_fields import PUBLIC
from idp.oidc.client_values import OFFLINE
from idp.oidc.facts import AuthorizationFacts
from idp.oidc.models import Client
from idp.oidc.redirect_uris import redirect_uri_matches
from idp.oidc.sector import sector_of


@dataclass(frozen=True, slots=True)
class RegisteredClient(ClientMixin):
    """One client of a snapshot; no database object hides in it."""

    row_id: str
    client_id: str
    client_name: str
    kind: str
    first_party: bool
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    grant_types: frozenset[str]
    response_types: frozenset[str]
    scopes: frozenset[str]
    token_endpoint_auth_method: str
    id_token_signed_response_alg: str
    userinfo_signed_response_alg: str | None
    require_pkce: bool
    audiences: tuple[str, ...]
    access_token_format: str
    resource_uri: str | None
    strict_revocation: bool
    default_acr_values: tuple[str, ...]
    default_max_age: int | None
    require_membership: bool
    product: str | None
    home_uri: str | None
    initiate_login_uri: str | None
    logo_uri: str | None
    policy_uri: str | None
    tos_uri: str | None
    backchannel_logout_uri: str | None
    frontchannel_logout_uri: str | None
    allowed_origins: tuple[str, ...]
    secrets: tuple[tuple[bytes, datetime | None], ...]
    #: public keys by value, as JSON, or where they are published
    jwks: str | None
    jwks_uri: str | None
    token_endpoint_auth_signing_alg: str | None
    request_object_signing_alg: str | None
    require_pushed_authorization_requests: bool
    #: the host for which its people's pairwise subjects are made; None: it knows the public ones
    sector: str | None
    dpop_bound_access_tokens: bool

    @property
    def public(self) -> bool:
        """Tell whether the client cannot keep a secret (RFC 6749 §2.1)."""
        return self.token_endpoint_auth_method == PUBLIC

    def check_secret(self, secret: str, now: datetime) -> bool:
        """Compare with each secret that is still valid, in constant time."""
        digest = sha256(secret)
        results = [same(stored, digest) and (end is None or end > now) for stored, end in self.secrets]
        return any(results)

    def check_post_logout_redirect_uri(self, uri: str) -> bool:
        """Tell whether the URI is registered (OIDC RP-Initiated Logout §3, req 46)."""
        return any(
            redirect_uri_matches(known, uri, kind=self.kind) for known in self.post_logout_redirect_uris
        )

    # Authlib's interface

    def get_allowed_scope(self, scope: str | None) -> str:
        """Return the requested scopes this client may have; others are ignored (OIDC Core §3.1.2.1, §11)."""
        asked = dict.fromkeys((scope or "").split())
        kept = (word for word in asked if word in self.scopes)
        return " ".join(word for word in kept if word != OFFLINE or self.check_grant_type("refresh_token"))

    def still_allowed(self, scope: str) -> str:
        """Return a granted scope without the words that are not registered any more."""
        words = scope.split()
        if self.scopes.issuperset(words):
            return scope
        return " ".join(word for word in words if word in self.scopes)

    def narrowed(self, facts: AuthorizationFacts) -> AuthorizationFacts:
        """Return an authorization's facts without what the registration does not allow any more."""
        scope, asked = self.still_allowed(facts.scope), facts.requested_claims
        if scope == facts.scope and not asked:
            return facts
        return facts._replace(scope=scope, claims_request=permitted_claims(asked or {}, self.scopes) or None)

    def lets_stand(self, facts: AuthorizationFacts) -> bool:
        """Tell whether an authorization may go on: one that outlives its session ends with that scope."""
        return OFFLINE in self.scopes or OFFLINE not in facts.scope.split()

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Compare with the registered values (req 1)."""
        return any(redirect_uri_matches(known, redirect_uri, kind=self.kind) for known in self.redirect_uris)

    def check_response_type(self, response_type: str) -> bool:
        """Tell whether the response type is registered."""
        return response_type in self.response_types

    def check_grant_type(self, grant_type: str) -> bool:
        """Tell whether the grant type is registered."""
        return grant_type in self.grant_types


def load_clients(db: Session) -> Mapping[str, RegisteredClient]:
    """Return all enabled clients by client id."""
    rows = db.scalars(
        select(Client).where(Client.disabled_at.is_(None)).options(selectinload(Client.secrets))
    )
    return {row.client_id: registered(row) for row in rows}


def registered(row: Client) -> RegisteredClient:
    """Return the immutable record of a stored client."""
    return RegisteredClient(
        row_id=row.id,
        client_id=row.client_id,
        client_name=row.client_name,
        kind=row.kind,
        first_party=row.first_party,
        redirect_uris=tuple(row.redirect_uris),
        post_logout_redirect_uris=tuple(row.post_logout_redirect_uris),
        grant_types=frozenset(row.grant_types),
        response_types=frozenset(row.response_types),
        scopes=frozenset(row.scope.split()),
        token_endpoint_auth_method=row.token_endpoint_auth_method,
        id_token_signed_response_alg=row.id_token_signed_response_alg,
        userinfo_signed_response_alg=row.userinfo_signed_response_alg,
        require_pkce=row.require_pkce,
        audiences=tuple(row.audiences),
        access_token_format=row.access_token_format,
        resource_uri=row.resource_uri,
        strict_revocation=row.strict_revocation,
        default_acr_values=tuple(row.default_acr_values),
        default_max_age=row.default_max_age,
        require_membership=row.require_membership,
        product=row.product,
        home_uri=row.home_uri,
        initiate_login_uri=row.initiate_login_uri,
        **_told(row),
        backchannel_logout_uri=row.backchannel_logout_uri,
        frontchannel_logout_uri=row.frontchannel_logout_uri,
        allowed_origins=tuple(row.allowed_origins),
        secrets=tuple((secret.hash, secret.expires_at) for secret in row.secrets),
        **_signing(row),
        require_pushed_authorization_requests=row.require_pushed_authorization_requests,
        sector=sector_of_row(row),
        dpop_bound_access_tokens=row.dpop_bound_access_tokens,
    )


def sector_of_row(row: Client) -> str | None:
    """Return the host for which a stored client's pairwise subjects are made, or None (OIDC Core §8.1)."""
    return sector_of(row.sector_identifier_uri, row.redirect_uris) if row.subject_type == "pairwise" else None


def _told(row: Client) -> dict[str, str | None]:
    """Return what pages show of it."""
    return {"logo_uri": row.logo_uri, "policy_uri": row.policy_uri, "tos_uri": row.tos_uri}


def _signing(row: Client) -> dict[str, str | None]:
    """Return what it signs with."""
    return {
        "jwks": json.dumps(row.jwks) if row.jwks else None,
        "jwks_uri": row.jwks_uri,
        "token_endpoint_auth_signing_alg": row.token_endpoint_auth_signing_alg,
        "request_object_signing_alg": row.request_object_signing_alg,
    }
