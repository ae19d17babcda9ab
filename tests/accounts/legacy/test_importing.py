"""Batches: what is accepted, replaced, left alone; the same file again changes nothing, whatever happened."""

from typing import Any

import pytest
from sqlalchemy import select, update

from idp.accounts.legacy import directory as directories
from idp.accounts.legacy import importing
from idp.accounts.legacy.hash_formats import parse
from idp.accounts.legacy.import_file import ImportRow
from idp.accounts.legacy.models import LegacyAccount
from idp.context import Services
from idp.management import legacy_wrapping
from tests.builders import OPERATOR
from tests.installation import NOW, unit_of_work
from tests.legacy import HASHES, SLUG, formats, import_rows, make_directory, old_account


@pytest.fixture(autouse=True)
def _directory(services: Services) -> None:
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_directory(ctx)


def rows_of(services: Services) -> list[tuple[Any, ...]]:
    columns = (LegacyAccount.id, LegacyAccount.personal, LegacyAccount.hash, LegacyAccount.revision)
    with services.database.reading() as db:
        return [tuple(row) for row in db.execute(select(*columns).order_by(LegacyAccount.lookup))]


def outcome(services: Services, rows: list[dict[str, Any]]) -> tuple[int, int, int, int]:
    report = import_rows(services, rows).report
    return report.accepted, report.replaced, report.unchanged, report.not_taken


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_same_file_again_changes_nothing(services: Services, wrapped: bool) -> None:
    """Also after the hashes were wrapped: then the digest is compared by Argon2id."""
    rows = [old_account("one", email="one@muster.example"), old_account("two", hash=HASHES["Django MD5"])]
    assert outcome(services, rows) == (2, 0, 0, 0)
    if wrapped:
        assert sum(legacy_wrapping.wrap_all(services, threads=1)) == 2
    before = rows_of(services)

    assert outcome(services, rows) == (0, 0, 2, 0)
    assert rows_of(services) == before


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        {"hash": HASHES["{MD5}"]},
        {"hash": "{SSHA}AAAAAAAAAAAAAAAAAAAAAAAAAADbW+v9"},  # same salt, another digest
        {"email": "new@muster.example"},
        {"permissions": "Belege"},
        {"security_question": "1"},
        {"family_name": "Neu"},
    ],
)
def test_a_line_that_differs_replaces(services: Services, change: dict[str, str], wrapped: bool) -> None:
    """Each field counts, the digest alone too; what was proven before is no proof any more."""
    import_rows(services, [old_account("one"), old_account("two")])
    if wrapped:
        assert sum(legacy_wrapping.wrap_all(services, threads=1)) == 2
    before = rows_of(services)

    assert outcome(services, [old_account("one") | change, old_account("two")]) == (0, 1, 1, 0)
    changed = [(old[0], new[3]) for old, new in zip(before, rows_of(services), strict=True) if old != new]
    assert [revision for _, revision in changed] == [2]
    assert outcome(services, [old_account("one") | change]) == (0, 0, 1, 0)


def test_a_linked_account_is_left_alone(services: Services) -> None:
    import_rows(services, [old_account("one")])
    with unit_of_work(services) as ctx:
        ctx.db.execute(update(LegacyAccount).values(linked_at=NOW))
    before = rows_of(services)

    report = import_rows(services, [old_account("one", email="new@muster.example")]).report
    assert (report.replaced, report.unchanged, report.not_taken) == (0, 0, 1)
    assert [(line.line, "linked" in line.reason) for line in report.refused] == [(1, True)]
    assert rows_of(services) == before


def test_what_cannot_be_read_any_more_is_imported_anew(services: Services) -> None:
    import_rows(services, [old_account("one")])
    with unit_of_work(services) as ctx:
        ctx.db.execute(update(LegacyAccount).values(hash=b"\x01 broken", hash_state="broken"))

    assert outcome(services, [old_account("one")]) == (0, 1, 0, 0)
    assert outcome(services, [old_account("one")]) == (0, 0, 1, 0)


def test_a_hash_that_was_forgotten_is_imported_anew(services: Services) -> None:
    import_rows(services, [old_account("one")])
    with unit_of_work(services) as ctx:
        ctx.db.execute(update(LegacyAccount).values(hash=None, hash_state=None, hash_format=None))

    assert outcome(services, [old_account("one")]) == (0, 1, 0, 0)


def test_forms_are_counted(services: Services) -> None:
    """Accepted adds, replaced moves; a form that nobody has any more is not counted (req 59)."""
    import_rows(services, [old_account("one"), old_account("two")])
    import_rows(services, [old_account("one", hash=HASHES["{MD5}"])])
    with unit_of_work(services) as ctx:
        assert formats(ctx) == {"md5(password)": 1, "sha1(password+salt)": 1}
    import_rows(services, [old_account("two", hash=HASHES["{MD5}"])])
    with unit_of_work(services) as ctx:
        assert formats(ctx) == {"md5(password)": 2}


def test_what_somebody_did_between_comparing_and_storing_stays(services: Services) -> None:
    """Another import, and a link, between plan and store: neither is undone, nothing is counted."""
    row = ImportRow(1, "one", parse(HASHES["{SSHA}"]))
    with unit_of_work(services) as ctx:
        directory = directories.find(ctx.db, SLUG)
        assert directory is not None
        new = importing.plan(ctx, {directories.lookup(ctx, directory.id, "one"): row})
    import_rows(services, [old_account("one", email="first@muster.example")])
    with unit_of_work(services) as ctx:
        assert importing.store(ctx, directory, new) == importing.Stored(0, 0)
        changed = importing.plan(ctx, {directories.lookup(ctx, directory.id, "one"): row})
        assert len(changed.changed) == 1
    before = rows_of(services)
    with unit_of_work(services) as ctx:
        ctx.db.execute(update(LegacyAccount).values(linked_at=NOW))
        assert importing.store(ctx, directory, changed) == importing.Stored(0, 0)
    assert rows_of(services) == before


def test_nothing_that_says_whose_it_is_stands_in_clear(services: Services) -> None:
    """User name, address, names and hash are sealed or keyed hashes (req 37, 105)."""
    secrets = {"email": "Sabine@muster.example", "given_name": "Sabine", "customer_number": "100200300"}
    import_rows(services, [old_account("smueller", **secrets)])
    with services.database.reading() as db:
        row = db.execute(select(*LegacyAccount.__table__.columns)).one()
    clear = b"|".join(value if isinstance(value, bytes) else str(value).encode() for value in row)
    for secret in ("smueller", "abine", "100200300", HASHES["{SSHA}"][6:], parse(HASHES["{SSHA}"]).digest):
        assert secret.encode() not in clear
