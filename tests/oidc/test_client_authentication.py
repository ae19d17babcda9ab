"""Client authentication (RFC 6749 §2.3; req 18, 20), and the defects of Authlib's that it replaces."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from authlib.oauth2.rfc6749.errors import InvalidRequestError

from idp.crypto import sha256
from idp.oidc.client_assertion import ASSERTION_TYPE
from idp.oidc.client_authentication import ClientRefused, Credentials, authenticate, read_credentials
from idp.oidc.client_jwt import ClientJwtRefused
from tests.oidc.deciding import CLIENT
from tests.signers import encoded, posted

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def _basic(text: str | bytes, scheme: str = "Basic") -> str:
    raw = text if isinstance(text, bytes) else text.encode()
    return f"{scheme} {base64.b64encode(raw).decode()}"


def _unsigned(claims: object) -> str:
    return f"{encoded({'alg': 'none'}, claims)}."


ASSERTION = _unsigned({"sub": "p"})
SIGNED = posted(ASSERTION)


@pytest.mark.parametrize(
    ("header", "form", "expected"),
    [
        (_basic("portal:secret"), {}, Credentials("portal", "secret", "client_secret_basic")),
        (_basic("portal:secret", "basic"), {}, Credentials("portal", "secret", "client_secret_basic")),
        (_basic("p%3Aq:s%20t"), {}, Credentials("p:q", "s t", "client_secret_basic")),
        (_basic("p:s+t"), {}, Credentials("p", "s t", "client_secret_basic")),
        (_basic("p:s%2Bt"), {}, Credentials("p", "s+t", "client_secret_basic")),
        (_basic("p:a:b"), {}, Credentials("p", "a:b", "client_secret_basic")),
        (_basic("p:"), {}, Credentials("p", "", "client_secret_basic")),
        (_basic("p:s"), {"client_id": "p"}, Credentials("p", "s", "client_secret_basic")),
        (None, {"client_id": "p", "client_secret": "s"}, Credentials("p", "s", "client_secret_post")),
        (None, {"client_id": "p"}, Credentials("p", None, "none")),
        (None, SIGNED, Credentials("p", None, "private_key_jwt", ASSERTION)),
        (None, SIGNED | {"client_id": "p"}, Credentials("p", None, "private_key_jwt", ASSERTION)),
    ],
)
def test_one_credential_is_read(header: str | None, form: dict[str, str], expected: Credentials) -> None:
    """Both halves of Basic are form-decoded: ``%20`` and ``+`` are a space (Authlib: unquote only)."""
    assert read_credentials(header, form) == expected


@pytest.mark.parametrize(
    ("header", "form"),
    [
        (None, {}),
        (None, {"client_secret": "s"}),
        (None, {"client_id": "p", "client_assertion": "x"}),
        (None, {"client_assertion": ASSERTION}),
        (None, {"client_assertion_type": ASSERTION_TYPE}),
        (None, {"client_assertion_type": "urn:x", "client_assertion": ASSERTION}),
        (None, {"client_assertion_type": ASSERTION_TYPE, "client_assertion": "a.b"}),
        (None, {"client_assertion_type": ASSERTION_TYPE, "client_assertion": "a." + "b" * 8192 + ".c"}),
        (None, {"client_assertion_type": ASSERTION_TYPE, "client_assertion": _unsigned({"iss": "p"})}),
        (None, {"client_assertion_type": ASSERTION_TYPE, "client_assertion": _unsigned({"sub": 1})}),
        (None, {"client_assertion_type": ASSERTION_TYPE, "client_assertion": _unsigned([])}),
        (None, {"client_assertion_type": ASSERTION_TYPE, "client_assertion": _unsigned({"sub": "\ud800"})}),
        ("Bearer abc", {}),
        ("Basic", {}),
        ("Basic !!!", {}),
        ("Basic YWJj*", {}),
        (_basic("no colon"), {}),
        (_basic(b"\xff\xfe:s"), {}),
        (_basic(b"p:\xff"), {}),
        (_basic("p:%ff"), {}),
    ],
)
def test_what_cannot_be_read_is_invalid_client(header: str | None, form: dict[str, str]) -> None:
    """Not UTF-8, not base64, no colon, another scheme: 401 with a challenge (Authlib: UnicodeDecodeError)."""
    with pytest.raises(ClientRefused) as caught:
        read_credentials(header, form)
    assert caught.value.status_code == 401
    assert dict(caught.value.get_headers())["WWW-Authenticate"].startswith("Basic realm=")


@pytest.mark.parametrize(
    ("header", "form"),
    [
        (_basic("p:s"), {"client_secret": "s"}),
        (_basic("p:s"), {"client_id": "p", "client_secret": "s"}),
        (_basic("p:s"), {"client_id": "q"}),
        (_basic("p:s"), SIGNED),
        (_basic("p:s"), {"client_assertion_type": ASSERTION_TYPE}),
        (None, SIGNED | {"client_secret": "s"}),
        (None, SIGNED | {"client_id": "q"}),
    ],
)
def test_two_ways_at_once_are_invalid_request(header: str | None, form: dict[str, str]) -> None:
    """RFC 6749 §2.3 (Authlib: the first one wins)."""
    with pytest.raises(InvalidRequestError):
        read_credentials(header, form)


SECRETS = ((sha256("old"), NOW + timedelta(hours=1)), (sha256("new"), None))
CONFIDENTIAL = replace(CLIENT, secrets=SECRETS)
PUBLIC = replace(CLIENT, token_endpoint_auth_method="none", secrets=())
SIGNING = replace(CLIENT, token_endpoint_auth_method="private_key_jwt", secrets=SECRETS)
POSTING = replace(CLIENT, token_endpoint_auth_method="client_secret_post", secrets=SECRETS)


@pytest.mark.parametrize(
    ("client", "method", "secret"),
    [
        (CONFIDENTIAL, "client_secret_basic", "old"),
        (CONFIDENTIAL, "client_secret_basic", "new"),
        (POSTING, "client_secret_post", "new"),
        (PUBLIC, "none", None),
    ],
)
def test_registered_method_and_a_valid_secret(client: object, method: str, secret: str | None) -> None:
    """Two secrets are valid while one replaces the other (req 20); public clients have the method none.

    Authlib's grants leave ``none`` out for codes and take Basic alone for refresh tokens.
    """
    credentials = Credentials("portal", secret, method)
    assert authenticate({"portal": client}, credentials, NOW, _never) is client  # type: ignore[dict-item]


def _never(_client: object, _assertion: str) -> None:
    raise AssertionError("nobody signed anything")


def test_an_assertion_decides_where_one_is_registered() -> None:
    """It is handed over with the client it names, and its refusal is a failed authentication (req 19)."""
    credentials = Credentials("portal", None, "private_key_jwt", ASSERTION)
    seen = []
    found = authenticate(
        {"portal": SIGNING}, credentials, NOW, lambda client, jwt: seen.append((client, jwt))
    )
    assert found is SIGNING
    assert seen == [(SIGNING, ASSERTION)]

    def refuse(_client: object, _assertion: str) -> None:
        raise ClientJwtRefused("exp must be a time in the future")

    with pytest.raises(ClientRefused) as caught:
        authenticate({"portal": SIGNING}, credentials, NOW, refuse)
    assert (caught.value.client_id, caught.value.status_code) == ("portal", 401)


@pytest.mark.parametrize(
    ("client", "method", "secret", "now"),
    [
        (CONFIDENTIAL, "client_secret_basic", "wrong", NOW),
        (CONFIDENTIAL, "client_secret_basic", "", NOW),
        (CONFIDENTIAL, "client_secret_basic", "old", NOW + timedelta(hours=1)),
        (CONFIDENTIAL, "client_secret_post", "new", NOW),
        (CONFIDENTIAL, "none", None, NOW),
        (CONFIDENTIAL, "private_key_jwt", None, NOW),
        (SIGNING, "client_secret_basic", "new", NOW),
        (SIGNING, "client_secret_post", "new", NOW),
        (SIGNING, "none", None, NOW),
        (PUBLIC, "private_key_jwt", None, NOW),
        (POSTING, "client_secret_basic", "new", NOW),
        (PUBLIC, "client_secret_basic", "", NOW),
        (PUBLIC, "client_secret_post", "x", NOW),
        (None, "client_secret_basic", "new", NOW),
    ],
)
def test_everything_else_is_refused(client: object, method: str, secret: str | None, now: datetime) -> None:
    """Another method than the registered one, a wrong or old secret, an unknown client (req 18)."""
    known = {} if client is None else {"portal": client}
    credentials = Credentials("portal", secret, method, ASSERTION if method == "private_key_jwt" else None)
    with pytest.raises(ClientRefused) as caught:
        authenticate(known, credentials, now, _never)  # type: ignore[arg-type]
    assert caught.value.client_id == "portal"


def test_another_scheme_than_basic_is_refused() -> None:
    """Whatever stands behind it (RFC 6749 §2.3.1)."""
    text = base64.b64encode(b"portal:secret").decode()
    for scheme in ("Bearer", "DPoP", "Digest", "Basics"):
        with pytest.raises(ClientRefused, match="Basic scheme"):
            read_credentials(f"{scheme} {text}", {})
