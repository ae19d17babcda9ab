"""What a log line holds, and what it never holds (req 105, 107)."""

import io
import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy
import structlog

from idp import logging as idp_logging
from idp.logging import HIDDEN, bound, error_text, get_logger, is_secret_name, request_line, scrub

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where log lines go; logging is put back afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers, level = before
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def lines(stream: io.StringIO) -> Lines:
    """JSON logging, and a way to read what was written."""
    idp_logging.configure(level="info", format="json", stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object(lines: Lines) -> None:
    """(req 105)"""
    get_logger("idp.test").info("key rotated", kid="2026-1", count=3, on=True)
    (line,) = lines()
    assert (line["event"], line["kid"], line["count"], line["on"]) == ("key rotated", "2026-1", 3, True)
    assert (line["level"], line["logger"]) == ("info", "idp.test")
    assert line["at"].endswith("Z")


def test_control_characters_cannot_forge_a_line(lines: Lines, stream: io.StringIO) -> None:
    """(req 105)"""
    get_logger("idp.test").warning('no such user\r\n{"event":"forged"}', name="a\x1b[2J\u2028b")
    assert len(lines()) == 1
    assert stream.getvalue().isascii()
    assert not any(character in stream.getvalue()[:-1] for character in "\r\n\x1b")


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "new_password",
        "client_secret",
        "code",
        "access_token",
        "refresh_token_hash",
        "Cookie",
        "Set-Cookie",
        "Authorization",
        "totp",
        "otp",
        "code_verifier",
        "client_assertion",
        "recovery_code",
        "recovery_codes",
        "recovery_password",
        "nonce",
        "pin",
    ],
)
def test_fields_named_like_a_secret_are_hidden(lines: Lines, name: str) -> None:
    """(req 105)"""
    get_logger("idp.test").info("x", **{name: "canary-1", "more": {name: "canary-2"}, "list": [{name: 4711}]})
    (line,) = lines()
    assert line[name] == HIDDEN
    assert "canary" not in json.dumps(line)
    assert line["list"] == [{name: HIDDEN}]  # a number by itself may also stand in the time


@pytest.mark.parametrize("name", ["status_code", "token_type", "client", "reason", "passed"])
def test_plain_fields_are_not_hidden(name: str) -> None:
    """A log that hides everything helps nobody."""
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "text",
    [
        "anna.canary@muster.example",
        "GET /callback?code=canary&state=1",
        "https://portal.example/cb#id_token=canary",
        "Authorization: Bearer canary.canary",
        "Basic Y2FuYXJ5OmNhbmFyeQ==",
        "eyJhbGciOiJub25lIn0.canary.canary",
        "eyJhbGciOiJSU0EifQ.canary.canary.canary.canary",
        "presented at_canary" + "x" * 37,
        "password=canary",
        "{'client_secret': 'canary'}",
        '"token": "canary"',
    ],
)
def test_texts_shaped_like_a_secret_are_hidden(lines: Lines, text: str) -> None:
    """(req 105): also where a library puts them into its message."""
    get_logger("idp.test").info("refused: " + text, why=text)
    logging.getLogger("some.library").warning("refused: %s", text)
    assert len(lines()) == 2
    assert "canary" not in json.dumps(lines())
    assert "Y2FuYXJ5" not in json.dumps(lines())


def test_long_texts_are_cut() -> None:
    """(req 29)"""
    assert len(scrub("a" * 100_000)) < 2100


def test_bytes_are_never_written(lines: Lines) -> None:
    """Keys and hashes are bytes here."""
    get_logger("idp.test").info(
        "x", value=b"canary", others=(b"canary",), nothing=None, hidden={"secret": None}
    )
    (line,) = lines()
    assert (line["value"], line["others"], line["nothing"]) == (HIDDEN, [HIDDEN], None)


def test_a_request_id_stands_in_every_line_inside(lines: Lines) -> None:
    """(req 107)"""
    with bound(request_id="r1"):
        get_logger("idp.test").info("in")
        logging.getLogger("some.library").warning("in too")
    get_logger("idp.test").info("out")
    assert [line.get("request_id") for line in lines()] == ["r1", "r1", None]


def test_an_exception_is_told_without_values(lines: Lines) -> None:
    """(req 105, 107): type, place and scrubbed text; no source line, no local value."""
    try:
        raise RuntimeError("mail to anna.canary@muster.example failed")
    except RuntimeError:
        get_logger("idp.test").exception("job failed")
    get_logger("idp.test").info("later", exc_info=None)
    first, second = lines()
    assert (first["error"], first["error_text"]) == ("RuntimeError", f"mail to {HIDDEN} failed")
    assert any("test_an_exception_is_told_without_values" in frame for frame in first["trace"])
    assert "error" not in second


def test_an_exception_of_a_library_is_told_the_same_way(lines: Lines) -> None:
    """(req 105)"""
    try:
        raise RuntimeError("token=canary")
    except RuntimeError:
        logging.getLogger("some.library").exception("oh")
    get_logger("idp.test").error("given", exc_info=ValueError("code=canary"))
    assert [line["error"] for line in lines()] == ["RuntimeError", "ValueError"]
    assert "canary" not in json.dumps(lines())


def test_a_database_error_tells_no_values() -> None:
    """(req 105): a unique violation quotes the row."""
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection:
        with pytest.raises(sqlalchemy.exc.SQLAlchemyError) as caught:
            connection.execute(sqlalchemy.text("SELECT :x FROM canary"), {"x": "canary"})
        assert error_text(caught.value) == "OperationalError SQLITE_ERROR"
    engine.dispose()


def test_a_driver_s_own_error_tells_no_values() -> None:
    """(req 105): statements that SQLAlchemy does not send are no exception."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (canary TEXT UNIQUE)")
    with pytest.raises(sqlite3.IntegrityError) as caught:
        connection.executemany("INSERT INTO t VALUES (?)", [("x",), ("x",)])
    connection.close()
    assert error_text(caught.value) == "IntegrityError SQLITE_CONSTRAINT_UNIQUE"
    violation = psycopg.errors.UniqueViolation("Key (username)=(canary) already exists.")
    assert error_text(violation) == "UniqueViolation 23505"


def test_why_a_database_cannot_be_used(tmp_path: Path) -> None:
    """An operator reads whether it is the address, the disk or the rights."""
    with pytest.raises(psycopg.OperationalError) as refused:
        psycopg.connect("postgresql://lotse:canary@127.0.0.1:1/lotse")
    text = error_text(refused.value)
    assert text.startswith("OperationalError ")
    assert "port 1 failed: Connection refused" in text
    assert "canary" not in text
    assert "\n" not in text
    with pytest.raises(sqlite3.OperationalError) as missing:
        sqlite3.connect(tmp_path / "nowhere" / "lotse.db")
    assert error_text(missing.value) == "OperationalError SQLITE_CANTOPEN"


def test_libraries_stay_silent_about_tokens(lines: Lines, stream: io.StringIO) -> None:
    """Authlib logs whole token dictionaries at DEBUG."""
    idp_logging.configure(level="debug", format="json", stream=stream)
    logging.getLogger("authlib.oauth2").debug("Issue token %r", {"x": "canary"})
    logging.getLogger("sqlalchemy.engine").info("canary")
    get_logger("idp.test").debug("ours")
    assert [line["event"] for line in lines()] == ["ours"]


def test_the_level_holds(lines: Lines) -> None:
    """``logging.level``"""
    get_logger("idp.test").debug("quiet")
    get_logger("idp.test").error("loud")
    assert [line["event"] for line in lines()] == ["loud"]


def test_text_for_a_terminal_hides_secrets_too(stream: io.StringIO) -> None:
    """``logging.format = "text"``"""
    idp_logging.configure(format="text", stream=stream)
    get_logger("idp.test").info("hello", password="canary", who="x")
    assert "hello" in stream.getvalue()
    assert "canary" not in stream.getvalue()


def test_a_plain_success_is_written_like_any_other_line(lines: Lines, stream: io.StringIO) -> None:
    """The short way gives the same fields as the long one, in each format, and obeys the level."""
    facts = {"method": "POST", "path": "/token", "status": 200, "took_ms": 1.5}
    request_line(request_id="r1", ip="203.0.113.0/24", **facts)
    request_line(request_id="r2", ip=None, **facts)
    get_logger("idp.web.gateway").info("request", request_id="r3", **facts, ip=None)
    written = [{**line, "at": line["at"][:4]} for line in lines()]
    assert written[0] == {**written[2], "request_id": "r1", "ip": "203.0.113.0/24"}
    assert written[1] == {**written[2], "request_id": "r2"}
    assert list(written[0]) == list(written[2])
    idp_logging.configure(format="text", stream=stream)
    request_line(request_id="r4", ip=None, **facts)
    assert "r4" in stream.getvalue().splitlines()[-1]
    idp_logging.configure(level="warning", stream=stream)
    request_line(request_id="r5", ip=None, **facts)
    assert "r5" not in stream.getvalue()


def test_a_log_that_cannot_be_written_fails_no_request(lines: Lines, stream: io.StringIO) -> None:
    """The program that read our output may be gone."""
    request_line(request_id="r1", method="POST", path="/token", status=200, took_ms=1.5, ip=None)
    assert len(lines()) == 1
    stream.close()
    request_line(request_id="r2", method="POST", path="/token", status=200, took_ms=1.5, ip=None)
