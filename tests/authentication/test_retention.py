"""Sessions go when they ended long ago (req 111)."""

from datetime import timedelta

from sqlalchemy import func, select

from idp.accounts.models import Account
from idp.authentication import retention, sessions
from idp.authentication.models import AuthenticationEvent, Session
from idp.context import Services
from tests.builders import make_account
from tests.installation import NOW, unit_of_work


def test_ended_and_expired_sessions_go_with_their_events(services: Services) -> None:
    """One ended, one runs: a month later the first is gone, a month after its limit the other."""
    with unit_of_work(services) as ctx:
        account = ctx.db.get_one(Account, make_account(ctx))
        ended, *_ = sessions.start(ctx, account, methods=[("pwd", None)])
        running, *_ = sessions.start(ctx, account, methods=[("pwd", None)])
        sessions.end(ctx, ended.session.id, sessions.SIGNED_OUT)
        ids = ended.session.id, running.session.id
    kept = timedelta(days=services.settings.retention.ended_session_days)
    with unit_of_work(services, NOW + kept) as ctx:
        assert retention.purge(ctx, 100) == 0
    with unit_of_work(services, NOW + kept + timedelta(seconds=1)) as ctx:
        assert retention.purge(ctx, 100) == 1
        assert ctx.db.get(Session, ids[0]) is None
        assert ctx.db.get(Session, ids[1]) is not None
    limit = timedelta(days=services.settings.session.aal1_days, seconds=1)
    with unit_of_work(services, NOW + limit + kept) as ctx:
        assert retention.purge(ctx, 100) == 1
        assert ctx.db.scalar(select(func.count()).select_from(AuthenticationEvent)) == 0
