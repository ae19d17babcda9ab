"""Registrations and redirect URIs made of anything: a clear answer, never an error (req 3, 29, C1, C20)."""

from typing import Any
from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st

from idp.oidc.client_fields import ClientMetadata
from idp.oidc.client_metadata import validate
from idp.oidc.metadata_reader import InvalidMetadata
from idp.oidc.redirect_uris import redirect_uri_matches, redirect_uri_problem

FIELDS = st.sampled_from([*ClientMetadata.__dataclass_fields__, "client_secret", "id", "jwks"])
WORDS = st.sampled_from(
    ["web", "spa", "machine", "none", "code", "openid", "authorization_code", "https://a.example/"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=6,
)
PIECES = st.sampled_from(
    [
        *("http", "https", ":", "/", "//", "127.0.0.1", "[::1]", "localhost", "evil.example", "a", "cb"),
        *("@", "\\", "#", "?", "%00", "%2e", "..", ";", "*", "80", "08", "65536", " ", "\n", "\t"),
    ]
)
PORTAL = {"client_id": "portal", "redirect_uris": ["https://portal.example/callback"]}


@given(st.dictionaries(FIELDS | st.text(), VALUES, max_size=4))
def test_any_registration_is_taken_or_refused(registration: dict[str, Any]) -> None:
    """What is taken is what was said; what is refused is refused in short words."""
    said = {**PORTAL, **registration}
    try:
        columns = validate(said).columns()
    except InvalidMetadata as invalid:
        problems = invalid.problems
    else:
        problems = []
        assert {field: columns.get(field) for field in said} == said
    assert all(problem.expected and len(problem.received) <= 200 for problem in problems)


@given(st.lists(PIECES, max_size=12).map("".join) | st.text(), st.sampled_from(["web", "native"]))
def test_what_may_be_registered_leads_to_one_place(uri: str, kind: str) -> None:
    """A URI that passes has a plain scheme, a host without user, no fragment, and no way upwards."""
    if redirect_uri_problem(uri, kind) is not None:
        return
    parts = urlsplit(uri)
    assert uri.isascii()
    assert uri.isprintable()
    assert parts.username is None
    assert not parts.fragment
    assert ".." not in parts.path.split("/")
    if parts.scheme == "http":
        assert parts.hostname in {"127.0.0.1", "::1", "localhost"}
    elif kind == "web":
        assert parts.scheme == "https"
        assert parts.hostname


@given(
    st.sampled_from(["http://127.0.0.1/cb", "http://[::1]:80/cb?x", "https://portal.example/cb"]),
    st.lists(PIECES, max_size=12).map("".join)
    | st.integers(-1, 70000).map(lambda n: f"http://127.0.0.1:{n}/cb"),
)
def test_whatever_matches_stays_on_the_machine(registered: str, received: str) -> None:
    """Another port of the same loopback address, the same path and query, nothing else (req 1)."""
    if not redirect_uri_matches(registered, received, kind="native") or received == registered:
        return
    known, found = urlsplit(registered), urlsplit(received)
    assert found.hostname == known.hostname
    assert found.hostname in {"127.0.0.1", "::1"}
    assert (found.scheme, found.path, found.query) == ("http", known.path, known.query)
    assert found.port is None or 0 < found.port < 65536
    assert "@" not in found.netloc
