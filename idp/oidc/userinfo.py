"""What the userinfo endpoint tells of a person (OIDC Core §5.3)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Error

from idp.accounts.principal import refusal_reason
from idp.crypto import sha256
from idp.installation import Vault
from idp.oidc import subject
from idp.oidc.claims import as_wished, granted_claims, organization_names, sign_in_names
from idp.oidc.clients import RegisteredClient
from idp.oidc.dpop import ALGORITHMS as DPOP_ALGORITHMS
from idp.oidc.dpop import NonceWanted, Presented, ProofRefused
from idp.oidc.facts import AuthorizationFacts, PersonFacts
from idp.oidc.provider import Provider
from idp.oidc.request import Exchange
from idp.oidc.signing import TokenRefused
from idp.oidc.tokens import is_opaque, organization_claims, read_access_token

# standard claim → what gives it; the other profile claims are columns of their own name
_COMPUTED: Mapping[str, Callable[[PersonFacts], Any]] = {
    "preferred_username": lambda person: person.username,
    "updated_at": lambda person: person.updated_micros // 1_000_000,
}
_IDENTIFIER_CLAIMS = {"email", "email_verified", "phone_number", "phone_number_verified"}


# RFC 6750 §3: a challenge has at least one parameter
_BEARER = 'Bearer realm="userinfo"'
_DPOP = f'DPoP algs="{" ".join(DPOP_ALGORITHMS)}"'


class TokenNotTaken(OAuth2Error):
    """An access token that does not open this resource (RFC 6750 §3.1, RFC 9449 §7.1)."""

    def __init__(
        self, error: str, description: str, status: int, *, presented: bool = True, dpop: bool = False
    ) -> None:
        super().__init__(description, status_code=status, error=error)
        self.presented = presented
        self.dpop = dpop

    def get_headers(self) -> list[tuple[str, str]]:
        """Name the reason in the challenge, but not to somebody who brought no token."""
        reason = f'error="{self.error}", error_description="{self.description}"'
        challenges = [_BEARER, _DPOP]
        if self.dpop:
            challenges = [f"DPoP {reason}, {_DPOP.removeprefix('DPoP ')}"]
        elif self.presented:
            challenges[0] = f"Bearer {reason}"
        headers: list[tuple[str, str]] = super().get_headers()
        return [*headers, *(("WWW-Authenticate", challenge) for challenge in challenges)]


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """An access token as it came."""

    token: str
    #: by the scheme ``DPoP`` of the Authorization header, not as a Bearer token
    dpop: bool = False
    proof: Presented | None = None


def userinfo(provider: Provider, exchange: Exchange, presented: PresentedToken) -> dict[str, Any] | str:
    """Return the claims an access token opens, as a JWT where the client is registered for one (§5.3.2).

    :raises TokenNotTaken: not an access token of ours, ended, revoked, without the scope ``openid``, or bound
        to a key that was not proven.
    """
    try:
        return _claims(provider, exchange, presented)
    except (ProofRefused, NonceWanted) as refused:
        raise TokenNotTaken(refused.error, refused.description, 401, dpop=True) from refused
    except TokenNotTaken as refused:
        refused.dpop = presented.dpop
        raise


def _claims(provider: Provider, exchange: Exchange, presented: PresentedToken) -> dict[str, Any] | str:
    facts, person, claims = _authorized(provider, exchange, presented)
    client = exchange.snapshot.by_row[facts.client_row_id]
    facts = client.narrowed(facts)
    scopes = client.still_allowed(claims.get("scope", "")).split()
    if "openid" not in scopes:
        raise TokenNotTaken("insufficient_scope", "the access token lacks the scope openid", 403)
    asked = facts.requested_claims
    wanted = granted_claims(scopes, asked, "userinfo")
    answer = personal_claims(provider.services.vault, person, wanted)
    answer = as_wished(answer, asked, "userinfo", scopes=scopes)
    told = organization_names(scopes, asked, "userinfo")
    if told:
        permissions = provider.statements.permissions(facts, exchange.snapshot.version)
        answer |= organization_claims(told, facts, permissions)
    sign_in = {"acr": facts.acr, "amr": facts.amr.split(), "auth_time": facts.auth_time}
    told_of_it = {name: sign_in[name] for name in sign_in_names(asked)}
    answer |= as_wished(told_of_it, asked, "userinfo", scopes=scopes)
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
    provider: Provider, exchange: Exchange, presented: PresentedToken
) -> tuple[AuthorizationFacts, PersonFacts, dict[str, Any]]:
    if is_opaque(presented.token):
        stored = provider.statements.opaque_and_person(sha256(presented.token), exchange.micros)
        if stored is None:
            raise TokenNotTaken("invalid_token", "the access token is not valid or has expired", 401)
        (claims, facts, person), revoked = stored, False
        _check_possession(provider, exchange, presented, claims)
    else:
        claims = _read(provider, exchange, presented.token)
        _check_possession(provider, exchange, presented, claims)
        authorization = claims.get("authorization_id")
        statements = provider.statements
        found = statements.authorization_and_person(authorization, claims["jti"]) if authorization else None
        if found is None:
            raise TokenNotTaken("invalid_token", "the access token does not speak for a person", 401)
        facts, revoked, person = found
    client = exchange.snapshot.by_row.get(facts.client_row_id)
    stands = client is not None and client.lets_stand(facts)
    if revoked or not stands or refusal_reason(facts.standing) is not None:
        raise TokenNotTaken("invalid_token", "the access token was revoked", 401)
    return facts, person, claims


def _read(provider: Provider, exchange: Exchange, token: str) -> dict[str, Any]:
    try:
        return read_access_token(exchange.snapshot.keys, token, issuer=provider.issuer, now=exchange.seconds)
    except TokenRefused as refused:
        raise TokenNotTaken("invalid_token", "the access token is not valid or has expired", 401) from refused


def _check_possession(
    provider: Provider, exchange: Exchange, presented: PresentedToken, claims: Mapping[str, Any]
) -> None:
    """Demand the proof of the key that a token is bound to, and no proof of others (RFC 9449 §7, req 26).

    :raises OAuth2Error: ``invalid_token``, ``invalid_dpop_proof``, ``use_dpop_nonce``.
    """
    cnf = claims.get("cnf")
    if cnf is None and not presented.dpop:
        return
    if cnf is None or not presented.dpop:
        kind, scheme = ("no key", "Bearer") if cnf is None else ("a key", "DPoP")
        raise TokenNotTaken(
            "invalid_token", f"the access token is bound to {kind}: present it as {scheme}", 401
        )
    if presented.proof is None:
        raise ProofRefused("the DPoP header is missing")
    proof = provider.proofs.check(presented.proof, exchange.now, access_token=presented.token)
    if proof.jkt != cnf["jkt"]:
        raise TokenNotTaken("invalid_token", "the access token is bound to another key", 401)
    provider.proofs.use(proof)


def personal_claims(vault: Vault, person: PersonFacts, wanted: Iterable[str]) -> dict[str, Any]:
    """Return those of the wanted claims that the account has; the unknown are left out (§5.3.2)."""
    names = set(wanted)
    answer: dict[str, Any] = {}
    for name in names - _IDENTIFIER_CLAIMS:
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
