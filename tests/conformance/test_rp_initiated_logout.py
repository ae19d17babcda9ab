"""RP-Initiated Logout OP (conformance reference §7, req 46)."""

import base64
import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from idp.web.gateway import Gateway
from tests.cast import SIGNED_OUT
from tests.conformance.conftest import ISSUER, STATE, Op, error_page, metadata_of
from tests.plain_browser import Browser

pytestmark = pytest.mark.alone_on("postgresql")


def _signed_in(op: Op) -> tuple[Browser, str]:
    browser = op.browser()
    return browser, op.log_in(browser)["id_token"]


def _is_signed_out(op: Op, browser: Browser) -> bool:
    op.client.authorize(browser, prompt="none")
    return op.client.answer(browser).get("error") == "login_required"


def _returned(browser: Browser) -> dict[str, str] | None:
    """Return the query the browser was sent back with, None where it was not."""
    base, _, query = browser.url.partition("?")
    return dict(parse_qsl(query, keep_blank_values=True)) if base == SIGNED_OUT else None


def test_oidcc_rp_initiated_logout_discovery_endpoint_verification(provider: Gateway) -> None:
    """end_session_endpoint is there and https."""
    assert metadata_of(provider)["end_session_endpoint"] == f"{ISSUER}/logout"


def test_oidcc_rp_initiated_logout(op: Op) -> None:
    """Hint, URI and state: back at the URI with the same 128-character state and nothing else."""
    browser, hint = _signed_in(op)
    browser.get("/logout", id_token_hint=hint, post_logout_redirect_uri=SIGNED_OUT, state=STATE)
    assert _returned(browser) == {"state": STATE}
    assert _is_signed_out(op, browser)


def test_oidcc_rp_initiated_logout_by_post(op: Op) -> None:
    """RP-Initiated Logout §2: POST from another site's page, without our cookies; the next page decides."""
    browser, hint = _signed_in(op)
    form = {"id_token_hint": hint, "post_logout_redirect_uri": SIGNED_OUT, "state": STATE}
    browser.post_from("https://portal.example", "/logout", form)
    assert _returned(browser) == {"state": STATE}
    assert _is_signed_out(op, browser)


def test_oidcc_rp_initiated_logout_no_state(op: Op) -> None:
    """Without state none comes back."""
    browser, hint = _signed_in(op)
    browser.get("/logout", id_token_hint=hint, post_logout_redirect_uri=SIGNED_OUT)
    assert _returned(browser) == {}
    assert _is_signed_out(op, browser)


@pytest.mark.parametrize(
    "uri",
    ["https://evil.example/", f"{SIGNED_OUT}?foo=bar", f"{SIGNED_OUT}/"],
    ids=[
        "oidcc-rp-initiated-logout-bad-post-logout-redirect-uri",
        "oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri",
        "slash added",
    ],
)
def test_oidcc_rp_initiated_logout_other_uri(op: Op, uri: str) -> None:
    """A URI that is not registered: a page, no redirect, and nobody is signed out."""
    browser, hint = _signed_in(op)
    answer = browser.get("/logout", id_token_hint=hint, post_logout_redirect_uri=uri, state=STATE)
    assert error_page(op, browser, answer)
    assert not _is_signed_out(op, browser)


def _unsigned(token: str) -> str:
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).rstrip(b"=")
    return f"{header.decode()}.{token.split('.')[1]}."


def _foreign(token: str) -> str:
    content = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)))
    key = ECKey.generate_key("P-256")
    return jwt.encode({"alg": "ES256", "kid": "foreign"}, claims, key)


@pytest.mark.parametrize(
    "forge",
    [_unsigned, _foreign],
    ids=["oidcc-rp-initiated-logout-modified-id-token-hint", "oidcc-rp-initiated-logout-bad-id-token-hint"],
)
def test_oidcc_rp_initiated_logout_forged_hint(op: Op, forge: Any) -> None:
    """alg none, and another key: an error page, no redirect, nobody is signed out."""
    browser, hint = _signed_in(op)
    answer = browser.get("/logout", id_token_hint=forge(hint), post_logout_redirect_uri=SIGNED_OUT)
    assert error_page(op, browser, answer)
    assert not _is_signed_out(op, browser)


def test_oidcc_rp_initiated_logout_no_id_token_hint(op: Op) -> None:
    """URI and state without a hint: nobody can tell whose they are, so a page and no redirect."""
    browser, _ = _signed_in(op)
    answer = browser.get("/logout", post_logout_redirect_uri=SIGNED_OUT, state=STATE)
    assert error_page(op, browser, answer)
    assert not _is_signed_out(op, browser)


def test_oidcc_rp_initiated_logout_client_id_instead_of_a_hint(op: Op) -> None:
    """With client_id the URI can be compared, but the person is asked first; then it goes back with state."""
    browser, _ = _signed_in(op)
    wish = {"client_id": "first", "post_logout_redirect_uri": SIGNED_OUT, "state": STATE}
    answer = browser.get("/logout", **wish)
    assert answer.status_code == 200
    assert not _is_signed_out(op, browser)
    browser.get("/logout", **wish)
    browser.submit(expect_action="/logout/", choice="logout")
    assert _returned(browser) == {"state": STATE}
    assert _is_signed_out(op, browser)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"state": STATE}, {"with": "hint"}],
    ids=[
        "oidcc-rp-initiated-logout-no-params",
        "oidcc-rp-initiated-logout-only-state",
        "oidcc-rp-initiated-logout-no-post-logout-redirect-uri",
    ],
)
def test_oidcc_rp_initiated_logout_stays_with_us(op: Op, parameters: dict[str, str]) -> None:
    """Signed out, after a question where there is no hint, and the page says so."""
    browser, hint = _signed_in(op)
    asks = "with" not in parameters
    page = browser.get("/logout", **(parameters if asks else {"id_token_hint": hint}))
    if asks:
        page = browser.submit(expect_action="/logout/", choice="logout")
    assert page.status_code == 200
    assert urlsplit(browser.url).path.startswith("/logged-out/")
    assert _is_signed_out(op, browser)


def test_an_expired_id_token_is_a_hint(op: Op) -> None:
    """RP-Initiated Logout §4: a hint whose time is over does as well; the person is not asked."""
    browser, hint = _signed_in(op)
    header = json.loads(base64.urlsafe_b64decode(hint.split(".")[0] + "=="))
    content = hint.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)))
    keys = op.gateway.server.provider.snapshots.current().keys
    late = keys.sign({**claims, "iat": claims["iat"] - 90_000, "exp": 1}, alg=header["alg"], typ="JWT")
    browser.get("/logout", id_token_hint=late, post_logout_redirect_uri=SIGNED_OUT)
    assert _returned(browser) == {}
    assert _is_signed_out(op, browser)
