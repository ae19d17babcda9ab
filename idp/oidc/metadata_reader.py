"""Reads the fields of a registration and collects everything that is wrong with them (RFC 7591 §3.2.2)."""

import difflib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

MAX_ENTRIES: Final = 50

Check = Callable[[str], str | None]
"""Returns what a text would have to be, or None when it is."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: the field, what it said, and what it would have to say.

    What is not to be repeated, since it may be a secret, is empty.
    """

    field: str
    received: str
    expected: str

    def __str__(self) -> str:
        return f"{self.field}: {self.expected}" + (f"; received {self.received}" if self.received else "")


class InvalidMetadata(ValueError):
    """A registration that cannot be taken, with everything that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


class MetadataReader:
    """Reads fields one by one and collects what is wrong; a field in error reads as its default."""

    def __init__(self, registration: Mapping[str, object], *, place: str = "") -> None:
        """Read *registration*; *place* stands before the field in each problem."""
        self._registration = registration
        self.place = place
        self.problems: list[Problem] = []

    def problem(self, field: str, received: object, expected: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(self.place + field, shown(received), expected))

    def refuse_unknown(self, known: Collection[str], *, reserved: Collection[str] = ()) -> None:
        """Note every field that is not known, with the nearest one that is, and every reserved one.

        Their values are not repeated: a client_secret is one of them, however it is spelt.
        """
        for field in self._registration:
            if field in reserved:
                self._refuse(field, "is set by the server only")
            elif field not in known:
                near = difflib.get_close_matches(field, known, n=1)
                self._refuse(field, "is not a known field" + (f"; is {near[0]} meant?" if near else ""))

    def _refuse(self, field: str, expected: str) -> None:
        self.problems.append(Problem(self.place + field, "", expected))

    def text(self, field: str, default: str, check: Check) -> str:
        """Return a text."""
        value = self._registration.get(field, default)
        expected = check(value) if isinstance(value, str) else "must be a text"
        if expected is None and isinstance(value, str):
            return value
        self.problem(field, value, expected or "")
        return default

    def optional(self, field: str, check: Check) -> str | None:
        """Return a text, or None where the field is absent."""
        return self.text(field, "", check) if field in self._registration else None

    def flag(self, field: str, default: bool) -> bool:
        """Return true or false."""
        value = self._registration.get(field, default)
        if isinstance(value, bool):
            return value
        self.problem(field, value, "must be true or false")
        return default

    def number(self, field: str, largest: int) -> int | None:
        """Return a whole number from 0 to *largest*, or None where the field is absent."""
        value = self._registration.get(field)
        if field not in self._registration:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= largest:
            return value
        self.problem(field, value, f"must be a whole number from 0 to {largest}")
        return None

    def texts(self, field: str, default: Collection[str], check: Check) -> list[str]:
        """Return a list of texts, each once."""
        value = self._registration.get(field, list(default))
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.problem(field, value, "must be a list of texts")
            return []
        if len(value) > MAX_ENTRIES:
            self.problem(field, len(value), f"must have at most {MAX_ENTRIES} entries")
            return []
        for item in value:
            expected = check(item)
            if expected is not None:
                self.problem(field, item, expected)
        if len(set(value)) != len(value):
            self.problem(field, value, "must name each value once")
        return list(value)

    def plain_texts(self, field: str) -> list[str]:
        """Return the texts of a list as received, whatever else is in it, without any check."""
        value = self._registration.get(field)
        return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []

    def table(self, field: str) -> Mapping[str, object]:
        """Return a table, empty where the field is absent."""
        value = self._registration.get(field, {})
        if isinstance(value, Mapping):
            return value
        self.problem(field, value, "must be a table")
        return {}

    def secret_table(self, field: str, check: Callable[[object], str | None]) -> dict[str, object] | None:
        """Return a table, or None where the field is absent; a refusal does not show what was received."""
        if field not in self._registration:
            return None
        value = self._registration[field]
        expected = check(value)
        if expected is None and isinstance(value, Mapping):
            return dict(value)
        self.problem(field, type(value).__name__, expected or "must be a table")
        return None

    def tables(self, field: str) -> list[Mapping[str, object]]:
        """Return a list of tables, empty where the field is absent."""
        value = self._registration.get(field, [])
        if isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
            return value
        self.problem(field, type(value).__name__, "must be a list of tables")  # one may hold a secret
        return []


def shown(value: object) -> str:
    """Return a received value for a message: JSON in ASCII, at most 200 characters."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 200 else text[:197] + "..."
