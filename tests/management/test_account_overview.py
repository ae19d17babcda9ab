"""K-01: what the first page of the account centre says (screens §1.4)."""

from sqlalchemy import update

from idp.accounts.models import Account, Identifier
from idp.authentication import recovery_password
from idp.context import Actor, Services
from idp.management import account_overview
from idp.management.account_overview import ADD_ADDRESS, SAVE_RECOVERY
from tests import cast
from tests.installation import unit_of_work


def test_facts_and_next_step(services: Services) -> None:
    """Apps, addresses and portals by name; who has no proven address, or no recovery password, is told."""
    with unit_of_work(services) as ctx:
        account_id = cast.person(ctx, "anna", app=True)
        acting = ctx.acting(Actor("account", account_id))
        found = account_overview.show(acting, account_id)
        assert (found.username, found.emails, found.apps) == ("anna", ("anna@muster.example",), ("App",))
        assert (found.sessions, found.portals, found.next_step) == (0, (), SAVE_RECOVERY)
        assert found.recovery_since is None
        recovery_password.replace(ctx, account_id, recovery_password.draw())
        found = account_overview.show(acting, account_id)
        assert (found.recovery_since, found.next_step) == (ctx.now, None)
        assert found.password_changed_at == ctx.now
        ctx.db.execute(update(Identifier).where(Identifier.account_id == account_id).values(verified_at=None))
        ctx.db.expire_all()
        found = account_overview.show(acting, account_id)
        assert (found.emails, found.next_step) == ((), ADD_ADDRESS)
        assert ctx.db.get_one(Account, account_id).username == "anna"
