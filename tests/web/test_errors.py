"""Error pages: what happened, what to do, the way back, and never a traceback (screens L-15; req 2, 107)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from idp.errors import Busy, Refusal
from idp.web import hub
from tests import cast
from tests.plain_browser import Browser
from tests.world import Desk


@pytest.fixture
def raised(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], Any]:
    """Opens /authorize where something goes wrong inside."""

    def visit(error: Exception) -> Any:
        def fail(*_: Any, **__: Any) -> Any:
            raise error

        monkeypatch.setattr(hub, "read", fail)
        return Browser(desk.gateway).get("/authorize", **desk.portal.parameters())

    return visit


GONE = Exception("server closed the connection; secret=hunter2")


@pytest.mark.parametrize(
    ("error", "status", "retries"),
    [
        (Busy("hash pool", retry_after=7), 503, True),
        (OperationalError("SELECT hunter2", {}, GONE), 503, True),
        (PoolTimeout("no connection is free"), 503, True),
        (DBAPIError("SELECT hunter2", {}, GONE, connection_invalidated=True), 503, True),
        (DBAPIError("SELECT hunter2", {}, GONE), 500, False),
        (IntegrityError("INSERT hunter2", {}, GONE), 500, False),
        (RuntimeError("hunter2"), 500, False),
        (Refusal("principal.may_not_act"), 403, False),
        (Refusal("x.throttled", until=datetime.now(UTC) + timedelta(seconds=90)), 429, True),
        (Refusal("x.throttled", until=datetime.now(UTC) - timedelta(seconds=9)), 429, True),
    ],
    ids=["busy", "away", "pool", "lost", "driver", "constraint", "bug", "refused", "throttled", "just over"],
)
def test_status_and_retry(
    raised: Callable[[Exception], Any], error: Exception, status: int, retries: bool
) -> None:
    """A page with a heading and the request's id; nothing of the error itself (req 107)."""
    answer = raised(error)
    assert answer.status_code == status
    assert "<h1" in answer.text
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
    assert ("Retry-After" in answer.headers) == retries
    if retries:
        assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_portals_mistake(desk: Desk) -> None:
    """What was received, escaped, and what is registered; nothing leads to the address (req 2)."""
    browser = Browser(desk.gateway)
    evil = "https://evil.example/<script>alert(1)</script>"
    answer = browser.get("/authorize", **desk.portal.parameters(redirect_uri=evil))
    assert answer.status_code == 400
    assert "&lt;script&gt;" in answer.text
    assert "<script>alert" not in answer.text
    assert 'href="https://evil' not in answer.text
    assert cast.REDIRECT in answer.text
    missing = browser.get("/authorize", **desk.portal.parameters(client_id=None))
    assert missing.status_code == 400
    logout = browser.get("/logout", client_id="portal", post_logout_redirect_uri="https://evil.example/")
    assert logout.status_code == 400
    assert cast.SIGNED_OUT in logout.text


def test_a_lost_flow_leads_back_to_its_portal(desk: Desk) -> None:
    """Another browser's flow names the portal to begin at again; one nobody knows has none (req 41)."""
    mine, other = Browser(desk.gateway), Browser(desk.gateway)
    desk.portal.authorize(mine)
    flow = mine.url.partition("flow=")[2]
    stolen = other.get(f"/authorize/{flow}")
    assert stolen.status_code == 400
    assert 'href="https://portal.example/login?iss=' in stolen.text
    unknown = other.get("/authorize/" + "x" * 43)
    assert unknown.status_code == 400
    assert "portal.example" not in unknown.text


def test_pages_that_are_not_there(desk: Desk) -> None:
    """404 and 405 as pages, with Allow."""
    browser = Browser(desk.gateway)
    assert browser.get("/nowhere").status_code == 404
    answer = browser.post("/authorize/" + "x" * 43, {})
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_a_form_without_its_token(desk: Desk) -> None:
    """Nothing is changed, and the page says so (req 98)."""
    browser = Browser(desk.gateway)
    desk.portal.authorize(browser)
    flow = browser.url.partition("flow=")[2]
    answer = browser.post(f"/authorize/{flow}/decline", {})
    assert answer.status_code == 400
    assert browser.get(f"/authorize/{flow}").status_code == 200
