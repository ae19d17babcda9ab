"""Random requests to the three endpoints that strangers reach first: no 5xx, nobody signed in (req 29)."""

import string
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.attacks.bad_input import NAMES
from tests.attacks.live import FORM
from tests.attacks.parties import Party
from tests.attacks.visitor import SAME_ORIGIN, Visitor
from tests.plain_browser import basic

pytestmark = pytest.mark.enable_socket

EXAMPLES = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

WORDS = st.sampled_from(
    ["portal", "code", "openid", "S256", "query", "none", "login", "https://portal.example/callback", "{}"]
)
VALUES = st.one_of(
    WORDS,
    st.text(max_size=60),
    st.text(alphabet=string.printable, max_size=60),
    st.integers().map(str),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ).map(repr),
)
PAIRS = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=12)


def _encode(pairs: list[tuple[str, str]]) -> str:
    return urlencode(pairs, errors="surrogatepass")


@EXAMPLES
@given(changes=PAIRS, raw=st.binary(max_size=20))
def test_the_authorization_endpoint(portal: Party, changes: list[tuple[str, str]], raw: bytes) -> None:
    """A right request with random parameters changed or added, by GET and POST."""
    query = _encode([*(portal.parameters() | dict(changes)).items()])
    tail = "".join(f"%{byte:02x}" for byte in raw)
    for text in (query, f"{query}&x={tail}"):
        assert portal.live.send("GET", f"/authorize?{text}").status in (200, 303, 400, 431)
        answer = portal.live.send("POST", "/authorize", body=text.encode(), headers=FORM)
        assert answer.status in (303, 400)


@EXAMPLES
@given(pairs=PAIRS, body=st.binary(max_size=200), authorization=st.text(alphabet=string.printable[:95]))
def test_the_token_endpoint(
    portal: Party, pairs: list[tuple[str, str]], body: bytes, authorization: str
) -> None:
    """Random forms, bytes and credentials."""
    right = basic("portal", str(portal.registered.secret))
    form = _encode(list({"grant_type": "authorization_code", **dict(pairs)}.items()))
    for content in (form.encode(), _encode(pairs).encode(), body):
        for credentials in (right, authorization.strip(), f"Basic {authorization}".strip()):
            headers = FORM | {"Authorization": credentials}
            answer = portal.live.send("POST", "/token", body=content, headers=headers)
            assert answer.status in (400, 401)


@EXAMPLES
@given(username=VALUES, password=VALUES, added=PAIRS)
def test_the_sign_in_page(portal: Party, username: str, password: str, added: list[tuple[str, str]]) -> None:
    """Random names and passwords with a right form token."""
    visitor = Visitor(portal.live)
    visitor.get("/login")
    form = visitor.form("/login")
    fields = {**dict(added), **form.fields, "username": username, "password": password}
    body = _encode(list(fields.items())).encode()
    answer = visitor.once("POST", "/login", body, SAME_ORIGIN | FORM)
    assert answer.status in (200, 429)
    assert "__Host-sid" not in answer.cookies()
