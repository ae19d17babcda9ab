"""The fields of a registration, and the words they are made of (RFC 7591 §2)."""

from dataclasses import asdict, dataclass
from typing import Any, Final

from idp.authentication.assurance import AAL1, AAL2, AAL2_PHR
from idp.oidc.client_values import OPENID_SCOPES
from idp.oidc.signing import ALGORITHMS

WEB, SPA, NATIVE, MACHINE, DEVICE = "web", "spa", "native", "machine", "device"
KINDS: Final = (WEB, SPA, NATIVE, MACHINE, DEVICE)
PUBLIC_KINDS: Final = frozenset({SPA, NATIVE})
DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
GRANT_TYPES: Final = ("authorization_code", "refresh_token", "client_credentials", DEVICE_GRANT)
PUBLIC: Final = "none"
SECRET_METHODS: Final = ("client_secret_basic", "client_secret_post")
KEY_METHOD: Final = "private_key_jwt"
CONFIDENTIAL_METHODS: Final = (*SECRET_METHODS, KEY_METHOD)
AUTH_METHODS: Final = (*CONFIDENTIAL_METHODS, PUBLIC)
DEFAULT_SCOPE: Final = " ".join(OPENID_SCOPES)
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
    #: either value is satisfied, here and below, since ``sid`` is always sent (decision 13)
    backchannel_logout_session_required: bool
    frontchannel_logout_uri: str | None
    frontchannel_logout_session_required: bool
    allowed_origins: list[str]
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
