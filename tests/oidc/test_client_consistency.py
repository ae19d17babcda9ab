"""Fields of a registration that have to fit together (RFC 7591 §2.1; req 31, C20)."""

from typing import Any

import pytest

from tests.oidc.registrations import CALLBACK, problems, web
from tests.signers import Signer

CONSISTENCY: list[tuple[str, dict[str, Any], str, str]] = [
    ("public with secret", web(kind="spa", token_endpoint_auth_method="client_secret_post"),
     "token_endpoint_auth_method", "must be none"),
    ("web without secret", web(token_endpoint_auth_method="none"),
     "token_endpoint_auth_method", "must be one of client_secret_basic"),
    ("machine without secret", {"client_id": "m", "kind": "machine", "token_endpoint_auth_method": "none"},
     "token_endpoint_auth_method", "must be one of client_secret_basic"),
    ("public without PKCE", web(kind="native", require_pkce=False), "require_pkce", "must be true"),
    ("machine with code", web(kind="machine", grant_types=["authorization_code"]),
     "grant_types", "must be client_credentials"),
    ("public with client credentials",
     web(kind="spa", grant_types=["authorization_code", "client_credentials"]),
     "grant_types", "must not have client_credentials"),
    ("no grant", web(grant_types=[]), "grant_types", "must name a grant"),
    ("refresh alone", {"client_id": "a", "grant_types": ["refresh_token"]},
     "grant_types", "must have authorization_code"),
    ("code without response type", web(response_types=[]), "response_types", "must be code"),
    ("response type without code", {"client_id": "m", "kind": "machine", "response_types": ["code"]},
     "response_types", "must be code"),
    ("code without redirect URI", {"client_id": "a"}, "redirect_uris", "must have a URI"),
    ("machine with redirect URI", web(kind="machine"), "redirect_uris", "must be empty"),
    ("machine with logout URI", {"client_id": "m", "kind": "machine", "post_logout_redirect_uris": CALLBACK},
     "post_logout_redirect_uris", "must be empty"),
    ("machine about people", {"client_id": "m", "kind": "machine", "scope": "email"},
     "scope", "must have no scope about people"),
    ("offline without refresh", web(grant_types=["authorization_code"], scope="openid offline_access"),
     "scope", "must not have offline_access"),
    ("keys twice", web(jwks=Signer().jwks, jwks_uri="https://portal.example/jwks"),
     "jwks_uri", "must not stand beside jwks"),
    ("signing without keys", web(token_endpoint_auth_method="private_key_jwt"),
     "jwks", "must have the client's public keys for private_key_jwt"),
    ("request objects without keys", web(request_object_signing_alg="ES256"),
     "jwks", "must have the client's public keys for request objects"),
    ("algorithm of no assertion", web(jwks=Signer().jwks, token_endpoint_auth_signing_alg="ES256"),
     "token_endpoint_auth_signing_alg", "must be absent"),
    ("algorithm of no key", web(token_endpoint_auth_method="private_key_jwt", jwks=Signer().jwks,
                                token_endpoint_auth_signing_alg="RS256"),
     "token_endpoint_auth_signing_alg", "must be an algorithm of a key"),
    ("object's algorithm of no key", web(jwks=Signer().jwks, request_object_signing_alg="EdDSA"),
     "request_object_signing_alg", "must be an algorithm of a key"),
    ("public that signs", web(kind="spa", token_endpoint_auth_method="private_key_jwt", jwks=Signer().jwks),
     "token_endpoint_auth_method", "must be none"),
    ("machine that pushes", {"client_id": "m", "kind": "machine",
                             "require_pushed_authorization_requests": True},
     "require_pushed_authorization_requests", "must be false"),
    ("machine with userinfo", {"client_id": "m", "kind": "machine", "userinfo_signed_response_alg": "ES256"},
     "userinfo_signed_response_alg", "must be absent"),
    ("pairwise machine", {"client_id": "m", "kind": "machine", "subject_type": "pairwise",
                          "sector_identifier_uri": "https://portal.example/sector.json"},
     "subject_type", "must be public"),
    ("pairwise of two hosts", web(subject_type="pairwise", redirect_uris=[*CALLBACK, "https://b.example/cb"]),
     "sector_identifier_uri", "must be there for pairwise subjects"),
    ("pairwise app", web(kind="native", subject_type="pairwise", redirect_uris=["com.example.app:/cb"]),
     "sector_identifier_uri", "must be there for pairwise subjects"),
    ("pairwise app on a person's machine", web(kind="native", subject_type="pairwise",
                                               redirect_uris=["http://127.0.0.1/cb"]),
     "sector_identifier_uri", "which is not this machine"),
    ("pairwise device", {"client_id": "d", "kind": "device", "subject_type": "pairwise"},
     "sector_identifier_uri", "must be there for pairwise subjects"),
    ("own scope without audience", web(scope="openid orders"), "audiences", "must name the resource server"),
]  # fmt: skip


@pytest.mark.parametrize(("registration", "field", "words"), [row[1:] for row in CONSISTENCY])
def test_fields_fit_together(registration: dict[str, Any], field: str, words: str) -> None:
    """Grants, response types, kind, secret and scopes agree (RFC 7591 §2.1)."""
    assert words in problems(registration)[field]
