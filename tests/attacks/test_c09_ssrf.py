"""C9: no field or parameter that holds an address has us ask a server on our own side (req 32).

What the egress function itself refuses, redirects and names that rebind among it: ``tests/test_egress.py``.
"""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from idp.app import build_duties
from idp.context import Services
from idp.oidc.metadata_reader import InvalidMetadata
from idp.web.gateway import Gateway
from idp.worker import Worker
from tests import cast
from tests.cast import Registered
from tests.installation import unit_of_work
from tests.plain_browser import Browser, Portal, basic
from tests.provers import Prover
from tests.signers import Signer, SigningPortal, posted
from tests.sinks import Sink, serve
from tests.test_egress import THIS_MACHINE
from tests.world import forget_snapshot, machine

pytestmark = pytest.mark.enable_socket

HOSTS = (*THIS_MACHINE, "localhost.", "[::1]", "inside.example")
SHOWN = ("home_uri", "initiate_login_uri", "logo_uri", "policy_uri", "tos_uri", "resource_uri")


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A server on this machine that must never hear of us."""
    yield from serve("127.0.0.1")


@pytest.fixture
def addresses(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Its address in all spellings, one of them a name that points to it."""
    ask = socket.getaddrinfo

    def resolve(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        return ask("127.0.0.1" if host == "inside.example" else host, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return [f"{scheme}://{host}:{sink.port}/json" for host in HOSTS for scheme in ("https", "http")]


def _register(services: Services, client_id: str, **fields: Any) -> Registered | None:
    """Register a client, or return None where its address is refused."""
    try:
        with unit_of_work(services) as ctx:
            return cast.register(ctx, client_id, **fields)
    except InvalidMetadata:
        return None


def test_keys_of_a_client(services: Services, gateway: Gateway, sink: Sink, addresses: list[str]) -> None:
    """``jwks_uri``, at every place where a client's signature is verified."""
    asked = 0
    for number, uri in enumerate(addresses):
        signer = Signer(f"c{number}")
        fields = {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": uri}
        made = _register(services, signer.client_id, **fields)
        if made is None:
            continue
        forget_snapshot(gateway)
        asked += 1
        portal = SigningPortal(gateway, made, signer=signer)
        for path in ("/token", "/par", "/introspect", "/revoke"):
            answer = portal.call(path, {"grant_type": "client_credentials", "token": "x"})
            assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client")
        signed = signer.request_object(portal.gateway.server.provider.issuer, portal.parameters())
        portal.authorize(Browser(gateway), request=signed)
    assert asked >= 8
    assert sink.connections == 0


def test_the_document_of_a_sector(services: Services, sink: Sink, addresses: list[str]) -> None:
    """``sector_identifier_uri`` is refused with the registration."""
    reasons = []
    for number, uri in enumerate(addresses):
        with unit_of_work(services) as ctx, pytest.raises(InvalidMetadata) as refused:
            cast.register(ctx, f"c{number}", subject_type="pairwise", sector_identifier_uri=uri)
        reasons.append(str(refused.value))
    assert sum("could not be read" in reason for reason in reasons) >= 8, reasons
    assert sink.connections == 0


def test_back_channel_logout(services: Services, gateway: Gateway, sink: Sink, addresses: list[str]) -> None:
    """``backchannel_logout_uri``: the worker gives the message up."""
    with unit_of_work(services) as ctx:
        cast.person(ctx, "paul")
    made = [_register(services, f"c{at}", backchannel_logout_uri=uri) for at, uri in enumerate(addresses)]
    forget_snapshot(gateway)
    browser = Browser(gateway)
    tokens = [Portal(gateway, each).sign_in(browser, "paul") for each in made if each is not None]
    assert len(tokens) >= 8
    browser.get("/logout", id_token_hint=tokens[0]["id_token"])
    worker = Worker(services, build_duties(services))
    worker.run_once(datetime.now(UTC))
    worker.close()
    assert sink.connections == 0


def test_addresses_that_are_only_shown(
    services: Services, gateway: Gateway, sink: Sink, addresses: list[str]
) -> None:
    """Logo, links and the ways back are the browser's to follow."""
    for number, uri in enumerate(addresses):
        fields: dict[str, Any] = dict.fromkeys(SHOWN, uri)
        made = _register(services, f"c{number}", redirect_uris=[uri], frontchannel_logout_uri=uri, **fields)
        if made is not None:
            forget_snapshot(gateway)
            Portal(gateway, made).authorize(Browser(gateway))
    assert sink.connections == 0


def test_addresses_in_requests_and_headers(
    services: Services, gateway: Gateway, sink: Sink, addresses: list[str]
) -> None:
    """``request_uri`` and the like; ``jku`` and ``x5u`` of assertions, request objects, hints and proofs."""
    signer = Signer("signer")
    with unit_of_work(services) as ctx:
        fields = {"token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks}
        portal = SigningPortal(gateway, cast.register(ctx, "signer", **fields), signer=signer)
        other = cast.register(ctx, "other")
    forget_snapshot(gateway)
    issuer = gateway.server.provider.issuer
    stranger = Signer("signer", kid="other", number=1)
    for uri in addresses:
        for name in ("request_uri", "redirect_uri", "resource", "registration", "login_hint", "claims"):
            portal.authorize(Browser(gateway), **{name: uri})
            portal.call("/par", portal.parameters(**{name: uri}))
        header = {"jku": uri, "x5u": uri}
        forged = stranger.sign(stranger.assertion_claims(issuer), **header)
        machine(gateway, "POST", "/token", data={"grant_type": "client_credentials", **posted(forged)})
        signed = stranger.sign(stranger.object_claims(issuer, portal.parameters()), **header)
        portal.authorize(Browser(gateway), request=signed)
        portal.authorize(Browser(gateway), id_token_hint=forged)
        Browser(gateway).get("/logout", id_token_hint=forged, post_logout_redirect_uri=uri)
        proof = Prover(number=1).proof(f"{issuer}/token", header=header)
        machine(
            gateway,
            "POST",
            "/token",
            data={"grant_type": "client_credentials"},
            headers={"DPoP": proof, "Authorization": basic("other", str(other.secret))},
        )
    assert sink.connections == 0
