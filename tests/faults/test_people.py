"""The load against the product in this process: what it notes is what happened."""

from collections import Counter
from collections.abc import Callable
from unittest.mock import Mock

import httpx
import pytest
from sqlalchemy import delete, update

from idp.audit.events import Event
from idp.audit.models import AuditEvent
from idp.context import Services
from idp.web.gateway import Gateway
from tests.faults.audited import audited, read_rows
from tests.faults.installation import Installation, populate
from tests.faults.invariants import used_once
from tests.faults.ledger import Ledger
from tests.faults.people import Dweller, Grant, Lost, Newcomer, Person, refreshing

LOGOUT = "https://portal.example/backchannel-logout"


@pytest.fixture
def installation(services: Services, gateway: Gateway) -> Installation:
    secret = populate(services, LOGOUT, ["person0", "person1"])
    return Installation(
        services.settings.issuer,
        secret,
        services,
        server=Mock(),
        postgresql=Mock(),
        delivered=Counter(),
    )


def _at(gateway: Gateway, person: Person) -> Person:
    person.http.close()
    transport = httpx.WSGITransport(gateway)
    person.http = httpx.Client(base_url=person.installation.issuer, transport=transport)
    return person


def _missing(ledger: Ledger, services: Services) -> list[str]:
    with services.database.session() as db:
        return [line.what for line in audited(ledger, read_rows(db)) if not line.held]


def test_what_was_seen_is_in_the_log(installation: Installation, gateway: Gateway) -> None:
    """Each sign-in, session, code, replay, reuse and sign-out has its own row; a lost one is reported."""
    ledger, services = Ledger(), installation.services
    newcomer = _at(gateway, Newcomer(installation, ledger, usernames=("person1",)))
    newcomer.turn()
    dweller = Dweller(installation, ledger)
    _at(gateway, dweller)
    for _ in range(2):
        dweller.turn()
    for how in (1, 3):  # one after the other: a file has one writer
        dweller._twice(how)
    assert not ledger.failures()
    assert used_once(ledger).held
    assert ledger.twice == {"code again": 1, "refresh again": 1}
    assert not _missing(ledger, services)
    events = {event for _, event in ledger.promised}
    assert events == {
        Event.SIGN_IN_SUCCEEDED,
        Event.SESSION_STARTED,
        Event.CODE_ISSUED,
        Event.CODE_REPLAYED,
        Event.REFRESH_TOKEN_REUSED,
        Event.AUTHORIZATION_REVOKED,
        Event.SESSION_ENDED,
    }
    for event in events:
        with services.database.session() as db, db.begin():
            db.execute(update(AuditEvent).where(AuditEvent.event == event).values(event="x"))
        assert _missing(ledger, services) == [f"I3 {event.value}"]
        with services.database.session() as db, db.begin():
            db.execute(update(AuditEvent).where(AuditEvent.event == "x").values(event=event))


def test_one_lost_row_is_not_made_up_for_by_another(installation: Installation, gateway: Gateway) -> None:
    """Two sign-ins and two rows, but one of them of a sign-in that nobody made."""
    ledger, services = Ledger(), installation.services
    newcomer = _at(gateway, Newcomer(installation, ledger, usernames=("person0", "person1")))
    newcomer.turn()
    with services.database.session() as db, db.begin():
        db.execute(delete(AuditEvent).where(AuditEvent.event == Event.SIGN_IN_SUCCEEDED))
    _at(gateway, Person(installation, Ledger(), username="person1")).turn()
    assert _missing(ledger, services) == [
        f"I3 {event.value}" for event in (Event.SIGN_IN_SUCCEEDED, Event.SESSION_STARTED, Event.CODE_ISSUED)
    ]


Answer = Callable[[httpx.Request], httpx.Response]


def _person(answer: Answer, installation: Installation) -> Person:
    person = Person(installation, Ledger())
    person.http.close()
    person.http = httpx.Client(base_url=installation.issuer, transport=httpx.MockTransport(answer))
    return person


GRANT = Grant("code", "c", {"code": "c"})
_REFUSED = httpx.Response(400, headers={"X-Request-Id": "r"})


def _tokens(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"id_token": "i", "refresh_token": "t"})


def test_what_works_twice_is_counted(installation: Installation) -> None:
    """Again, and at once."""
    person = _person(_tokens, installation)
    person.redeem(GRANT)
    person.again(GRANT)
    person.at_once(refreshing("t"))
    assert person.ledger.redeemed == {"c": 2, "t": 2}
    assert person.ledger.refused_again == 0
    assert not used_once(person.ledger).held


def test_what_works_never_is_counted(installation: Installation) -> None:
    """Of two at once, one has to work."""
    person = _person(lambda _: _REFUSED, installation)
    person.at_once(GRANT)
    assert (person.ledger.never, person.ledger.refused_again) == (1, 1)
    assert not used_once(person.ledger).held


def test_only_what_was_used_may_be_refused(installation: Installation) -> None:
    """A code that is refused at first has failed, and is not asked for again; a 429 always has."""
    person = _person(lambda _: _REFUSED, installation)
    with pytest.raises(Lost):
        person.redeem(GRANT)
    person.again(GRANT)
    assert [(seen.kind, seen.failed) for seen in person.ledger.seen] == [("code", True), ("again", False)]
    person = _person(lambda _: httpx.Response(429), installation)
    person.again(GRANT)
    assert [seen.failed for seen in person.ledger.seen] == [True]


def test_whoever_loses_the_answer_tries_once_more(installation: Installation) -> None:
    """Where it had worked, it is refused, and that is an event; nothing of it has failed but the first."""
    answers = iter([httpx.Response(503, headers={"Retry-After": "1"}), _REFUSED])
    person = _person(lambda _: next(answers), installation)
    with pytest.raises(Lost):
        person.redeem(GRANT)
    assert [seen.failed for seen in person.ledger.seen] == [True, False]
    assert person.ledger.promised == [("r", Event.CODE_REPLAYED), ("r", Event.AUTHORIZATION_REVOKED)]
