"""What the policy of a page calls a portal's addresses (CSP Level 3 §2.3.1; req 48, 99)."""

import re

import pytest

from tests import cast
from tests.plain_browser import Browser, Portal
from tests.world import Desk, forget_snapshot


@pytest.mark.parametrize(
    ("origin", "named"),
    [("http://localhost:9", True), ("http://127.0.0.1:9", True), ("http://[::1]:9", False)],
)
def test_a_policy_names_only_what_it_can(desk: Desk, origin: str, named: bool) -> None:
    """There are no words for IPv6 hosts: no directive has one, or browsers complain (RFC 8252 §7.3)."""
    with desk.work() as ctx:
        made = cast.register(
            ctx,
            "neighbour",
            redirect_uris=[f"{origin}/callback"],
            post_logout_redirect_uris=[f"{origin}/signed-out"],
            home_uri=None,
            initiate_login_uri=None,
            frontchannel_logout_uri=f"{origin}/frontchannel-logout",
        )
    forget_snapshot(desk.gateway)
    portal, browser = Portal(desk.gateway, made), Browser(desk.gateway)
    asked = portal.authorize(browser)
    assert _directive(asked.headers["Content-Security-Policy"], "form-action") == [
        "'self'",
        *([origin] * named),
    ]
    browser.sign_in("paul")
    leaving = browser.get("/logout", client_id="neighbour", post_logout_redirect_uri=f"{origin}/signed-out")
    assert _directive(leaving.headers["Content-Security-Policy"], "form-action") == [
        "'self'",
        *([origin] * named),
    ]
    left = browser.submit(expect_action="/logout", choice="logout")
    assert f'<iframe src="{origin}/frontchannel-logout' in re.sub(
        r"<iframe[^>]*? src=", "<iframe src=", left.text
    )
    assert _directive(left.headers["Content-Security-Policy"], "frame-src") == [origin] * named


def _directive(policy: str, name: str) -> list[str]:
    found = re.search(rf"{name} ([^;]*)", policy)
    return found[1].split() if found else []
