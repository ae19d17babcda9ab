"""The grammar of event names."""

import re

import pytest

from idp.audit.events import FAILURES, Event

IRREGULAR = {"chosen", "cut", "forgotten", "given", "withdrawn"}


@pytest.mark.parametrize("event", Event)
def test_a_name_is_a_noun_and_what_happened_to_it(event: Event) -> None:
    """(req 106): ``noun.verb``, the verb ending in a past participle."""
    noun, _, verb = event.value.partition(".")
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", noun)
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", verb)
    last = verb.split("_")[-1]
    assert last.endswith("ed") or last in IRREGULAR


def test_names_fit_their_column() -> None:
    """(req 106)"""
    assert max(len(event.value) for event in Event) <= 64


def test_failures_are_failures() -> None:
    """Their details are kept for a shorter time."""
    assert {event.value.partition(".")[2] for event in FAILURES} == {
        "failed",
        "refused",
        "throttled",
        "locked",
    }
