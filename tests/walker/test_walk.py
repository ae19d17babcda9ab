"""Owner and attacker walk over all pages of accounts in any order, and what must hold holds (C4, C5; T4)."""

import itertools
import os
import time
from collections import Counter
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.walker.attacker import NAMES, Means
from tests.walker.machine import Walk
from tests.web.pages.house import House

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("LOTSE_WALK_SECONDS", "0"))
EVERYBODY = [Means(name, factor) for name in NAMES for factor in (True, False)]

BOUNDED = settings(
    max_examples=3,
    stateful_step_count=13,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
#: each round takes other ways, from one run to the next too
FRESH = itertools.count(time.time_ns())
LONG = settings(BOUNDED, max_examples=3, stateful_step_count=40, derandomize=False)


def walk_of(house: House, means: Means, achieved: Counter[str]) -> Any:
    """Return the machine of an attacker, which takes ways of its own, the same each time."""
    eve = house.add(f"eve{EVERYBODY.index(means)}", app=True)
    walk = partial(Walk, house, eve, means, achieved)
    return seed(EVERYBODY.index(means))(walk)


@pytest.mark.alone_on("sqlite")
@pytest.mark.parametrize("means", EVERYBODY, ids=str)
def test_walk(house: House, means: Means) -> None:
    """An attacker with one thing, beside the owner: with and without a second factor (req 71; C4)."""
    ends, achieved = time.monotonic() + SECONDS / len(EVERYBODY), Counter[str]()
    walk = walk_of(house, means, achieved)
    run_state_machine_as_test(walk, settings=BOUNDED)
    while time.monotonic() < ends:
        run_state_machine_as_test(seed(next(FRESH))(walk), settings=LONG)
    seen = dict(achieved)
    assert any(what.startswith("owner: changed") for what in seen), f"the owner got nowhere: {seen}"
    assert not means.factor or not any(what.startswith("attacker: entered") for what in seen), seen
