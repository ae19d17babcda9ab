"""Provider metadata and the JWKS document (OIDC Discovery §3, RFC 8414 §2, RFC 7517 §5).

Both are bytes made once per change, with an ETag.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from idp.authentication.assurance import AAL1, AAL2
from idp.oidc.authorization_response import RESPONSE_MODES
from idp.oidc.claims import CLAIMS_SUPPORTED
from idp.oidc.client_fields import AUTH_METHODS, CONFIDENTIAL_METHODS, GRANT_TYPES, SUBJECT_TYPES
from idp.oidc.client_values import OFFLINE, OPENID_SCOPES, PERSON_SCOPES
from idp.oidc.clients import RegisteredClient
from idp.oidc.dpop import ALGORITHMS as DPOP_ALGORITHMS
from idp.oidc.public_jwks import CLIENT_ALGORITHMS
from idp.oidc.signing import ALGORITHMS
from idp.oidc.signing_keys import JWKS_MAX_AGE
from idp.settings import Settings

AUTHORIZATION_PATH = "/authorize"
TOKEN_PATH = "/token"  # noqa: S105  (a path)
USERINFO_PATH = "/userinfo"
INTROSPECTION_PATH = "/introspect"
REVOCATION_PATH = "/revoke"
PAR_PATH = "/par"
DEVICE_AUTHORIZATION_PATH = "/device_authorization"
JWKS_PATH = "/jwks"
END_SESSION_PATH = "/logout"
METADATA_PATHS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")
METADATA_MAX_AGE = 300


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON document ready to send."""

    body: bytes
    etag: str
    max_age: int

    @classmethod
    def of(cls, content: Mapping[str, Any], max_age: int) -> "Document":
        """Encode *content* once."""
        body = json.dumps(content, separators=(",", ":")).encode()
        return cls(body, f'"{sha256(body).hexdigest()[:32]}"', max_age)


def jwks_document(keys: list[dict[str, Any]]) -> Document:
    """Return the JWK set with the public keys only."""
    return Document.of({"keys": keys}, JWKS_MAX_AGE)


def metadata_document(settings: Settings, clients: Iterable[RegisteredClient]) -> Document:
    """Return the provider metadata."""
    issuer = settings.public_url
    own = {scope for client in clients for scope in client.scopes} - PERSON_SCOPES
    return Document.of(
        {
            "issuer": issuer,
            **_endpoints(issuer),
            "scopes_supported": [*OPENID_SCOPES, OFFLINE, *sorted(own)],
            "response_types_supported": ["code"],
            "response_modes_supported": list(RESPONSE_MODES),
            "grant_types_supported": list(GRANT_TYPES),
            "acr_values_supported": [AAL1, AAL2],  # what a factor we have can give
            "subject_types_supported": list(SUBJECT_TYPES),
            "id_token_signing_alg_values_supported": list(ALGORITHMS),
            "userinfo_signing_alg_values_supported": list(ALGORITHMS),
            **_client_authentication(),
            "code_challenge_methods_supported": ["S256"],
            "prompt_values_supported": ["none", "login", "consent", "select_account"],
            "display_values_supported": ["page"],
            "claim_types_supported": ["normal"],
            "claims_supported": list(CLAIMS_SUPPORTED),
            "claims_parameter_supported": True,
            "request_parameter_supported": True,
            "request_object_signing_alg_values_supported": list(CLIENT_ALGORITHMS),
            # references to elsewhere are refused; pushed ones need no announcement here (RFC 9126 §5)
            "request_uri_parameter_supported": False,
            "require_pushed_authorization_requests": False,
            "authorization_response_iss_parameter_supported": True,
            "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
            "frontchannel_logout_supported": True,
            "frontchannel_logout_session_supported": True,
            "ui_locales_supported": ["de", "en"],
        },
        METADATA_MAX_AGE,
    )


def _endpoints(issuer: str) -> dict[str, str]:
    return {
        "authorization_endpoint": issuer + AUTHORIZATION_PATH,
        "token_endpoint": issuer + TOKEN_PATH,
        "userinfo_endpoint": issuer + USERINFO_PATH,
        "jwks_uri": issuer + JWKS_PATH,
        "pushed_authorization_request_endpoint": issuer + PAR_PATH,
        "device_authorization_endpoint": issuer + DEVICE_AUTHORIZATION_PATH,
        "introspection_endpoint": issuer + INTROSPECTION_PATH,
        "revocation_endpoint": issuer + REVOCATION_PATH,
        "end_session_endpoint": issuer + END_SESSION_PATH,
    }


def _client_authentication() -> dict[str, list[str]]:
    return {
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(CLIENT_ALGORITHMS),
        "introspection_endpoint_auth_methods_supported": list(CONFIDENTIAL_METHODS),
        "introspection_endpoint_auth_signing_alg_values_supported": list(CLIENT_ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": list(CLIENT_ALGORITHMS),
    }
