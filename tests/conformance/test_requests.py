"""Basic OP: what an authorization request may hold and how it may come (conformance reference §3)."""

import base64
import json

import pytest

from tests import cast
from tests.conformance.conftest import IN_BOTH_PLANS, STATE, Op, asks_for_password, error_page
from tests.installation import unit_of_work
from tests.plain_browser import query
from tests.signers import Signer
from tests.world import ALL_SCOPES, forget_snapshot

pytestmark = [IN_BOTH_PLANS, pytest.mark.alone_on("postgresql")]

UNSIGNED = ".".join(
    base64.urlsafe_b64encode(part).rstrip(b"=").decode()
    for part in (
        b'{"alg":"none"}',
        json.dumps({"client_id": "first", "redirect_uri": "https://evil.example/"}).encode(),
        b"",
    )
)


def test_oidcc_ensure_registered_redirect_uri(op: Op) -> None:
    """An unregistered redirect_uri: an error page, never a redirect."""
    browser = op.browser()
    for uri in ("https://evil.example/", "https://portal.example/callback/other"):
        assert error_page(op, browser, op.client.authorize(browser, redirect_uri=uri))


def test_oidcc_ensure_redirect_uri_in_authorization_request(op: Op) -> None:
    """No redirect_uri: an error page."""
    browser = op.browser()
    assert error_page(op, browser, op.client.authorize(browser, redirect_uri=None))


QUERY = "https://portal.example/callback?tenant=a"


def test_oidcc_redirect_uri_query_ok(op: Op) -> None:
    """A registered query is kept, and the answer goes on after it."""
    with unit_of_work(op.services) as ctx:
        op.client = op.portal(cast.register(ctx, "query", redirect_uris=[QUERY], scope=ALL_SCOPES))
    forget_snapshot(op.gateway)
    browser = op.browser()
    op.client.authorize(browser, state=STATE)
    browser.sign_in("paul")
    op.arrived(browser)
    if op.response_mode is None:
        assert browser.url.startswith(f"{QUERY}&")
        assert browser.url.count("?") == 1
        assert query(browser.url)["state"] == [STATE]
    assert op.client.answer(browser)["code"]
    assert op.id_token(op.client.tokens(browser))["aud"] == op.client.registered.client_id


@pytest.mark.parametrize(
    ("registered", "asked"),
    [
        (QUERY, "https://portal.example/callback?tenant=b"),
        (QUERY, f"{QUERY}&more=x"),
        (QUERY, "https://portal.example/callback"),
        ("https://portal.example/callback", QUERY),
    ],
    ids=["oidcc-redirect-uri-query-mismatch", "one more", "none", "oidcc-redirect-uri-query-added"],
)
def test_oidcc_redirect_uri_query(op: Op, registered: str, asked: str) -> None:
    """Another query than the registered one: an error page."""
    with unit_of_work(op.services) as ctx:
        portal = op.portal(cast.register(ctx, "query", redirect_uris=[registered]))
    forget_snapshot(op.gateway)
    browser = op.browser()
    assert error_page(op, browser, portal.authorize(browser, redirect_uri=asked))


@pytest.mark.parametrize("signed_in", [False, True])
def test_oidcc_ensure_post_request_succeeds(op: Op, signed_in: bool) -> None:
    """The authorization endpoint takes POST from another site's page, without our cookies; who is signed in
    is answered for all that, and sees no page.
    """
    browser = op.browser()
    if signed_in:
        op.log_in(browser)
    browser.post_from("https://portal.example", "/authorize", op.client.parameters(state=STATE))
    assert asks_for_password(browser) is not signed_in
    if not signed_in:
        browser.sign_in("paul")
    op.arrived(browser)
    assert op.client.answer(browser)["state"] == STATE
    assert op.id_token(op.tokens(browser))["aud"] == op.client.registered.client_id


@pytest.mark.parametrize(
    "uri", ["https://portal.example/request.jwt", "https://portal.example/request.jwt#x", "urn:example:x"]
)
def test_oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(op: Op, uri: str) -> None:
    """request_uri: request_uri_not_supported at the redirect URI."""
    assert op.refused(op.browser(), request_uri=uri)["error"] == "request_uri_not_supported"


def test_oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(op: Op) -> None:
    """request: signed ones are processed, an unsigned one is refused at the redirect URI, never ignored."""
    assert op.refused(op.browser(), request=UNSIGNED)["error"] == "invalid_request_object"


def test_oidcc_ensure_request_object_with_redirect_uri(op: Op) -> None:
    """A bad redirect_uri outside: what a signed object holds counts, of an unsigned one nothing does."""
    browser = op.browser()
    answer = op.client.authorize(browser, request=UNSIGNED, redirect_uri="https://evil.example/")
    assert error_page(op, browser, answer)
    signer = Signer()
    with unit_of_work(op.services) as ctx:
        op.client = op.portal(cast.register(ctx, signer.client_id, scope=ALL_SCOPES, jwks=signer.jwks))
    forget_snapshot(op.gateway)
    signed = signer.request_object(op.issuer, op.client.parameters())
    op.client.authorize(browser, request=signed, redirect_uri="https://evil.example/")
    assert asks_for_password(browser)
    browser.sign_in("paul")
    assert op.id_token(op.tokens(browser))["aud"] == op.client.registered.client_id
