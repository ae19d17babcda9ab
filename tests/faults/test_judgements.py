"""What is judged of a run, each judgement by a case that fails."""

from collections import Counter
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from idp.audit.events import Event
from idp.audit.verification import Problem, Verification
from idp.crypto import sha256
from tests.faults import f02_database_restart, f12_login_flood, f13_slow_connections, f14_bad_input, load
from tests.faults.audited import Row, audited
from tests.faults.f04_redis import Phases
from tests.faults.invariants import (
    KINDS,
    chained,
    delivered,
    no_traces,
    nothing_after_a_block,
    one_child,
    recovered,
    tokens_kept,
    used_once,
)
from tests.faults.ledger import Block, Ledger, Line, Seen


def _seen(kind: str = "code", status: int = 200, *, at: float = 1.0, took: float = 0.01, **more: Any) -> Seen:
    facts = {"retry_after": status == 503, "trace": False, "wanted": status < 400}
    return Seen(kind, at, took, status, **facts | more)


def _broken(lines: Iterable[Line]) -> list[str]:
    return [line.what for line in lines if not line.held]


@pytest.mark.parametrize(
    ("status", "failed"), [(200, False), (0, True), (429, True), (400, True), (503, True)]
)
def test_what_fails(status: int, failed: bool) -> None:
    """No answer, a 5xx, and a refusal of what is due."""
    assert _seen(status=status).failed is failed


def test_a_form_once_more_fails() -> None:
    """A sign-in that is answered with 200 has been refused."""
    assert _seen("sign-in", 200, wanted=False).failed


def test_refusals_are_due_to_who_is_blocked() -> None:
    """From the beginning of the block on; errors never are."""
    ledger = Ledger(blocked={"person0": Block(2.0, 3.0)})
    before, after = _seen(status=400, at=1.0, who="person0"), _seen(status=400, at=2.5, who="person0")
    other, error = _seen(status=400, at=2.5, who="person1"), _seen(status=500, at=4.0, who="person0")
    ledger.seen = [before, after, other, error]
    assert ledger.failures() == [before, other, error]
    assert ledger.failed() == 0.75


def test_what_works_once() -> None:
    """A run that presents nothing twice shows nothing."""
    ledger = Ledger()
    ledger.redeemed["c"] = 1
    assert not used_once(ledger).held
    ledger.tried_twice("code again", [True])
    assert used_once(ledger).held
    ledger.redeemed["c"] = 2
    assert not used_once(ledger).held


@pytest.mark.parametrize(
    ("parents", "held"),
    [([None, "a", "b"], True), ([None, "a", "b", "a"], False), ([None, None], False)],
    ids=["a chain", "two of one", "nothing was exchanged"],
)
def test_children(parents: list[str | None], held: bool) -> None:
    """Each refresh token is exchanged for one."""
    assert one_child(parents).held is held


def test_what_a_portal_got_is_known() -> None:
    """Each refresh token of an answer has its row; where there were none, nothing was shown."""
    ledger = Ledger(received=["a", "b"])
    assert tokens_kept(ledger, {sha256("a"), sha256("b"), sha256("of nobody")}).held
    assert not tokens_kept(ledger, {sha256("a")}).held
    assert not tokens_kept(Ledger(), {sha256("a")}).held


@pytest.mark.parametrize(
    ("result", "held"),
    [
        (Verification(events=9), True),
        (Verification(events=9, problems=[Problem(3, "changed")]), False),
        (Verification(events=9, unsealed=1), False),
        (Verification(), False),
    ],
    ids=["whole", "changed", "not sealed", "empty"],
)
def test_the_chain(result: Verification, held: bool) -> None:
    """All events are in it, as they were written."""
    assert chained(result).held is held


def test_after_a_block() -> None:
    """Who is blocked tries, gets nothing and has no session left."""
    tries = [_seen(status=400, at=4.0, who="person0"), _seen(at=9.0, who="person1")]
    ledger = Ledger(
        blocked={"person0": Block(2.0, 3.0)}, seen=tries, got_last={"person0": 2.5, "person1": 9.0}
    )
    assert nothing_after_a_block(ledger, 0).held
    assert not nothing_after_a_block(ledger, 1).held
    ledger.got_last["person0"] = 3.5
    assert not nothing_after_a_block(ledger, 0).held
    assert not nothing_after_a_block(Ledger(blocked=ledger.blocked, seen=tries[1:]), 0).held


def test_traces() -> None:
    """One is too many; without an answer nothing was shown."""
    ledger = Ledger(seen=[_seen(), _seen(status=500)])
    assert no_traces(ledger).held
    ledger.seen.append(_seen(status=500, trace=True))
    assert not no_traces(ledger).held
    assert not no_traces(Ledger()).held


SIGNED_IN = Event.SIGN_IN_SUCCEEDED
LINE = f"I3 {SIGNED_IN.value}"
FIRST, SECOND = Row(SIGNED_IN.value, sha256("a")), Row(SIGNED_IN.value, sha256("b"))


@pytest.mark.parametrize(
    ("rows", "seen", "broken"),
    [
        ([FIRST], [], []),
        ([], [], [LINE]),
        ([SECOND], [_seen("sign-in", 0)], [LINE]),
        ([FIRST, SECOND], [], [LINE]),
        ([FIRST, FIRST], [], [LINE]),
        ([FIRST, SECOND], [_seen("JWKS", 0)], [LINE]),
        ([FIRST, SECOND], [_seen("sign-in", 0)], []),
        ([FIRST, SECOND], [_seen("sign-in", 503)], []),
        ([FIRST, SECOND], [_seen("sign-in", 503, request_id="turned away")], [LINE]),
        ([FIRST, Row(SIGNED_IN.value, None, "q")], [_seen("sign-in", 503, request_id="q")], []),
    ],
    ids=[
        "it has its row",
        "it has none",
        "another's does not stand for it",
        "a row of nobody",
        "two rows of one",
        "no answer to something else",
        "no answer",
        "an error without a name",
        "the error of another request",
        "the error of this request",
    ],
)
def test_each_sign_in_has_its_row(rows: list[Row], seen: list[Seen], broken: list[str]) -> None:
    """And each row its sign-in, or a request whose answer never came."""
    ledger = Ledger(seen=seen, promised=[("a", SIGNED_IN)])
    assert _broken(audited(ledger, rows)) == broken


def test_each_block_has_its_row() -> None:
    """Exactly one."""
    ledger = Ledger(blocked={"person0": Block(1.0, 2.0)})
    row = Row(Event.ACCOUNT_BLOCKED.value, None)
    assert not _broken(audited(ledger, [row]))
    assert _broken(audited(ledger, [])) == _broken(audited(ledger, [row, row])) != []


TWO: dict[str, str | None] = {"a": "sent", "b": "sent"}


@pytest.mark.parametrize(
    ("states", "arrived", "interrupted", "held"),
    [
        (TWO, {"a": 1, "b": 1}, 0, True),
        (TWO, {"a": 1, "b": 2}, 1, True),
        (TWO, {"a": 1, "b": 2}, 0, False),
        (TWO, {"a": 1, "b": 3}, 1, False),
        (TWO, {"a": 1}, 0, False),
        (TWO, {"a": 1, "b": 1, "c": 1}, 0, False),
        ({"a": "sent", "b": "waiting"}, {"a": 1, "b": 1}, 0, False),
        ({"a": "sent", "b": None}, {"a": 1, "b": 1}, 0, False),
        ({"a": "sent"}, {"a": 1}, 0, False),
        ({str(n): "sent" for n in range(9)}, {str(n): 2 for n in range(9)}, 1, False),
    ],
    ids=[
        "each once",
        "once more by an interruption",
        "once more without one",
        "twice more by one",
        "not arrived",
        "of no session",
        "not sent",
        "without a message",
        "one message shows nothing",
        "more than are sent at a time",
    ],
)
def test_deliveries(
    states: dict[str, str | None], arrived: dict[str, int], interrupted: int, held: bool
) -> None:
    """Each message arrives, and again only where an interruption explains it."""
    assert delivered(states, arrived, interrupted).held is held


def test_recovery() -> None:
    """Afterwards each kind of request succeeds, and none fails."""
    ledger = Ledger(seen=[_seen(kind, at=5.0) for kind in KINDS] + [_seen(status=503, at=1.0)])
    assert recovered(ledger, True, 2.0).held
    assert not recovered(ledger, False, 2.0).held
    assert not recovered(ledger, True, 6.0).held
    ledger.note(_seen("sign-in", 429, at=5.0))
    assert not recovered(ledger, True, 2.0).held


def _full(*without: str) -> Ledger:
    wanted = {"sign-in": 5, "code": 30, "refresh": 30, "JWKS": 100}
    ledger = Ledger(loaded=(0.0, 10.0))
    for kind, rate in wanted.items():
        ledger.seen += [_seen(kind, 429 if kind in without else 200)] * (rate * 10)
    return ledger


def test_the_load() -> None:
    """With less than half of it nothing was shown; strangers need not get in everywhere."""
    line = load.rates(_full())
    assert line.held
    assert line.counted.startswith("5.0 of 5 sign-ins, 30.0 of 30 codes")
    assert not load.rates(_full("code")).held
    assert not load.rates(_full("sign-in")).held
    assert load.rates(_full("sign-in"), strangers=False).held


def test_normal_again_in_time() -> None:
    """PostgreSQL away: 503 alone, each with Retry-After, and none five seconds after it is back."""
    answers = f02_database_restart._answers
    away = _seen(status=503, at=9.0)
    assert not _broken(answers(Ledger(seen=[away]), True, 10.0))
    assert _broken(answers(Ledger(seen=[away]), False, 10.0)) == ["normal within 5 s"]
    late = Ledger(seen=[_seen(status=503, at=15.0)])
    assert _broken(answers(late, True, 10.0)) == ["normal within 5 s"]
    only = ["only 503 with Retry-After"]
    assert _broken(answers(Ledger(seen=[_seen()]), True, 10.0)) == only, "it never went away"
    assert _broken(answers(Ledger(seen=[_seen(status=429, at=9.0)]), True, 10.0)) == only
    assert _broken(answers(Ledger(seen=[_seen(status=503, retry_after=False)]), True, 10.0)) == only


def test_without_redis() -> None:
    """Sign-ins and tokens take less than twice as long, and guesses stay limited."""
    ledger = Ledger()
    for at, took in ((1.0, 0.1), (11.0, 0.15), (21.0, 0.19)):
        ledger.seen += [_seen(kind, at=at, took=took) for kind in ("sign-in", "code") for _ in range(9)]
    phases = Phases(None, ledger, 10.0, ["well", "hung", "killed"], [0.0, 10.0, 20.0], compared=21, keys=1)  # type: ignore[arg-type]  # not asked
    assert not _broken(phases.lines())
    phases.compared = 22
    assert _broken(phases.lines()) == ["guesses stay limited"]
    phases.compared = 14
    assert _broken(phases.lines()) == ["guesses stay limited"], "none is answered any more"
    phases.compared, phases.keys = 15, 0
    assert _broken(phases.lines()) == ["Redis counts while it is there"]
    phases.keys = 1
    ledger.seen += [_seen("sign-in", at=22.0, took=0.3)] * 2
    assert _broken(phases.lines()) == ["sign-ins: p95 below 2 x well"]


SLOW_KINDS = ("JWKS", "authorize", "page", "sign-in", "code", "refresh", "sign-out")


@pytest.mark.parametrize("kind", SLOW_KINDS)
def test_beside_slow_connections(kind: str) -> None:
    """Each kind of request counts for itself, also one that did not happen meanwhile; and none fails."""
    judged = f13_slow_connections._normal
    ledger = Ledger(seen=[_seen(each) for each in SLOW_KINDS for _ in range(9)])
    assert not _broken(judged(ledger, 0.0, 2.0))
    assert len(_broken(judged(ledger, 1.5, 2.0))) == 1
    ledger.seen.append(_seen(kind, took=9.0))
    assert _broken(judged(ledger, 0.0, 2.0)) == ["normal: p99 at most 500 ms, each kind"]
    ledger.seen[-1] = _seen(kind, 429)
    assert _broken(judged(ledger, 0.0, 2.0)) == ["no request fails"]


def test_slow_connections_are_cut() -> None:
    """Each kind that the run was long enough for, and there is one."""
    judged = f13_slow_connections._bounds
    kind, other = f13_slow_connections._kinds("localhost")[:2]
    slow = [SimpleNamespace(kind=kind, cut=1), SimpleNamespace(kind=other, cut=1)]
    cut = "what never ends is cut off"
    assert _broken(judged(slow, 60.0, 0.0, 0)) == []  # type: ignore[arg-type]  # of a connection these two are asked
    slow[1].cut = 0
    assert _broken(judged(slow, 60.0, 0.0, 0)) == [cut]  # type: ignore[arg-type]  # as above
    assert _broken(judged(slow, 1.0, 0.0, 0)) == [cut]  # type: ignore[arg-type]  # as above


def test_bad_input() -> None:
    """All are sent, none is a 5xx, and some come behind a client's credentials."""
    judged = f14_bad_input.judged
    all_sent = f14_bad_input.REQUESTS
    read = Counter({200: 1, 400: 99, 401: 5})
    assert not _broken(judged(Counter({400: all_sent}), read))
    assert _broken(judged(Counter({400: all_sent - 1}), read)) == ["no 5xx"]
    assert _broken(judged(Counter({400: all_sent - 1, 500: 1}), read)) == ["no 5xx"]
    for few in (Counter({400: 200}), Counter({200: 1, 401: 200}), Counter({200: 1, 400: 98})):
        behind = ["requests get behind a client's credentials"]
        assert _broken(judged(Counter({400: all_sent}), few)) == behind


def test_beside_a_flood() -> None:
    """Keys, refreshes and codes each have a bound of their own, and none of them fails."""
    machines = f12_login_flood._machines
    took = {"JWKS": 0.14, "refresh": 0.29, "code": 0.39}
    ledger = Ledger(seen=[_seen(kind, took=seconds) for kind, seconds in took.items() for _ in range(9)])
    assert not _broken(machines(ledger, 0.0, 2.0))
    ledger.seen += [_seen(kind, took=seconds + 0.02) for kind, seconds in took.items() for _ in range(9)]
    assert len(_broken(machines(ledger, 0.0, 2.0))) == 3
    ledger = Ledger(seen=[_seen(kind) for kind in took for _ in range(9)] + [_seen("code", 429)])
    assert _broken(machines(ledger, 0.0, 2.0)) == ["code: p99 at most 400 ms"]
    few = Ledger(seen=[_seen("guess")] * 10)
    assert not f12_login_flood._sent(few, 1.0).held
