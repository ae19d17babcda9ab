"""What erasure leaves: a tombstone, and old accounts that are free again (req 38, 90, 109)."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from idp.accounts.legacy.models import LegacyAccount, LegacyLink
from idp.context import Services
from idp.errors import Refusal
from idp.flows import one_time_secrets
from idp.management import account_deletion, accounts, erasure, link_notices, linking
from tests import joining
from tests.builders import OPERATOR, make_account, make_organization
from tests.installation import NOW, unit_of_work
from tests.legacy import import_rows, link_account, make_directory, old_account, proof_of

LATER = NOW + timedelta(days=14)


@pytest.fixture
def ids(services: Services) -> dict[str, str]:
    """Muster GmbH, two people, and two old accounts of the company."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_directory(ctx)
        made = {
            "muster": make_organization(ctx),
            "ben": make_account(ctx, "ben"),
            "sabine": make_account(ctx, "sabine"),
        }
    common = {"customer_number": "100200300", "email": "sabine@alt.example"}
    import_rows(services, [old_account(**common), old_account("second", **common)])
    return made


def test_a_strangers_deletion_gives_the_old_account_back(services: Services, ids: dict[str, str]) -> None:
    """The owner was promised 30 days to undo the link; its account is gone after 14 (req 38, 90, 109).

    So it is undone then, the owner hears of it, the mail's link says so, and they may link the old account.
    """
    linked = link_account(services, ids["ben"])
    with unit_of_work(services, actor=OPERATOR) as ctx:
        token = one_time_secrets.create(
            ctx, link_notices.UNDO, target=linked.link_id, lifetime=timedelta(days=30)
        )
        account_deletion.plan(ctx, ids["ben"])
    with unit_of_work(services, LATER, actor=OPERATOR) as ctx:
        assert account_deletion.erase_due(ctx, 5) == 1

    with unit_of_work(services, LATER) as ctx, pytest.raises(Refusal, match=r"link\.undone"):
        link_notices.of_mail(ctx, token)
    assert ("old_account_released", "sabine@alt.example") in joining.mails(services)
    assert link_account(services, ids["sabine"]).membership_begun
    assert joining.status(services, ids["muster"], ids["ben"]) == "ended"


def test_what_was_linked_for_good_goes_with_its_account(services: Services, ids: dict[str, str]) -> None:
    """Of two old accounts, one linked for more than 30 days, the younger one is free again (req 38, 109)."""
    link_account(services, ids["ben"])
    proof = proof_of(services, ids["ben"], "second")
    with unit_of_work(services, NOW + timedelta(days=20), actor=OPERATOR) as ctx:
        linking.link(ctx, proof)
    with unit_of_work(services, NOW + timedelta(days=30), actor=OPERATOR) as ctx:
        accounts.delete(ctx, ids["ben"])
        erasure.erase(ctx, ids["ben"])
    with unit_of_work(services) as ctx:
        owned = ctx.db.scalars(select(LegacyAccount).where(LegacyAccount.owner_id == ids["ben"])).all()
        assert [one.hash for one in owned] == [None]
        kept = ctx.db.scalars(select(LegacyLink)).all()
        assert [one.undone_at is None for one in kept] == [False]
    assert proof_of(services, ids["sabine"], "second").identity.username == "second"
    with pytest.raises(Refusal, match=r"link\.failed"):
        proof_of(services, ids["sabine"])


def test_only_operators_erase(services: Services, ids: dict[str, str]) -> None:
    """And no account that does not exist."""
    with unit_of_work(services, actor=OPERATOR) as ctx, pytest.raises(Refusal, match=r"account\.unknown"):
        erasure.erase(ctx, "nobody")
    ben = joining.person(ids["ben"])
    with unit_of_work(services, actor=ben) as ctx, pytest.raises(Refusal, match=r"actor\.not_allowed"):
        erasure.erase(ctx, ids["ben"])
