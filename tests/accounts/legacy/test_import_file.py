"""Files of old accounts: a damaged line is told by its number, and nothing of it is shown (req 29, 105)."""

import io
import json
from typing import Any

import pytest

from idp.accounts.legacy.import_file import LONGEST_LINE, ImportRow, RefusedLine, UnusableFile, read
from tests.legacy import HASHES

HASH = HASHES["{SSHA}"]
HEAD = (
    "username,hash,email,customer_number,given_name,family_name,permissions,security_question,security_answer"
)


def lines_of(data: str | bytes, *, json_lines: bool = False) -> list[ImportRow | RefusedLine]:
    raw = data if isinstance(data, bytes) else data.encode()
    return list(read(io.BytesIO(raw), json_lines=json_lines))


def row(data: str | bytes, *, json_lines: bool = False) -> ImportRow:
    (found,) = lines_of(data, json_lines=json_lines)
    assert isinstance(found, ImportRow), found
    return found


def reason(line: str | bytes, head: str = HEAD) -> str:
    raw = line if isinstance(line, bytes) else line.encode()
    (found,) = lines_of(f"{head}\n".encode() + raw + b"\n")
    assert isinstance(found, RefusedLine), found
    assert found.line == 2
    return found.reason


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_as_programs_write_it(delimiter: str, start: str, end: str) -> None:
    """With commas, semicolons or tabs, with or without a byte order mark, with quotes."""
    values = [
        "smueller",
        HASH,
        "s@muster.example",
        "D 100200300",
        "Sabine",
        '"Müller ""von"""',
        "A|B A",
        "Hund?",
        "",
    ]
    found = row(start + HEAD.replace(",", delimiter) + end + delimiter.join(values) + end)

    assert (found.line, found.username, found.email) == (2, "smueller", "s@muster.example")
    assert (found.customer_number, found.given_name, found.family_name) == (
        "D 100200300",
        "Sabine",
        'Müller "von"',
    )
    assert (found.permissions, found.security_question) == (("A", "B"), True)
    assert "abine" not in repr(found)


def test_json_lines() -> None:
    """Members as columns; empty and missing ones are the same."""
    document: dict[str, Any] = {
        "username": "kweber@alt.example",
        "hash": HASH,
        "permissions": ["B", "A", ""],
        "security_question": False,
        "email": None,
        "given_name": "",
    }
    found = row(json.dumps(document) + "\n\n", json_lines=True)

    assert (found.username, found.permissions, found.security_question) == (
        "kweber@alt.example",
        ("A", "B"),
        False,
    )
    assert (found.email, found.given_name) == (None, None)


@pytest.mark.parametrize(
    ("answer", "had"), [("Rex", True), ("nein", False), ("0", False), ("", False), ("JA", True)]
)
def test_of_a_security_question_only_its_existence_is_kept(answer: str, had: bool) -> None:
    """The answer stands nowhere afterwards (req 50)."""
    found = row(f"username,hash,security_answer\nsmueller,{HASH},{answer}")

    assert found.security_question is had
    assert "Rex" not in str(found.personal())


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"m\xfcller,x,,,,,,,", "not UTF-8"),
        ("m\0,x,,,,,,,", "NUL"),
        ("m,x", "2 fields, not 9"),
        ('"m,x,,,,,,,', "quotes"),
        ('"m"x,x,,,,,,,', "quotes"),
        (f",{HASH},,,,,,,", "username is empty"),
        (f" ,{HASH},,,,,,,", "username is empty"),
        ("m,,,,,,,,", "hash is empty"),
        ("m,geheim,,,,,,,", "form of the hash"),
        (f"{'m' * 129},{HASH},,,,,,,", "more than 128"),
        (f"m\x07,{HASH},,,,,,,", "control character"),
        (f"m,{HASH},no-address,,,,,,", "email is no address"),
        (f"m,{HASH},a b@c.example,,,,,,", "email is no address"),
        (f"m,{HASH},@c.example,,,,,,", "email is no address"),
        (f"m,{HASH},,{'1' * 33},,,,,", "customer_number has more"),
        (f"m,{HASH},,,,,{'p' * 65},,", "permissions"),
        (f"m,{HASH},,,,,{' '.join(f'p{at}' for at in range(101))},,", "more than 100"),
        (b"x" * (LONGEST_LINE * 3), "more than 16384 bytes"),
    ],
)
def test_what_is_wrong_is_told_by_line(line: str | bytes, why: str) -> None:
    told = reason(line)

    assert why in told
    assert HASH not in told
    assert "geheim" not in told


def test_a_damaged_line_does_not_hurt_the_others() -> None:
    """The next line is read as if nothing was; the last needs no line end."""
    data = (
        f"{HEAD}\n".encode()
        + b"x" * (LONGEST_LINE + 5)
        + f"\n\nm,{HASH},,,,,,,\nbad\nn,{HASH},,,,,,,".encode()
    )

    found = lines_of(data)

    assert [(type(one).__name__, one.line) for one in found] == [
        ("RefusedLine", 2),
        ("ImportRow", 4),
        ("RefusedLine", 5),
        ("ImportRow", 6),
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "not JSON"),
        ("[" * 5000, "not JSON"),
        ("[]", "not a JSON object"),
        ('{"user": "m"}', "other members"),
        ('{"username": 7, "hash": "x"}', "username is not a text"),
        ('{"username": "m", "hash": ["x"]}', "hash is not a text"),
        (json.dumps({"username": "m", "hash": HASH, "permissions": [1]}), "permissions"),
        (json.dumps({"username": "m", "hash": HASH, "hash_format": "rot13"}), "hash_format"),
        (json.dumps({"username": "m\ud800\n", "hash": HASH}), "control character"),
    ],
)
def test_json_lines_that_are_wrong(line: str, why: str) -> None:
    (found,) = lines_of(line, json_lines=True)

    assert isinstance(found, RefusedLine)
    assert why in found.reason


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"username\nm",
        b"username,hash,shoe\n",
        b"username,username,hash\n",
        b"\xff\xfe\n",
        b"a,b\n",
        b'"username,hash\n',
    ],
)
def test_a_csv_file_without_columns_is_unusable(data: bytes) -> None:
    with pytest.raises(UnusableFile, match="line 1"):
        lines_of(data)
