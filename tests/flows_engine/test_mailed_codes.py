"""Codes of six digits that go to an address (NIST SP 800-63B-4 §3.1.3.2; req 65; C15, C16)."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from idp.context import Context, Services
from idp.errors import Refusal
from idp.flows import engine, mailed_codes
from idp.flows.models import Flow, OneTimeSecret
from tests.installation import NOW, unit_of_work

BROWSER = b"b" * 32
PURPOSE = "registration_code"
LATER = NOW + mailed_codes.PAUSE


def _start(ctx: Context) -> str:
    return engine.start(ctx, engine.REGISTRATION, browser_hash=BROWSER, request={}).id


def _flow(ctx: Context, flow_id: str) -> Flow:
    return engine.load(ctx, flow_id, BROWSER, lock=True)


@pytest.fixture
def started(services: Services) -> tuple[str, str]:
    """A flow's id and its code."""
    with unit_of_work(services) as ctx:
        flow_id = _start(ctx)
        code, until = mailed_codes.issue(ctx, PURPOSE, _flow(ctx, flow_id))
    assert until == NOW + timedelta(minutes=10)
    return flow_id, code


def _refusal(
    services: Services, flow_id: str, typed: str, *, now=NOW, purpose: str = PURPOSE
) -> Refusal | None:
    with unit_of_work(services, now) as ctx:
        try:
            mailed_codes.redeem(ctx, purpose, _flow(ctx, flow_id), typed)
        except Refusal as refusal:
            return refusal
    return None


def _wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


def test_a_code_works_once(services: Services, started: tuple[str, str]) -> None:
    flow_id, code = started
    assert len(code) == 6
    assert code.isdigit()
    assert _refusal(services, flow_id, code) is None
    assert _refusal(services, flow_id, code) == Refusal("code.expired")


def test_the_database_does_not_tell_it(services: Services, started: tuple[str, str]) -> None:
    """A million plain hashes are made in a second (req 65)."""
    _, code = started
    with unit_of_work(services) as ctx:
        row = ctx.db.query(OneTimeSecret).one()
        key = row.id
        assert row.hash == ctx.vault.keyed_hash("mailed code", f"{key}:{code}")
        assert code.encode() not in row.hash


def test_five_tries(services: Services, started: tuple[str, str]) -> None:
    """The fifth wrong one says so, and afterwards the right one does not count either (C15)."""
    flow_id, code = started
    for remaining in (4, 3, 2, 1):
        assert _refusal(services, flow_id, _wrong(code)) == Refusal("code.wrong", remaining=remaining)
    assert _refusal(services, flow_id, _wrong(code)) == Refusal("code.used_up")
    assert _refusal(services, flow_id, code) == Refusal("code.used_up")


def test_it_dies_on_time(services: Services, started: tuple[str, str]) -> None:
    flow_id, code = started
    end = NOW + mailed_codes.LIFETIME
    assert _refusal(services, flow_id, code, now=end) == Refusal("code.expired")
    assert _refusal(services, flow_id, code, now=end - timedelta(microseconds=1)) is None


def test_a_new_one_voids_the_old(services: Services, started: tuple[str, str]) -> None:
    """And has five tries of its own."""
    flow_id, code = started
    assert _refusal(services, flow_id, _wrong(code)) is not None
    with unit_of_work(services, LATER) as ctx:
        fresh, _ = mailed_codes.issue(ctx, PURPOSE, _flow(ctx, flow_id))
    if fresh != code:
        assert _refusal(services, flow_id, code, now=LATER) == Refusal("code.wrong", remaining=4)
    assert _refusal(services, flow_id, fresh, now=LATER) is None


def test_not_more_than_one_a_minute(services: Services, started: tuple[str, str]) -> None:
    flow_id, _ = started
    early = LATER - timedelta(microseconds=1)
    with unit_of_work(services, early) as ctx, pytest.raises(Refusal) as caught:
        mailed_codes.issue(ctx, PURPOSE, _flow(ctx, flow_id))
    assert caught.value == Refusal("code.too_soon", until=LATER)
    with unit_of_work(services, LATER) as ctx:
        assert mailed_codes.sent_at(ctx, PURPOSE, _flow(ctx, flow_id)) == NOW
        mailed_codes.issue(ctx, PURPOSE, _flow(ctx, flow_id))


def test_it_belongs_to_its_flow_and_purpose(services: Services, started: tuple[str, str]) -> None:
    """(req 65; C2)"""
    flow_id, code = started
    with unit_of_work(services) as ctx:
        other = _start(ctx)
    assert _refusal(services, other, code) == Refusal("code.expired")
    assert _refusal(services, flow_id, code, purpose="other") == Refusal("code.expired")
    assert _refusal(services, flow_id, code) is None


@pytest.mark.parametrize("right", [True, False])
def test_parallel_tries(services: Services, started: tuple[str, str], right: bool) -> None:
    """Sixteen at a time: one success, and never a sixth comparison (C16)."""
    flow_id, code = started
    barrier = threading.Barrier(16)

    def attempt(_: int) -> str:
        barrier.wait()
        refusal = _refusal(services, flow_id, code if right else _wrong(code))
        return refusal.code if refusal else "right"

    with ThreadPoolExecutor(16) as pool:
        found = Counter(pool.map(attempt, range(16)))
    if right:
        assert found == {"right": 1, "code.expired": 15}
    else:
        assert found == {"code.wrong": 4, "code.used_up": 12}
