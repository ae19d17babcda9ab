"""Proving an old password: counted, equal for all; offers at sign-in (req 55, 56, 59, 90; C4, C14, C15)."""

from dataclasses import replace

import pytest
from sqlalchemy import select, update

from idp.accounts.legacy.models import LegacyAccount, LegacyDirectory
from idp.accounts.passwords import Costs, LocalPasswordHasher
from idp.audit.events import Event
from idp.audit.log import tail
from idp.context import Services
from idp.errors import Busy, Refusal
from idp.installation import PEPPER
from idp.management import linking
from idp.management.legacy_proof import Offer, accept, offer, prove
from tests.builders import OPERATOR, make_account
from tests.installation import NOW, unit_of_work
from tests.legacy import OLD_PASSWORD, SLUG, import_rows, link_account, make_directory, old_account, proof_of


@pytest.fixture
def ids(services: Services) -> dict[str, str]:
    """Ben, who owns the old account's address, Clara, and two old accounts."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_directory(ctx, offer_at_sign_in=True)
        made = {
            "ben": make_account(ctx, "ben", emails=["S.Mueller@alt.example"]),
            "clara": make_account(ctx, "clara", emails=["clara@alt.example"]),
        }
    import_rows(services, [old_account(email="s.mueller@alt.example"), old_account("second")])
    return made


def refused(services: Services, account_id: str, username: str, password: str) -> Refusal:
    with pytest.raises(Refusal) as found:
        proof_of(services, account_id, username, password)
    return found.value


def offered(services: Services, username: str, password: str = OLD_PASSWORD) -> Offer | None:
    with services.database.session() as db:
        ctx = services.context(db, now=NOW)
        found = offer(ctx, username, password)
        db.commit()
    return found


def test_unknown_wrong_and_linked_are_one_answer(services: Services, ids: dict[str, str]) -> None:
    """Only who knows the password of a linked account learns that it is linked (req 59, C14)."""
    link_account(services, ids["ben"])
    answers = [
        refused(services, ids["clara"], *typed)
        for typed in (("nobody", "x"), ("second", "x"), ("smueller", "x"))
    ]
    assert answers == [Refusal("link.failed", de="Servicewelt", en="Service world")] * 3
    assert refused(services, ids["clara"], "smueller", OLD_PASSWORD) == Refusal("link.taken", own=False)
    assert refused(services, ids["ben"], "smueller", OLD_PASSWORD) == Refusal("link.taken", own=True)
    with unit_of_work(services) as ctx:
        reasons = [entry.reason for entry in tail(ctx, event=Event.LEGACY_LINK_REFUSED)]
        assert sorted(reasons, key=str) == ["link.failed"] * 3 + ["link.taken"] * 2


def test_guesses_are_counted_for_the_old_account(services: Services, ids: dict[str, str]) -> None:
    """By whatever of its names, and on the sign-in page too; known and unknown names alike (req 55, C15)."""
    for _ in range(2):
        refused(services, ids["clara"], "SMueller ", "x")
        refused(services, ids["clara"], "s.mueller@alt.example", "x")
    assert offered(services, "smueller", "x") is None
    assert refused(services, ids["clara"], "smueller", OLD_PASSWORD).code == "login.throttled"
    assert offered(services, "smueller") is None
    for _ in range(5):
        refused(services, ids["clara"], "nobody", "x")
    assert refused(services, ids["clara"], "nobody", "x").code == "login.throttled"
    with unit_of_work(services) as ctx:
        assert (
            len(ctx.db.scalars(select(LegacyAccount).where(LegacyAccount.linked_at.is_not(None))).all()) == 0
        )

    assert proof_of(services, ids["ben"]).identity.username == "smueller"  # the owner's own lane (req 56)


def test_a_link_forgets_the_failures(services: Services, ids: dict[str, str]) -> None:
    for _ in range(4):
        refused(services, ids["clara"], "second", "x")
    linked = link_account(services, ids["clara"], "second")
    with unit_of_work(services, actor=OPERATOR) as ctx:
        linking.undo(ctx, ids["clara"], linked.link_id)
    tried = [refused(services, ids["clara"], "second", "x").code for _ in range(5)]
    assert tried == ["link.failed"] * 5


def test_a_directory_nobody_knows(services: Services, ids: dict[str, str]) -> None:
    with services.database.session() as db, pytest.raises(Refusal) as unknown:
        prove(services.context(db), ids["ben"], "nothing", "smueller", OLD_PASSWORD)
    assert unknown.value == Refusal("legacy_directory.unknown", slug="nothing")


def test_passwords_are_checked_outside_transactions(services: Services, ids: dict[str, str]) -> None:
    with unit_of_work(services) as ctx:
        ctx.db.execute(select(LegacyDirectory))
        with pytest.raises(RuntimeError, match="outside"):
            prove(ctx, ids["ben"], SLUG, "smueller", OLD_PASSWORD)
        with pytest.raises(RuntimeError, match="outside"):
            offer(ctx, "smueller", OLD_PASSWORD)


class Full(LocalPasswordHasher):
    """A hash pool that is full."""

    def imported_digest(self, config: str, password: str) -> str:
        raise Busy("password hashing: queue is full")


def test_a_full_hash_pool_costs_no_try(services: Services, ids: dict[str, str]) -> None:
    full = replace(services, passwords=Full(services.vault.secrets[PEPPER], Costs(8, 1)))
    for _ in range(7):
        with pytest.raises(Busy):
            proof_of(full, ids["clara"])
        with pytest.raises(Busy):
            offered(full, "smueller")
    assert proof_of(services, ids["clara"]).identity.username == "smueller"


def test_the_sign_in_page_offers_to_link(services: Services, ids: dict[str, str]) -> None:
    """What was typed is proof for the account that comes of it; it binds to the old account as it was."""
    found = offered(services, "SMUELLER")
    assert found is not None
    assert found.directory.slug == SLUG
    assert "mueller" not in repr(found)
    assert offered(services, "smueller", "wrong") is None
    assert offered(services, "nobody") is None
    proof = accept(ids["clara"], found.document())
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert linking.link(ctx, proof).membership_id is None
    with unit_of_work(services, actor=OPERATOR) as ctx, pytest.raises(Refusal, match=r"link\.taken"):
        linking.link(ctx, proof)
    assert offered(services, "smueller") is None  # the old password is dead


def test_a_directory_that_does_not_offer_is_not_asked(services: Services, ids: dict[str, str]) -> None:
    with unit_of_work(services) as ctx:
        ctx.db.execute(update(LegacyDirectory).values(offer_at_sign_in=False))
    assert offered(services, "smueller") is None


def test_a_directory_that_is_away_is_no_news_at_sign_in(services: Services, ids: dict[str, str]) -> None:
    """The others are asked all the same."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_directory(
            ctx, slug="away", kind="https", endpoint="https://alt.example/v", offer_at_sign_in=True
        )
    found = offered(services, "smueller")
    assert found is not None
    assert found.directory.slug == SLUG
