"""Reading a file of old accounts, CSV or one JSON object a line; what cannot be taken is told by its line.

Columns, or names of members: ``username`` and ``hash``, which each account needs; ``hash_format`` for hashes
that do not say it themselves; ``email``, ``customer_number``, ``given_name``, ``family_name``;
``permissions``, names of the old portal's with blanks, commas or ``|`` between them, or a list;
``security_question`` and ``security_answer``, of which nothing but their existence is kept.

Nothing that is said of a line holds any part of it: the file is full of secrets.
"""

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from idp.accounts.identifiers import LONGEST_EMAIL, LONGEST_USERNAME, username_key
from idp.accounts.legacy.hash_formats import ImportedHash, UnknownHash, parse

COLUMNS: Final = (
    "username",
    "hash",
    "hash_format",
    "email",
    "customer_number",
    "given_name",
    "family_name",
    "permissions",
    "security_question",
    "security_answer",
)
LONGEST_LINE: Final = 16 * 1024
MOST_PERMISSIONS: Final = 100

_BOM: Final = b"\xef\xbb\xbf"
_LENGTHS: Final = {"customer_number": 32, "given_name": 128, "family_name": 128}
_BETWEEN: Final = re.compile(r"[\s,;|]+")
_NO: Final = frozenset({"", "0", "no", "n", "nein", "false", "f"})


class UnusableFile(Exception):
    """The file as a whole cannot be read; the text says why."""


class _Unusable(Exception):
    """A line cannot be taken; the text says why."""


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One old account as a line says it."""

    line: int
    username: str = field(repr=False)
    hash: ImportedHash = field(repr=False)
    email: str | None = field(default=None, repr=False)
    customer_number: str | None = field(default=None, repr=False)
    given_name: str | None = field(default=None, repr=False)
    family_name: str | None = field(default=None, repr=False)
    permissions: tuple[str, ...] = ()
    security_question: bool = False

    def personal(self) -> dict[str, str | None]:
        """Return what is sealed as one."""
        return {
            "username": self.username,
            "email": self.email,
            "customer_number": self.customer_number,
            "given_name": self.given_name,
            "family_name": self.family_name,
        }


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that was not taken, and why."""

    line: int
    reason: str


def read(stream: BinaryIO, *, json_lines: bool) -> Iterator[ImportRow | RefusedLine]:
    """Yield each line's account, or why there is none; empty lines count but say nothing.

    :raises UnusableFile: a CSV file whose first line does not name the columns.
    """
    lines = _lines(stream)
    take = _member_reader() if json_lines else _field_reader(lines)
    for number, found in lines:
        if isinstance(found, RefusedLine):
            yield found
        elif found.strip():
            try:
                yield _row(number, take(found))
            except _Unusable as unusable:
                yield RefusedLine(number, str(unusable))


def _lines(stream: BinaryIO) -> Iterator[tuple[int, str | RefusedLine]]:
    number = 0
    while data := stream.readline(LONGEST_LINE + 1):
        number += 1
        if len(data) > LONGEST_LINE:
            while data and not data.endswith(b"\n"):  # the rest of the line, which nobody reads
                data = stream.readline(LONGEST_LINE)
            yield number, RefusedLine(number, f"the line has more than {LONGEST_LINE} bytes")
            continue
        if number == 1:
            data = data.removeprefix(_BOM)
        try:
            text = data.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            yield number, RefusedLine(number, "the line is not UTF-8")
            continue
        yield number, RefusedLine(number, "the line holds a NUL") if "\0" in text else text


def _field_reader(lines: Iterator[tuple[int, str | RefusedLine]]) -> Callable[[str], Mapping[str, Any]]:
    """Read the first line of a CSV file and return what reads the others."""
    _, first = next(lines, (0, ""))
    if isinstance(first, RefusedLine):
        raise UnusableFile(f"line 1 cannot be read: {first.reason}")
    delimiter = max(",;\t", key=first.count)
    try:
        columns = [name.strip().lower() for name in _fields(first, delimiter)]
    except _Unusable as unusable:
        raise UnusableFile(f"line 1 cannot be read: {unusable}") from None
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown or len(set(columns)) < len(columns) or not {"username", "hash"} <= set(columns):
        raise UnusableFile(
            f"line 1 must name the columns, username and hash among them, each once, of: {', '.join(COLUMNS)}"
        )

    def take(line: str) -> Mapping[str, Any]:
        values = _fields(line, delimiter)
        if len(values) != len(columns):
            raise _Unusable(f"the line has {len(values)} fields, not {len(columns)}")
        return dict(zip(columns, values, strict=True))

    return take


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error:
        raise _Unusable("the quotes of the line do not match") from None


def _member_reader() -> Callable[[str], Mapping[str, Any]]:
    """Return what reads a line of JSON."""

    def take(line: str) -> Mapping[str, Any]:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            raise _Unusable("the line is not JSON") from None
        if not isinstance(found, dict):
            raise _Unusable("the line is not a JSON object")
        if not found.keys() <= set(COLUMNS):
            raise _Unusable(f"the object has other members than {', '.join(COLUMNS)}")
        return found

    return take


def _row(line: int, values: Mapping[str, Any]) -> ImportRow:
    username = _text(
        values, "username", LONGEST_EMAIL if "@" in str(values.get("username")) else LONGEST_USERNAME
    )
    if username is None or not username_key(username):
        raise _Unusable("username is empty")
    hash_ = _text(values, "hash", LONGEST_LINE)
    if hash_ is None:
        raise _Unusable("hash is empty")
    try:
        taken_apart = parse(hash_, _text(values, "hash_format", 32) or "")
    except UnknownHash as unknown:
        raise _Unusable(str(unknown)) from None
    return ImportRow(
        line=line,
        username=username,
        hash=taken_apart,
        email=_email(values),
        permissions=_permissions(values),
        security_question=_had_question(values),
        **{name: _text(values, name, longest) for name, longest in _LENGTHS.items()},
    )


def _text(values: Mapping[str, Any], name: str, longest: int) -> str | None:
    value = values.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _Unusable(f"{name} is not a text")
    text = value.strip()
    if len(text) > longest:
        raise _Unusable(f"{name} has more than {longest} characters")
    if not text.isprintable():
        raise _Unusable(f"{name} holds a control character")
    return text or None


def _email(values: Mapping[str, Any]) -> str | None:
    address = _text(values, "email", LONGEST_EMAIL)
    if address is None:
        return None
    local, _, domain = address.rpartition("@")
    if not local or "." not in domain.strip(".") or " " in address:
        raise _Unusable("email is no address")
    return address


def _permissions(values: Mapping[str, Any]) -> tuple[str, ...]:
    value = values.get("permissions") or ""
    names = (
        value if isinstance(value, list) else _BETWEEN.split(_text(values, "permissions", LONGEST_LINE) or "")
    )
    if not all(isinstance(name, str) and len(name) <= 64 and name.isprintable() for name in names):
        raise _Unusable("permissions are not names of up to 64 characters")
    found = tuple(sorted({name for name in names if name}))
    if len(found) > MOST_PERMISSIONS:
        raise _Unusable(f"there are more than {MOST_PERMISSIONS} permissions")
    return found


def _had_question(values: Mapping[str, Any]) -> bool:
    return any(
        str(values.get(name) or "").strip().lower() not in _NO
        for name in ("security_question", "security_answer")
    )
