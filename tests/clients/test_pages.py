"""What every page of the portals has: headers, languages, titles, and answers when something is away."""

import base64
import hashlib

import pytest
from flask.testing import FlaskClient

from clients.customer_portal import app as customer_portal
from clients.shared.issuer import http_client
from tests.clients.conftest import registration
from tests.clients.foreign_issuer import ForeignIssuer

pytestmark = pytest.mark.enable_socket


@pytest.mark.parametrize(
    "path", ["/", "/login", "/callback", "/signed-out", "/session", "/none", "/area/shop"]
)
def test_every_answer_carries_the_headers(portal: FlaskClient, issuer: ForeignIssuer, path: str) -> None:
    """A strict policy without inline code, no frames, no cache (req 99)."""
    headers = portal.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert f"form-action 'self' {issuer.url};" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/shared/portal.css", "/shared/session.js", "/static/theme.css", "/static/mark.svg"]
)
def test_static_files_are_there(portal: FlaskClient, support: FlaskClient, path: str) -> None:
    """Both portals serve the shared files and their own, and browsers may keep them."""
    for browser in (portal, support):
        with browser.get(path) as answer:
            assert answer.status_code == 200
            assert answer.headers["ETag"]
            assert answer.headers["Cache-Control"] != "no-store"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("de", "de"),
        ("en-GB,en;q=0.9", "en"),
        ("fr", "de"),
        ("fr,en;q=0.5", "en"),
        ("", "de"),
        ("\x7f;;q=x", "de"),
    ],
)
def test_language_follows_the_browser(portal: FlaskClient, accepted: str, language: str) -> None:
    """German unless the browser prefers English."""
    page = portal.get("/", headers={"Accept-Language": accepted}).text
    assert f'<html lang="{language}"' in page


def test_chosen_language_is_kept(portal: FlaskClient) -> None:
    """``lang`` wins over the browser and holds for the next page; an unknown one changes nothing."""
    assert "Sign in now" in portal.get("/?lang=en", headers={"Accept-Language": "de"}).text
    assert "Sign in now" in portal.get("/?lang=fr", headers={"Accept-Language": "de"}).text
    assert "Jetzt anmelden" in portal.get("/?lang=de", headers={"Accept-Language": "en"}).text


def test_titles_name_page_and_portal(portal: FlaskClient, support: FlaskClient) -> None:
    """The title begins with the page, and with "Fehler" where one is explained."""
    assert "<title>Willkommen – Kundenportal</title>" in portal.get("/").text
    assert "<title>Welcome – Support portal</title>" in support.get("/?lang=en").text
    assert "<title>Fehler: Diese Seite gibt es nicht – Kundenportal</title>" in portal.get("/none").text


def test_cookies_are_secure_behind_https(issuer: ForeignIssuer) -> None:
    """A portal at an https address never sends its cookies in the clear; both portals' names differ."""
    config = customer_portal.Config(
        registration(issuer, "https://portal.example", "openid"),
        orders_url="https://api.example",
        support_url="/",
    )
    browser = customer_portal.create_app(config).test_client()
    for cookie in browser.get("/login?lang=de").headers.getlist("Set-Cookie"):
        assert cookie.startswith("customer_portal_")
        assert "; Secure" in cookie
        assert "; HttpOnly" in cookie
        assert "; SameSite=Lax" in cookie


def test_id_token_that_names_its_access_token_is_taken(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """OpenID Connect Core 1.0 §3.1.3.6: the right ``at_hash`` passes (a wrong one is refused elsewhere)."""
    location = portal.get("/login").location
    access_token = issuer.access_token()
    half = hashlib.sha256(access_token.encode()).digest()[:16]
    at_hash = base64.urlsafe_b64encode(half).rstrip(b"=").decode()
    nonce = location.split("nonce=")[1].split("&")[0]
    id_token = issuer.sign(issuer.claims(nonce=nonce, at_hash=at_hash), "JWT")
    answer = issuer.tokens(id_token, access_token=access_token)
    assert portal.get(issuer.accept(location, answer)).status_code == 303


def test_orders_page_says_when_the_api_is_away(issuer: ForeignIssuer) -> None:
    """Another server's absence is explained, not a breakdown of the portal."""
    config = customer_portal.Config(
        registration(issuer, "http://localhost:8001", "openid"),
        orders_url="http://127.0.0.1:1",
        support_url="/",
    )
    browser = customer_portal.create_app(config).test_client()
    browser.get(issuer.accept(browser.get("/login").location))
    page = browser.get("/orders")
    assert page.status_code == 200
    assert "Die Auftrags-API antwortet nicht" in page.text


def test_token_endpoint_that_breaks_down_is_explained(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """The issuer going away between sign-in and exchange costs nobody more than another try."""
    callback = issuer.accept(portal.get("/login").location)
    issuer.broken = True
    answer = portal.get(callback)
    assert answer.status_code == 503
    assert "Der Anmeldedienst antwortet nicht" in answer.text


def test_own_failure_shows_a_page_without_details(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """A defect is logged; the page says whose fault it is and shows nothing of it."""

    @portal.application.get("/defect")
    def defect() -> str:
        raise RuntimeError("secret detail")

    answer = portal.get("/defect")
    assert answer.status_code == 500
    assert "Der Fehler liegt bei uns" in answer.text
    assert "secret detail" not in answer.text


def test_large_and_odd_requests_are_refused_politely(portal: FlaskClient, issuer: ForeignIssuer) -> None:
    """Long values, doubled parameters, bytes that are no text: an explanation, never a breakdown."""
    assert portal.post("/logout", data={"csrf_token": "x" * 70_000}).status_code in (400, 413)
    assert portal.get("/callback?state=a&state=b&code=c").status_code == 400
    assert portal.get("/callback?state=%ff%00&code=%ff").status_code == 400
    assert portal.get("/login?next=%ff%00&login_hint=%00").status_code == 303
    assert portal.get("/area/%ff%00").status_code in (303, 404)
    portal.set_cookie("customer_portal_session", "x" * 3000)
    assert portal.get("/").status_code == 200


def test_this_machine_is_reached_without_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment serves the world outside only."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with http_client("http://localhost:8000") as near, http_client("https://login.example") as far:
        assert (near.trust_env, far.trust_env) == (False, True)


def test_other_names_of_this_machine_lead_to_the_registered_one(portal: FlaskClient) -> None:
    """Who types 127.0.0.1 would lose the sign-in's cookie on the way back to localhost."""
    answer = portal.get("/login?lang=en", base_url="http://127.0.0.1:8001")
    assert (answer.status_code, answer.location) == (302, "http://localhost:8001/login?lang=en")
    for same in ("http://localhost:8001", "http://portal.example:8001", "http://127.0.0.1:9001"):
        assert portal.get("/", base_url=same).status_code == 200
    for odd in ("localhost:abc", "[::1", "a b", "ü", ""):
        assert portal.get("/", headers={"Host": odd}).status_code in (200, 400)
