"""What the benchmark concludes from figures; the figures themselves are no test's business."""

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.load import Figures, median
from benchmarks.report import Report, Row
from benchmarks.scenarios import MEMORY, Scenario

RUN: dict[str, Any] = {
    "per_s": 1000.0,
    "p50_ms": 1.0,
    "p99_ms": 2.0,
    "server_cpu": 0.5,
    "generator_cpu": 0.3,
    "foreign_cpu": 0.0,
    "sample": "access=JWT/ES256",
}
ASKED = Scenario("userinfo", "userinfo", MEMORY, least=0.6)


def figures(**changes: float) -> Figures:
    """Return figures of three equal runs but for *changes*."""
    return median([RUN | changes] * 3)


def test_the_median_of_the_runs_counts() -> None:
    """One run in a bad moment changes nothing."""
    found = median([RUN, RUN | {"per_s": 10.0}, RUN | {"per_s": 1200.0}])

    assert (found.per_second, found.per_cpu_second) == (1000.0, 2000.0)


def test_undisturbed_runs_are_compared_by_the_second() -> None:
    """Where both had their CPU to themselves, what came out is compared."""
    row = Row(ASKED, figures(per_s=500.0), figures())

    assert (row.by_cpu, row.ratio, row.holds) == (False, 0.5, False)
    assert "0.6 missed" in Report("today", [row]).markdown()


@pytest.mark.parametrize("disturbance", [{"foreign_cpu": 0.4}, {"generator_cpu": 0.97}])
def test_disturbed_runs_are_compared_by_cpu(disturbance: dict[str, float]) -> None:
    """Others on the CPU, or a generator that cannot keep up, make answers per second meaningless."""
    row = Row(ASKED, figures(per_s=500.0, server_cpu=0.25, **disturbance), figures())

    assert (row.by_cpu, row.ratio, row.holds) == (True, 1.0, True)
    assert "1.0 (CPU)" in Report("today", [row]).markdown()


def test_nothing_demanded_is_nothing_missed() -> None:
    """A scenario without a least ratio, or without a peer, cannot fail the run."""
    slow = figures(per_s=1.0)
    rows = [Row(replace(ASKED, least=None), slow, figures()), Row(ASKED, slow, None)]

    assert Report("today", rows).holds


@pytest.mark.parametrize(("mib", "holds"), [(400.0, True), (400.1, False), (None, True)])
def test_the_demo_has_a_limit(mib: float | None, holds: bool) -> None:
    """All its processes together stay within 400 MiB."""
    report = Report("today", demo_mib=mib)

    assert report.holds is holds
    assert report.as_dict()["holds"] is holds
