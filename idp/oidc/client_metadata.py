"""What a client's registration may say (RFC 7591 §2, OpenID Connect Registration §2, and fields of our own).

Pure rules: a registration goes in, normalised values come out, or everything that is wrong with it at once.
What a field can say here has an effect; fields whose effect is not built are unknown.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from idp.authentication.assurance import AAL1, AAL2, AAL2_PHR
from idp.oidc.client_values import (
    PERSON_SCOPES,
    is_key,
    is_slug,
    name_problem,
    one_of,
    scope_problem,
    slug_problem,
)
from idp.oidc.metadata_reader import InvalidMetadata, MetadataReader, Problem, shown
from idp.oidc.public_jwks import CLIENT_ALGORITHMS, jwks_problem, usable_keys
from idp.oidc.redirect_uris import redirect_uri_matches, redirect_uri_problem, web_uri_problem
from idp.oidc.sector import sector_of
from idp.oidc.signing import ALGORITHMS

WEB, SPA, NATIVE, MACHINE = "web", "spa", "native", "machine"
KINDS: Final = (WEB, SPA, NATIVE, MACHINE)
PUBLIC_KINDS: Final = frozenset({SPA, NATIVE})
GRANT_TYPES: Final = ("authorization_code", "refresh_token", "client_credentials")
PUBLIC: Final = "none"
SECRET_METHODS: Final = ("client_secret_basic", "client_secret_post")
KEY_METHOD: Final = "private_key_jwt"
CONFIDENTIAL_METHODS: Final = (*SECRET_METHODS, KEY_METHOD)
DEFAULT_SCOPE: Final = "openid profile email phone address organization permissions"
ACR_VALUES: Final = (AAL1, AAL2, AAL2_PHR)
SUBJECT_TYPES: Final = ("public", "pairwise")
TOKEN_FORMATS: Final = ("jwt", "opaque")

MAX_AGE: Final = 10 * 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class ClientMetadata:
    """A checked registration; the names are the columns of the client table."""

    client_id: str
    client_name: str
    kind: str
    first_party: bool
    redirect_uris: list[str]
    post_logout_redirect_uris: list[str]
    grant_types: list[str]
    response_types: list[str]
    scope: str
    token_endpoint_auth_method: str
    id_token_signed_response_alg: str
    userinfo_signed_response_alg: str | None
    require_pkce: bool
    audiences: list[str]
    access_token_format: str
    resource_uri: str | None
    strict_revocation: bool
    default_acr_values: list[str]
    default_max_age: int | None
    require_membership: bool
    product: str | None
    home_uri: str | None
    initiate_login_uri: str | None
    logo_uri: str | None
    policy_uri: str | None
    tos_uri: str | None
    backchannel_logout_uri: str | None
    backchannel_logout_session_required: bool
    jwks: dict[str, Any] | None
    jwks_uri: str | None
    token_endpoint_auth_signing_alg: str | None
    request_object_signing_alg: str | None
    require_pushed_authorization_requests: bool
    subject_type: str
    sector_identifier_uri: str | None
    dpop_bound_access_tokens: bool

    @property
    def has_secret(self) -> bool:
        """Tell whether the client proves who it is by a secret; others sign, or have no proof."""
        return self.token_endpoint_auth_method in SECRET_METHODS

    @property
    def signing_algorithms(self) -> set[str]:
        """The algorithms we sign with for this client."""
        return {self.id_token_signed_response_alg, self.userinfo_signed_response_alg or ALGORITHMS[0]}

    def columns(self) -> dict[str, Any]:
        """Return the values by column name."""
        return asdict(self)


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
        reader.problems += _consistency(metadata)
    if reader.problems:
        raise InvalidMetadata(reader.problems)
    return metadata


def _read(reader: MetadataReader) -> ClientMetadata:
    kind = reader.text("kind", WEB, one_of(KINDS))
    client_id = reader.text("client_id", "", slug_problem)
    grants = reader.texts("grant_types", _default_grants(kind), one_of(GRANT_TYPES))
    uses_code = "authorization_code" in grants
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
        scope=_scope(reader, DEFAULT_SCOPE if uses_code else ""),
        token_endpoint_auth_method=reader.text(
            "token_endpoint_auth_method",
            PUBLIC if kind in PUBLIC_KINDS else "client_secret_basic",
            one_of((PUBLIC, *CONFIDENTIAL_METHODS)),
        ),
        id_token_signed_response_alg=reader.text(
            "id_token_signed_response_alg", ALGORITHMS[0], one_of(ALGORITHMS)
        ),
        userinfo_signed_response_alg=reader.optional("userinfo_signed_response_alg", one_of(ALGORITHMS)),
        require_pkce=reader.flag("require_pkce", True),
        **_access_tokens(reader),
        default_acr_values=reader.texts("default_acr_values", (), one_of(ACR_VALUES)),
        default_max_age=reader.number("default_max_age", MAX_AGE),
        require_membership=reader.flag("require_membership", False),
        product=reader.optional("product", slug_problem),
        **_links(reader),
        **_signing(reader),
        require_pushed_authorization_requests=reader.flag("require_pushed_authorization_requests", False),
        dpop_bound_access_tokens=reader.flag("dpop_bound_access_tokens", False),
        subject_type=reader.text("subject_type", SUBJECT_TYPES[0], one_of(SUBJECT_TYPES)),
        sector_identifier_uri=reader.optional("sector_identifier_uri", web_uri_problem),
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
    )


def _signing(reader: MetadataReader) -> dict[str, Any]:
    """Read what the client signs with; received keys are not shown, for one may be private."""
    return dict(
        jwks=reader.sealed_table("jwks", jwks_problem),
        jwks_uri=reader.optional("jwks_uri", web_uri_problem),
        token_endpoint_auth_signing_alg=reader.optional(
            "token_endpoint_auth_signing_alg", one_of(CLIENT_ALGORITHMS)
        ),
        request_object_signing_alg=reader.optional("request_object_signing_alg", one_of(CLIENT_ALGORITHMS)),
    )


def _default_grants(kind: str) -> tuple[str, ...]:
    return ("client_credentials",) if kind == MACHINE else ("authorization_code", "refresh_token")


def _scope(reader: MetadataReader, default: str) -> str:
    """Read the ``scope`` field, a text of words with single spaces (RFC 6749 §3.3)."""
    words = reader.text("scope", default, scope_problem).split()
    return " ".join(dict.fromkeys(words))


def _code(client: ClientMetadata) -> bool:
    return "authorization_code" in client.grant_types


def _public(client: ClientMetadata) -> bool:
    return client.kind in PUBLIC_KINDS


def _pairwise(client: ClientMetadata) -> bool:
    return client.subject_type == SUBJECT_TYPES[1]


def _has_keys(client: ClientMetadata) -> bool:
    return client.jwks is not None or client.jwks_uri is not None


def _signs_with(client: ClientMetadata, alg: str | None) -> bool:
    """Tell whether a registered key has an algorithm; of published keys nothing is known yet."""
    if alg is None or client.jwks is None:
        return True
    return any(alg in key.algorithms for key in usable_keys(client.jwks))


def _person_scopes(client: ClientMetadata) -> list[str]:
    return [word for word in client.scope.split() if word in PERSON_SCOPES]


_CONSISTENCY: Final[tuple[tuple[str, Callable[[ClientMetadata], bool], str], ...]] = (
    (
        "token_endpoint_auth_method",
        lambda client: _public(client) and client.token_endpoint_auth_method != PUBLIC,
        "must be none: a spa or native client keeps no secret (RFC 6749 §2.1)",
    ),
    (
        "token_endpoint_auth_method",
        lambda client: not _public(client) and client.token_endpoint_auth_method == PUBLIC,
        f"must be one of {', '.join(CONFIDENTIAL_METHODS)} for a web or machine client",
    ),
    (
        "require_pkce",
        lambda client: _public(client) and not client.require_pkce,
        "must be true for a spa or native client (RFC 9700 §2.1.1)",
    ),
    (
        "grant_types",
        lambda client: client.kind == MACHINE and client.grant_types != ["client_credentials"],
        "must be client_credentials for a machine client",
    ),
    (
        "grant_types",
        lambda client: _public(client) and "client_credentials" in client.grant_types,
        "must not have client_credentials: a spa or native client keeps no secret (RFC 6749 §4.4)",
    ),
    ("grant_types", lambda client: not client.grant_types, "must name a grant"),
    (
        "grant_types",
        lambda client: "refresh_token" in client.grant_types and not _code(client),
        "must have authorization_code beside refresh_token",
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
        "scope",
        lambda client: bool(_person_scopes(client)) and not _code(client),
        "must have no scope about people without authorization_code",
    ),
    (
        "scope",
        lambda client: "offline_access" in client.scope.split() and "refresh_token" not in client.grant_types,
        "must not have offline_access without the grant refresh_token",
    ),
    (
        "audiences",
        lambda client: len(_person_scopes(client)) < len(client.scope.split()) and not client.audiences,
        "must name the resource server that the client's other scopes belong to",
    ),
    (
        "userinfo_signed_response_alg",
        lambda client: client.userinfo_signed_response_alg is not None and not _code(client),
        "must be absent without authorization_code",
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
        lambda client: _pairwise(client) and not _code(client),
        "must be public without authorization_code",
    ),
    (
        "sector_identifier_uri",
        lambda client: (
            _pairwise(client) and sector_of(client.sector_identifier_uri, client.redirect_uris) is None
        ),
        "must be there for pairwise subjects unless all redirect_uris have one host (OIDC Core §8.1)",
    ),
    (
        "require_pushed_authorization_requests",
        lambda client: client.require_pushed_authorization_requests and not _code(client),
        "must be false without authorization_code",
    ),
)
"""How fields must fit together: the field, when it does not, and what it must be."""


def _consistency(client: ClientMetadata) -> list[Problem]:
    values = client.columns()
    return [
        Problem(field, shown(values[field]), expected)
        for field, broken, expected in _CONSISTENCY
        if broken(client)
    ]


__all__ = [
    "ALGORITHMS",
    "DEFAULT_SCOPE",
    "GRANT_TYPES",
    "KINDS",
    "PUBLIC_KINDS",
    "SERVER_FIELDS",
    "ClientMetadata",
    "InvalidMetadata",
    "Problem",
    "is_key",
    "is_slug",
    "redirect_uri_matches",
    "shown",
    "validate",
]
