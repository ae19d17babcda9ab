"""Client registrations: what is taken, what is refused, and in which words (RFC 7591 §2; req 31, C20)."""

from typing import Any

import pytest

from idp.oidc.client_fields import DEVICE_GRANT
from idp.oidc.client_metadata import validate
from idp.oidc.metadata_reader import shown
from tests.oidc.registrations import CALLBACK, problems, web
from tests.signers import Signer


def test_a_portal_needs_its_name_and_a_redirect_uri() -> None:
    """Defaults are the safe ones: code with PKCE, secret by Basic, ES256, not first-party."""
    metadata = validate(web())
    assert metadata.client_name == "portal"
    assert metadata.kind == "web"
    assert metadata.grant_types == ["authorization_code", "refresh_token"]
    assert metadata.response_types == ["code"]
    assert metadata.token_endpoint_auth_method == "client_secret_basic"
    assert metadata.id_token_signed_response_alg == "ES256"
    assert metadata.require_pkce
    assert not metadata.first_party
    assert not metadata.require_membership
    assert "offline_access" not in metadata.scope.split()
    assert metadata.home_uri is None
    assert metadata.default_max_age is None
    assert metadata.columns()["redirect_uris"] == CALLBACK


@pytest.mark.parametrize("kind", ["spa", "native"])
def test_public_clients_have_no_secret(kind: str) -> None:
    """A program in people's hands keeps no secret (RFC 6749 §2.1)."""
    metadata = validate(web(kind=kind))
    assert metadata.token_endpoint_auth_method == "none"
    assert metadata.require_pkce


def test_a_machine_has_no_redirect_and_no_person() -> None:
    """A machine client asks for itself: client credentials, no scope about people (RFC 6749 §4.4)."""
    metadata = validate({"client_id": "nightly", "kind": "machine"})
    assert metadata.grant_types == ["client_credentials"]
    assert metadata.response_types == []
    assert metadata.scope == ""


def test_a_device_has_no_browser() -> None:
    """The device grant and refresh tokens, people's scopes, no address to go back to; mostly no secret."""
    metadata = validate({"client_id": "terminal", "kind": "device"})
    assert metadata.grant_types == [DEVICE_GRANT, "refresh_token"]
    assert (metadata.response_types, metadata.redirect_uris) == ([], [])
    assert "openid" in metadata.scope.split()
    assert metadata.token_endpoint_auth_method == "none"
    for method in ("client_secret_basic", "private_key_jwt"):
        keys = {"jwks": Signer().jwks} if method == "private_key_jwt" else {}
        safe = {"client_id": "safe", "kind": "device", "token_endpoint_auth_method": method, **keys}
        assert validate(safe).token_endpoint_auth_method == method
    lone = validate({"client_id": "lone", "kind": "device", "grant_types": [DEVICE_GRANT]})
    assert lone.grant_types == [DEVICE_GRANT]
    native = validate(web(kind="native", grant_types=["authorization_code", DEVICE_GRANT]))
    assert native.response_types == ["code"]
    only = {"client_id": "only", "kind": "native", "grant_types": [DEVICE_GRANT, "refresh_token"]}
    assert validate(only).redirect_uris == []


@pytest.mark.parametrize(
    ("registration", "field"),
    [
        ({"kind": "device", "grant_types": ["refresh_token"]}, "grant_types"),
        ({"kind": "device", "grant_types": [DEVICE_GRANT, "client_credentials"]}, "grant_types"),
        ({"kind": "device", "grant_types": ["authorization_code"], "redirect_uris": CALLBACK}, "grant_types"),
        ({"kind": "device", "redirect_uris": CALLBACK}, "redirect_uris"),
        ({"kind": "web", "grant_types": [DEVICE_GRANT]}, "grant_types"),
        ({"kind": "spa", "grant_types": [DEVICE_GRANT]}, "grant_types"),
        ({"kind": "machine", "grant_types": [DEVICE_GRANT]}, "grant_types"),
        (
            {"kind": "web", "token_endpoint_auth_method": "none", "redirect_uris": CALLBACK},
            "token_endpoint_auth_method",
        ),
        ({"kind": "machine", "token_endpoint_auth_method": "none"}, "token_endpoint_auth_method"),
        (
            {"kind": "device", "require_pushed_authorization_requests": True},
            "require_pushed_authorization_requests",
        ),
    ],
    ids=str,
)
def test_the_device_grant_is_for_devices(registration: dict[str, Any], field: str) -> None:
    """And for native programs; a device has no other grant (RFC 8628 §1)."""
    assert field in problems({"client_id": "x", **registration})


def test_everything_can_be_said() -> None:
    """Each field keeps what was said."""
    said = web(
        client_name="Kundenportal",
        first_party=True,
        post_logout_redirect_uris=["https://portal.example/signed-out"],
        grant_types=["authorization_code", "refresh_token", "client_credentials"],
        response_types=["code"],
        scope="openid offline_access permissions orders",
        token_endpoint_auth_method="client_secret_post",
        id_token_signed_response_alg="RS256",
        userinfo_signed_response_alg="PS256",
        require_pkce=False,
        audiences=["orders-api"],
        access_token_format="opaque",
        resource_uri="https://portal.example/api",
        strict_revocation=True,
        default_acr_values=["urn:lotse:acr:aal2"],
        default_max_age=600,
        require_membership=True,
        product="rechnung",
        home_uri="https://portal.example/",
        initiate_login_uri="https://portal.example/login",
        logo_uri="https://portal.example/logo.svg",
        policy_uri="https://portal.example/privacy",
        tos_uri="https://portal.example/terms",
        backchannel_logout_uri="http://localhost:8001/backchannel-logout",
        backchannel_logout_session_required=False,
        frontchannel_logout_uri="https://portal.example/frontchannel-logout?x=1",
        frontchannel_logout_session_required=False,
        allowed_origins=["https://portal.example", "http://localhost:8001"],
        jwks=Signer().jwks,
        jwks_uri=None,
        token_endpoint_auth_signing_alg=None,
        request_object_signing_alg="ES256",
        require_pushed_authorization_requests=True,
        subject_type="pairwise",
        sector_identifier_uri="https://portal.example/sector.json",
        dpop_bound_access_tokens=True,
        kind="web",
    )
    assert validate({name: value for name, value in said.items() if value is not None}).columns() == said


def test_a_client_that_signs_has_keys_and_no_secret() -> None:
    """By value or where they are published; with an algorithm or any (req 19)."""
    keys = Signer(alg="RS256").jwks
    for fields in (
        {"jwks": keys},
        {"jwks": keys, "token_endpoint_auth_signing_alg": "PS256"},
        {"jwks_uri": "https://portal.example/jwks", "token_endpoint_auth_signing_alg": "EdDSA"},
    ):
        metadata = validate(web(token_endpoint_auth_method="private_key_jwt", **fields))
        assert not metadata.has_secret
        assert metadata.columns()["jwks"] == fields.get("jwks")
    assert validate(web()).has_secret
    assert not validate(web(kind="spa")).has_secret


@pytest.mark.parametrize("alg", ["ES256", "RS256", "PS256", "EdDSA"])
def test_what_we_can_sign_with(alg: str) -> None:
    """Each algorithm, for ID tokens and for userinfo; the keys of both are needed."""
    metadata = validate(web(id_token_signed_response_alg=alg))
    assert metadata.signing_algorithms == {alg, "ES256"}
    metadata = validate(web(userinfo_signed_response_alg=alg, id_token_signed_response_alg="RS256"))
    assert metadata.signing_algorithms == {alg, "RS256"}


def test_origins_of_a_spa() -> None:
    """Unless it says otherwise, its scripts come from where people are sent back to (req 17)."""
    uris = ["https://app.example:443/cb", "https://app.example/silent", "http://localhost:5173/cb"]
    origins = ["https://app.example", "http://localhost:5173"]
    assert validate(web(kind="spa", redirect_uris=uris)).allowed_origins == origins
    assert validate(web(kind="spa", redirect_uris=uris, allowed_origins=[])).allowed_origins == []
    assert validate(web(redirect_uris=uris)).allowed_origins == []
    assert set(problems(web(kind="spa", redirect_uris=["no uri", 7]))) == {"redirect_uris"}
    machine = {"client_id": "m", "client_name": "M", "kind": "machine", "allowed_origins": origins}
    assert "must be empty" in problems(machine)["allowed_origins"]


def test_a_framed_page_is_at_home() -> None:
    """OIDC Front-Channel Logout §2: scheme, host and port of a redirect URI, in whatever spelling."""
    for uri in ("https://portal.example/a?b=c", "https://portal.example:443/a"):
        assert validate(web(frontchannel_logout_uri=uri)).frontchannel_logout_uri == uri
    native = web(kind="native", redirect_uris=["com.example.app:/cb"])
    native["frontchannel_logout_uri"] = "https://portal.example/a"
    assert "must have scheme" in problems(native)["frontchannel_logout_uri"]


def test_repeated_scopes_count_once() -> None:
    """The order of the first mention stays."""
    assert validate(web(scope="email openid email")).scope == "email openid"


NOT_TEXT: tuple[object, ...] = (None, 1, True, [], ["a"], {}, {"a": 1})
TEXT_FIELDS = [
    "client_id",
    "client_name",
    "kind",
    "scope",
    "token_endpoint_auth_method",
    "id_token_signed_response_alg",
    "userinfo_signed_response_alg",
    "product",
    "home_uri",
    "initiate_login_uri",
    "logo_uri",
    "policy_uri",
    "tos_uri",
    "backchannel_logout_uri",
    "frontchannel_logout_uri",
    "jwks_uri",
    "token_endpoint_auth_signing_alg",
    "request_object_signing_alg",
    "subject_type",
    "sector_identifier_uri",
    "access_token_format",
    "resource_uri",
]
LIST_FIELDS = [
    "redirect_uris",
    "post_logout_redirect_uris",
    "grant_types",
    "response_types",
    "audiences",
    "default_acr_values",
    "allowed_origins",
]
FLAG_FIELDS = [
    "first_party",
    "require_pkce",
    "strict_revocation",
    "require_membership",
    "backchannel_logout_session_required",
    "frontchannel_logout_session_required",
    "require_pushed_authorization_requests",
    "dpop_bound_access_tokens",
]


@pytest.mark.parametrize("value", NOT_TEXT)
@pytest.mark.parametrize("field", TEXT_FIELDS)
def test_a_text_is_a_text(field: str, value: object) -> None:
    """Nulls, numbers and lists are refused, not turned into texts (C20)."""
    assert "must be a text" in problems(web(**{field: value}))[field]


@pytest.mark.parametrize("value", [None, "https://a.example/", 1, {}, [None], [["x"]], ["a", 1]])
@pytest.mark.parametrize("field", LIST_FIELDS)
def test_a_list_is_a_list_of_texts(field: str, value: object) -> None:
    """Sparse and nested lists are refused (C20)."""
    assert "must be a list of texts" in problems(web(**{field: value}))[field]


@pytest.mark.parametrize("value", [None, 0, 1, "true", []])
@pytest.mark.parametrize("field", FLAG_FIELDS)
def test_a_flag_is_true_or_false(field: str, value: object) -> None:
    """No value is taken for true by accident (C20)."""
    assert "must be true or false" in problems(web(**{field: value}))[field]


@pytest.mark.parametrize("value", [None, -1, 1.5, "60", True, 10**12])
def test_an_age_is_a_number_of_seconds(value: object) -> None:
    """``default_max_age`` is in seconds, at most ten years."""
    assert "must be a whole number" in problems(web(default_max_age=value))["default_max_age"]


@pytest.mark.parametrize("value", [None, [], "x", 1, {}, {"keys": []}, Signer().private_jwk])
def test_keys_are_a_set_of_public_keys(value: object) -> None:
    """What was received is not repeated: somebody may have sent the private key (req 37)."""
    found = problems(web(jwks=value))["jwks"]
    assert "must have keys" in found
    assert found.endswith(f'received "{type(value).__name__}"')


@pytest.mark.parametrize(
    "field", ["id", "version", "client_secret", "registration_access_token", "disabled_at"]
)
def test_fields_of_the_server_are_refused(field: str) -> None:
    """Nobody registers a version, a secret or a state (req 31, C20); what may be one is not repeated."""
    assert problems(web(**{field: "canary"}))[field] == f"{field}: is set by the server only"


def test_an_unknown_field_names_its_neighbour() -> None:
    """Unknown fields are refused (req 31), with the nearest known one; a secret may stand there as well."""
    found = problems(web(redirect_uri="x", zzzzz=1))
    assert found["redirect_uri"] == "redirect_uri: is not a known field; is redirect_uris meant?"
    assert found["zzzzz"] == "zzzzz: is not a known field"


def test_all_problems_come_at_once() -> None:
    """One answer names everything that is wrong."""
    found = problems(
        web(client_id="Portal!", kind="desktop", scope="emial", home_uri="http://portal.example/")
    )
    assert set(found) == {"client_id", "kind", "scope", "home_uri"}
    assert found["scope"] == 'scope: knows no emial: is email meant?; received "emial"'


VALUES: list[tuple[str, object, str]] = [
    ("client_id", "", "must have 1 to 64"),
    ("client_id", "-portal", "must have 1 to 64"),
    ("client_id", "a" * 65, "must have 1 to 64"),
    ("client_name", " Portal", "must have 1 to 128"),
    ("client_name", "x" * 129, "must have 1 to 128"),
    ("client_name", "Por\u202etal", "must have visible characters"),
    ("client_name", "Por\u0000tal", "must have visible characters"),
    ("redirect_uris", [*CALLBACK, *CALLBACK], "must name each value once"),
    ("redirect_uris", [f"https://portal.example/{n}" for n in range(51)], "at most 50"),
    ("redirect_uris", ["com.example.app:/cb"], "must begin with https://"),
    ("grant_types", ["password"], "must be one of"),
    ("grant_types", ["implicit"], "must be one of"),
    ("response_types", ["token"], "must be one of"),
    ("response_types", ["code id_token"], "must be one of"),
    ("scope", "openid  email", "one space between"),
    ("scope", "open\u200bid", "one space between"),
    ("scope", "OpenID", "one space between"),
    ("scope", " ".join(f"s{n}" for n in range(51)), "at most 50"),
    ("scope", " ".join(f"{'s' * 24}{n}" for n in range(50)), "in 1024 characters"),
    ("scope", "s" * 65, "must be words"),
    ("token_endpoint_auth_method", "client_secret_jwt", "must be one of"),
    ("id_token_signed_response_alg", "none", "must be one of"),
    ("id_token_signed_response_alg", "HS256", "must be one of"),
    ("id_token_signed_response_alg", "ES384", "must be one of"),
    ("userinfo_signed_response_alg", "none", "must be one of"),
    ("default_acr_values", ["urn:lotse:acr:aal9"], "must be one of"),
    ("audiences", ["Orders API"], "must have 1 to 64"),
    ("backchannel_logout_uri", "http://portal.example/logout", "must be https"),
    ("backchannel_logout_uri", "https://portal.example/logout#x", "no fragment"),
    ("frontchannel_logout_uri", "http://portal.example/logout", "must be https"),
    ("frontchannel_logout_uri", "https://portal.example/logout#x", "no fragment"),
    ("frontchannel_logout_uri", "https://evil.example/logout", "must have scheme, host and port"),
    ("frontchannel_logout_uri", "https://portal.example:8443/logout", "must have scheme, host and port"),
    ("frontchannel_logout_uri", "https://www.portal.example/logout", "must have scheme, host and port"),
    ("allowed_origins", ["https://portal.example/"], "must be an origin without path"),
    ("allowed_origins", ["https://portal.example:443"], "must be an origin without path"),
    ("allowed_origins", ["https://portal.example?x"], "must be an origin without path"),
    ("allowed_origins", ["http://portal.example"], "must be https"),
    ("allowed_origins", ["*"], "no wildcard"),
    ("allowed_origins", ["https://*.portal.example"], "no wildcard"),
    ("allowed_origins", ["null"], "must begin with https"),
    ("home_uri", "javascript:alert(1)", "must begin with https"),
    ("jwks_uri", "http://portal.example/jwks", "must be https"),
    ("token_endpoint_auth_signing_alg", "HS256", "must be one of"),
    ("token_endpoint_auth_signing_alg", "none", "must be one of"),
    ("request_object_signing_alg", "none", "must be one of"),
    ("initiate_login_uri", "http://portal.example/login", "must be https"),
    ("logo_uri", "http://portal.example/logo.svg", "must be https"),
    ("policy_uri", "javascript:alert(1)", "must begin with https"),
    ("tos_uri", "javascript:alert(1)", "must begin with https"),
    ("post_logout_redirect_uris", ["http://portal.example/out"], "must be https"),
    ("logo_uri", "https://portal.example;script-src/logo.svg", "must have a host name"),
    ("subject_type", "ephemeral", "must be one of"),
    ("access_token_format", "saml", "must be one of"),
    ("resource_uri", "urn:orders", "must begin with https"),
    ("resource_uri", "https://api.example/#x", "no fragment"),
    ("sector_identifier_uri", "http://portal.example/sector.json", "must be https"),
]


@pytest.mark.parametrize(("field", "value", "words"), VALUES)
def test_values_are_refused(field: str, value: object, words: str) -> None:
    """Each refusal says what would be right."""
    assert words in problems(web(**{field: value}))[field]


def test_long_values_are_shown_short() -> None:
    """A message stays a message, whatever was sent."""
    assert shown("x" * 500) == '"' + "x" * 196 + "..."
    assert shown("ä\n") == '"\\u00e4\\n"'
