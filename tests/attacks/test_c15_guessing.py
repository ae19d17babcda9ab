"""C15: guesses cannot be spread over spellings, addresses or connections; the owner gets in (req 54-58)."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from idp.app import create_app
from idp.audit.models import AuditEvent
from idp.db import Database
from idp.settings import Settings
from tests import cast
from tests.attacks.conftest import register_portal
from tests.attacks.live import FORM, Live, serving
from tests.attacks.parties import Party
from tests.attacks.visitor import SAME_ORIGIN, Visitor
from tests.builders import PASSWORD
from tests.installation import install_signing_keys, make_services, unit_of_work
from tests.web.pages.house import Clock, ClockedServices

pytestmark = pytest.mark.enable_socket

GUESSES, CONNECTIONS, CODES = 1000, 50, 60
SPELLINGS = (
    "anna",
    "ANNA",
    "Anna",
    " anna",
    "anna ",
    "anna\t",
    "\uff41\uff4e\uff4e\uff41",
    "\U0001d41a\U0001d427\U0001d427\U0001d41a",
    "anna@muster.example",
    "Anna@Muster.Example",
    "anna@MUSTER.example",
    " anna@muster.example ",
    "\uff41nna@muster.example",
)
#: five are free; then waits begin, and here no time passes
FREE = 5
#: after these guesses the owner signs in, which forgives what was counted
OWNERS_TURNS = (250, 500)
#: from here on every hundredth guess is the password
RIGHT_FROM = 800


@pytest.fixture
def portal(attacked: Settings, database: Database) -> Iterator[Party]:
    """The portal at an installation whose clock stands still: no wait is ever over."""
    made = make_services(attacked, database)
    services = ClockedServices(
        attacked, database, made.vault, made.throttle, made.passwords, clock=Clock(datetime.now(UTC))
    )
    install_signing_keys(services)
    with serving(create_app(attacked, services), services) as live:
        yield register_portal(live)


def _events(live: Live) -> Counter[str]:
    with live.services.database.reader.connect() as connection:
        return Counter(connection.scalars(select(AuditEvent.event)))


@pytest.mark.alone_on("postgresql")
def test_a_thousand_guesses_are_a_handful(portal: Party) -> None:
    """Spellings, forged addresses, parallel connections, fresh cookies: each guess counts for one account.

    The right password is among the later guesses and does not help.  Meanwhile the owner signs in from the
    browser that the account knows (req 55, 56, 58).
    """
    live = portal.live
    owner = Visitor(live)
    portal.code(owner)
    known = {"__Host-dev": owner.cookies["__Host-dev"]}
    pages = [_page(portal) for _ in range(10)]
    before = _events(live)["sign_in.failed"]

    def guess(number: int) -> int:
        visitor, action, fields = pages[number % len(pages)]
        headers = SAME_ORIGIN | {
            "X-Forwarded-For": f"198.51.{number % 250}.{number // 250}",
            "Forwarded": f"for=198.51.100.{number % 250}",
            "X-Real-IP": f"203.0.113.{number % 250}",
            "User-Agent": f"Browser {number}",
        }
        password = PASSWORD if number >= RIGHT_FROM and number % 100 == 0 else f"a wrong password {number}"
        typed = fields | {"username": SPELLINGS[number % len(SPELLINGS)], "password": password}
        copy = Visitor(live, dict(visitor.cookies))
        answer = copy.post_once(action, typed, FORM | headers)
        assert "__Host-sid" not in answer.cookies(), "a guess signed in"
        if number in OWNERS_TURNS:
            assert portal.code(Visitor(live, dict(known))), "the owner was locked out"
            assert portal.code(Visitor(live), "ben"), "somebody else was locked out"
        return answer.status

    with ThreadPoolExecutor(CONNECTIONS) as attackers:
        statuses = Counter(attackers.map(guess, range(GUESSES)))
    assert set(statuses) <= {200, 429, 503}
    assert _events(live)["sign_in.failed"] - before <= FREE * (1 + len(OWNERS_TURNS))
    assert statuses[429] > GUESSES * 0.8
    assert portal.code(Visitor(live, dict(known))), "the owner was locked out in the end"


def test_codes_of_an_app_cannot_be_guessed_in_parallel(portal: Party) -> None:
    """Five tries a sign-in and ten an hour, however many connections and sign-ins (req 55, 64)."""
    live = portal.live
    with unit_of_work(live.services) as ctx:
        cast.person(ctx, "clara", app=True)
    pages = []
    for _ in range(4):
        visitor = Visitor(live)
        visitor.get("/authorize", **portal.parameters())
        visitor.sign_in("clara")
        form = visitor.form("/login/totp?")
        pages.append((visitor, form.action, form.fields))

    def guess(number: int) -> int:
        visitor, action, fields = pages[number % len(pages)]
        copy = Visitor(live, dict(visitor.cookies))
        answer = copy.post_once(action, fields | {"code": f"{number:06d}"})
        assert "__Host-sid" not in answer.cookies()
        return answer.status

    with ThreadPoolExecutor(CONNECTIONS) as attackers:
        statuses = Counter(attackers.map(guess, range(CODES)))
    assert set(statuses) <= {200, 303, 429, 503}
    assert _events(live)["second_factor.failed"] <= 10


def _page(portal: Party) -> tuple[Visitor, str, dict[str, str]]:
    visitor = Visitor(portal.live)
    visitor.get("/authorize", **portal.parameters())
    form = visitor.form("/login")
    return visitor, form.action, form.fields
