"""A portal with a key: sign-in, refresh, userinfo, and what a thief of its tokens gets (RFC 9449; req 26)."""

import pytest

from idp.context import Services
from idp.web.gateway import Gateway
from tests import cast
from tests.cast import Registered
from tests.installation import unit_of_work
from tests.plain_browser import Browser, Portal, claims
from tests.provers import KINDS, Prover, ProvingPortal


@pytest.fixture(params=["confidential", "public"])
def registered(request: pytest.FixtureRequest, services: Services) -> Registered:
    with unit_of_work(services) as ctx:
        cast.member(ctx)
        register = cast.register if request.param == "confidential" else cast.register_public
        return register(ctx, dpop_bound_access_tokens=True)


@pytest.mark.parametrize("alg", KINDS)
def test_a_person_signs_in_at_a_portal_with_a_key(gateway: Gateway, registered: Registered, alg: str) -> None:
    """Code, refresh and userinfo with each kind of key, following the nonces; a thief gets nothing."""
    portal = ProvingPortal(gateway, registered, prover=Prover(alg))
    thief = ProvingPortal(gateway, registered, prover=Prover(number=7), verifier=portal.verifier)
    browser = Browser(gateway)
    portal.authorize(browser, dpop_jkt=portal.prover.jkt)
    browser.sign_in()
    answer = portal.exchange(portal.answer(browser)["code"])
    portal.nonce = answer.headers["DPoP-Nonce"]
    tokens = answer.get_json()
    for _ in range(2):
        assert tokens["token_type"] == "DPoP"
        assert claims(tokens["access_token"])["cnf"] == {"jkt": portal.prover.jkt}
        shown = portal.userinfo(tokens["access_token"])
        assert shown.get_json()["sub"] == claims(tokens["id_token"])["sub"]
        assert thief.userinfo(tokens["access_token"]).status_code == 401
        assert Portal(gateway, registered).userinfo(tokens["access_token"]).status_code == 401
        assert Portal(gateway, registered).refresh(tokens["refresh_token"]).status_code == 400
        if registered.secret is None:
            assert thief.refresh(tokens["refresh_token"]).status_code == 400
        tokens = portal.refresh(tokens["refresh_token"]).get_json()


def test_the_key_goes_ahead_by_par(gateway: Gateway, registered: Registered) -> None:
    """The proof at ``/par`` binds the code: another key burns it (RFC 9449 §10.1, req 7)."""
    portal = ProvingPortal(gateway, registered)
    thief = ProvingPortal(gateway, registered, prover=Prover(number=7), verifier=portal.verifier)
    browser = Browser(gateway)
    for redeeming, statuses in ((portal, (200,)), (thief, (400,))):
        pushed = portal.call("/par", portal.parameters()).get_json()
        browser.get("/authorize", client_id=registered.client_id, request_uri=pushed["request_uri"])
        if not browser.url.startswith(registered.redirect_uri):
            browser.sign_in()
        code = portal.answer(browser)["code"]
        assert redeeming.exchange(code).status_code in statuses
        assert portal.exchange(code).status_code == 400
