"""What is kept of linked accounts: no hash beyond the time of undo (req 109, 111)."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from idp.accounts.legacy.models import LegacyAccount
from idp.accounts.legacy.retention import purge
from idp.context import Services
from idp.errors import Refusal
from tests.builders import OPERATOR, make_account
from tests.installation import NOW, unit_of_work
from tests.legacy import import_rows, link_account, make_directory, old_account, proof_of


def test_hashes_of_linked_accounts_go_when_undoing_is_over(services: Services) -> None:
    """Then even the right old password says nothing any more."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_directory(ctx)
        ben, clara = make_account(ctx), make_account(ctx, "clara")
    import_rows(services, [old_account(), old_account("free"), old_account("second")])
    link_account(services, ben)
    link_account(services, ben, "second")

    with unit_of_work(services, NOW + timedelta(days=30)) as ctx:
        assert purge(ctx, 10) == 0
    with pytest.raises(Refusal, match=r"link\.taken"):
        proof_of(services, clara)
    with unit_of_work(services, NOW + timedelta(days=30, seconds=1)) as ctx:
        assert (purge(ctx, 1), purge(ctx, 10), purge(ctx, 10)) == (1, 1, 0)
        kept = ctx.db.scalars(select(LegacyAccount.linked_at).where(LegacyAccount.hash.is_not(None))).all()
        assert kept == [None]
    with pytest.raises(Refusal, match=r"link\.failed"):
        proof_of(services, clara)
