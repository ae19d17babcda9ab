"""What the grants share: admission, gate, tokens, and the answer (RFC 6749 §5.1, OIDC Core §3.1.3.3)."""

from collections.abc import Sequence
from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidGrantError, UnauthorizedClientError

from idp.accounts.principal import refusal_reason
from idp.crypto import random_token, sha256
from idp.db import new_id
from idp.oidc import resources, subject
from idp.oidc.claims import as_wished, granted_claims, organization_names
from idp.oidc.clients import RegisteredClient
from idp.oidc.dpop import ProofRefused
from idp.oidc.facts import AuthorizationFacts
from idp.oidc.id_token import mint_id_token
from idp.oidc.provider import Provider
from idp.oidc.request import ProtocolRequest
from idp.oidc.tokens import mint_access_token, organization_claims, token_answer
from idp.oidc.userinfo import personal_claims

MICROS = 1_000_000
DAY = 86_400 * MICROS


def admitted(provider: Provider, request: ProtocolRequest, grant_type: str) -> RegisteredClient:
    """Return the authenticated client of a token request, its key proven (RFC 6749 §3.2.1, RFC 9449 §5).

    Comes before anything is consumed, so that a proof in need of a nonce costs neither code nor token.

    :raises OAuth2Error: ``invalid_client``, ``invalid_request``, ``unauthorized_client``,
        ``invalid_dpop_proof``, ``use_dpop_nonce``.
    """
    client = provider.authenticate(request)
    if not client.check_grant_type(grant_type):
        raise UnauthorizedClientError(f"this client is not registered for {grant_type}")
    if request.proof is not None:
        request.jkt = provider.proofs.accept(request.proof, request.exchange.now)
    elif client.dpop_bound_access_tokens:
        raise ProofRefused("the DPoP header is missing, and this client gets no tokens without it")
    return client


def check_gate(request: ProtocolRequest, facts: AuthorizationFacts) -> AuthorizationFacts:
    """Ask the one gate about what was consumed (req 23); returns the facts that passed.

    They hold what the client is registered for today: what was taken from it since ends with it.

    :raises InvalidGrantError: the person may no longer act here, or the client have no more offline access;
        the reason stays with us.
    """
    exchange = request.exchange
    assert exchange.transaction is not None  # noqa: S101  (create_token_response opened it)
    if not _passes(facts, exchange.micros):
        # who waited for the authorization's row sees it anew, but all else as it was before (PostgreSQL)
        facts = exchange.transaction.read_again(facts)
    if not _passes(facts, exchange.micros) or not request.client.lets_stand(facts):
        raise InvalidGrantError(
            "the authorization has ended: send the person through the authorization endpoint again"
        )
    return request.client.narrowed(facts)


def _passes(facts: AuthorizationFacts, now: int) -> bool:
    return refusal_reason(facts.standing) is None and facts.authorization_expires_at > now


def first_tokens(provider: Provider, request: ProtocolRequest, facts: AuthorizationFacts) -> dict[str, Any]:
    """Return the token answer to a code of either kind: a refresh token for clients registered so.

    :raises InvalidTarget: as :func:`person_tokens`.
    """
    refresh_token = None
    if request.client.check_grant_type("refresh_token"):
        refresh_token = store_refresh_token(provider, request, facts, key=new_id(), parent=None)
    return person_tokens(
        provider, request, facts, scope=facts.scope, with_nonce=True, refresh_token=refresh_token
    )


def person_tokens(
    provider: Provider,
    request: ProtocolRequest,
    facts: AuthorizationFacts,
    *,
    scope: str,
    with_nonce: bool,
    refresh_token: str | None,
) -> dict[str, Any]:
    """Return the token answer for a person's authorization.

    :raises InvalidTarget: ``resource`` names what the token cannot be for.
    """
    exchange, tokens = request.exchange, provider.settings.tokens
    if request.client.sector is not None:
        facts = facts._replace(sub=subject.seen_by(provider.services.vault, request.client, facts.sub))
    names = organization_names(scope.split(), facts.requested_claims, "id_token")
    permissions: Sequence[str] = ()
    if "permissions" in names:
        permissions = provider.statements.permissions(facts, exchange.snapshot.version)
    access_token = _access_token(provider, request, facts, scope, permissions)
    answer = token_answer(access_token, request.jkt, tokens.access_token_seconds, scope)
    answer |= {} if refresh_token is None else {"refresh_token": refresh_token}
    if "openid" in scope.split():
        answer["id_token"] = mint_id_token(
            exchange.snapshot.keys,
            request.client,
            facts,
            issuer=provider.issuer,
            now=exchange.seconds,
            lifetime=tokens.id_token_seconds,
            access_token=access_token,
            told=_asked_by_name(provider, facts) | organization_claims(names, facts, permissions),
            with_nonce=with_nonce,
        )
    return answer


def _access_token(
    provider: Provider,
    request: ProtocolRequest,
    facts: AuthorizationFacts,
    scope: str,
    permissions: Sequence[str],
) -> str:
    exchange, wanted = request.exchange, request.form.get(resources.PARAMETER)
    known, authorized = exchange.snapshot.clients, facts.authorized_resources
    return mint_access_token(
        exchange.snapshot.keys,
        request.client,
        issuer=provider.issuer,
        now=exchange.seconds,
        lifetime=provider.settings.tokens.access_token_seconds,
        scope=scope,
        audiences=resources.audiences(known, request.client, authorized, wanted),
        facts=facts,
        permissions=permissions,
        transaction=exchange.transaction,
        jkt=request.jkt,
    )


def store_refresh_token(
    provider: Provider, request: ProtocolRequest, facts: AuthorizationFacts, *, key: str, parent: str | None
) -> str:
    """Store a new refresh token and return it; it ends with the authorization at the latest.

    With a proof, it works with that key from now on (RFC 9449 §5).
    """
    exchange = request.exchange
    assert exchange.transaction is not None  # noqa: S101  (create_token_response opened it)
    if request.jkt is not None and facts.jkt is None:
        exchange.transaction.bind(facts.authorization_id, request.jkt)
    token = random_token()
    idle = exchange.micros + provider.settings.tokens.refresh_idle_days * DAY
    exchange.transaction.insert_refresh_token(
        key,
        sha256(token),
        facts.authorization_id,
        parent=parent,
        now=exchange.micros,
        expires=min(idle, facts.authorization_expires_at),
    )
    return token


def _asked_by_name(provider: Provider, facts: AuthorizationFacts) -> dict[str, Any]:
    asked = facts.requested_claims
    wanted = granted_claims((), asked, "id_token")
    person = provider.statements.person(facts.account_id) if wanted else None
    if person is None:
        return {}
    return as_wished(personal_claims(provider.services.vault, person, wanted), asked, "id_token", scopes=())
