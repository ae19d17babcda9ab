"""Config OP: the provider's metadata and keys (conformance reference §2, §4)."""

import re
from urllib.parse import urlsplit

import pytest
from authlib.oidc.discovery import OpenIDProviderMetadata

from idp.web.gateway import Gateway
from tests.conformance.conftest import ISSUER, metadata_of
from tests.world import machine

pytestmark = pytest.mark.alone_on("postgresql")

BCP_47 = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")

#: OIDC Discovery §3, RFC 8414 §2, RFC 9126 §5, RFC 9207 §3, RFC 9449 §5.1,
#: OIDC RP-Initiated, Back-Channel and prompt=create
REGISTERED = {
    "issuer": str,
    "authorization_endpoint": str,
    "token_endpoint": str,
    "userinfo_endpoint": str,
    "jwks_uri": str,
    "pushed_authorization_request_endpoint": str,
    "device_authorization_endpoint": str,
    "introspection_endpoint": str,
    "revocation_endpoint": str,
    "end_session_endpoint": str,
    "scopes_supported": list,
    "response_types_supported": list,
    "response_modes_supported": list,
    "grant_types_supported": list,
    "acr_values_supported": list,
    "subject_types_supported": list,
    "id_token_signing_alg_values_supported": list,
    "userinfo_signing_alg_values_supported": list,
    "token_endpoint_auth_methods_supported": list,
    "token_endpoint_auth_signing_alg_values_supported": list,
    "introspection_endpoint_auth_methods_supported": list,
    "introspection_endpoint_auth_signing_alg_values_supported": list,
    "revocation_endpoint_auth_methods_supported": list,
    "revocation_endpoint_auth_signing_alg_values_supported": list,
    "code_challenge_methods_supported": list,
    "prompt_values_supported": list,
    "display_values_supported": list,
    "claim_types_supported": list,
    "claims_supported": list,
    "claims_parameter_supported": bool,
    "request_parameter_supported": bool,
    "request_object_signing_alg_values_supported": list,
    "request_uri_parameter_supported": bool,
    "require_pushed_authorization_requests": bool,
    "authorization_response_iss_parameter_supported": bool,
    "dpop_signing_alg_values_supported": list,
    "backchannel_logout_supported": bool,
    "backchannel_logout_session_supported": bool,
    "frontchannel_logout_supported": bool,
    "frontchannel_logout_session_supported": bool,
    "ui_locales_supported": list,
}


def test_oidcc_discovery_endpoint_verification(provider: Gateway) -> None:
    """The issuer is the document's address exactly, every field has its registered name and type, endpoints
    are https, and what the specification demands to be supported is.
    """
    metadata = metadata_of(provider)
    assert metadata["issuer"] == ISSUER
    assert {name: type(value) for name, value in metadata.items()} == REGISTERED
    for name, value in metadata.items():
        if name.endswith(("_endpoint", "_uri")):
            assert value.startswith(f"{ISSUER}/"), name
    assert "openid" in metadata["scopes_supported"]
    assert metadata["response_types_supported"] == ["code"]
    assert metadata["subject_types_supported"] == ["public", "pairwise"]
    assert "RS256" in metadata["id_token_signing_alg_values_supported"]
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert {"authorization_code", "refresh_token"} <= set(metadata["grant_types_supported"])
    assert all(BCP_47.fullmatch(tag) for tag in metadata["ui_locales_supported"])
    OpenIDProviderMetadata(metadata).validate()
    assert metadata["request_parameter_supported"] is True
    assert metadata["request_uri_parameter_supported"] is False
    assert metadata["require_pushed_authorization_requests"] is False
    signed = [name for name in metadata if name.startswith(("token_", "request_object")) and "alg" in name]
    assert len(signed) == 2
    signs = ("id_token_signing_alg_values_supported", "userinfo_signing_alg_values_supported")
    for name in (*signed, *signs):
        assert set(metadata[name]) == {"ES256", "RS256", "PS256", "EdDSA"}
    assert set(metadata["dpop_signing_alg_values_supported"]) == {
        "ES256",
        "RS256",
        "PS256",
        "EdDSA",
        "Ed25519",
    }
    assert "private_key_jwt" in metadata["token_endpoint_auth_methods_supported"]
    assert "none" not in metadata["introspection_endpoint_auth_methods_supported"]


def test_both_well_knowns_are_one_document(provider: Gateway) -> None:
    """OIDC Discovery §4 and RFC 8414 §3 name two addresses."""
    assert metadata_of(provider) == metadata_of(provider, "/.well-known/oauth-authorization-server")


def test_every_endpoint_of_the_metadata_exists(provider: Gateway) -> None:
    """An address that is announced answers something other than 404."""
    for name, value in metadata_of(provider).items():
        if name.endswith(("_endpoint", "_uri")):
            answer = machine(provider, "GET", urlsplit(value).path)
            assert answer.status_code != 404, name


def test_jwks_holds_public_keys_each_with_its_own_kid(provider: Gateway) -> None:
    """No private part, a kid each, none twice (req 34); alg and use are said."""
    answer = machine(provider, "GET", "/jwks")
    assert answer.mimetype == "application/json"
    keys = answer.get_json()["keys"]
    kids = [key["kid"] for key in keys]
    assert len(set(kids)) == len(kids) == 4
    for key in keys:
        assert not set(key) & {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
        assert key["use"] == "sig"
        assert (key["kty"], key["alg"]) in {("EC", "ES256"), ("RSA", "RS256")}


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/jwks",
    ],
)
def test_documents_are_cached_by_etag(provider: Gateway, path: str) -> None:
    """ETag and Cache-Control; 304 to whom has it, 200 to whom has another."""
    first = machine(provider, "GET", path)
    assert first.headers["Cache-Control"].startswith("public, max-age=")
    etag = first.headers["ETag"]
    for known, status in ((etag, 304), (f"W/{etag}", 304), ("*", 304), ('"other"', 200)):
        again = machine(provider, "GET", path, headers={"If-None-Match": known})
        assert again.status_code == status, known
        assert bool(again.data) == (status == 200)
        assert again.headers["ETag"] == etag
