"""Who is held first: the account, then what belongs to it, by everybody; else two wait in a circle (I8)."""

import threading
from collections.abc import Callable

import pyotp
import pytest
from sqlalchemy import select

from idp.accounts.models import Account
from idp.authentication import live_sessions, second_factor, sessions, totp
from idp.authentication.models import Authenticator, Session
from idp.context import Context, Services
from idp.flows import engine
from idp.throttling import Reservation
from tests.authentication.people import APP, add_account
from tests.installation import NOW, unit_of_work
from tests.management.test_blocking_races import wait_until_it_waits

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def _code_of_an_app(ctx: Context, account_id: str, _value: str) -> None:
    flow = engine.start(ctx, engine.SIGN_IN, browser_hash=b"b" * 32, request={})
    second_factor.verify(ctx, flow, account_id, pyotp.TOTP(SECRET).at(NOW), Reservation((), (), 0))


def _step_up(ctx: Context, _account_id: str, value: str) -> None:
    live = live_sessions.find(ctx, value)
    assert live is not None
    assert sessions.prove(ctx, live, [APP]) is not None


def _sign_out(ctx: Context, _account_id: str, value: str) -> None:
    live = live_sessions.find(ctx, value)
    assert live is not None
    assert sessions.end(ctx, live.session.id, sessions.SIGNED_OUT)


@pytest.mark.parametrize("act", [_code_of_an_app, _step_up, _sign_out])
def test_the_account_is_held_first(services: Services, act: Callable[[Context, str, str], None]) -> None:
    """Whoever waits for it holds nothing yet that belongs to it. SQLite has one writer."""
    if services.database.dialect == "sqlite":
        return
    with unit_of_work(services) as ctx:
        account = add_account(ctx)
        totp.enroll(ctx, account, SECRET, "App")
        _, value, _ = sessions.start(ctx, account, methods=[("pwd", None)])
        account_id = account.id
    outcome: list[str] = []

    def run() -> None:
        try:
            with unit_of_work(services) as ctx:
                act(ctx, account_id, value)
            outcome.append("done")
        except Exception as error:
            outcome.append(repr(error))

    thread = threading.Thread(target=run)
    with unit_of_work(services) as ctx:
        ctx.db.get_one(Account, account_id, with_for_update=True)
        thread.start()
        wait_until_it_waits(services, outcome)
        assert outcome == []
        for model in (Session, Authenticator):
            its = select(model.id).where(model.account_id == account_id).with_for_update(nowait=True)
            assert ctx.db.scalars(its).all()
    thread.join()
    assert outcome == ["done"]
