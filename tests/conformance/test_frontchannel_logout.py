"""Front-channel logout OP (conformance reference §7, req 48)."""

import html
import re
from urllib.parse import parse_qsl, urlsplit

import pytest

from idp.management import clients
from idp.web.gateway import Gateway
from tests import cast
from tests.builders import OPERATOR
from tests.cast import SIGNED_OUT
from tests.conformance.conftest import ISSUER, STATE, Op, metadata_of
from tests.installation import unit_of_work
from tests.plain_browser import Browser, Portal
from tests.world import ALL_SCOPES, forget_snapshot, verified

pytestmark = pytest.mark.alone_on("postgresql")

FRAMED = "https://framed.example"


@pytest.fixture
def framed(op: Op) -> Portal:
    """A portal with a page that is framed, on a site of its own."""
    with unit_of_work(op.services) as ctx:
        registered = cast.register(
            ctx,
            "framed",
            scope=ALL_SCOPES,
            redirect_uris=[f"{FRAMED}/callback"],
            frontchannel_logout_uri=f"{FRAMED}/logout?from=lotse",
        )
    forget_snapshot(op.gateway)
    return Portal(op.gateway, registered)


def frames(browser: Browser) -> list[str]:
    """Return the addresses that the page shown frames."""
    assert browser.page is not None
    return [html.unescape(found) for found in re.findall(r'<iframe[^>]* src="([^"]*)"', browser.page.text)]


def sources(browser: Browser) -> list[str]:
    """Return what the page shown may frame."""
    assert browser.page is not None
    found = re.search(r"frame-src ([^;]*);", browser.page.headers["Content-Security-Policy"])
    return found[1].split() if found else []


def test_oidcc_frontchannel_logout_discovery_endpoint_verification(provider: Gateway) -> None:
    """frontchannel_logout_supported and _session_supported are true; end_session_endpoint is https."""
    metadata = metadata_of(provider)
    assert metadata["frontchannel_logout_supported"] is True
    assert metadata["frontchannel_logout_session_supported"] is True
    assert metadata["end_session_endpoint"] == f"{ISSUER}/logout"


def test_oidcc_frontchannel_rp_initiated_logout(op: Op, framed: Portal) -> None:
    """A frame with iss and the sid of that portal's ID token; the way back has its state."""
    browser = op.browser()
    hint = op.log_in(browser)["id_token"]
    _, claims = verified(op.gateway, framed.sign_in(browser, "paul")["id_token"])
    browser.get("/logout", id_token_hint=hint, post_logout_redirect_uri=SIGNED_OUT, state=STATE)
    assert browser.url.startswith(f"{op.issuer}/logged-out/")
    [address] = frames(browser)
    assert address.startswith(f"{FRAMED}/logout?from=lotse&")
    assert dict(parse_qsl(urlsplit(address).query)) == {
        "from": "lotse",
        "iss": op.issuer,
        "sid": claims["sid"],
    }
    assert sources(browser) == [FRAMED]
    assert browser.page is not None
    onward = re.search(r'<a [^>]*href="([^"]*)" data-onward>', browser.page.text)
    assert onward is not None
    base, _, query = html.unescape(onward[1]).partition("?")
    assert (base, dict(parse_qsl(query))) == (SIGNED_OUT, {"state": STATE})
    assert "/js/signed_out.js" in browser.page.text
    op.client.authorize(browser, prompt="none")
    assert op.client.answer(browser)["error"] == "login_required"


def test_oidcc_session_management_is_not_offered(op: Op) -> None:
    """Neither check_session_iframe nor session_state: no frame that reads a cookie (decision 37)."""
    assert "check_session_iframe" not in metadata_of(op.gateway)
    browser = op.browser()
    op.client.authorize(browser)
    browser.sign_in("paul")
    assert "session_state" not in op.client.answer(browser)


def test_who_was_not_there_is_not_framed(op: Op, framed: Portal) -> None:
    """Nor in another person's or browser's session; the redirect is then a plain one, as ever."""
    framed.sign_in(op.browser(), "paul")
    browser = op.browser()
    hint = op.log_in(browser)["id_token"]
    browser.get("/logout", id_token_hint=hint, post_logout_redirect_uri=SIGNED_OUT)
    assert browser.url == SIGNED_OUT


def test_an_address_without_a_hint_is_only_offered(op: Op, framed: Portal) -> None:
    """The person agreed to the sign-out by a click, so it goes on; nobody signed in: nothing is framed."""
    browser = op.browser()
    framed.sign_in(browser, "paul")
    browser.get("/logout", client_id="first", post_logout_redirect_uri=SIGNED_OUT)
    question, asked = browser.url, browser.page
    for _ in range(2):  # of two clicks the browser shows the second's answer
        browser.url, browser.page = question, asked
        browser.submit(expect_action="/logout/", choice="logout")
        assert len(frames(browser)) == 1
        assert "data-onward" in browser.page.text
    browser.get("/logout", client_id="first", post_logout_redirect_uri=SIGNED_OUT)
    assert frames(browser) == sources(browser) == []


def test_the_page_that_frames_belongs_to_its_browser(op: Op, framed: Portal) -> None:
    """It tells a sid; another browser does not see it, the own one may see it again (req 41)."""
    browser, other = op.browser(), op.browser()
    framed.sign_in(browser, "paul")
    other.get("/login")
    browser.get("/logout")
    browser.submit(expect_action="/logout/", choice="logout")
    page = browser.url.removeprefix(op.issuer)
    assert browser.page is not None
    assert "data-onward" not in browser.page.text
    assert "benachrichtigt" in browser.page.text
    assert other.get(page).status_code == 400
    assert frames(other) == []
    browser.get(page)
    assert len(frames(browser)) == 1


def test_what_is_no_longer_registered_is_not_framed(op: Op, framed: Portal) -> None:
    """The page asks the registration of now, not of then (req 48)."""
    browser = op.browser()
    framed.sign_in(browser, "paul")
    browser.get("/logout")
    browser.submit(expect_action="/logout/", choice="logout")
    page = browser.url.removeprefix(op.issuer)
    with unit_of_work(op.services) as ctx:
        clients.disable(ctx.acting(OPERATOR), "framed")
    forget_snapshot(op.gateway)
    assert browser.get(page).status_code == 200
    assert frames(browser) == sources(browser) == []


def test_a_portal_with_both_channels_stands_once_in_the_receipt(op: Op) -> None:
    """With what its back channel tells, for a frame tells nothing."""
    with unit_of_work(op.services) as ctx:
        both = cast.register(
            ctx,
            "both",
            frontchannel_logout_uri="https://portal.example/front",
            backchannel_logout_uri="https://portal.example/back",
        )
    forget_snapshot(op.gateway)
    browser = op.browser()
    Portal(op.gateway, both).sign_in(browser, "paul")
    browser.get("/logout")
    browser.submit(expect_action="/logout/", choice="logout")
    assert browser.page is not None
    assert browser.page.text.count('<span class="name">Both</span>') == 1
    assert "wird abgemeldet" in browser.page.text
    assert len(frames(browser)) == 1
