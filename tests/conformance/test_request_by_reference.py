"""Dynamic OP: a request that lies at the portal's own address (conformance reference §5).

Requests by reference are for pushed ones alone, so the portal is told so, and nothing is fetched from it.
"""

import hashlib

import pytest

from idp import egress
from tests import cast
from tests.conformance.conftest import STATE, Op
from tests.installation import unit_of_work
from tests.key_site import KeySite
from tests.signers import Signer, encoded
from tests.world import ALL_SCOPES, forget_snapshot

pytestmark = [pytest.mark.enable_socket, pytest.mark.alone_on("postgresql")]

RSA = Signer(alg="RS256")


@pytest.fixture
def site(site: KeySite) -> KeySite:
    """Where the portal publishes its request."""
    site.headers = {"Content-Type": "application/oauth-authz-req+jwt"}
    return site


def _heard(op: Op, site: KeySite, published: str) -> set[str]:
    """Return what the portal hears at its redirect URI; nobody may come for what it publishes."""
    site.content = published.encode()
    heard = set()
    address = f"http://127.0.0.1:{site.port}/request.jwt"
    # OIDC Core §6.2: the hash of the content, by which a copy that was kept is known to be old
    digest = hashlib.sha256(site.body).hexdigest()
    for uri in (address, f"{address}#{digest}"):
        heard.add(op.refused(op.browser(), request_uri=uri)["error"])
        alone = {"response_type": "code", "client_id": op.client.registered.client_id, "scope": "openid"}
        alone |= {"redirect_uri": op.client.registered.redirect_uri, "request_uri": uri, "state": STATE}
        browser = op.browser()
        browser.get("/authorize", **alone)
        heard.add(op.client.answer(browser)["error"])
    assert site.hits == []
    egress.fetch(address, settings=op.services.settings, accept=None)
    assert site.hits == ["/request.jwt"]  # it was within reach
    return heard


def test_oidcc_request_uri_unsigned(op: Op, site: KeySite) -> None:
    """An object of alg none, with and without the hash: request_uri_not_supported at the redirect URI."""
    claims = op.client.parameters(state=STATE) | {"iss": op.client.registered.client_id, "aud": op.issuer}
    unsigned = f"{encoded({'alg': 'none'}, claims)}."
    assert _heard(op, site, unsigned) == {"request_uri_not_supported"}


def test_oidcc_request_uri_signed_rs256(op: Op, site: KeySite) -> None:
    """The same of one signed by RS256, which the parameter ``request`` would take."""
    with unit_of_work(op.services) as ctx:
        op.client = op.portal(cast.register(ctx, RSA.client_id, scope=ALL_SCOPES, jwks=RSA.jwks))
    forget_snapshot(op.gateway)
    signed = RSA.request_object(op.issuer, op.client.parameters(state=STATE))
    browser = op.browser()
    op.client.authorize(browser, request=signed)
    browser.sign_in("paul")
    assert op.client.answer(browser)["code"]
    assert _heard(op, site, signed) == {"request_uri_not_supported"}
