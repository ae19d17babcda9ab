"""The orders API and the tokens it takes."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from joserfc.jwk import ECKey

from tests.clients.foreign_issuer import ForeignIssuer

pytestmark = pytest.mark.enable_socket


def test_good_token_opens_the_orders_of_its_organisation(api: FlaskClient, issuer: ForeignIssuer) -> None:
    """Audience and scope let in; the organisation in the token decides what is seen."""
    answer = api.get("/orders", headers={"Authorization": f"Bearer {issuer.access_token()}"})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json is not None
    assert answer.json["customer_number"] == "100200300"
    assert [order["number"] for order in answer.json["orders"]] == ["A-1047", "A-1102", "A-1188"]


@pytest.mark.parametrize(
    "organization", [None, "100200300", {"customer_number": 7}, {"customer_number": "9"}]
)
def test_token_without_organisation_sees_no_orders(
    api: FlaskClient, issuer: ForeignIssuer, organization: object
) -> None:
    """A client of its own, or an organisation without orders, gets an empty list."""
    token = issuer.access_token(organization=organization)
    answer = api.get("/orders", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["orders"] == []


BAD_TOKENS: dict[str, Callable[[ForeignIssuer], str]] = {
    "ID token": lambda i: i.access_token("JWT"),
    "no typ": lambda i: i.access_token(None),
    "logout token": lambda i: i.logout_token(aud="orders-api", scope="orders"),
    "another issuer": lambda i: i.access_token(iss="https://evil.example"),
    "another audience": lambda i: i.access_token(aud="support-portal"),
    "audience begins alike": lambda i: i.access_token(aud="orders-api.evil"),
    "no audience": lambda i: i.access_token(aud=None),
    "empty audience": lambda i: i.access_token(aud=[]),
    "mixed audience": lambda i: i.access_token(aud=["orders-api", 1]),
    "expired": lambda i: i.access_token(exp=1000),
    "expiry is true": lambda i: i.access_token(exp=True),
    "expiry is infinite": lambda i: i.access_token(exp=float("inf")),
    "no expiry": lambda i: i.access_token(exp=None),
    "no subject": lambda i: i.access_token(sub=None),
    "no client": lambda i: i.access_token(client_id=None),
    "no number": lambda i: i.access_token(jti=None),
    "bound to a key": lambda i: i.access_token(cnf={"jkt": "x"}),
    "unknown key": lambda i: i.sign(i.claims(aud="orders-api"), "at+jwt", kid="k9"),
    "no key id": lambda i: i.sign(i.claims(aud="orders-api"), "at+jwt", kid=None),
    "key of a stranger": lambda i: ForeignIssuer(i.url, ECKey.generate_key("P-256")).access_token(),
    "changed signature": lambda i: i.access_token()[:-6] + "AAAAAA",
    "opaque": lambda _: "a" * 43,
    "huge": lambda _: "a" * 17_000,
}


@pytest.mark.parametrize("make", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_bad_token_is_refused(
    api: FlaskClient, issuer: ForeignIssuer, make: Callable[[ForeignIssuer], str]
) -> None:
    """RFC 9068 §4: each check, alone, refuses the token (req 24)."""
    answer = api.get("/orders", headers={"Authorization": f"Bearer {make(issuer)}"})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert b"A-1047" not in answer.data


def test_missing_scope_is_named(api: FlaskClient, issuer: ForeignIssuer) -> None:
    """RFC 6750 §3.1: 403, and the scope that is needed; a scope that only begins alike is another."""
    for scope in (None, "openid", "orders.read", "ORDERS", ""):
        token = issuer.access_token(scope=scope)
        answer = api.get("/orders", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 403
        assert 'error="insufficient_scope", scope="orders"' in answer.headers["WWW-Authenticate"]


def test_token_comes_in_the_header_only(api: FlaskClient, issuer: ForeignIssuer) -> None:
    """A token in the query is no token, and the challenge without a token names no error (req 25)."""
    answer = api.get(f"/orders?access_token={issuer.access_token()}")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="orders-api"'


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Basic eDp5", "DPoP {}", "Bearer {} {}", "Bearer a,b"]
)
def test_other_headers_are_refused(api: FlaskClient, issuer: ForeignIssuer, header: str) -> None:
    """Only one bearer token in its own form counts (req 26)."""
    answer = api.get("/orders", headers={"Authorization": header.replace("{}", issuer.access_token())})
    assert answer.status_code == 401


def test_scheme_is_free_of_case_and_two_headers_are_refused(api: FlaskClient, issuer: ForeignIssuer) -> None:
    """RFC 9110 §11.1: the name of a scheme has no case; two headers leave open which one counts."""
    value = f"bearer {issuer.access_token()}"
    assert api.get("/orders", headers=[("Authorization", value)]).status_code == 200
    assert api.get("/orders", headers=[("Authorization", value), ("Authorization", value)]).status_code == 401


def test_api_waits_for_the_issuer(api: FlaskClient, issuer: ForeignIssuer) -> None:
    """Without keys nothing is decided: 503, and a hint when to come again."""
    issuer.broken = True
    headers = {"Authorization": f"Bearer {issuer.access_token()}"}
    answer = api.get("/orders", headers=headers)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    issuer.broken = False
    assert api.get("/orders", headers=headers).status_code == 200


def test_api_tells_what_it_is(api: FlaskClient) -> None:
    """The start page names issuer and scope; other pages and methods do not exist."""
    answer = api.get("/")
    assert answer.json is not None
    assert answer.json["scope"] == "orders"
    assert api.get("/none").status_code == 404
    assert api.post("/orders").status_code == 405
