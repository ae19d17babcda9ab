"""C1: no mutation of a registered redirect URI is ever redirected to (req 1, 2, 46)."""

from urllib.parse import quote_plus, urlencode

import pytest

from idp.crypto import random_token
from tests import cast
from tests.attacks.live import FORM, Live
from tests.attacks.parties import Party, parsed
from tests.attacks.redirect_uris import EVIL, mutations
from tests.attacks.visitor import Visitor, leads_outside
from tests.cast import REDIRECT, SIGNED_OUT
from tests.installation import unit_of_work

pytestmark = pytest.mark.enable_socket

#: the page may lead back to the portal
HOME = "https://portal.example/"
#: what else may be wrong in the same request; a wrong redirect URI comes first (req 2)
COMPANY = (
    {},
    {"response_type": "token"},
    {"response_type": None},
    {"scope": "nonsense"},
    {"prompt": "none"},
    {"prompt": "none login"},
    {"claims": "{"},
    {"max_age": "-1"},
    {"code_challenge": None},
    {"request": "x"},
    {"request_uri": "https://evil.example/"},
    {"response_mode": "fragment"},
    {"id_token_hint": "x"},
)


def test_there_are_enough_mutations() -> None:
    """The issue demands sixty."""
    assert len(mutations(REDIRECT)) >= 60


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("signed_in", [False, True], ids=["stranger", "signed in"])
def test_no_mutation_is_redirected_to(
    live: Live, portal: Party, visitor: Visitor, method: str, signed_in: bool
) -> None:
    """An error page, no Location, no row, with and without a session (req 1, 2)."""
    if signed_in:
        portal.code(visitor)
    before = live.rows()
    failed = []
    for name, uri in mutations(REDIRECT).items():
        query = urlencode(portal.parameters(redirect_uri=uri))
        if method == "GET":
            answer = visitor.once("GET", f"/authorize?{query}")
        else:
            answer = visitor.once("POST", "/authorize", query.encode(), FORM)
        if answer.status not in (400, 431) or answer.location is not None:
            failed.append((name, answer.status, answer.location))
        if leads_outside(answer.text) - {HOME}:
            failed.append((name, answer.status, "linked"))
    assert failed == []
    assert live.rows() == before


def test_no_mutation_can_be_pushed(live: Live, portal: Party) -> None:
    """The client is told at once, and nothing is kept (req 1, RFC 9126 §2.3)."""
    before = live.rows()
    for name, uri in mutations(REDIRECT).items():
        answer = portal.call("/par", portal.parameters(redirect_uri=uri))
        assert (answer.status, parsed(answer)["error"]) == (400, "invalid_request"), name
    assert live.rows() == before


def test_a_wrong_uri_comes_before_every_other_mistake(live: Live, portal: Party, visitor: Visitor) -> None:
    """Whatever else is wrong, and with a client nobody knows, there is no redirect (req 2)."""
    before = live.rows()
    for changes in COMPANY:
        for wrong in (
            {"redirect_uri": f"https://{EVIL}/callback"},
            {"redirect_uri": None},
            {"client_id": "nobody"},
            {"client_id": None},
        ):
            query = urlencode(portal.parameters(**(changes | wrong)))
            answer = visitor.once("GET", f"/authorize?{query}")
            assert (answer.status, answer.location) == (400, None), (changes, wrong)
    assert live.rows() == before


def test_two_redirect_uris_are_none(live: Live, portal: Party, visitor: Visitor) -> None:
    """Neither the first nor the last of two counts, whichever is registered (req 2, 11)."""
    good, evil = quote_plus(REDIRECT), quote_plus(f"https://{EVIL}/callback")
    query = urlencode(portal.parameters(redirect_uri=None))
    before = live.rows()
    for first, second in ((good, evil), (evil, good), (good, good), ("", evil), (evil, "")):
        answer = visitor.once("GET", f"/authorize?{query}&redirect_uri={first}&redirect_uri={second}")
        assert (answer.status, answer.location) == (400, None), (first, second)
    assert live.rows() == before


def test_the_token_endpoint_compares_it_too(portal: Party, visitor: Visitor) -> None:
    """A code is bound to the redirect URI of its request, byte for byte (req 7)."""
    for name, uri in list(mutations(REDIRECT).items())[::9]:
        code = portal.code(visitor)
        answer = portal.redeem(code, redirect_uri=uri)
        assert answer.status == 400, name
        assert portal.redeem(code).status == 400, f"{name}: the code was not burnt"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("hinted", [False, True], ids=["client_id", "hint"])
def test_no_mutation_is_redirected_to_after_sign_out(
    live: Live, portal: Party, visitor: Visitor, method: str, hinted: bool
) -> None:
    """``post_logout_redirect_uri`` is compared in the same way; nobody is signed out (req 46)."""
    tokens = portal.tokens(visitor)
    by = {"id_token_hint": tokens["id_token"]} if hinted else {"client_id": "portal"}
    before = live.rows()
    failed = []
    for name, uri in mutations(SIGNED_OUT).items():
        if not uri:
            continue  # a parameter without a value counts as left out (RFC 6749 §3.1)
        query = urlencode({**by, "post_logout_redirect_uri": uri})
        if method == "GET":
            answer = visitor.once("GET", f"/logout?{query}")
        else:
            answer = visitor.once("POST", "/logout", query.encode(), FORM)
        if answer.status not in (400, 431) or answer.location is not None:
            failed.append((name, answer.status, answer.location))
    assert failed == []
    assert live.rows() == before


def test_a_sign_out_without_a_client_leads_nowhere_else(live: Live, portal: Party, visitor: Visitor) -> None:
    """A registered address counts only for the client it is registered for (req 46)."""
    for parameters in (
        {"post_logout_redirect_uri": SIGNED_OUT},
        {"post_logout_redirect_uri": SIGNED_OUT, "client_id": "nobody"},
    ):
        answer = visitor.once("GET", f"/logout?{urlencode(parameters)}")
        assert (answer.status, answer.location) == (400, None)


def test_a_loopback_client_may_change_its_port_and_nothing_else(live: Live, visitor: Visitor) -> None:
    """RFC 8252 §7.3: the port of 127.0.0.1 and [::1] of a native client is free (req 1)."""
    with unit_of_work(live.services) as ctx:
        registered = cast.register_public(
            ctx,
            "native",
            kind="native",
            redirect_uris=["http://127.0.0.1/callback", "http://[::1]/callback"],
            post_logout_redirect_uris=None,
        )
    app = Party(live, registered, random_token())
    for good in ("http://127.0.0.1:51004/callback", "http://[::1]:61004/callback"):
        answer = visitor.once("GET", f"/authorize?{urlencode(app.parameters(redirect_uri=good))}")
        assert answer.status == 303, good
    before = live.rows()
    for bad in (
        "http://localhost:51004/callback",
        "http://127.0.0.2:51004/callback",
        "http://127.0.0.1.evil.example:51004/callback",
        "http://127.0.0.1:51004@evil.example/callback",
        "http://127.0.0.1:51004/callback/..",
        "http://127.0.0.1:51004/other",
        "http://127.0.0.1:0/callback",
        "http://127.0.0.1:66000/callback",
        "http://127.0.0.1:/callback",
        "https://127.0.0.1:51004/callback",
        "http://[::ffff:127.0.0.1]:51004/callback",
        "http://user@127.0.0.1:51004/callback",
    ):
        answer = visitor.once("GET", f"/authorize?{urlencode(app.parameters(redirect_uri=bad))}")
        assert (answer.status, answer.location) == (400, None), bad
    assert live.rows() == before
