"""Flows and one-time secrets go when their time is long over, and not before (req 111)."""

from datetime import timedelta

from sqlalchemy import func, select

from idp.context import Services
from idp.flows import engine, one_time_secrets, retention
from idp.flows.models import Flow, OneTimeSecret
from tests.installation import NOW, unit_of_work

LATER = NOW + timedelta(hours=1)


def test_old_rows_go_in_batches_and_young_ones_stay(services: Services) -> None:
    """A flow stays a day after its end, a used secret a week: so its reuse is seen (req 6)."""
    with unit_of_work(services) as ctx:
        for _ in range(3):
            engine.start(ctx, engine.SIGN_IN, browser_hash=b"x", request={})
            one_time_secrets.create(ctx, "test", target="t", lifetime=timedelta(hours=1))
    days = services.settings.retention
    for moment, flows, secrets in (
        (LATER + timedelta(days=days.finished_flow_days), 3, 3),
        (LATER + timedelta(days=days.finished_flow_days, seconds=1), 0, 3),
        (LATER + timedelta(days=days.expired_token_days, seconds=1), 0, 0),
    ):
        with unit_of_work(services, moment) as ctx:
            while retention.purge(ctx, 2):
                pass
            assert ctx.db.scalar(select(func.count()).select_from(Flow)) == flows
            assert ctx.db.scalar(select(func.count()).select_from(OneTimeSecret)) == secrets
