"""Authorizations and tokens go when their time is long over (req 111)."""

from datetime import timedelta

from sqlalchemy import func, select

from idp.context import Services
from idp.crypto import sha256
from idp.oidc import retention
from idp.oidc.models import AccessToken, Authorization, PushedRequest, RefreshToken, RevokedJti, UsedJti
from tests.builders import make_account, make_client, sign_in
from tests.installation import NOW, unit_of_work


def test_what_was_presented_or_pushed_and_opaque_tokens_go_at_once(services: Services) -> None:
    """It says nothing once its time is over, and parameters name people in clear (req 111)."""
    end = NOW + timedelta(minutes=1)
    with unit_of_work(services) as ctx:
        client = make_client(ctx)
        ctx.db.add(UsedJti(hash=b"j", expires_at=end))
        row = PushedRequest(hash=b"p", client_id=client, parameters={}, created_at=NOW, expires_at=end)
        ctx.db.add_all([row, AccessToken(hash=b"a", client_id=client, claims={}, expires_at=end)])
    for moment, removed in ((end, 0), (end + timedelta(seconds=1), 3)):
        with unit_of_work(services, moment) as ctx:
            assert retention.purge(ctx, 100) == removed


def test_each_table_is_emptied_a_week_after_the_end(services: Services) -> None:
    """A used refresh token stays while its family may be used, so that its reuse is seen (req 21)."""
    week = timedelta(days=services.settings.retention.expired_token_days)
    day = timedelta(days=1)
    with unit_of_work(services) as ctx:
        make_client(ctx)
        lineage = sign_in(ctx, make_account(ctx)).authorization
        end = ctx.db.get_one(Authorization, lineage).expires_at
        ctx.db.add(RevokedJti(jti="j", expires_at=NOW + day))
        ctx.db.add(
            RefreshToken(
                hash=sha256("t"),
                authorization_id=lineage,
                issued_at=NOW,
                expires_at=NOW + 2 * day,
                used_at=NOW,
            )
        )
    tick = timedelta(seconds=1)
    for moment, left in (
        (NOW + day + week, (1, 1, 1)),
        (NOW + day + week + tick, (0, 1, 1)),
        (NOW + 2 * day + week + tick, (0, 1, 1)),
        (end + week + tick, (0, 0, 0)),
    ):
        with unit_of_work(services, moment) as ctx:
            retention.purge(ctx, 100)
            counts = [
                ctx.db.scalar(select(func.count()).select_from(model))
                for model in (RevokedJti, RefreshToken, Authorization)
            ]
            assert tuple(counts) == left
