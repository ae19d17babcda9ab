"""Signing in at a portal: the request it sends, the answers it takes and those it discards."""

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from joserfc.jwk import ECKey

from tests.clients.foreign_issuer import ForeignIssuer

pytestmark = pytest.mark.enable_socket


def asked(location: str) -> dict[str, str]:
    """The parameters of an authorization request."""
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def start(browser: FlaskClient, path: str = "/login") -> str:
    """The authorization request a portal sends the browser away with."""
    answer = browser.get(path)
    assert answer.status_code == 303
    return answer.location


def test_request_has_pkce_state_nonce_and_language(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """Every sign-in is a code flow with S256, state and nonce of its own (req 4)."""
    first, second = asked(start(portal)), asked(start(portal, "/login?lang=en"))
    assert first["client_id"] == "customer-portal"
    assert first["redirect_uri"] == "http://localhost:8001/callback"
    assert first["scope"].split() == ["openid", "profile", "email", "organization", "permissions", "orders"]
    assert (first["ui_locales"], second["ui_locales"]) == ("de", "en")
    assert first["code_challenge_method"] == "S256"
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) >= 32
        assert first[name] != second[name]


def test_good_answer_opens_a_session_under_a_new_cookie(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """The page shows the name and the tile the ID token allows, and no other."""
    answer = portal.get(issuer.accept(start(portal), permissions=["support_requests"]))
    assert (answer.status_code, answer.location) == (303, "/")
    cookie = next(line for line in answer.headers.getlist("Set-Cookie") if "portal_session" in line)
    assert cookie.startswith("customer_portal_session=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    page = portal.get("/").text
    assert "Ben Muster" in page
    assert "Meine Supportanfragen" in page
    assert "Meine Belege" not in page
    before = portal.get_cookie("customer_portal_session")
    portal.get(issuer.accept(start(portal)))
    after = portal.get_cookie("customer_portal_session")
    assert before is not None
    assert after is not None
    assert before.value != after.value


def test_deep_link_leads_back_to_its_page(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """Who follows a link without a session signs in and arrives where the link led."""
    login = portal.get("/area/documents")
    assert login.location == "/login?next=/area/documents"
    answer = portal.get(issuer.accept(start(portal, login.location), permissions=["documents"]))
    assert answer.location == "/area/documents"
    assert portal.get("/area/documents").status_code == 200


@pytest.mark.parametrize(
    "goal", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/a\r\nb"]
)
def test_portal_leads_nowhere_else(portal: FlaskClient, issuer: ForeignIssuer, goal: str) -> None:
    """The page to return to is one of the portal's own, or the start page."""
    answer = portal.get("/login", query_string={"next": goal})
    assert portal.get(issuer.accept(answer.location)).location == "/"


def test_third_party_starts_a_sign_in_only_at_our_issuer(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """OpenID Connect Core 1.0 §4: ``iss`` names our issuer, or nothing happens."""
    good = portal.get(
        "/login",
        query_string={
            "iss": issuer.url,
            "login_hint": "ben",
            "target_link_uri": "http://localhost:8001/area/shop",
        },
    )
    assert asked(good.location)["login_hint"] == "ben"
    assert portal.get(issuer.accept(good.location)).location == "/area/shop"
    foreign = portal.get("/login", query_string={"iss": "https://evil.example"})
    assert foreign.status_code == 400
    assert "fremd" in foreign.text
    elsewhere = portal.get("/login", query_string={"target_link_uri": "http://localhost:8001.evil.example/"})
    assert portal.get(issuer.accept(elsewhere.location)).location == "/"


BAD_ID_TOKENS: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://evil.example"},
    "another audience": {"aud": "support-portal"},
    "audience is a number": {"aud": 7},
    "several audiences without azp": {"aud": ["customer-portal", "other"]},
    "azp of another client": {"azp": "other"},
    "expired": {"exp": 1000},
    "expiry is a text": {"exp": "2099"},
    "no expiry": {"exp": None},
    "issued in the future": {"iat": 99999999999},
    "not yet valid": {"nbf": 99999999999},
    "another nonce": {"nonce": "replayed"},
    "no nonce": {"nonce": None},
    "no subject": {"sub": None},
    "subject is a number": {"sub": 7},
    "access token exchanged": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    "session id is a list": {"sid": ["sid-1"]},
}


@pytest.mark.parametrize("changes", BAD_ID_TOKENS.values(), ids=BAD_ID_TOKENS.keys())
def test_bad_id_token_opens_no_session(
    portal: FlaskClient, issuer: ForeignIssuer, changes: dict[str, Any]
) -> None:
    """OpenID Connect Core 1.0 §3.1.3.7: each check, alone, discards the answer."""
    answer = portal.get(issuer.accept(start(portal), **changes))
    assert answer.status_code == 400
    assert "verworfen" in answer.text
    assert portal.get("/session").json == {"signed_in": False}


def test_id_token_needs_our_algorithm_kind_and_key(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """ES256 and no other algorithm; no token of another kind; no key but the issuer's (C10)."""
    stranger = ForeignIssuer(url=issuer.url, key=ECKey.generate_key("P-256"))

    def encoded(part: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()

    for number in range(6):
        location = start(portal)
        claims = issuer.claims(nonce=asked(location)["nonce"])
        good = issuer.sign(claims, "JWT")
        forged = [
            issuer.sign(claims, "at+jwt"),
            issuer.sign(claims, "logout+jwt"),
            stranger.sign(claims, "JWT"),
            issuer.sign(claims, "JWT", kid="unknown"),
            encoded({"alg": "none", "kid": "k1"}) + "." + good.split(".")[1] + ".",
            good[:-8] + ("A" * 8 if not good.endswith("A" * 8) else "B" * 8),
        ][number]
        answer = portal.get(issuer.accept(location, issuer.tokens(forged)))
        assert answer.status_code == 400, number
        assert portal.get("/session").json == {"signed_in": False}


@pytest.mark.parametrize("iss", ["", "&iss=https://evil.example", "&iss={url}&iss={url}"])
def test_answer_must_name_our_issuer(portal: FlaskClient, issuer: ForeignIssuer, iss: str) -> None:
    """RFC 9207 §2.4: without ``iss``, with another or with two of it the code is not even exchanged."""
    callback = issuer.accept(start(portal)).split("&iss=")[0]
    answer = portal.get(callback + iss.format(url=issuer.url))
    assert answer.status_code == 400
    assert "/token" not in issuer.requests


def test_answer_counts_once_and_in_its_browser_only(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """A state of another browser, or one already used, opens nothing (req 5)."""
    callback = issuer.accept(start(portal))
    thief = portal.application.test_client()
    assert thief.get(callback).status_code == 400
    thief.get("/login")
    assert thief.get(callback).status_code == 400
    assert portal.get(callback).status_code == 303
    assert portal.get(callback).location == "/"
    assert issuer.requests.count("/token") == 1


def test_two_tabs_both_arrive(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """Two sign-ins started in two tabs both end at their own page."""
    first, second = start(portal, "/login?next=/area/shop"), start(portal, "/login?next=/orders")
    assert portal.get(issuer.accept(second)).location == "/orders"
    assert portal.get(issuer.accept(first)).location == "/area/shop"


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("access_denied", 403, "abgebrochen"),
        ("login_required", 403, "Melden Sie sich noch einmal an"),
        ("unmet_authentication_requirements", 403, "zweite Bestätigung"),
        ("temporarily_unavailable", 503, "antwortet nicht"),
        ("invalid_scope", 502, "nicht Ihr Fehler"),
    ],
)
def test_errors_are_explained(
    portal: FlaskClient, issuer: ForeignIssuer, code: str, status: int, words: str
) -> None:
    """Each error leads to plain words, the protocol's word for developers, and a way on."""
    state = asked(start(portal))["state"]
    query = {"error": code, "error_description": "<b>why</b>", "state": state, "iss": issuer.url}
    answer = portal.get("/callback", query_string=query)
    assert answer.status_code == status
    assert words in answer.text
    hopeless = code == "unmet_authentication_requirements"
    assert ("Noch einmal anmelden" in answer.text) != hopeless
    assert "Zur Startseite" in answer.text
    assert f"<code>{code}</code>" in answer.text
    assert "<b>why" not in answer.text


def test_refused_code_is_explained(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """A code the issuer no longer takes is an expired sign-in, not a breakdown."""
    callback = issuer.accept(start(portal))
    issuer.codes.clear()
    answer = portal.get(callback)
    assert answer.status_code == 400
    assert "abgelaufen" in answer.text


def test_answer_without_id_token_is_discarded(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """Nobody is signed in by an access token."""
    assert portal.get(issuer.accept(start(portal), issuer.tokens(None))).status_code == 400
    wrong_type = issuer.tokens(None, token_type="MAC")
    assert portal.get(issuer.accept(start(portal), wrong_type)).status_code == 400


def test_userinfo_about_somebody_else_is_not_used(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """OpenID Connect Core 1.0 §5.3.2: another ``sub`` means the answer does not count."""
    issuer.userinfo = {"sub": "person-2", "name": "Fremde Person"}
    portal.get(issuer.accept(start(portal)))
    page = portal.get("/")
    assert page.status_code == 200
    assert "Fremde Person" not in page.text


def test_issuer_may_start_later(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """While the issuer is away the portal says so; when it is there the sign-in works."""
    issuer.broken = True
    answer = portal.get("/login")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "10"
    assert "Der Anmeldedienst antwortet nicht" in answer.text
    assert portal.get("/").status_code == 200
    issuer.broken = False
    assert portal.get("/login").status_code == 303


@pytest.mark.parametrize(
    "change",
    [{"issuer": "https://evil.example"}, {"jwks_uri": None}, {"jwks_uri": "http://127.0.0.1:1/"}],
    ids=["another issuer", "no keys", "keys away"],
)
def test_untrue_metadata_signs_nobody_in(
    portal: FlaskClient, issuer: ForeignIssuer, change: dict[str, Any]
) -> None:
    """OpenID Connect Discovery 1.0 §4.3: metadata that names another issuer is not used."""
    issuer.metadata |= change
    answer = portal.get("/login")
    if answer.status_code == 303:
        answer = portal.get(issuer.accept(answer.location))
    assert answer.status_code == 503


def test_new_key_is_found_and_forged_key_ids_do_not_flood_the_issuer(
    portal: FlaskClient, issuer: ForeignIssuer
) -> None:
    """An unknown key id makes the portal read the keys again, but not once for each forgery."""
    portal.get(issuer.accept(start(portal)))
    for _ in range(5):
        location = start(portal)
        claims = issuer.claims(nonce=asked(location)["nonce"])
        answer = portal.get(issuer.accept(location, issuer.tokens(issuer.sign(claims, "JWT", kid="forged"))))
        assert answer.status_code == 400
    assert issuer.requests.count("/jwks") == 1


def test_keys_of_other_kinds_are_left_out(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """RSA keys, encryption keys and broken entries beside our key do no harm."""
    issuer.published += [
        {"kty": "RSA", "kid": "r1", "n": "AQAB", "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "kid": "k2", "x": "!", "y": "!"},
        {"kty": "EC", "crv": "P-256", "kid": 7},
        {"kty": "EC", "crv": "P-256", "kid": "k3", "use": "enc"},
        "not a key",  # type: ignore[list-item]
    ]
    assert portal.get(issuer.accept(start(portal))).status_code == 303
