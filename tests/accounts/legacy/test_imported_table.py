"""The imported table: each form, right and wrong, bare and wrapped; equal work for everybody (req 59, 90)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import bcrypt
import pytest
from sqlalchemy import select, update

from idp.accounts.legacy import directory as directories
from idp.accounts.legacy.adapters import adapter_for
from idp.accounts.legacy.directory import LegacyIdentity
from idp.accounts.legacy.imported_table import ImportedTable
from idp.accounts.legacy.models import LegacyAccount
from idp.accounts.passwords import Costs, LocalPasswordHasher
from idp.context import Services
from idp.installation import PEPPER
from idp.management import legacy_wrapping
from tests.builders import OPERATOR
from tests.installation import unit_of_work
from tests.legacy import HASHES, OLD_PASSWORD, SLUG, formats, import_rows, make_directory, old_account

FORMS = {**HASHES, "bcrypt": bcrypt.hashpw(OLD_PASSWORD.encode(), bcrypt.gensalt(4)).decode()}
STRONG = bcrypt.hashpw(OLD_PASSWORD.encode(), bcrypt.gensalt(10)).decode()


@pytest.fixture
def directory(services: Services) -> str:
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_directory(ctx)
    return SLUG


def verify(services: Services, username: str, password: str = OLD_PASSWORD) -> LegacyIdentity | None:
    with services.database.session() as db:
        ctx = services.context(db)
        with directories.reading(ctx) as reading:
            found = directories.find(reading, SLUG)
        assert found is not None
        adapter = adapter_for(ctx, found)
        assert isinstance(adapter, ImportedTable)
        identity = adapter.verify(username, password)
        assert not db.in_transaction()
        return identity


def test_each_form_before_and_after_wrapping(services: Services, directory: str) -> None:
    """Right opens and wrong does not, in both states; wrapping leaves no bare digest behind (req 52)."""
    rows = [old_account(f"user{at}", hash=text) for at, text in enumerate(FORMS.values())]
    assert import_rows(services, rows).report.accepted == len(FORMS)
    digests = {row.hash for row in stored(services)}

    for state in ("bare", "wrapped"):
        for at in range(len(FORMS)):
            assert verify(services, f"USER{at} ") is not None, (state, at)
            assert verify(services, f"user{at}", OLD_PASSWORD + "x") is None
            assert verify(services, f"user{at}", "") is None
        if state == "bare":
            assert sum(legacy_wrapping.wrap_all(services, threads=2)) == len(FORMS)
    assert digests.isdisjoint({row.hash for row in stored(services)})
    for row in stored(services):
        value = services.vault.open_json(row.hash or b"", table="legacy_account", row=row.id)
        assert sorted(value) == ["argon2", "config"]
        assert value["argon2"].startswith("$lotse$p=1$argon2id$")


def stored(services: Services) -> list[LegacyAccount]:
    with services.database.reading() as db:
        return list(db.scalars(select(LegacyAccount).order_by(LegacyAccount.id)))


def test_what_an_identity_says(services: Services, directory: str) -> None:
    """All that the import said of the person, and nothing of it in a representation."""
    fields: dict[str, Any] = {
        "email": "s.mueller@muster.example",
        "customer_number": "100200300",
        "given_name": "Sabine",
        "family_name": "Müller",
    }
    import_rows(services, [old_account(**fields, permissions="Belege Lizenzen", security_question="ja")])

    identity = verify(services, "smueller")
    assert identity is not None
    assert {name: getattr(identity, name) for name in fields} == fields
    assert identity.permissions == ("Belege", "Lizenzen")
    assert (identity.username, identity.linked, identity.security_question) == ("smueller", False, True)
    assert "Sabine" not in repr(identity)
    assert "mueller" not in repr(identity)


def test_an_address_means_the_one_account_that_has_it(services: Services, directory: str) -> None:
    rows = [
        old_account("one", email="One@Muster.example"),
        old_account("two", email="both@muster.example"),
        old_account("three", email="both@muster.example"),
        old_account("four@muster.example", email="one@muster.example", hash=HASHES["{MD5}"]),
        old_account("five@muster.example"),
    ]
    import_rows(services, rows)

    assert verify(services, "both@muster.example") is None
    assert verify(services, "one@muster.example") is None  # two accounts have it
    found = verify(services, "five@muster.example")
    assert found is not None
    assert found.username == "five@muster.example"
    with unit_of_work(services) as ctx:
        ctx.db.execute(
            update(LegacyAccount)
            .where(LegacyAccount.hash_format == "md5(password)")
            .values(email_lookup=None)
        )
    found = verify(services, "one@muster.example")
    assert found is not None
    assert found.username == "one"


class Counting(LocalPasswordHasher):
    """Notes the work that is done."""

    def __init__(self, services: Services) -> None:
        super().__init__(services.vault.secrets[PEPPER], Costs(memory_kib=8, time_cost=1))
        self.work: list[str] = []

    def imported_digest(self, config: str, password: str) -> str:
        self.work.append(config.partition("|")[0])
        return super().imported_digest(config, password)

    def _compare(self, stored: str, keyed: bytes) -> bool:
        self.work.append("argon2")
        return super()._compare(stored, keyed)


def test_everybody_costs_the_same_work(services: Services, directory: str) -> None:
    """Known, unknown, wrong, linked, broken, bare or wrapped: one digest, one Argon2id (req 59)."""
    import_rows(services, [old_account(name) for name in ("bare", "linked", "gone", "broken", "personal")])
    sha = {"sha1(password+salt)"}

    def change(username: str, **values: Any) -> None:
        with unit_of_work(services) as ctx:
            found = directories.find(ctx.db, SLUG)
            assert found is not None
            mine = LegacyAccount.lookup == directories.lookup(ctx, found.id, username)
            ctx.db.execute(update(LegacyAccount).where(mine).values(**values))

    change("linked", linked_at=unit_time(services))
    change("gone", hash=None)
    change("broken", hash=b"\x01 not sealed")
    change("personal", personal=b"\x01 not sealed")
    for wrapped in (False, True):
        for name, password, right in [
            ("bare", OLD_PASSWORD, True),
            ("bare", "wrong", False),
            ("linked", OLD_PASSWORD, True),
            ("gone", OLD_PASSWORD, False),
            ("broken", OLD_PASSWORD, False),
            ("personal", OLD_PASSWORD, False),
            ("nobody", OLD_PASSWORD, False),
            ("nobody\0", OLD_PASSWORD, False),
            ("bare", "x" * 1025, False),
        ]:
            counting = Counting(services)
            identity = verify(replace(services, passwords=counting), name, password)
            assert (identity is not None) == right, name
            assert counting.work == [*sha, "argon2"], name
        if not wrapped:
            assert (
                sum(legacy_wrapping.wrap_all(services, threads=1)) == 4
            )  # "broken" is noted, "gone" has none
    identity = verify(services, "linked")
    assert identity is not None
    assert identity.linked


def unit_time(services: Services) -> Any:
    with unit_of_work(services) as ctx:
        return ctx.now


def test_unknown_names_are_drawn_from_the_forms_there_are(services: Services, directory: str) -> None:
    """As often as accounts have a form, unknown names have it; each name always the same one (req 59)."""
    weak = [old_account(f"weak{at}") for at in range(3)]
    import_rows(services, [*weak, *(old_account(f"strong{at}", hash=STRONG) for at in range(3))])
    with unit_of_work(services) as ctx:
        assert formats(ctx) == {"bcrypt 2b 10": 3, "sha1(password+salt)": 3}

    def drawn(name: str) -> tuple[str, ...]:
        counting = Counting(services)
        counting.imported_digest = note(counting)  # type: ignore[method-assign]  # bcrypt takes its time
        assert verify(replace(services, passwords=counting), name) is None
        return tuple(counting.work)

    seen = [drawn(f"nobody{at}") for at in range(40)]
    assert set(seen) == {("bcrypt 2b 10",), ("sha1(password+salt)", "argon2")}
    assert 5 <= seen.count(("bcrypt 2b 10",)) <= 35
    assert [drawn(f"nobody{at}") for at in range(40)] == seen


def note(counting: Counting) -> Callable[[str, str], str]:
    def imported_digest(config: str, password: str) -> str:
        counting.work.append(config.partition("|")[0])
        return "no digest"

    return imported_digest


def test_an_empty_directory_costs_something_too(services: Services, directory: str) -> None:
    counting = Counting(services)

    assert verify(replace(services, passwords=counting), "nobody") is None
    assert counting.work == ["md5(password)", "argon2"]


def test_a_strong_hash_stays_and_opens(services: Services, directory: str) -> None:
    import_rows(services, [old_account(hash=STRONG)])

    assert list(legacy_wrapping.wrap_all(services, threads=1)) == []
    assert verify(services, "smueller") is not None
    assert verify(services, "smueller", "wrong") is None
