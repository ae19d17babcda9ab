"""What ``idp doctor`` finds: how things are, and the remedy where they are not as they should be."""

from dataclasses import dataclass
from typing import Literal

OK: Literal["ok"] = "ok"
ADVICE: Literal["advice"] = "advice"
PROBLEM: Literal["problem"] = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    state: Literal["ok", "advice", "problem"]
    check: str
    found: str
    remedy: str = ""


def ok(check: str, found: str) -> Finding:
    """Return that all is well."""
    return Finding(OK, check, found)


def advice(check: str, found: str, remedy: str) -> Finding:
    """Return what works, and would better be otherwise."""
    return Finding(ADVICE, check, found, remedy)


def problem(check: str, found: str, remedy: str) -> Finding:
    """Return what does not work, or is unsafe."""
    return Finding(PROBLEM, check, found, remedy)
