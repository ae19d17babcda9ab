"""Roles are data; the two built-in ones are there when they are first asked for (design §2)."""

from sqlalchemy import func, select

from idp.context import Services
from idp.organizations import roles
from idp.organizations.models import Role
from tests.installation import unit_of_work


def test_built_in_roles_exist_once_and_others_do_not(services: Services) -> None:
    """Asking twice makes nothing twice."""
    with unit_of_work(services) as ctx:
        for _ in range(2):
            assert roles.exists(ctx.db, "administrator")
            assert roles.exists(ctx.db, "member")
            assert not roles.exists(ctx.db, "emperor")
        assert ctx.db.scalar(select(func.count()).select_from(Role)) == 2
