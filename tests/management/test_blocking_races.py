"""A block and a sign-in at the same moment: nothing is issued after the block has committed (req 23, C7)."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select

from idp.authentication import live_sessions
from idp.authentication.models import Session
from idp.context import Context, Services
from idp.errors import Refusal
from idp.management import accounts, memberships, organizations
from idp.oidc import authorization
from idp.oidc.authorization_request import AuthorizationRequest
from idp.oidc.clients import load_clients
from idp.oidc.logout import end_session
from idp.oidc.models import Authorization
from tests.builders import (
    OPERATOR,
    make_account,
    make_client,
    make_membership,
    make_organization,
    sign_in,
)
from tests.installation import unit_of_work
from tests.lock_waits import wait_until_it_waits
from tests.world import code_for, now

BLOCKS: dict[str, Callable[[Context, dict[str, str]], Any]] = {
    "account": lambda ctx, ids: accounts.block(ctx, ids["account"]),
    "deletion": lambda ctx, ids: accounts.delete(ctx, ids["account"]),
    "membership": lambda ctx, ids: memberships.block(ctx, ids["organization"], ids["membership"]),
    "organization": lambda ctx, ids: organizations.suspend(ctx, ids["organization"]),
}


@pytest.mark.parametrize("elsewhere", [False, True], ids=["acts for it", "acts for another"])
@pytest.mark.parametrize("kind", BLOCKS)
def test_an_answer_under_way_waits_for_the_block_and_is_refused(
    services: Services, kind: str, elsewhere: bool
) -> None:
    """The hub holds the person while the block commits, whose session may be about another company (C7)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_client(ctx, first_party=True)
        ids = {"account": make_account(ctx), "organization": make_organization(ctx)}
        ids["membership"] = make_membership(ctx, ids["organization"], ids["account"])
        other = make_membership(ctx, make_organization(ctx, "100200301", "Andere GmbH"), ids["account"])
        acting_for = other if elsewhere else ids["membership"]
        session_id = sign_in(ctx, ids["account"], membership_id=acting_for).session
    with unit_of_work(services) as ctx:
        client = load_clients(ctx.db)["portal"]
    request = AuthorizationRequest("portal", "https://portal.example/callback", "openid")
    asking = threading.Event()
    outcome: list[str] = []

    def answer() -> None:
        asking.set()
        try:
            with unit_of_work(services) as ctx:
                held = live_sessions.hold(ctx, session_id, client.row_id)
                authorization.issue(ctx, request, client, held, ids["membership"])
            outcome.append("issued")
        except Refusal as refusal:
            outcome.append(refusal.code)

    thread = threading.Thread(target=answer)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        BLOCKS[kind](ctx, ids)
        thread.start()
        assert asking.wait(10)
        wait_until_it_waits(services, outcome)
        assert outcome == []
    thread.join()
    assert outcome == ["principal.may_not_act"]
    with unit_of_work(services) as ctx:
        mine = Authorization.membership_id == ids["membership"]
        unrevoked = select(func.count()).where(mine, Authorization.revoked_at.is_(None))
        assert ctx.db.scalar(unrevoked) == 0


ROUNDS = 15


def test_signing_out_beside_a_block(services: Services) -> None:
    """Both end sessions and what was issued in them: neither waits for the other in a circle (I8)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_client(ctx, first_party=True)
    for number in range(ROUNDS):
        with unit_of_work(services, now()) as ctx:
            account_id = make_account(ctx, f"u{number}")
        for _ in range(3):
            with unit_of_work(services, now()) as ctx:
                code_for(ctx, "portal", account_id, redirect_uri="https://portal.example/callback")
        with unit_of_work(services) as ctx:
            open_sessions = list(ctx.db.scalars(select(Session.id).where(Session.account_id == account_id)))
        at_once = threading.Barrier(1 + len(open_sessions))

        def sign_out(session_id: str, at_once: threading.Barrier = at_once) -> None:
            at_once.wait()
            with unit_of_work(services, now()) as ctx:
                end_session(ctx, session_id, "signed out")

        def block(account_id: str = account_id, at_once: threading.Barrier = at_once) -> None:
            at_once.wait()
            with unit_of_work(services, now(), actor=OPERATOR) as ctx:
                accounts.block(ctx, account_id)

        with ThreadPoolExecutor(at_once.parties) as threads:
            under_way = [threads.submit(sign_out, session_id) for session_id in open_sessions]
            under_way.append(threads.submit(block))
        assert [done.exception() for done in under_way] == [None] * at_once.parties
        with unit_of_work(services) as ctx:
            mine = Session.account_id == account_id
            still_open = select(func.count()).where(mine, Session.ended_at.is_(None))
            assert ctx.db.scalar(still_open) == 0
