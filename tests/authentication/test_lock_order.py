"""Who is held first: the account, then what belongs to it, by everybody; else two wait in a circle (I8)."""

from collections.abc import Callable

import pyotp
import pytest
from sqlalchemy import select

from idp.authentication import live_sessions, second_factor, sessions, totp
from idp.authentication.models import Authenticator, Session
from idp.context import Context, Services
from idp.errors import Refusal
from idp.flows import engine
from idp.throttling import Reservation
from tests.authentication.people import APP, add_account
from tests.installation import NOW, unit_of_work
from tests.lock_order import check_held_first

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def _code_of_an_app(ctx: Context, account_id: str, _value: str) -> None:
    flow = engine.start(ctx, engine.SIGN_IN, browser_hash=b"b" * 32, request={})
    second_factor.verify(ctx, flow, account_id, pyotp.TOTP(SECRET).at(NOW), Reservation((), 0))


def _refused_code(ctx: Context, account_id: str, _value: str) -> None:
    flow = engine.start(ctx, engine.SIGN_IN, browser_hash=b"b" * 32, request={})
    second_factor.not_tried(ctx, flow, account_id, Refusal("code.throttled"))


def _step_up(ctx: Context, _account_id: str, value: str) -> None:
    live = live_sessions.find(ctx, value)
    assert live is not None
    assert sessions.prove(ctx, live, [APP]) is not None


def _sign_out(ctx: Context, _account_id: str, value: str) -> None:
    live = live_sessions.find(ctx, value)
    assert live is not None
    assert sessions.end(ctx, live.session.id, sessions.SIGNED_OUT)


@pytest.mark.parametrize("act", [_code_of_an_app, _refused_code, _step_up, _sign_out])
def test_the_account_is_held_first(services: Services, act: Callable[[Context, str, str], None]) -> None:
    """Whoever waits for it holds nothing yet that belongs to it."""
    with unit_of_work(services) as ctx:
        account = add_account(ctx)
        totp.enroll(ctx, account, SECRET, "App")
        _, value, _ = sessions.start(ctx, account, methods=[("pwd", None)])
        account_id = account.id
    its = [select(model.id).where(model.account_id == account_id) for model in (Session, Authenticator)]

    ended = check_held_first(services, account_id, lambda ctx: act(ctx, account_id, value), its)

    assert ended == "done"
