"""What a link leaves behind: a recovery password that is due, a line in the list, erased data (req 50)."""

import pytest
from sqlalchemy import select

from idp.accounts.legacy.models import LegacyAccount, LegacyLink
from idp.accounts.legacy.questions import recovery_due, recovery_made
from idp.accounts.models import Account
from idp.authentication import recovery_password
from idp.context import Services
from idp.management import accounts, erasure, legacy_directories, linking
from tests.builders import OPERATOR
from tests.installation import NOW, unit_of_work
from tests.joining import person
from tests.legacy import link_account, proof_of
from tests.management.old_accounts import MONTH, four_old_accounts, prepare_linking, refusal, undo


@pytest.fixture
def ids(services: Services) -> dict[str, str]:
    """Ben and Clara, Muster GmbH that holds two permissions, and four old accounts."""
    return prepare_linking(services, "clara", four_old_accounts())


def test_recovery_is_due_until_it_is_made(services: Services, ids: dict[str, str]) -> None:
    """Of accounts with a security question; no answer was kept anywhere (req 50)."""
    with unit_of_work(services) as ctx:
        assert not recovery_due(ctx, ids["ben"])
    link_account(services, ids["ben"])
    link_account(services, ids["clara"], "second")
    with unit_of_work(services) as ctx:
        assert (recovery_due(ctx, ids["ben"]), recovery_due(ctx, ids["clara"])) == (True, False)
        assert ctx.db.get_one(Account, ids["ben"]).recovery_due
        assert not ctx.db.get_one(Account, ids["clara"]).recovery_due
        recovery_made(ctx, ids["ben"])
        assert not recovery_due(ctx, ids["ben"])


def test_undone_it_is_no_longer_due(services: Services, ids: dict[str, str]) -> None:
    """An undo restores the exact state; what another link or nobody asked for stays."""
    linked = link_account(services, ids["ben"])
    with unit_of_work(services) as ctx:
        assert ctx.db.get_one(Account, ids["ben"]).recovery_due
    undo(services, ids["ben"], linked.link_id)
    with unit_of_work(services) as ctx:
        assert not ctx.db.get_one(Account, ids["ben"]).recovery_due
        ctx.db.get_one(Account, ids["clara"]).recovery_due = True
    other = link_account(services, ids["clara"], "second")
    undo(services, ids["clara"], other.link_id)
    with unit_of_work(services) as ctx:
        assert ctx.db.get_one(Account, ids["clara"]).recovery_due


def test_who_has_a_recovery_password_needs_no_other(services: Services, ids: dict[str, str]) -> None:
    with unit_of_work(services) as ctx:
        recovery_password.replace(ctx, ids["ben"], recovery_password.draw())
    assert not link_account(services, ids["ben"]).recovery_due
    with unit_of_work(services) as ctx:
        assert not ctx.db.get_one(Account, ids["ben"]).recovery_due


def test_links_as_their_person_sees_them(services: Services, ids: dict[str, str]) -> None:
    """Newest first; others' are not told (req 91)."""
    first, second = (link_account(services, ids["ben"], name) for name in ("smueller", "citizen"))
    undo(services, ids["ben"], first.link_id)
    with unit_of_work(services, actor=person(ids["ben"])) as ctx:
        found = legacy_directories.links_of(ctx, ids["ben"])
        assert [(one.id, one.username, one.organization_name) for one in found] == [
            (second.link_id, "citizen", None),
            (first.link_id, "smueller", "Muster GmbH"),
        ]
        assert [one.undone_at for one in found] == [None, NOW]
        assert refusal(lambda: legacy_directories.links_of(ctx, ids["clara"])).code == "actor.not_allowed"


def test_erasure_forgets_the_old_account_and_keeps_it_linked(services: Services, ids: dict[str, str]) -> None:
    """What belonged for good to an erased person is nobody's afterwards (req 38, 109)."""
    link_account(services, ids["ben"])
    with unit_of_work(services, NOW + MONTH, actor=OPERATOR) as ctx:
        accounts.delete(ctx, ids["ben"])
        erasure.erase(ctx, ids["ben"])
    assert refusal(lambda: proof_of(services, ids["clara"])).code == "link.failed"
    with unit_of_work(services) as ctx:
        row = ctx.db.scalars(select(LegacyAccount).where(LegacyAccount.linked_at.is_not(None))).one()
        assert (row.hash, row.email_lookup, row.permissions) == (None, None, [])
        assert services.vault.open_json(row.personal, table="legacy_account", row=row.id) == {}
        assert ctx.db.scalars(select(LegacyLink)).all() == []


def test_the_personal_part_of_a_damaged_row_is_left_out(services: Services, ids: dict[str, str]) -> None:
    """A sealed value that does not open is no 500 (req 29)."""
    linked = link_account(services, ids["ben"])
    with unit_of_work(services, actor=person(ids["ben"])) as ctx:
        for row in ctx.db.scalars(select(LegacyAccount)):
            row.personal = b"\x01 damaged"
        ctx.db.flush()
        assert legacy_directories.links_of(ctx, ids["ben"])[0].username == ""
        assert linking.undo(ctx, ids["ben"], linked.link_id).notices.old_address is None
