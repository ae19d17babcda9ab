"""The outbox: leases, retries, expiry, receipts (A6, req 47, F19)."""

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from idp.context import Services
from idp.crypto import MasterKey, Sealer
from idp.db import Database, new_id
from idp.delivery import outbox
from idp.delivery.models import OutboxMessage
from idp.delivery.outbox import LEASE, Message, delay
from idp.installation import Vault
from idp.settings import Settings
from tests.installation import NOW, make_services, unit_of_work

HOUR = timedelta(hours=1)


@pytest.fixture
def services(settings: Settings, database: Database) -> Services:
    return make_services(settings, database)


def put(services: Services, kind: str = "mail", to: str = "ben@muster.example", **more: Any) -> str:
    at = more.pop("at", NOW)
    with unit_of_work(services, at) as ctx:
        payload = more.pop("payload", {"subject": "Hallo"})
        return outbox.enqueue(ctx, kind, to, payload, **{"expires_at": at + HOUR, **more})


def claim(services: Services, at: datetime = NOW, kind: str = "mail", limit: int = 10) -> list[Message]:
    with unit_of_work(services, at) as ctx:
        return outbox.claim(ctx, (kind,), limit=limit)


def settle(services: Services, message: Message, at: datetime = NOW, **how: Any) -> str | None:
    with unit_of_work(services, at) as ctx:
        return outbox.settle(ctx, message, **how)


def stored(services: Services, key: str) -> OutboxMessage:
    with unit_of_work(services) as ctx:
        return ctx.db.scalars(select(OutboxMessage).where(OutboxMessage.id == key)).one()


def due(services: Services, at: datetime) -> bool:
    with services.database.reader.connect() as reader:
        return outbox.has_due(reader, ("mail",), at)


def test_a_message_is_claimed_once_and_sent(services: Services) -> None:
    """A6"""
    key = put(services, group="g" * 32, reference="portal")
    assert due(services, NOW)
    (message,) = claim(services)
    assert (message.id, message.kind, message.recipient) == (key, "mail", "ben@muster.example")
    assert (message.payload, message.attempts) == ({"subject": "Hallo"}, 1)
    assert (message.group, message.reference) == ("g" * 32, "portal")
    assert claim(services) == []
    assert not due(services, NOW)
    assert settle(services, message) == "sent"
    row = stored(services, key)
    assert (row.state, row.finished_at, row.recipient, row.payload) == ("sent", NOW, None, None)
    assert claim(services, NOW + LEASE) == []


def test_the_message_goes_with_the_change(services: Services) -> None:
    """A1: what is rolled back sends nothing."""
    with unit_of_work(services) as ctx:
        nested = ctx.db.begin_nested()
        outbox.enqueue(ctx, "mail", "a@b.example", {}, expires_at=NOW + HOUR)
        nested.rollback()
    assert claim(services) == []


def test_an_unknown_kind_is_refused(services: Services) -> None:
    """A message no sender will ever take."""
    with unit_of_work(services) as ctx, pytest.raises(ValueError, match="pigeon"):
        outbox.enqueue(ctx, "pigeon", "x", {}, expires_at=NOW + HOUR)


def test_recipient_and_content_are_sealed(services: Services) -> None:
    """(req 105, 67)"""
    put(services, to="canary@muster.example", payload={"code": "canary"})
    with services.database.reader.connect() as reader:
        row = reader.execute(select(OutboxMessage.__table__)).one()
    assert b"canary" not in b"".join(
        value if isinstance(value, bytes) else str(value).encode() for value in row
    )


def test_the_message_id_stays_the_same_at_every_attempt(services: Services) -> None:
    """A6, I5: a receiver recognises a repetition."""
    put(services)
    put(services)
    first, second = claim(services)
    assert settle(services, first, error="busy") == "waiting"
    (again,) = claim(services, NOW + HOUR / 2, limit=1)
    assert (again.id, again.message_id, again.attempts) == (first.id, first.message_id, 2)
    assert first.message_id != second.message_id
    assert first.message_id.endswith("@localhost")


def test_a_failed_attempt_waits_longer_each_time(services: Services) -> None:
    """A6: exponential back-off up to 24 h."""
    assert [delay(attempt).total_seconds() for attempt in (1, 2, 3, 4)] == [2, 4, 8, 16]
    assert delay(17) == delay(10_000) == timedelta(hours=24)
    put(services)
    (message,) = claim(services)
    settle(services, message, error="no answer")
    assert claim(services, NOW + timedelta(seconds=1)) == []
    (message,) = claim(services, NOW + timedelta(seconds=2))
    settle(services, message, NOW + timedelta(seconds=2), error="no answer")
    assert claim(services, NOW + timedelta(seconds=5)) == []
    assert len(claim(services, NOW + timedelta(seconds=6))) == 1


def test_a_message_that_would_expire_first_has_failed(services: Services) -> None:
    """The receipt tells at once, not in an hour."""
    key = put(services, expires_at=NOW + timedelta(seconds=2))
    (message,) = claim(services)
    assert settle(services, message, error="no answer") == "failed"
    row = stored(services, key)
    assert (row.last_error, row.payload, row.finished_at) == ("no answer", None, NOW)


def test_what_can_never_be_delivered_is_not_tried_again(services: Services) -> None:
    """A6"""
    put(services)
    (message,) = claim(services)
    assert settle(services, message, error="no such box " * 100, final=True) == "failed"
    assert claim(services, NOW + HOUR / 2) == []


def test_an_expired_message_is_dropped_unsent(services: Services) -> None:
    """A6, F5: nobody gets a code that no longer works."""
    key = put(services, payload={"code": "123456"})
    assert claim(services, NOW + HOUR) == []
    row = stored(services, key)
    assert (row.state, row.attempts, row.payload, row.recipient) == ("expired", 0, None, None)


def test_only_the_asked_kinds_are_claimed(services: Services) -> None:
    """In the demo nobody sends mail: it stays for the outbox page, expired or not."""
    put(services, "mail")
    put(services, "backchannel_logout", "https://portal.example/logout")
    (message,) = claim(services, NOW + HOUR / 2, kind="backchannel_logout")
    assert message.kind == "backchannel_logout"
    assert claim(services, NOW + 2 * HOUR, kind="backchannel_logout") == []
    with unit_of_work(services) as ctx:
        assert [shown.kind for shown in outbox.list_messages(ctx, 10)] == ["mail"]


def test_a_sender_that_died_loses_its_lease(services: Services) -> None:
    """F19, I5: sent at least once; a late result of the dead does not count."""
    put(services)
    (dead,) = claim(services)
    assert claim(services, NOW + LEASE - timedelta(seconds=1)) == []
    (alive,) = claim(services, NOW + LEASE)
    assert (alive.message_id, alive.attempts) == (dead.message_id, 2)
    assert settle(services, dead, error="late", final=True) is None
    assert settle(services, alive) == "sent"
    assert settle(services, alive, error="twice") is None


def test_two_workers_never_claim_the_same(services: Services) -> None:
    """F19: SKIP LOCKED on PostgreSQL, one writer at a time on SQLite."""
    keys = {put(services) for _ in range(20)}
    barrier = threading.Barrier(4)
    claimed: list[list[str]] = []

    def run() -> None:
        barrier.wait()
        claimed.append([message.id for message in claim(services, limit=5)])

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = [key for some in claimed for key in some]
    assert len(got) == len(set(got))
    assert set(got) | {message.id for message in claim(services, limit=20)} == keys


def test_a_row_without_content_does_not_hold_up_the_others(services: Services) -> None:
    """A restored backup may hold what no code of ours writes."""
    empty, good = put(services), put(services)
    with unit_of_work(services) as ctx:
        ctx.db.execute(update(OutboxMessage).where(OutboxMessage.id == empty).values(payload=None))
    assert [message.id for message in claim(services)] == [good]
    assert stored(services, empty).state == "failed"


def test_a_damaged_row_does_not_hold_up_the_others(services: Services) -> None:
    """One bad row at the head of the queue would stop all mail."""
    bad, good = put(services), put(services)
    with unit_of_work(services) as ctx:
        ctx.db.execute(update(OutboxMessage).where(OutboxMessage.id == bad).values(payload=b"\x01damaged"))
    assert [message.id for message in claim(services)] == [good]
    row = stored(services, bad)
    assert (row.state, row.last_error) == ("failed", "the content does not open")


def test_what_another_machine_sealed_waits_for_its_key(services: Services) -> None:
    """While the master key changes a machine may lack the new one; it puts off what that sealed, unharmed."""
    old = services.vault.sealer.current
    ahead = Vault(Sealer([MasterKey.generate(), old]), services.vault.secrets)
    key = put(replace(services, vault=ahead))
    assert claim(services) == []
    row = stored(services, key)
    assert (row.state, row.last_error) == ("waiting", "its master key is not here yet")
    later = NOW + timedelta(minutes=1)
    assert not due(services, later - timedelta(seconds=1))
    (message,) = claim(replace(services, vault=ahead), at=later)
    assert (message.id, message.payload) == (key, {"subject": "Hallo"})


def test_a_receipt_tells_each_recipient_of_a_group(services: Services) -> None:
    """F17: "Portal B did not answer"."""
    group = new_id()
    portals = {
        client: put(services, group=group, reference=client)
        for client in ("portal-a", "portal-b", "portal-c")
    }
    put(services, group=new_id(), reference="other")
    claimed = {message.id: message for message in claim(services)}
    settle(services, claimed[portals["portal-a"]])
    settle(services, claimed[portals["portal-b"]], error="no answer", final=True)
    with unit_of_work(services) as ctx:
        # keys of one millisecond stand in any order
        found = sorted(outbox.receipt(ctx.db, group), key=lambda one: one.reference or "")
    assert [(one.reference, one.state) for one in found] == [
        ("portal-a", "sent"),
        ("portal-b", "failed"),
        ("portal-c", "sending"),
    ]
    failed = stored(services, portals["portal-b"])
    assert (failed.attempts, failed.last_error, failed.finished_at) == (1, "no answer", NOW)


def test_messages_to_people_are_listed_newest_first(services: Services) -> None:
    """design §5 ``/dev/outbox``: what portals get is none of people's business, what was sent is gone."""
    sms = put(services, "sms", "+49301234567", payload={"text": "Ihr Code"})
    portal = put(services, "backchannel_logout", "https://portal.example/logout")
    mail = put(services, "mail", at=NOW + HOUR)
    with unit_of_work(services) as ctx:
        assert [message.id for message in outbox.list_messages(ctx, 10)] == [mail, sms]
        assert [message.id for message in outbox.list_messages(ctx, 1)] == [mail]
        found = outbox.find_message(ctx, sms)
        assert found is not None
        assert (found.recipient, found.payload) == ("+49301234567", {"text": "Ihr Code"})
        assert outbox.find_message(ctx, portal) is outbox.find_message(ctx, "nothing") is None
    (sent,) = claim(services, NOW + HOUR)
    settle(services, sent, NOW + HOUR)
    with unit_of_work(services) as ctx:
        assert outbox.find_message(ctx, mail) is None


def test_old_messages_are_removed(services: Services) -> None:
    """(req 111): 30 days after they ended, with a clock that is moved."""
    sent, unsent, live = put(services), put(services, "sms"), put(services, expires_at=NOW + 90 * 24 * HOUR)
    for message in claim(services):
        if message.id == sent:
            settle(services, message)

    def purge(at: datetime, limit: int = 10) -> int:
        with unit_of_work(services, at) as ctx:
            return outbox.purge(ctx, limit)

    assert purge(NOW + 30 * 24 * HOUR) == 0
    assert purge(NOW + 31 * 24 * HOUR, limit=1) == 1
    assert purge(NOW + 31 * 24 * HOUR) == 1
    assert purge(NOW + 31 * 24 * HOUR) == 0
    with unit_of_work(services) as ctx:
        assert ctx.db.scalars(select(OutboxMessage.id)).all() == [live]
    assert len({sent, unsent, live}) == 3
