"""Operations on legacy directories: who may, what a status counts, secrets that nobody reads back."""

import pytest
from sqlalchemy import select

from idp.accounts.legacy.models import LegacyDirectory
from idp.audit.events import Event
from idp.audit.log import tail
from idp.context import Actor, Services
from idp.errors import Refusal
from idp.management import legacy_directories, legacy_wrapping
from idp.management.legacy_import import Import
from tests.builders import OPERATOR, make_account
from tests.installation import unit_of_work
from tests.legacy import HASHES, SLUG, import_rows, import_text, link_account, make_directory, old_account


@pytest.fixture
def ben(services: Services) -> str:
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_directory(ctx, permissions={})
        return make_account(ctx)


def test_only_operators(services: Services, ben: str) -> None:
    """People and portals change no directory, set no secret, import nothing (req 91)."""
    with unit_of_work(services, actor=Actor(kind="account", id=ben)) as ctx:
        for call in (
            lambda: legacy_directories.set_secret(ctx, SLUG, "secret"),
            lambda: legacy_directories.status(ctx),
            lambda: legacy_directories.link_of(ctx, SLUG, "smueller"),
            lambda: Import(ctx, SLUG),
        ):
            with pytest.raises(Refusal, match=r"actor\.not_allowed"):
                call()


def test_status_counts(services: Services, ben: str) -> None:
    import_rows(
        services, [old_account("one"), old_account("two", hash=HASHES["{MD5}"]), old_account("three")]
    )
    link_account(services, ben, "one")
    assert sum(legacy_wrapping.wrap_all(services, threads=1)) == 3
    import_rows(services, [old_account("two")])
    with unit_of_work(services, actor=OPERATOR) as ctx:
        (found,) = legacy_directories.status(ctx)
        assert (found.accounts, found.linked, found.weak, found.wrapped, found.broken) == (3, 1, 1, 2, 0)
        assert found.formats == {"sha1(password+salt)": 3}
        assert legacy_directories.link_of(ctx, SLUG, "ONE")[0] == ben
        with pytest.raises(Refusal, match=r"link\.unknown"):
            legacy_directories.link_of(ctx, SLUG, "two")


@pytest.mark.parametrize("secret", ["", "two words", "ümlaut", "x" * 1025, "tab\t"])
def test_secrets_that_are_none(services: Services, ben: str, secret: str) -> None:
    with unit_of_work(services, actor=OPERATOR) as ctx, pytest.raises(Refusal) as refused:
        legacy_directories.set_secret(ctx, SLUG, secret)
    assert refused.value == Refusal("legacy_directory.secret")


def test_a_secret_is_sealed_and_audited(services: Services, ben: str) -> None:
    """The log says that it changed, not what it is (req 96, 106)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        legacy_directories.set_secret(ctx, SLUG, "canary-secret")
        sealed = ctx.db.scalars(select(LegacyDirectory.bearer)).one()
        assert sealed is not None
        assert b"canary" not in sealed
        (entry,) = tail(ctx, event=Event.LEGACY_DIRECTORY_SECRET_CHANGED)
        assert "canary" not in entry.to_json()
        with pytest.raises(Refusal, match=r"legacy_directory\.unknown"):
            legacy_directories.set_secret(ctx, "nothing", "secret")


def test_an_import_reports_and_is_audited(services: Services, ben: str) -> None:
    """Repeated names, refused lines, old permissions without a mapping; a dry run says the same."""
    rows = [
        old_account("one", permissions="Belege Shop", security_question="x"),
        old_account("ONE "),
        {"username": "bad", "hash": "geheim"},
        old_account("two", permissions="Belege"),
    ]
    dry, done = import_rows(services, rows, dry_run=True).report, import_rows(services, rows).report

    assert dry == done
    assert (done.lines, done.accepted, done.not_taken, done.weak, done.security_questions) == (4, 2, 2, 2, 1)
    assert [(line.line, line.reason) for line in done.refused] == [
        (2, "the user name stands in the file before (line 1)"),
        (3, "the form of the hash is not known"),
    ]
    assert done.reasons.total() == 2
    assert done.unmapped == {"Belege": 2, "Shop": 1}
    with unit_of_work(services) as ctx:
        (entry,) = tail(ctx, event=Event.LEGACY_DIRECTORY_IMPORTED)
        assert entry.new == {"directory": SLUG, "accepted": 2, "replaced": 0, "unchanged": 0, "refused": 2}
    again = import_rows(services, [old_account("one"), *rows[3:]], dry_run=True).report
    assert (again.accepted, again.replaced, again.unchanged) == (0, 1, 1)


def test_more_than_a_batch_and_more_than_is_told(
    services: Services, ben: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idp.management.legacy_import.BATCH", 2)
    monkeypatch.setattr("idp.management.legacy_import.MOST_TOLD", 3)
    text = "username,hash\n" + "".join(f"user{at},{HASHES['{MD5}']}\nbad{at},x\n" for at in range(5))

    report = import_text(services, text, json_lines=False).report

    assert (report.accepted, report.not_taken, len(report.refused)) == (5, 5, 3)


@pytest.mark.parametrize(
    ("slug", "code"), [("nothing", "legacy_directory.unknown"), ("b7", "legacy_directory.kind")]
)
def test_where_nothing_is_imported(services: Services, ben: str, slug: str, code: str) -> None:
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_directory(ctx, slug="b7", kind="https", endpoint="https://alt.example/")
        with pytest.raises(Refusal) as refused:
            Import(ctx, slug)
    assert refused.value == Refusal(code, slug=slug)
