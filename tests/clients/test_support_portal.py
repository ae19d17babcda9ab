"""The support portal's restricted page: two factors, or an explanation."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from tests.clients.foreign_issuer import ForeignIssuer

pytestmark = pytest.mark.enable_socket
RESTRICTED = "/tickets/restricted"


def sign_in(browser: FlaskClient, issuer: ForeignIssuer, acr: str = "urn:lotse:acr:aal1") -> None:
    """Signs the browser in at a level."""
    assert browser.get(issuer.accept(browser.get("/login").location, acr=acr)).status_code == 303


def test_start_page_needs_no_second_factor(support: FlaskClient, issuer: ForeignIssuer) -> None:
    """An ordinary sign-in asks for no level and shows the tickets."""
    location = support.get("/login").location
    assert "claims" not in parse_qs(urlsplit(location).query)
    sign_in(support, issuer)
    assert "Rechnung lässt sich nicht drucken" in support.get("/").text
    assert "Nachzahlung" not in support.get("/").text


def test_restricted_page_demands_two_factors_as_essential(
    support: FlaskClient, issuer: ForeignIssuer
) -> None:
    """OpenID Connect Core 1.0 §5.5.1.1: an essential acr, and the way back to the page."""
    sign_in(support, issuer)
    answer = support.get(RESTRICTED)
    assert answer.status_code == 303
    demand = json.loads(parse_qs(urlsplit(answer.location).query)["claims"][0])
    assert demand == {"id_token": {"acr": {"essential": True, "values": ["urn:lotse:acr:aal2"]}}}
    back = support.get(issuer.accept(answer.location, acr="urn:lotse:acr:aal2"))
    assert back.location == RESTRICTED
    assert "Nachzahlung" in support.get(RESTRICTED).text


@pytest.mark.parametrize(
    ("acr", "status"),
    [
        ("urn:lotse:acr:aal2", 200),
        ("urn:lotse:acr:aal2-phr", 200),
        ("urn:lotse:acr:aal1", 303),
        ("urn:lotse:acr:aal22", 303),
        ("URN:LOTSE:ACR:AAL2", 303),
    ],
)
def test_level_of_the_id_token_decides(
    support: FlaskClient, issuer: ForeignIssuer, acr: str, status: int
) -> None:
    """Only the named level and its phishing-resistant form show the data."""
    sign_in(support, issuer, acr)
    assert support.get(RESTRICTED).status_code == status


def test_issuer_that_ignores_the_demand_is_not_believed(support: FlaskClient, issuer: ForeignIssuer) -> None:
    """An answer below the essential level is a refused sign-in, not a session."""
    sign_in(support, issuer)
    answer = support.get(issuer.accept(support.get(RESTRICTED).location, acr="urn:lotse:acr:aal1"))
    assert answer.status_code == 403
    assert "zweite Bestätigung" in answer.text


def test_person_without_second_factor_stays_signed_in(support: FlaskClient, issuer: ForeignIssuer) -> None:
    """The refusal is explained, in both languages, and costs nothing; the same again would end the same."""
    sign_in(support, issuer)
    for language, words in (("de", "zwei Stufen"), ("en", "two steps")):
        state = parse_qs(urlsplit(support.get(f"{RESTRICTED}?lang={language}").location).query)["state"][0]
        query = {"error": "unmet_authentication_requirements", "state": state, "iss": issuer.url}
        answer = support.get("/callback", query_string=query)
        assert answer.status_code == 403
        assert words in answer.text
        assert 'href="/login' not in answer.text
        assert '<a class="button" href="/">' in answer.text
    assert support.get("/session").json == {"signed_in": True}


def test_who_is_asked_to_sign_in_again_is_led_there(support: FlaskClient, issuer: ForeignIssuer) -> None:
    """Any other refusal may end otherwise the next time."""
    sign_in(support, issuer)
    state = parse_qs(urlsplit(support.get(RESTRICTED).location).query)["state"][0]
    query = {"error": "login_required", "state": state, "iss": issuer.url}
    answer = support.get("/callback", query_string=query)
    assert 'href="/login?next=/tickets/restricted&amp;again=1"' in answer.text


def test_signing_in_again_asks_for_the_password(support: FlaskClient, issuer: ForeignIssuer) -> None:
    """Whose account is not enough can take another one; single sign-on would only repeat the refusal."""
    sign_in(support, issuer)
    again = parse_qs(urlsplit(support.get("/login?next=/tickets/restricted&again=1").location).query)
    assert again["prompt"] == ["login"]
    assert "prompt" not in parse_qs(urlsplit(support.get("/login").location).query)


def test_stranger_signs_in_first(support: FlaskClient) -> None:
    """Without a session the restricted page begins with a sign-in."""
    assert support.get(RESTRICTED).location == f"/login?next={RESTRICTED}"
