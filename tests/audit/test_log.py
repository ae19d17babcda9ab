"""Recording and reading events."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from idp.audit.events import Event
from idp.audit.log import Period, begin_export, erase, export, record, shorten, tail
from idp.audit.models import AuditEvent, AuditPersonal
from idp.context import Actor, Origin, Services
from idp.db import Database
from idp.settings import Settings
from tests.installation import NOW, make_services, unit_of_work

ANNA = Actor("account", "a" * 32, "administrator", "o" * 32)
BROWSER = Origin(ip="203.0.113.77", user_agent="Firefox", request_id="r1")


@pytest.fixture
def services(settings: Settings, database: Database) -> Services:
    return make_services(settings, database)


def test_an_event_says_who_did_what_to_whom(services: Services) -> None:
    """(req 106): actor, target, organisation, time, shortened address, old and new."""
    with unit_of_work(services, origin=BROWSER, actor=ANNA) as ctx:
        record(
            ctx,
            Event.MEMBERSHIP_BLOCKED,
            target=("membership", "m1"),
            client="customer-portal",
            session="s1",
            old={"status": "active"},
            new={"status": "blocked", "sessions": 2},
            reason="left the company",
            personal={"name": "Ben Muster"},
        )
    with unit_of_work(services) as ctx:
        (entry,) = tail(ctx)
    assert (entry.event, entry.at, entry.position) == ("membership.blocked", NOW, None)
    assert (entry.actor_kind, entry.actor_id, entry.actor_role) == ("account", ANNA.id, "administrator")
    assert (entry.target_kind, entry.target_id, entry.organization) == ("membership", "m1", "o" * 32)
    assert (entry.client, entry.session, entry.request_id) == ("customer-portal", "s1", "r1")
    assert (entry.old, entry.new) == ({"status": "active"}, {"status": "blocked", "sessions": 2})
    assert entry.reason == "left the company"
    assert (entry.origin, entry.details) == (
        {"ip": "203.0.113.0/24", "user_agent": "Firefox"},
        {"name": "Ben Muster"},
    )


def test_another_actor_and_organisation_can_be_named(services: Services) -> None:
    """Staff act on a company; a sign-in is by the account that was not yet known."""
    with unit_of_work(services, actor=ANNA) as ctx:
        record(ctx, Event.SIGNING_KEY_CREATED, actor=Actor("operator", "root"))
        record(ctx, Event.ORGANIZATION_CHANGED, organization="p" * 32, old=1, new=["a", "b"])
    with unit_of_work(services) as ctx:
        found = {entry.event: entry for entry in tail(ctx)}
    key, company = found["signing_key.created"], found["organization.changed"]
    assert (key.actor_kind, key.actor_id, key.organization) == ("operator", "root", None)
    assert (company.organization, company.old, company.new) == ("p" * 32, 1, ["a", "b"])
    assert (key.origin, key.details) == (None, None)


def test_the_event_goes_with_the_change(services: Services) -> None:
    """(req 106): same transaction, so what is rolled back is not told."""
    with unit_of_work(services) as ctx:
        nested = ctx.db.begin_nested()
        record(ctx, Event.ACCOUNT_CREATED)
        nested.rollback()
        record(ctx, Event.SIGN_IN_FAILED)
    with unit_of_work(services) as ctx:
        assert [entry.event for entry in tail(ctx)] == ["sign_in.failed"]


def test_recording_is_part_of_the_unit_of_work(services: Services) -> None:
    """The surface commits; what is rolled back was never recorded."""
    with services.database.session() as db:
        record(services.context(db, origin=BROWSER), Event.SIGN_IN_SUCCEEDED, personal={"username": "anna"})
        assert db.scalar(select(AuditEvent.id)) is not None
    with unit_of_work(services) as ctx:
        assert ctx.db.scalar(select(AuditEvent.id)) is None


@pytest.mark.parametrize("name", ["password", "code", "access_token", "client_secret", "cookie", "totp"])
def test_a_field_named_like_a_secret_is_refused(services: Services, name: str) -> None:
    """(req 105)"""
    with unit_of_work(services) as ctx:
        with pytest.raises(ValueError, match=name):
            record(ctx, Event.PASSWORD_CHANGED, new={name: "canary"})
        with pytest.raises(ValueError, match=name):
            record(ctx, Event.PASSWORD_CHANGED, old={"more": {name: "canary"}})
        with pytest.raises(ValueError, match=name):
            record(ctx, Event.PASSWORD_CHANGED, personal={name: "canary"})
    with unit_of_work(services) as ctx:
        assert tail(ctx) == []


def test_personal_parts_are_not_in_the_clear(services: Services) -> None:
    """(req 105, 37)"""
    with unit_of_work(services, origin=BROWSER) as ctx:
        record(ctx, Event.SIGN_IN_FAILED, personal={"typed": "canary"})
    with services.database.reader.connect() as reader:
        rows = [
            *reader.execute(select(AuditEvent.__table__)),
            *reader.execute(select(AuditPersonal.__table__)),
        ]
    stored = b"".join(
        value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row
    )
    assert b"canary" not in stored
    assert b"203.0.113" not in stored
    assert b"Firefox" not in stored


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("unix:", None),
        ("", None),
    ],
)
def test_addresses_are_shortened(address: str, expected: str | None) -> None:
    """(req 106)"""
    assert shorten(address) == expected


def test_the_log_can_be_asked_for_one_company_or_person(services: Services) -> None:
    """(req 91): nothing of others is among it."""
    with unit_of_work(services) as ctx:
        record(ctx, Event.SIGN_IN_SUCCEEDED, actor=ANNA)
        record(ctx, Event.ACCOUNT_BLOCKED, actor=Actor("operator", ANNA.id), target=("account", "b"))
        record(ctx, Event.ACCOUNT_UNBLOCKED, target=("account", ANNA.id or ""))
        record(ctx, Event.CLIENT_CREATED, target=("client", ANNA.id or ""), organization="q")
    with unit_of_work(services) as ctx:
        assert {entry.event for entry in tail(ctx, account=ANNA.id)} == {
            "sign_in.succeeded",
            "account.unblocked",
        }
        assert [entry.event for entry in tail(ctx, organization="o" * 32)] == ["sign_in.succeeded"]
        assert [entry.event for entry in tail(ctx, event=Event.CLIENT_CREATED)] == ["client.created"]
        assert len(tail(ctx, limit=3)) == 3


def test_the_newest_comes_first(services: Services) -> None:
    """``idp audit tail``"""
    for minute in (2, 0, 1):
        with unit_of_work(services, NOW + timedelta(minutes=minute)) as ctx:
            record(ctx, Event.SIGN_IN_SUCCEEDED, new=minute)
    with unit_of_work(services) as ctx:
        assert [entry.new for entry in tail(ctx)] == [2, 1, 0]


def test_an_export_is_json_lines_of_a_period(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """``idp audit export``: in order, across batches, and the export is an event itself."""
    monkeypatch.setattr("idp.audit.log._BATCH", 3)
    for minute in range(6):
        with unit_of_work(services, NOW + timedelta(minutes=minute), origin=BROWSER) as ctx:
            record(ctx, Event.SIGN_IN_SUCCEEDED, new=[str(minute), "a"])
            record(ctx, Event.SESSION_STARTED, new=[str(minute), "b"])
    with unit_of_work(services, NOW + timedelta(hours=1)) as ctx:
        late = begin_export(ctx, since=NOW + timedelta(minutes=1))
        early = begin_export(ctx, until=NOW + timedelta(minutes=1))
    with services.database.reading() as db:
        ctx = services.context(db, now=NOW)
        lines = [json.loads(line) for line in export(ctx, late)]
        part = list(export(ctx, early))
    assert [line["new"][0] for line in lines] == [str(minute) for minute in range(1, 6) for _ in "ab"]
    assert lines[0]["at"] == "2026-03-01T12:01:00+00:00"
    assert lines[0]["origin"]["ip"] == "203.0.113.0/24"
    assert len(part) == 2
    with unit_of_work(services) as ctx:
        assert [entry.event for entry in tail(ctx, limit=2)] == ["audit.exported"] * 2


def test_erasure_takes_the_personal_parts_and_leaves_the_facts(services: Services) -> None:
    """GDPR Art. 17 (req 109)"""
    account = ANNA.id or ""
    with unit_of_work(services, origin=BROWSER) as ctx:
        record(ctx, Event.SIGN_IN_SUCCEEDED, actor=ANNA)
        record(ctx, Event.ACCOUNT_CHANGED, target=("account", account), personal={"name": "Anna"})
        record(ctx, Event.SIGN_IN_SUCCEEDED, actor=Actor("account", "b"), personal={"name": "Ben"})
    with unit_of_work(services) as ctx:
        assert erase(ctx, account) == 2
        assert erase(ctx, account) == 0
    with unit_of_work(services) as ctx:
        anna, ben = tail(ctx, account=account), tail(ctx, account="b")
    assert {entry.event for entry in anna} == {"sign_in.succeeded", "account.changed", "audit.erased"}
    assert all(entry.origin is None and entry.details is None for entry in anna)
    assert ben[0].details == {"name": "Ben"}


def test_an_export_that_is_taken_slowly_holds_up_nobody(services: Services) -> None:
    """A pager on the other end of the pipe must not keep SQLite's only writer."""
    with unit_of_work(services) as ctx:
        record(ctx, Event.SIGN_IN_SUCCEEDED)
        record(ctx, Event.SESSION_STARTED)
    with services.database.reading() as db:
        lines = export(services.context(db, now=NOW), Period(None, NOW + timedelta(days=1)))
        assert json.loads(next(lines))["event"] in {"sign_in.succeeded", "session.started"}
        with unit_of_work(services, NOW + timedelta(seconds=1)) as ctx:
            record(ctx, Event.SESSION_ENDED)
        assert len(list(lines)) == 2
