"""A flow that two tabs answer at the same moment is answered once, by the first (req 22, 75; I2)."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from idp.authentication.models import Session
from idp.context import Context, Services
from idp.flows import engine
from idp.flows.models import Flow
from idp.web.gateway import Gateway
from idp.web.protocol.end_session import GO, STAY
from tests import cast
from tests.installation import unit_of_work
from tests.lock_waits import wait_until_it_waits
from tests.plain_browser import Browser, Portal, leads_to


@pytest.fixture
def portal(services: Services, gateway: Gateway) -> Portal:
    with unit_of_work(services) as ctx:
        cast.person(ctx, "anna")
        return Portal(gateway, cast.register(ctx))


def answered_first(
    services: Services, first: Callable[[Context, Flow], Any], press: Callable[[], Any]
) -> None:
    """Have one tab answer the flow, and another press its button just before that is committed."""
    outcome: list[str] = []

    def second() -> None:
        press()
        outcome.append("answered")

    with unit_of_work(services) as ctx:
        known = ctx.db.scalars(select(Flow).where(Flow.finished_at.is_(None))).one()
        flow = engine.load(ctx, known.id, known.browser_hash, lock=True)
        first(ctx, flow)
        ctx.db.flush()
        thread = threading.Thread(target=second)
        thread.start()
        wait_until_it_waits(services, outcome)
        assert outcome == []
    thread.join()
    assert outcome == ["answered"]


def test_who_signed_in_meanwhile_does_not_cancel(services: Services, portal: Portal) -> None:
    """The portal has its code; it hears no ``access_denied`` after it."""
    browser = Browser(portal.gateway)
    portal.authorize(browser)
    answered_first(services, engine.finish, lambda: browser.submit(expect_action="/decline"))
    assert browser.page is not None
    assert browser.page.status_code == 400
    assert leads_to(browser.page) is None


def test_who_stayed_meanwhile_is_not_signed_out(services: Services, portal: Portal) -> None:
    """The first answer to the question counts."""
    browser = Browser(portal.gateway)
    portal.authorize(browser)
    browser.sign_in()
    browser.get("/logout")

    def stay(ctx: Context, flow: Flow) -> None:
        engine.mark(flow, STAY)
        engine.finish(ctx, flow)

    answered_first(services, stay, lambda: browser.submit(expect_action="/logout/", choice=GO))
    with unit_of_work(services) as ctx:
        assert [row.ended_at for row in ctx.db.scalars(select(Session))] == [None]
