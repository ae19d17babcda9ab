"""Redirect URIs: registration (req 3) and matching (req 1)."""

import pytest

from idp.oidc.redirect_uris import redirect_uri_matches, redirect_uri_problem, web_uri_problem
from tests.attacks.redirect_uris import UNREGISTRABLE, mutations

KINDS = ("web", "spa", "native", "machine")

REGISTERED = (
    "https://portal.example/callback",
    "https://portal.example:8443/callback",
    "http://localhost:8001/callback",
)


@pytest.mark.parametrize("registered", REGISTERED)
def test_no_mutation_matches(registered: str) -> None:
    """A redirect URI equals the registered one byte for byte, for every kind of client (req 1, C1)."""
    mutated = mutations(registered)
    assert len(set(mutated.values())) >= 100
    matched = [
        name
        for name, uri in mutated.items()
        for kind in KINDS
        if redirect_uri_matches(registered, uri, kind=kind)
    ]
    assert matched == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("registered", [*REGISTERED, "https://portal.example/cb?x=1&y=%20"])
def test_the_registered_uri_matches(registered: str, kind: str) -> None:
    """The registered URI itself matches, its query included (req 1)."""
    assert redirect_uri_matches(registered, registered, kind=kind)


LOOPBACK = [
    ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", True),
    ("http://127.0.0.1:80/cb", "http://127.0.0.1:51004/cb", True),
    ("http://127.0.0.1:51004/cb", "http://127.0.0.1/cb", True),
    ("http://[::1]/cb?x=1", "http://[::1]:65535/cb?x=1", True),
    ("http://127.0.0.1", "http://127.0.0.1:1", True),
    ("http://127.0.0.1?x=1", "http://127.0.0.1:8000?x=1", True),
    ("http://127.0.0.1/cb", "http://[::1]:51004/cb", False),
    ("http://127.0.0.1/cb", "http://localhost:51004/cb", False),
    ("http://localhost/cb", "http://localhost:51004/cb", False),
    ("http://127.0.0.1/cb", "https://127.0.0.1:51004/cb", False),
    ("https://127.0.0.1/cb", "https://127.0.0.1:51004/cb", False),
    ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb/", False),
    ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb?x=1", False),
    ("http://127.0.0.1/cb?x=1", "http://127.0.0.1:51004/cb?x=2", False),
    ("http://127.0.0.1/cb", "http://127.0.0.1:51004/CB", False),
    ("http://127.0.0.1/cb", "http://127.0.0.1:0/cb", False),
    ("http://127.0.0.1/cb", "http://127.0.0.1:080/cb", False),
    ("http://127.0.0.1/cb", "http://127.0.0.1:65536/cb", False),
    ("http://127.0.0.1/cb", "http://127.0.0.1:123456/cb", False),
    ("http://127.0.0.1/cb", "http://127.0.0.1:/cb", False),
    ("http://127.0.0.1/cb", "http://127.0.0.1:8０/cb", False),
    ("http://127.0.0.1/cb", "http://127.0.0.1:80@evil.example/cb", False),
    ("http://127.0.0.1/cb", "http://127.0.0.1@evil.example/cb", False),
    ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb", False),
    ("http://127.0.0.1/cb", "http://127.0.0.1:80.evil.example/cb", False),
    ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb\n", False),
    ("http://127.0.0.1/cb", "http://127.0.0.1:51004\\cb", False),
    ("http://127.0.0.1/cb", "HTTP://127.0.0.1:51004/cb", False),
    ("http://127.0.0.1/cb", "http://127.0.0.2:51004/cb", False),
    ("com.example.app:/cb", "com.example.app:/cb2", False),
]


@pytest.mark.parametrize(("registered", "received", "same"), LOOPBACK)
def test_only_the_port_of_a_native_loopback_address_may_differ(
    registered: str, received: str, same: bool
) -> None:
    """RFC 8252 §7.3: the port is the system's, everything else is registered (req 1)."""
    assert redirect_uri_matches(registered, received, kind="native") is same


@pytest.mark.parametrize("kind", ["web", "spa", "machine"])
def test_the_port_counts_for_every_other_kind(kind: str) -> None:
    """The loopback exception is for native clients only (req 1)."""
    assert not redirect_uri_matches("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", kind=kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("uri", UNREGISTRABLE)
def test_what_no_client_may_register(uri: str, kind: str) -> None:
    """Wildcards, fragments, userinfo, traversal, http and odd schemes are refused (req 3)."""
    problem = redirect_uri_problem(uri, kind)
    assert problem is not None
    assert problem.startswith(("must ", "is not a URI"))


@pytest.mark.parametrize(
    "uri",
    [
        "https://portal.example",
        "https://portal.example/",
        "https://portal.example/callback;v=1/x",
        "https://portal.example:8443/callback?next=%2Fhome&x=a%20b",
        "https://xn--prtal-jua.example/callback",
        "https://portal/callback",
        "https://192.0.2.7/callback",
        "https://[2001:db8::1]:8443/callback",
        "http://localhost:8001/callback",
        "http://127.0.0.1:8001/callback",
        "http://[::1]:8001/callback",
        "http://localhost",
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_every_client_may_register(uri: str, kind: str) -> None:
    """https anywhere, http on this machine (req 3)."""
    assert redirect_uri_problem(uri, kind) is None


@pytest.mark.parametrize("uri", ["com.example.app:/callback", "com.example.my-app:/cb?x=1"])
def test_private_use_schemes_are_for_native_clients(uri: str) -> None:
    """RFC 8252 §7.1: a reversed domain name, and only where an app answers it (req 3)."""
    assert redirect_uri_problem(uri, "native") is None
    assert redirect_uri_problem(uri, "web") == "must begin with https://, in small letters"


def test_an_https_uri_may_exclude_loopback() -> None:
    """Where a server fetches, http is for nobody."""
    assert web_uri_problem("http://localhost/x", loopback=False) == "must be https"
    assert web_uri_problem("https://portal.example/x", loopback=False) is None
