"""What must hold of what clients saw: invariants I1 to I8."""

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from sqlalchemy import func, select

from idp.accounts.models import Account
from idp.audit.sealer import seal
from idp.audit.verification import Verification, verify
from idp.authentication.models import Session, SessionClient
from idp.context import Services
from idp.crypto import sha256
from idp.delivery.models import OPEN, SENT, OutboxMessage
from idp.oidc.models import RefreshToken
from idp.worker import SLOTS
from tests.faults.audited import audited, read_rows
from tests.faults.installation import Installation
from tests.faults.ledger import Ledger, Line, by_kind

DELIVERED_WITHIN_SECONDS = 90
"""Who was killed while sending holds the message for a minute."""
KINDS = ("sign-in", "code", "refresh", "JWKS")


def invariants(
    ledger: Ledger, installation: Installation, *, works: bool, calm: float, interrupted: int = 0
) -> Iterator[Line]:
    """Compare what clients saw with the database.

    :param works: every kind of request succeeded after the fault, without a hand.
    :param calm: when the fault and its consequences were over; from then on nothing fails.
    :param interrupted: how often whoever delivers was killed, or could not write down what it had sent.
    """
    services = installation.services
    services.database.dispose()  # our own connections may be older than a restart
    yield used_once(ledger)
    with services.database.session() as db:
        parents = list(db.scalars(select(RefreshToken.parent_id)))
        stored = set(db.scalars(select(RefreshToken.hash)))
        rows = read_rows(db)
        still = select(func.count()).select_from(Session).join(Account, Account.id == Session.account_id)
        still = still.where(Account.username.in_(ledger.blocked), Session.ended_at.is_(None))
        signed_in = db.scalar(still) or 0
    yield one_child(parents)
    yield tokens_kept(ledger, stored)
    yield from audited(ledger, rows)
    yield chained(_verified(services))
    yield _deliveries(installation, interrupted)
    yield nothing_after_a_block(ledger, signed_in)
    yield no_traces(ledger)
    yield recovered(ledger, works, calm)


def one_child(parents: Sequence[str | None]) -> Line:
    """Judge that no refresh token was exchanged for two (I2).

    :param parents: the parent of each token; the first of an authorization has none.
    """
    children = Counter(parent for parent in parents if parent is not None)
    forked = sum(count > 1 for count in children.values())
    held = not forked and bool(children)
    return Line("I2 each refresh token has one child", held, f"{len(parents)} rows, {forked} forked")


def tokens_kept(ledger: Ledger, stored: Collection[bytes]) -> Line:
    """Judge that each refresh token that a portal got is known (I3)."""
    lost = sum(sha256(token) not in stored for token in ledger.received)
    held = not lost and bool(ledger.received)
    return Line("I3 each 2xx has its token row", held, f"{len(ledger.received)} seen, {lost} lost")


def no_traces(ledger: Ledger) -> Line:
    """Judge that no answer tells how we are made (I7)."""
    traces = sum(seen.trace for seen in ledger.seen)
    held = not traces and bool(ledger.seen)
    return Line("I7 no answer shows a trace", held, f"{len(ledger.seen)} answers, {traces} traces")


def used_once(ledger: Ledger) -> Line:
    """Judge that codes and refresh tokens work once, also where they were presented twice (I1)."""
    double = sum(count > 1 for count in ledger.redeemed.values())
    ways = ", ".join(f"{count} {how}" for how, count in sorted(ledger.twice.items())) or "none"
    counted = f"{len(ledger.redeemed)} redeemed, {double} twice, {ledger.never} never"
    return Line(
        "I1 each code and refresh token works once",
        not double and not ledger.never and ledger.refused_again > 0,
        f"{counted}; presented twice: {ways}; {ledger.refused_again} refused",
    )


def _deliveries(installation: Installation, interrupted: int) -> Line:
    """Wait until no message is open, at most some time, and compare them with what has arrived."""
    deadline = time.monotonic() + DELIVERED_WITHIN_SECONDS
    while True:
        with installation.services.database.session() as db:
            waiting = db.scalar(select(func.count()).select_from(OutboxMessage).where(OPEN)) or 0
        if not waiting or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    ended = select(SessionClient.id, OutboxMessage.state)
    ended = ended.join(Session, Session.id == SessionClient.session_id).where(Session.ended_at.is_not(None))
    ended = ended.outerjoin(OutboxMessage, OutboxMessage.id == SessionClient.logout_outbox_id)
    with installation.services.database.session() as db:
        states = {sid: state for sid, state in db.execute(ended)}
    return delivered(states, installation.delivered, interrupted)


def delivered(states: Mapping[str, str | None], arrived: Mapping[str, int], interrupted: int) -> Line:
    """Judge that the portal heard of each ended session, and not more often than interruptions explain (I5).

    One repeats a message once at most, and no more messages than are sent at a time.

    :param states: session as the portal calls it → state of its message, None where there is none.
    :param arrived: such a session → how often the portal was told.
    """
    unsent = sum(state != SENT for state in states.values())
    missing, unknown = len(states.keys() - arrived.keys()), len(arrived.keys() - states.keys())
    repeated = [count - 1 for count in arrived.values() if count > 1]
    few = sum(repeated) <= interrupted * SLOTS and max(repeated, default=0) <= interrupted
    held = len(states) > 1 and not unsent and not missing and not unknown and few
    counted = f"{len(states)} sessions ended, {unsent} not sent, {missing} not arrived, {unknown} unknown"
    return Line(
        "I5 each message is delivered", held, f"{counted}; {sum(repeated)} again, {interrupted} interruptions"
    )


def nothing_after_a_block(ledger: Ledger, signed_in: int) -> Line:
    """Judge that who is blocked got nothing by a request begun after that, and is not signed in (I6).

    :param signed_in: how many sessions the blocked have.
    """
    late = sum(
        ledger.got_last.get(username, 0.0) > block.committed for username, block in ledger.blocked.items()
    )
    tries = sum(
        seen.who in ledger.blocked and seen.started > ledger.blocked[seen.who].committed
        for seen in ledger.seen
    )
    held = not late and not signed_in and tries > 0
    counted = f"{len(ledger.blocked)} blocked, {tries} requests since, {late} active, {signed_in} sessions"
    return Line("I6 nobody gets anything after a block", held, counted)


def recovered(ledger: Ledger, works: bool, calm: float) -> Line:
    """Judge that nothing fails once the fault and its consequences are over (I8)."""
    since = [seen for seen in ledger.seen if seen.started >= calm]
    failures = ledger.failures(calm)
    every = {seen.kind for seen in since if not seen.failed} >= set(KINDS)
    counted = (
        f"{'works' if works else 'does not'}; of {len(since)} requests since failed: {by_kind(failures)}"
    )
    return Line("I8 it recovers without a hand", works and every and not failures, counted)


def _verified(services: Services) -> Verification:
    """Return what the check of the audit log says, once all is sealed, or cannot be."""
    deadline = time.monotonic() + 20
    while True:
        with services.database.session() as db, db.begin():
            seal(services.context(db))
        with services.database.reading() as db:
            result = verify(services.context(db))
        if result.unsealed == 0 or time.monotonic() > deadline:
            return result


def chained(result: Verification) -> Line:
    """Judge that the audit log verifies without a gap (I4)."""
    held = result.ok and result.unsealed == 0 and result.events > 0
    return Line(
        "I4 the audit chain verifies", held, f"{result.events} events, {len(result.problems)} problems"
    )
