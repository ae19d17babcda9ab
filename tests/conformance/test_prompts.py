"""Basic OP: prompt, max_age and hints (conformance reference §3)."""

import pytest

from tests.conformance.conftest import IN_BOTH_PLANS, STATE, Op, asks_for_password
from tests.world import time_passes

pytestmark = [IN_BOTH_PLANS, pytest.mark.alone_on("postgresql")]


def test_oidcc_prompt_login(op: Op) -> None:
    """A second login with prompt=login asks again, and auth_time is later."""
    browser = op.browser()
    first = op.id_token(op.log_in(browser))
    time_passes(op.services, seconds=5)
    op.client.authorize(browser, prompt="login")
    assert asks_for_password(browser)
    browser.sign_in("paul")
    second = op.id_token(op.tokens(browser))
    assert second["auth_time"] > first["auth_time"] - 5
    assert second["sub"] == first["sub"]
    assert second["sid"] == first["sid"]


@pytest.mark.parametrize("prompt", ["none"])
def test_oidcc_prompt_none_not_logged_in(op: Op, prompt: str) -> None:
    """login_required at the redirect URI, with the 128-character state."""
    assert len(STATE) == 128
    assert op.refused(op.browser(), prompt=prompt)["error"] == "login_required"


def test_oidcc_prompt_none_logged_in(op: Op) -> None:
    """Silent; same sub, same auth_time."""
    browser = op.browser()
    first = op.id_token(op.log_in(browser))
    time_passes(op.services, seconds=5)
    second = op.id_token(op.silent(browser, prompt="none"))
    assert second["auth_time"] == first["auth_time"] - 5
    for claim in ("sub", "sid", "acr", "amr"):
        assert second[claim] == first[claim], claim


def test_oidcc_max_age_1(op: Op) -> None:
    """After 2 seconds max_age=1 asks again; auth_time is there, later and recent."""
    browser = op.browser()
    first = op.id_token(op.log_in(browser))
    time_passes(op.services, seconds=2)
    op.client.authorize(browser, max_age="1")
    assert asks_for_password(browser)
    browser.sign_in("paul")
    second = op.id_token(op.tokens(browser))
    assert second["auth_time"] > first["auth_time"] - 2
    assert second["iat"] - second["auth_time"] <= 10


def test_oidcc_max_age_10000(op: Op) -> None:
    """max_age=15000, then 10000: no second login; auth_time is there and the same."""
    browser = op.browser()
    first = op.id_token(op.log_in(browser, max_age="15000"))
    time_passes(op.services, seconds=5)
    second = op.id_token(op.silent(browser, max_age="10000"))
    assert second["auth_time"] == first["auth_time"] - 5


def test_oidcc_id_token_hint(op: Op) -> None:
    """prompt=none with the earlier ID token as hint answers at once, with the same sub."""
    browser = op.browser()
    tokens = op.log_in(browser)
    again = op.id_token(op.silent(browser, prompt="none", id_token_hint=tokens["id_token"]))
    assert again["sub"] == op.id_token(tokens)["sub"]
