"""The authorization server around Authlib's core (stack §1)."""

import logging

import pytest

from tests import cast
from tests.plain_browser import Browser, Portal
from tests.world import Desk, forget_snapshot


def test_authlib_logs_no_tokens(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG it writes whole token answers; its logger stays at INFO whatever the root logger says."""
    with caplog.at_level(logging.DEBUG):
        tokens = desk.tokens()
    assert not logging.getLogger("authlib").isEnabledFor(logging.DEBUG)
    assert tokens["access_token"] not in caplog.text
    assert tokens["refresh_token"] not in caplog.text


def test_a_public_client_cannot_leave_pkce_out(desk: Desk) -> None:
    """With Authlib it gets a code without a challenge, and is refused only at the token endpoint (req 4)."""
    with desk.work() as ctx:
        app = cast.register_public(ctx)
    forget_snapshot(desk.gateway)
    portal, browser = Portal(desk.gateway, app), Browser(desk.gateway)
    portal.authorize(browser, code_challenge=None, code_challenge_method=None)
    assert portal.answer(browser)["error"] == "invalid_request"
