"""Dynamic OP: a request that lies at the portal's own address (conformance reference §5).

Requests by reference are for pushed ones alone, so the portal is told so, and nothing is fetched from it.
"""

import hashlib
from collections.abc import Iterator

import pytest

from idp import egress
from idp.settings import Settings
from idp.settings.models import Egress
from tests import cast
from tests.conformance.conftest import STATE, Op
from tests.installation import unit_of_work
from tests.key_site import KeySite, key_site
from tests.signers import Signer, encoded
from tests.world import ALL_SCOPES, forget_snapshot

pytestmark = [pytest.mark.enable_socket, pytest.mark.alone_on("postgresql")]

RSA = Signer(alg="RS256")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The portal's site is on this machine, as the suite's is, and within reach."""
    return settings.model_copy(update={"egress": Egress(allow_loopback=True)})


@pytest.fixture
def site() -> Iterator[KeySite]:
    """Where the portal publishes its request."""
    with key_site() as served:
        served.headers = {"Content-Type": "application/oauth-authz-req+jwt"}
        yield served


def _refused(op: Op, site: KeySite, published: str) -> None:
    """Hold that the portal hears it at its redirect URI, and that nobody comes for what it publishes."""
    site.content = published.encode()
    address = f"http://127.0.0.1:{site.port}/request.jwt"
    # OIDC Core §6.2: the hash of the content, by which a copy that was kept is known to be old
    digest = hashlib.sha256(site.body).hexdigest()
    for uri in (address, f"{address}#{digest}"):
        assert op.refused(op.browser(), request_uri=uri)["error"] == "request_uri_not_supported"
        alone = {"response_type": "code", "client_id": op.client.registered.client_id, "scope": "openid"}
        alone |= {"redirect_uri": op.client.registered.redirect_uri, "request_uri": uri, "state": STATE}
        browser = op.browser()
        browser.get("/authorize", **alone)
        assert op.client.answer(browser)["error"] == "request_uri_not_supported"
    assert site.hits == []
    egress.fetch(address, settings=op.services.settings, accept=None)
    assert site.hits == ["/request.jwt"]  # it was within reach


def test_oidcc_request_uri_unsigned(op: Op, site: KeySite) -> None:
    """An object of alg none, with and without the hash: request_uri_not_supported at the redirect URI."""
    claims = op.client.parameters(state=STATE) | {"iss": op.client.registered.client_id, "aud": op.issuer}
    _refused(op, site, f"{encoded({'alg': 'none'}, claims)}.")


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
    _refused(op, site, signed)
