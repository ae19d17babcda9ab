"""Heads as PEP 3333 has them, and bodies that are waited for; real callers are in ``test_serve`` (req 29)."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from idp.cli import arrivals
from idp.cli.arrivals import Arrivals, to_environ
from idp.cli.sign_in_lines import PLACES
from idp.web.gateway import BODY_LOST, Environ
from idp.web.machine.http import MAX_BODY
from tests.arriving import Protocol, SlowHashes, scope


def echo(environ: Environ, start_response: Any) -> list[bytes]:
    status = environ.get(BODY_LOST, 200)
    start_response(f"{status} SAID", [("X-Method", environ["REQUEST_METHOD"])])
    return [environ["wsgi.input"].read()]


def nobody(_environ: Environ) -> None:
    """No browser is known."""


def arrive(
    *headers: tuple[str, str], application: Any = echo, method: str = "POST"
) -> tuple[Protocol, Arrivals]:
    taker, protocol = Arrivals(application, known_as=nobody, sign_ins=2), Protocol()
    taker._take(SimpleNamespace(scope=scope(*headers, method=method), proto=protocol))
    return protocol, taker


def test_a_head() -> None:
    """Names, the caller's address without its port, and nothing of this process's environment."""
    environ = to_environ(scope(("host", "id.example"), ("content-type", "x/y"), ("x-a", "1"), ("x-a", "2")))
    assert environ["HTTP_HOST"] == "id.example"
    assert environ["CONTENT_TYPE"] == "x/y"
    assert environ["HTTP_X_A"] == "1,2"
    assert environ["REMOTE_ADDR"] == "203.0.113.7"
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("127.0.0.1", "8000")
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert "PATH" not in environ


def test_cookies_are_joined_as_cookies_are() -> None:
    """HTTP/2 proxies may send one a line."""
    assert to_environ(scope(("cookie", "a=1"), ("cookie", "b=2")))["HTTP_COOKIE"] == "a=1;b=2"


def test_an_address_of_ip_version_6() -> None:
    """Without its brackets."""
    assert to_environ(scope(client="[2001:db8::7]:40000"))["REMOTE_ADDR"] == "2001:db8::7"


def test_a_request_without_host_names_it_in_its_first_line() -> None:
    """Absolute form; a request with neither has an empty one, which no public_url equals."""
    assert to_environ(scope(authority="id.example"))["HTTP_HOST"] == "id.example"
    assert to_environ(scope())["HTTP_HOST"] == ""


def test_text_beyond_ascii_is_bytes_as_characters() -> None:
    """PEP 3333; the gateway refuses such a query."""
    environ = to_environ(scope(path="/ü", query_string="a=ü"))
    assert environ["PATH_INFO"] == "/Ã¼"
    assert environ["QUERY_STRING"] == "a=Ã¼"


def test_a_name_with_an_underscore_passes_for_no_other() -> None:
    """``X_Forwarded_For`` would be the proxy's own header, and so would not be overwritten (req 29)."""
    forged = ("x_forwarded_for", "198.51.100.1")
    assert "HTTP_X_FORWARDED_FOR" not in to_environ(scope(forged))
    both = to_environ(scope(("x-forwarded-for", "203.0.113.9"), forged))
    assert both["HTTP_X_FORWARDED_FOR"] == "203.0.113.9"
    assert "CONTENT_LENGTH" not in to_environ(scope(("content_length", "5")))


@pytest.mark.parametrize("headers", [(), (("content-length", "0"),)], ids=["none", "empty"])
def test_what_has_no_body_is_answered_at_once(headers: tuple[tuple[str, str], ...]) -> None:
    """In the thread that took it."""
    protocol, _ = arrive(*headers)
    assert protocol.sent == (200, [("X-Method", "POST")], b"")
    assert protocol.futures == []


@pytest.mark.parametrize("length", [str(MAX_BODY + 1), "9" * 400, "-1", "x"])
def test_a_body_that_will_be_refused_is_not_waited_for(length: str) -> None:
    """The application says why."""
    protocol, _ = arrive(("content-length", length))
    assert protocol.sent is not None
    assert protocol.futures == []


def test_a_body_in_parts() -> None:
    """Answered with its last byte, not before; nothing is kept."""
    protocol, taker = arrive(("content-length", "5"))
    protocol.send(b"abc")
    assert protocol.sent is None
    protocol.send(b"de")
    assert protocol.sent == (200, [("X-Method", "POST")], b"abcde")
    assert not taker._on_the_way


def test_a_body_that_ends_early_is_refused() -> None:
    """Half a request is not done (req 29)."""
    protocol, _ = arrive(("content-length", "5"))
    protocol.send(b"abc")
    protocol.send(b"")
    assert protocol.sent is not None
    assert protocol.sent[0] == 400


def test_a_body_in_chunks_ends_where_it_says_or_one_byte_beyond_the_limit() -> None:
    """It names no length; the application refuses one that is too long."""
    chunked = ("transfer-encoding", "chunked")
    protocol, _ = arrive(chunked)
    protocol.send(b"abc")
    protocol.send(b"")
    assert protocol.sent == (200, [("X-Method", "POST")], b"abc")
    protocol, _ = arrive(chunked)
    protocol.send(b"x" * (MAX_BODY + 1))
    assert protocol.sent is not None


def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """However steadily it trickles: 408, and those that came later wait on (req 29)."""
    monkeypatch.setattr(arrivals, "_CHECK_SECONDS", 0.001)
    monkeypatch.setattr(arrivals, "BODY_SECONDS", 3600)
    late, taker = arrive(("content-length", "5"))
    in_time = Protocol()
    taker._take(SimpleNamespace(scope=scope(("content-length", "5"), method="POST"), proto=in_time))
    late.send(b"abc")
    next(iter(taker._on_the_way)).deadline = time.monotonic()
    assert late.futures[-1].given_up.wait(30)
    while late.sent is None:
        time.sleep(0.001)
    assert late.sent[0] == 408
    assert in_time.sent is None
    assert list(taker._on_the_way) != []


def test_giving_up_between_two_parts_has_no_effect() -> None:
    """The next look finds it again."""
    protocol, taker = arrive(("content-length", "5"))
    (body,) = taker._on_the_way
    body._future = None
    body.give_up()
    assert protocol.sent is None


class Pages(list[bytes]):
    """An answer that wants to be told when it was sent."""

    closed = False

    def close(self) -> None:
        self.closed = True


def test_an_answer_is_closed() -> None:
    """PEP 3333: also what a framework iterates over."""
    pages = Pages([b"a", b"b"])

    def application(_environ: Environ, start_response: Any) -> Pages:
        start_response("200 OK", [])
        return pages

    protocol, _ = arrive(application=application, method="GET")
    assert protocol.sent == (200, [], b"ab")
    assert pages.closed


def test_a_head_that_cannot_be_read_is_answered_for() -> None:
    """granian looks at no exception: without an answer the caller would read its own words."""
    protocol = Protocol()
    Arrivals(echo, known_as=nobody, sign_ins=1)._take(SimpleNamespace(scope=None, proto=protocol))
    assert protocol.sent == (500, [("Content-Length", "0")], b"")


@pytest.mark.parametrize("headers", [(), (("content-length", "1"),)], ids=["without a body", "with one"])
def test_an_application_that_fails_is_answered_for(headers: tuple[tuple[str, str], ...]) -> None:
    """The gateway answers whatever goes wrong in it; should it fail itself, nobody is left waiting."""

    def application(_environ: Environ, _start: Any) -> list[bytes]:
        raise RuntimeError

    protocol, taker = arrive(*headers, application=application)
    if headers:
        protocol.send(b"x")
    assert protocol.sent == (500, [("Content-Length", "0")], b"")
    assert not taker._on_the_way


def test_sign_ins_leave_threads_to_others_and_are_turned_away_when_too_many_wait() -> None:
    """Two are answered in threads of their own, sixteen wait without one, others do not notice (A5, F12)."""
    hashes = SlowHashes()
    taker = Arrivals(hashes, known_as=nobody, sign_ins=2)

    def sign_in() -> Protocol:
        protocol = Protocol()
        taker._take(SimpleNamespace(scope=scope(method="POST", path="/login"), proto=protocol))
        return protocol

    running = [sign_in() for _ in range(2)]
    for _ in running:
        assert hashes.began.acquire(timeout=30)
    waiting = [sign_in() for _ in range(PLACES)]
    assert [protocol.sent for protocol in waiting] == [None] * PLACES
    assert sign_in().sent == (503, [], b"")
    others = Protocol()
    taker._take(SimpleNamespace(scope=scope(path="/login"), proto=others))
    assert others.sent == (200, [], b"")
    hashes.go.set()
    for _ in waiting:
        assert hashes.began.acquire(timeout=30)
    assert sign_in().sent != (503, [], b"")
    while any(protocol.sent is None for protocol in (*running, *waiting)):
        time.sleep(0.001)
    assert all(protocol.sent == (200, [], b"") for protocol in (*running, *waiting))
