"""Dynamic OP's modules about clients with keys of their own (conformance reference §5).

The suite registers its clients itself; here they are registered by hand.
"""

from datetime import timedelta
from typing import Any

import pytest

from idp.oidc import client_keys
from tests import cast
from tests.conformance.conftest import Op, asks_for_password
from tests.driver import counted
from tests.installation import unit_of_work
from tests.key_site import KeySite
from tests.plain_browser import Browser, Portal
from tests.signers import Signer, SigningPortal, posted
from tests.world import ALL_SCOPES, forget_snapshot, machine

pytestmark = [pytest.mark.enable_socket, pytest.mark.alone_on("postgresql")]

RSA = Signer(alg="RS256")
OLD, NEW = Signer(kid="old"), Signer(kid="new", number=1)
GRANT = {"grant_type": "client_credentials"}
PATHS = ("/token", "/introspect", "/revoke", "/par", "/authorize")


@pytest.fixture
def site(site: KeySite) -> KeySite:
    """Where the portal publishes its keys."""
    site.publish(OLD.jwk)
    return site


def _register(op: Op, signer: Signer, **keys: Any) -> SigningPortal:
    with unit_of_work(op.services) as ctx:
        fields = {"token_endpoint_auth_method": "private_key_jwt", "scope": ALL_SCOPES, **keys}
        registered = cast.register(ctx, signer.client_id, **fields)
    forget_snapshot(op.gateway)
    return SigningPortal(op.gateway, registered, signer=signer)


def test_oidcc_server(op: Op) -> None:
    """A whole login with private_key_jwt by RS256, refresh included; without the key nothing."""
    op.client = _register(op, RSA, jwks=RSA.jwks)
    browser = op.browser()
    op.client.authorize(browser)
    assert asks_for_password(browser)
    browser.sign_in("paul")
    code = op.client.answer(browser)["code"]
    bare = Portal(op.gateway, op.client.registered, verifier=op.client.verifier)
    assert bare.exchange(code).status_code == 401
    answer = op.client.exchange(code)
    assert answer.status_code == 200
    assert op.id_token(answer.get_json())["aud"] == op.client.registered.client_id
    assert op.client.refresh(answer.get_json()["refresh_token"]).status_code == 200


def test_oidcc_ensure_client_assertion_with_iss_aud_succeeds(op: Op) -> None:
    """aud = issuer is what we want; another issuer's assertion, or one for an endpoint, is refused."""
    _register(op, RSA, jwks=RSA.jwks)
    for aud, status in ((op.issuer, 200), (f"{op.issuer}/token", 401), ("https://other.example", 401)):
        form = GRANT | RSA.credentials(op.issuer, aud=aud)
        assert machine(op.gateway, "POST", "/token", data=form).status_code == status, aud


def test_oidcc_registration_jwks_uri(op: Op, site: KeySite) -> None:
    """Keys by jwks_uri are fetched, once for many requests."""
    portal = _register(op, OLD, jwks_uri=site.uri)
    for _ in range(3):
        assert portal.call("/token", GRANT).status_code == 200
    assert site.hits == ["/jwks"]


def test_oidcc_refresh_token_rp_key_rotation(op: Op, site: KeySite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The RP's jwks_uri gets a new key id: an assertion with it works, the next look finds it."""
    portal = _register(op, OLD, jwks_uri=site.uri)
    assert portal.call("/token", GRANT).status_code == 200
    site.publish(OLD.jwk, NEW.jwk)
    monkeypatch.setattr(client_keys, "PATIENCE", timedelta(0))  # the suite waits for a minute
    portal.signer = NEW
    assert portal.call("/token", GRANT).status_code == 200
    assert site.hits == ["/jwks"] * 2


def test_a_site_that_is_away_is_a_refusal(op: Op, site: KeySite) -> None:
    """No error of ours, and no long wait for the next request."""
    site.status = 500
    portal = _register(op, OLD, jwks_uri=site.uri)
    for _ in range(2):
        answer = portal.call("/introspect", {"token": "x"})
        assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client")
    assert site.hits == ["/jwks"]


def test_a_fetch_holds_no_transaction(op: Op, site: KeySite) -> None:
    """Whoever waits for a portal's site keeps nobody else waiting: no statement came before (req 32)."""
    portals = {
        path: _register(op, Signer(f"p{number}"), jwks_uri=site.uri) for number, path in enumerate(PATHS)
    }
    site.publish(Signer().jwk)
    forget_snapshot(op.gateway)
    op.gateway.server.provider.snapshots.current()
    for path, portal in portals.items():
        with counted(op.services.database) as traffic:
            before: list[list[str]] = []
            site.on_hit = lambda before=before, traffic=traffic: before.append(list(traffic.statements))
            if path == "/authorize":
                signed = portal.signer.request_object(op.issuer, portal.parameters())
                Browser(op.gateway).get(path, client_id=portal.registered.client_id, request=signed)
            else:
                portal.call(path, {"grant_type": "refresh_token", "refresh_token": "x", "token": "x"})
        assert len(before) == 1, path
        # the look at the version row is on a connection of its own, in autocommit
        assert [text for text in before[0] if "snapshot_version" not in text] == [], path


def test_assertions_of_others_are_refused(op: Op) -> None:
    """Signed by one client in another's name, with either's key id."""
    other = Signer("other", alg="RS256", number=1)
    _register(op, RSA, jwks=RSA.jwks)
    _register(op, other, jwks=other.jwks)
    forged = other.sign(RSA.assertion_claims(op.issuer))
    assert machine(op.gateway, "POST", "/token", data=GRANT | posted(forged)).status_code == 401
