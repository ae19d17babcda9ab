"""Events to be chained, sealed, checked and cut."""

from datetime import timedelta
from typing import Any

from idp.audit.events import Event
from idp.audit.log import record
from idp.audit.sealer import purge, seal
from idp.audit.verification import Verification, verify
from idp.context import Actor, Origin, Services
from tests.installation import NOW, unit_of_work

BROWSER = Origin(ip="203.0.113.77", user_agent="Firefox", request_id="r1")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def write(
    services: Services, count: int = 1, *, at: Any = NOW, event: Event = Event.SIGN_IN_SUCCEEDED
) -> None:
    with unit_of_work(services, at, origin=BROWSER, actor=Actor("account", "anna", "member", "o1")) as ctx:
        for number in range(count):
            record(
                ctx,
                event,
                target=("session", "s1"),
                client="portal",
                session="s1",
                old=number,
                new={"number": number},
                reason="r",
                personal={"name": f"Anna {number}"},
            )


def run_seal(services: Services, at: Any = NOW) -> int:
    with unit_of_work(services, at) as ctx:
        return seal(ctx)


def check(services: Services, known_head: tuple[int, bytes] | None = None) -> Verification:
    with unit_of_work(services) as ctx:
        return verify(ctx, known_head=known_head)


def run_purge(services: Services, at: Any, limit: int = 100) -> int:
    with unit_of_work(services, at) as ctx:
        return purge(ctx, limit)
