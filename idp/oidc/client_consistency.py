"""How the fields of a registration must fit together (RFC 7591 §2.1, OpenID Connect Registration §2)."""

from collections.abc import Callable
from typing import Final

from idp.oidc.client_fields import (
    CONFIDENTIAL_METHODS,
    DEVICE,
    DEVICE_GRANT,
    KEY_METHOD,
    MACHINE,
    PUBLIC,
    PUBLIC_KINDS,
    SPA,
    SUBJECT_TYPES,
    WEB,
    ClientMetadata,
)
from idp.oidc.client_values import OFFLINE, PERSON_SCOPES
from idp.oidc.metadata_reader import Problem, shown
from idp.oidc.public_jwks import usable_keys
from idp.oidc.redirect_uris import is_loopback, origin_of, web_uri_problem
from idp.oidc.sector import sector_of


def _code(client: ClientMetadata) -> bool:
    return "authorization_code" in client.grant_types


def _serves_people(client: ClientMetadata) -> bool:
    return _code(client) or DEVICE_GRANT in client.grant_types


def _pairwise(client: ClientMetadata) -> bool:
    return client.subject_type == SUBJECT_TYPES[1]


def _has_sector(client: ClientMetadata) -> bool:
    """Tell whether a client belongs to one sector; that of programs on a person's own machine is none."""
    if client.sector_identifier_uri is None and any(map(is_loopback, client.redirect_uris)):
        return False
    return sector_of(client.sector_identifier_uri, client.redirect_uris) is not None


def _framed_at_home(client: ClientMetadata) -> bool:
    homes = {origin_of(uri) for uri in client.redirect_uris if web_uri_problem(uri) is None}
    return origin_of(client.frontchannel_logout_uri or "") in homes


def _has_keys(client: ClientMetadata) -> bool:
    return client.jwks is not None or client.jwks_uri is not None


def _signs_with(client: ClientMetadata, alg: str | None) -> bool:
    """Tell whether a registered key has an algorithm; of published keys nothing is known yet."""
    if alg is None or client.jwks is None:
        return True
    return any(alg in key.algorithms for key in usable_keys(client.jwks))


def _person_scopes(client: ClientMetadata) -> list[str]:
    return [word for word in client.scope.split() if word in PERSON_SCOPES]


_DEVICE_GRANTS: Final = {DEVICE_GRANT, "refresh_token"}

_RULES: Final[tuple[tuple[str, Callable[[ClientMetadata], bool], str], ...]] = (
    (
        "token_endpoint_auth_method",
        lambda client: client.kind in PUBLIC_KINDS and client.token_endpoint_auth_method != PUBLIC,
        "must be none: a spa or native client keeps no secret (RFC 6749 §2.1)",
    ),
    (
        "token_endpoint_auth_method",
        lambda client: client.kind in (WEB, MACHINE) and client.token_endpoint_auth_method == PUBLIC,
        f"must be one of {', '.join(CONFIDENTIAL_METHODS)} for a web or machine client",
    ),
    (
        "require_pkce",
        lambda client: client.kind in PUBLIC_KINDS and not client.require_pkce,
        "must be true for a spa or native client (RFC 9700 §2.1.1)",
    ),
    (
        "grant_types",
        lambda client: client.kind == MACHINE and client.grant_types != ["client_credentials"],
        "must be client_credentials for a machine client",
    ),
    (
        "grant_types",
        lambda client: (
            client.kind == DEVICE and set(client.grant_types) | {"refresh_token"} != _DEVICE_GRANTS
        ),
        f"must be {DEVICE_GRANT}, with or without refresh_token, for a device client",
    ),
    (
        "grant_types",
        lambda client: client.kind in (WEB, SPA) and DEVICE_GRANT in client.grant_types,
        f"must not have {DEVICE_GRANT}: a web or spa client has a browser (RFC 8628 §1)",
    ),
    (
        "grant_types",
        lambda client: client.kind in PUBLIC_KINDS and "client_credentials" in client.grant_types,
        "must not have client_credentials: a spa or native client keeps no secret (RFC 6749 §4.4)",
    ),
    ("grant_types", lambda client: not client.grant_types, "must name a grant"),
    (
        "grant_types",
        lambda client: "refresh_token" in client.grant_types and not _serves_people(client),
        f"must have authorization_code or {DEVICE_GRANT} beside refresh_token",
    ),
    (
        "response_types",
        lambda client: bool(client.response_types) != _code(client),
        "must be code exactly where grant_types has authorization_code (RFC 7591 §2.1)",
    ),
    (
        "redirect_uris",
        lambda client: _code(client) and not client.redirect_uris,
        "must have a URI for authorization_code",
    ),
    (
        "redirect_uris",
        lambda client: bool(client.redirect_uris) and not _code(client),
        "must be empty without authorization_code",
    ),
    (
        "post_logout_redirect_uris",
        lambda client: bool(client.post_logout_redirect_uris) and not _code(client),
        "must be empty without authorization_code",
    ),
    (
        "frontchannel_logout_uri",
        lambda client: client.frontchannel_logout_uri is not None and not _framed_at_home(client),
        "must have scheme, host and port of a redirect URI (OIDC Front-Channel Logout §2)",
    ),
    (
        "allowed_origins",
        lambda client: bool(client.allowed_origins) and client.kind == MACHINE,
        "must be empty for a machine client, which has no page and a secret to keep from one",
    ),
    (
        "scope",
        lambda client: bool(_person_scopes(client)) and not _serves_people(client),
        f"must have no scope about people without authorization_code or {DEVICE_GRANT}",
    ),
    (
        "scope",
        lambda client: OFFLINE in client.scope.split() and "refresh_token" not in client.grant_types,
        f"must not have {OFFLINE} without the grant refresh_token",
    ),
    (
        "audiences",
        lambda client: len(_person_scopes(client)) < len(client.scope.split()) and not client.audiences,
        "must name the resource server that the client's other scopes belong to",
    ),
    (
        "userinfo_signed_response_alg",
        lambda client: client.userinfo_signed_response_alg is not None and not _serves_people(client),
        f"must be absent without authorization_code or {DEVICE_GRANT}: it knows no person",
    ),
    (
        "jwks_uri",
        lambda client: client.jwks is not None and client.jwks_uri is not None,
        "must not stand beside jwks (RFC 7591 §2)",
    ),
    (
        "jwks",
        lambda client: client.token_endpoint_auth_method == KEY_METHOD and not _has_keys(client),
        f"must have the client's public keys for {KEY_METHOD}, or jwks_uri say where they are",
    ),
    (
        "jwks",
        lambda client: client.request_object_signing_alg is not None and not _has_keys(client),
        "must have the client's public keys for request objects, or jwks_uri say where they are",
    ),
    (
        "token_endpoint_auth_signing_alg",
        lambda client: (
            client.token_endpoint_auth_signing_alg is not None
            and client.token_endpoint_auth_method != KEY_METHOD
        ),
        f"must be absent without {KEY_METHOD}",
    ),
    (
        "token_endpoint_auth_signing_alg",
        lambda client: not _signs_with(client, client.token_endpoint_auth_signing_alg),
        "must be an algorithm of a key in jwks",
    ),
    (
        "request_object_signing_alg",
        lambda client: not _signs_with(client, client.request_object_signing_alg),
        "must be an algorithm of a key in jwks",
    ),
    (
        "subject_type",
        lambda client: _pairwise(client) and not _serves_people(client),
        f"must be public without authorization_code or {DEVICE_GRANT}: it knows no person",
    ),
    (
        "sector_identifier_uri",
        lambda client: _pairwise(client) and not _has_sector(client),
        "must be there for pairwise subjects unless all redirect_uris have one host,"
        " which is not this machine (OIDC Core §8.1)",
    ),
    (
        "require_pushed_authorization_requests",
        lambda client: client.require_pushed_authorization_requests and not _code(client),
        "must be false without authorization_code",
    ),
)
"""How fields must fit together: the field, when it does not, and what it must be."""


def consistency_problems(client: ClientMetadata) -> list[Problem]:
    """Return what does not fit together."""
    values = client.columns()
    return [
        Problem(field, shown(values[field]), expected) for field, broken, expected in _RULES if broken(client)
    ]
