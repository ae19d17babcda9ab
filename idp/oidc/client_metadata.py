"""What a client's registration may say (RFC 7591 §2, OpenID Connect Registration §2, and fields of our own).

Pure rules: a registration goes in, normalised values come out, or everything that is wrong with it at once.
What a field can say here has an effect; fields whose effect is not built are unknown.
"""

from collections.abc import Mapping
from typing import Any, Final

from idp.oidc.client_consistency import consistency_problems
from idp.oidc.client_fields import (
    ACR_VALUES,
    AUTH_METHODS,
    DEFAULT_SCOPE,
    DEVICE,
    DEVICE_GRANT,
    GRANT_TYPES,
    KINDS,
    MACHINE,
    MAX_AGE,
    PUBLIC,
    PUBLIC_KINDS,
    SPA,
    SUBJECT_TYPES,
    TOKEN_FORMATS,
    WEB,
    ClientMetadata,
)
from idp.oidc.client_values import name_problem, one_of, scope_problem, slug_problem
from idp.oidc.metadata_reader import InvalidMetadata, MetadataReader
from idp.oidc.public_jwks import CLIENT_ALGORITHMS, jwks_problem
from idp.oidc.redirect_uris import (
    origin_of,
    origin_problem,
    redirect_uri_problem,
    web_uri_problem,
)
from idp.oidc.signing import ALGORITHMS

SERVER_FIELDS: Final = frozenset(
    {
        "id",
        "version",
        "disabled_at",
        "expires_at",
        "created_at",
        "updated_at",
        "secrets",
        "client_secret",
        "client_secret_expires_at",
        "client_id_issued_at",
        "registration_access_token",
        "registration_client_uri",
        "registration_token_hash",
    }
)
"""Fields only the server sets: in a registration they are refused, not ignored (req 31, C20)."""


def validate(registration: Mapping[str, object]) -> ClientMetadata:
    """Return the normalised values of a registration.

    :param registration: field → value as JSON or TOML has it; ``client_id`` and ``client_name`` are required,
        the rest has defaults that fit ``kind`` (default ``web``).
    :raises InvalidMetadata: with every problem found.
    """
    reader = MetadataReader(registration)
    metadata = _read(reader)
    reader.refuse_unknown(ClientMetadata.__dataclass_fields__, reserved=SERVER_FIELDS)
    if not reader.problems:
        reader.problems += consistency_problems(metadata)
    if reader.problems:
        raise InvalidMetadata(reader.problems)
    return metadata


def _read(reader: MetadataReader) -> ClientMetadata:
    kind = reader.text("kind", WEB, one_of(KINDS))
    client_id = reader.text("client_id", "", slug_problem)
    grants = reader.texts("grant_types", _default_grants(kind), one_of(GRANT_TYPES))
    uses_code = "authorization_code" in grants
    serves_people = uses_code or DEVICE_GRANT in grants
    return ClientMetadata(
        client_id=client_id,
        client_name=reader.text("client_name", client_id or "?", name_problem),
        kind=kind,
        first_party=reader.flag("first_party", False),
        redirect_uris=reader.texts("redirect_uris", (), lambda uri: redirect_uri_problem(uri, kind)),
        post_logout_redirect_uris=reader.texts(
            "post_logout_redirect_uris", (), lambda uri: redirect_uri_problem(uri, kind)
        ),
        grant_types=grants,
        response_types=reader.texts("response_types", ("code",) if uses_code else (), one_of(("code",))),
        scope=_scope(reader, DEFAULT_SCOPE if serves_people else ""),
        token_endpoint_auth_method=reader.text(
            "token_endpoint_auth_method",
            PUBLIC if kind in PUBLIC_KINDS or kind == DEVICE else "client_secret_basic",
            one_of(AUTH_METHODS),
        ),
        **_signed_for_it(reader),
        require_pkce=reader.flag("require_pkce", True),
        **_access_tokens(reader),
        default_acr_values=reader.texts("default_acr_values", (), one_of(ACR_VALUES)),
        default_max_age=reader.number("default_max_age", MAX_AGE),
        require_membership=reader.flag("require_membership", False),
        product=reader.optional("product", slug_problem),
        **_links(reader),
        allowed_origins=reader.texts("allowed_origins", _default_origins(reader, kind), origin_problem),
        **_signing(reader),
        require_pushed_authorization_requests=reader.flag("require_pushed_authorization_requests", False),
        dpop_bound_access_tokens=reader.flag("dpop_bound_access_tokens", False),
        subject_type=reader.text("subject_type", SUBJECT_TYPES[0], one_of(SUBJECT_TYPES)),
        sector_identifier_uri=reader.optional("sector_identifier_uri", web_uri_problem),
    )


def _signed_for_it(reader: MetadataReader) -> dict[str, Any]:
    """Read by which algorithms we sign for the client."""
    return dict(
        id_token_signed_response_alg=reader.text(
            "id_token_signed_response_alg", ALGORITHMS[0], one_of(ALGORITHMS)
        ),
        userinfo_signed_response_alg=reader.optional("userinfo_signed_response_alg", one_of(ALGORITHMS)),
    )


def _access_tokens(reader: MetadataReader) -> dict[str, Any]:
    """Read whom the client's access tokens are for, as which it is asked for itself, and what they are."""
    return dict(
        audiences=reader.texts("audiences", (), slug_problem),
        resource_uri=reader.optional("resource_uri", web_uri_problem),
        access_token_format=reader.text("access_token_format", TOKEN_FORMATS[0], one_of(TOKEN_FORMATS)),
        strict_revocation=reader.flag("strict_revocation", False),
    )


def _links(reader: MetadataReader) -> dict[str, Any]:
    """Read addresses of the client that are no redirect URIs."""
    return dict(
        home_uri=reader.optional("home_uri", web_uri_problem),
        initiate_login_uri=reader.optional("initiate_login_uri", web_uri_problem),
        logo_uri=reader.optional("logo_uri", web_uri_problem),
        policy_uri=reader.optional("policy_uri", web_uri_problem),
        tos_uri=reader.optional("tos_uri", web_uri_problem),
        backchannel_logout_uri=reader.optional("backchannel_logout_uri", web_uri_problem),
        backchannel_logout_session_required=reader.flag("backchannel_logout_session_required", True),
        frontchannel_logout_uri=reader.optional("frontchannel_logout_uri", web_uri_problem),
        frontchannel_logout_session_required=reader.flag("frontchannel_logout_session_required", True),
    )


def _signing(reader: MetadataReader) -> dict[str, Any]:
    """Read what the client signs with; received keys are not shown, for one may be private."""
    return dict(
        jwks=reader.secret_table("jwks", jwks_problem),
        jwks_uri=reader.optional("jwks_uri", web_uri_problem),
        token_endpoint_auth_signing_alg=reader.optional(
            "token_endpoint_auth_signing_alg", one_of(CLIENT_ALGORITHMS)
        ),
        request_object_signing_alg=reader.optional("request_object_signing_alg", one_of(CLIENT_ALGORITHMS)),
    )


def _default_grants(kind: str) -> tuple[str, ...]:
    if kind == MACHINE:
        return ("client_credentials",)
    return (DEVICE_GRANT if kind == DEVICE else "authorization_code", "refresh_token")


def _default_origins(reader: MetadataReader, kind: str) -> tuple[str, ...]:
    """Return where the scripts of a spa come from: where people are sent back to, as far as that is right."""
    if kind != SPA:
        return ()
    right = [uri for uri in reader.plain_texts("redirect_uris") if web_uri_problem(uri) is None]
    return tuple(dict.fromkeys(map(origin_of, right)))


def _scope(reader: MetadataReader, default: str) -> str:
    """Read the ``scope`` field, a text of words with single spaces (RFC 6749 §3.3)."""
    words = reader.text("scope", default, scope_problem).split()
    return " ".join(dict.fromkeys(words))
