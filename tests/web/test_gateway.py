"""What holds for machine endpoints and pages alike: host, limits, request id, faults (req 29, 101; A3)."""

import io
import json
import logging
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import structlog
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.test import TestResponse

from idp.errors import Busy, Refusal
from idp.logging import configure
from idp.settings import Settings
from idp.settings.models import ThrottleSettings
from idp.web.gateway import BODY_LOST
from tests.plain_browser import Browser, basic
from tests.world import Desk, machine

PATHS = ("/jwks", "/token", "/login", "/nowhere")


@pytest.mark.parametrize("path", PATHS)
def test_another_host(desk: Desk, path: str) -> None:
    """421 everywhere (design §5), so nothing is ever built from a foreign Host."""
    for host in ("evil.example", "localhost:8000.evil.example", "localhost", "localhost:8001", ""):
        answer = machine(desk.gateway, "GET", path, headers={"Host": host})
        assert answer.status_code == 421, host
        assert "evil" not in answer.text


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [("/jwks", None, 200), ("/token", None, 405), ("/authorize", None, 405), ("/jwks", "evil.example", 421)],
)
def test_no_answer_to_head_has_a_body(desk: Desk, path: str, host: str | None, status: int) -> None:
    """Whoever gives it; its length is that of the body left out (RFC 9110 §8.6, §9.3.2)."""
    headers = {} if host is None else {"Host": host}
    answer = machine(desk.gateway, "HEAD", path, headers=headers)
    assert (answer.status_code, answer.data) == (status, b"")
    assert int(answer.headers["Content-Length"]) > 0


@pytest.mark.parametrize("path", PATHS)
def test_raw_bytes_in_the_query(desk: Desk, path: str) -> None:
    """400 at every address: pages read the query as UTF-8 in more places than one (req 29)."""
    answer = machine(desk.gateway, "GET", path, environ_overrides={"QUERY_STRING": "lang=\xff\xfe"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "//authorize", 404),
        ("GET", "//authorize/x", 404),
        ("GET", "//evil.example/login", 404),
        ("GET", "///login", 404),
        ("POST", "/account/sessions/\0/end", 404),
        ("get", "/authorize", 400),
        ("Get", "/login", 400),
        ("post", "/token", 400),
    ],
)
def test_what_the_framework_would_read_otherwise(desk: Desk, method: str, path: str, status: int) -> None:
    """Nothing reaches a view under a name that the gateway does not know it by (req 29)."""
    raw = {"PATH_INFO": path, "REQUEST_METHOD": method}
    assert machine(desk.gateway, "GET", "/", environ_overrides=raw).status_code == status


@pytest.mark.parametrize("path", ["/account", "/token", "/health/live", "/nowhere"])
def test_a_place_below_the_root(desk: Desk, path: str) -> None:
    """400: the server's name for it may come from a header, and pages would send people there (req 29)."""
    for place in ("//evil.example", "/idp"):
        answer = machine(desk.gateway, "GET", path, environ_overrides={"SCRIPT_NAME": place})
        assert (answer.status_code, answer.headers.get("Location")) == (400, None)


def test_health_answers_any_host(desk: Desk) -> None:
    """A load balancer asks by address."""
    for path in ("/health/live", "/health/ready"):
        assert machine(desk.gateway, "GET", path, headers={"Host": "10.0.0.7:8000"}).status_code == 200


@pytest.mark.parametrize(
    ("length", "status"),
    [
        ("65537", 413),
        ("9" * 19, 413),
        ("9" * 5000, 413),
        ("-1", 400),
        ("1e3", 400),
        ("٣", 400),
        (" 1", 400),
        ("0x10", 400),
    ],
    ids=["65537", "19 digits", "5000 digits", "-1", "1e3", "Arabic", "space", "hex"],
)
def test_content_length(desk: Desk, length: str, status: int) -> None:
    """Too long, or no number; thousands of digits are a ValueError in Python (req 29)."""
    for path in ("/token", "/login"):
        answer = machine(desk.gateway, "POST", path, environ_overrides={"CONTENT_LENGTH": length})
        assert answer.status_code == status


@pytest.mark.parametrize("status", [400, 408])
def test_a_body_that_was_lost(desk: Desk, status: int) -> None:
    """The server says that it did not come: nothing is done with what came (req 29)."""
    for path in ("/token", "/login"):
        answer = machine(desk.gateway, "POST", path, environ_overrides={BODY_LOST: status})
        assert answer.status_code == status
        assert answer.headers["Connection"] == "close"


def test_a_body_of_exactly_64_kib(desk: Desk) -> None:
    """Read, and one byte more is not; without a length neither."""
    headers = {"Authorization": basic("portal", desk.registered.secret or "")}
    body = b"grant_type=client_credentials&x="
    body += b"y" * (65_536 - len(body))
    options: dict[str, Any] = {"headers": headers, "content_type": "application/x-www-form-urlencoded"}
    assert machine(desk.gateway, "POST", "/token", data=body, **options).status_code == 200
    assert machine(desk.gateway, "POST", "/token", data=body + b"y", **options).status_code == 413
    chunked = {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}
    answer = machine(desk.gateway, "POST", "/token", data=body + b"y", environ_overrides=chunked, **options)
    assert answer.status_code == 400


@pytest.mark.parametrize("path", PATHS)
def test_address_and_headers_of_16_kib(desk: Desk, path: str) -> None:
    """431, in the address as in headers."""
    assert machine(desk.gateway, "GET", path, query_string="x=" + "y" * 16_384).status_code == 431
    assert machine(desk.gateway, "GET", path, headers={"X-Long": "y" * 16_384}).status_code == 431
    assert machine(desk.gateway, "GET", path, headers={"X-Long": "y" * 8_000}).status_code != 431


def test_each_answer_has_a_request_id(desk: Desk) -> None:
    """Its own, never the caller's, on pages as elsewhere; and no answer is sniffed."""
    asked = [path for path in PATHS for _ in range(2)]
    answers = [machine(desk.gateway, "GET", path, headers={"X-Request-Id": "mine"}) for path in asked]
    ids = [answer.headers.getlist("X-Request-Id") for answer in answers]
    assert [len(each) for each in ids] == [1] * len(asked)
    assert len({each for (each,) in ids} - {"mine"}) == len(asked)
    assert all(answer.headers["X-Content-Type-Options"] == "nosniff" for answer in answers)


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What was logged so far, as production writes it."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    configure(stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    configure(level="error")
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_each_request_has_a_log_line(desk: Desk, lines: Callable[[], list[dict[str, Any]]]) -> None:
    """Method, path, status, time, id and the network; never the query, the body or the whole address."""
    asked = (
        ("POST", "/token", {"data": {"grant_type": "client_credentials", "client_secret": "canary"}}, 401),
        ("GET", "/login", {"query_string": "flow=canary"}, 400),
        ("GET", "/nowhere", {}, 404),
        ("GET", "/token", {}, 405),
        ("GET", "/jwks", {"headers": {"Host": "canary.example"}}, 421),
        ("GET", "/login", {}, 200),
    )
    where = {"environ_base": {"REMOTE_ADDR": "203.0.113.77"}}
    ids = {}
    for method, path, options, _ in asked:
        answer = machine(desk.gateway, method, path, **options, **where)
        ids[answer.headers.get("X-Request-Id", "")] = answer.status_code
    issued = desk.portal.call("/token", {"grant_type": "client_credentials"})
    written = [line for line in lines() if line["event"] == "request"]
    assert [(line["method"], line["path"], line["status"]) for line in written] == [
        *((method, path, status) for method, path, _, status in asked),
        ("POST", "/token", 200),
    ]
    assert {line["ip"] for line in written[:-1]} == {"203.0.113.0/24"}
    assert written[-1]["request_id"] == issued.headers["X-Request-Id"]
    assert set(written[0]) == set(written[-1]) == set(written[1])
    assert all(line["took_ms"] >= 0 and line["level"] == "info" for line in written)
    assert "canary" not in json.dumps(lines())
    assert "203.0.113.77" not in json.dumps(lines())


def test_a_refused_portal_is_named_with_the_reason(
    desk: Desk, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    """In the words the portal hears; of who is no client here, only that; and nothing of every day."""
    browser, own = Browser(desk.gateway), {"grant_type": "client_credentials"}

    def ask(client_id: str) -> TestResponse:
        return machine(desk.gateway, "POST", "/token", data=own | {"client_id": client_id})

    refused = [
        (desk.portal.call("/token", {"grant_type": "password"}), None, "unsupported_grant_type"),
        (
            machine(desk.gateway, "POST", "/token", data=own | {"client_id": "portal"}),
            "portal",
            "invalid_client",
        ),
        (ask("canary"), None, "invalid_client"),
        (desk.portal.call("/par", own), "portal", "invalid_request"),
        (desk.portal.call("/par", {}), None, "invalid_request"),
        (desk.portal.userinfo("canary"), None, "invalid_token"),
        (desk.portal.authorize(browser, scope="canary"), "portal", "invalid_scope"),
    ]
    assert desk.portal.authorize(browser, prompt="none").status_code == 303
    written = [line for line in lines() if line["event"] == "request refused"]
    assert [(line["client"], line["refusal"]) for line in written] == [each[1:] for each in refused]
    assert [line["request_id"] for line in written] == [each[0].headers["X-Request-Id"] for each in refused]
    assert all(line["why"] for line in written)
    assert "canary" not in json.dumps(lines())


def test_a_path_that_a_caller_made_up_is_cleaned(
    desk: Desk, lines: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the answer: only a page's plain address is written down as it came (req 105)."""

    def pages(_environ: object, start_response: Callable[..., object]) -> list[bytes]:
        start_response("200 OK", [])
        return [b""]

    monkeypatch.setattr(desk.gateway, "_pages", pages)
    for path in ("/login", "/of/anna@muster.example", '/"quoted"'):
        assert machine(desk.gateway, "GET", path).status_code == 200
    assert [line["path"] for line in lines()] == ["/login", "[hidden]", '/"quoted"']


def test_a_token_in_a_path_is_not_written_down(desk: Desk, lines: Callable[[], list[dict[str, Any]]]) -> None:
    """There is no such page, so it may be anything (req 105)."""
    token = desk.tokens()["access_token"]
    assert machine(desk.gateway, "GET", f"/{token}").status_code == 404
    assert token not in json.dumps(lines())


def test_documents_and_health_leave_no_line(desk: Desk, lines: Callable[[], list[dict[str, Any]]]) -> None:
    """Their answer is the same for everybody, a thousand times a second (docs/decisions/0034)."""
    for path in ("/jwks", "/.well-known/openid-configuration", "/health/live", "/health/ready"):
        assert machine(desk.gateway, "GET", path).status_code == 200
    assert lines() == []


class TestHttps:
    """An installation that people reach by https."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"public_url": "https://localhost:8000"})

    def test_browsers_are_told_to_use_https_only(self, desk: Desk) -> None:
        """Every answer says so, machine's or page's, refusals included (req 103)."""
        for path in PATHS:
            for host in ("localhost:8000", "evil.example"):
                headers = machine(desk.gateway, "GET", path, headers={"Host": host}).headers
                assert headers.getlist("Strict-Transport-Security") == ["max-age=63072000; includeSubDomains"]


def test_a_process_that_is_about_to_stop_closes_connections(desk: Desk) -> None:
    """After the answer: the client comes back on a new one, to whoever listens then."""
    for path in PATHS:
        assert "Connection" not in machine(desk.gateway, "GET", path).headers
    desk.gateway.close_connections()
    for path in PATHS:
        assert machine(desk.gateway, "GET", path).headers["Connection"] == "close"


def _failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


DRIVER = psycopg.errors.AdminShutdown("terminating connection")
LOST = DBAPIError("SELECT 1", {}, Exception("gone"), connection_invalidated=True)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Busy("hash pool", retry_after=7), 503),
        (PoolTimeout("no connection is free"), 503),
        (DRIVER, 503),
        (psycopg.OperationalError("the connection is closed"), 503),
        (psycopg.InterfaceError("the cursor is closed"), 503),
        (LOST, 503),
        (IntegrityError("INSERT", {}, Exception("unique")), 500),
        (ValueError("a bug"), 500),
    ],
    ids=["busy", "pool", "shutdown", "closed", "interface", "lost", "constraint", "bug"],
)
def test_faults(
    desk: Desk,
    lines: Callable[[], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
) -> None:
    """503 with Retry-After where a later try may do; a bug is 500 with an id, by which the log tells it."""
    monkeypatch.setattr(desk.gateway.server, "create_token_response", _failing(error))
    answer = desk.portal.call("/token", {"grant_type": "client_credentials"})
    assert answer.status_code == status
    assert answer.mimetype == "application/json"
    if status == 503:
        assert int(answer.headers["Retry-After"]) > 0
    else:
        assert answer.get_json() == {
            "error": "server_error",
            "error_description": f"request {answer.headers['X-Request-Id']}",
        }
        told = [line for line in lines() if line["event"] == "unexpected error"]
        assert [(line["request_id"], line["error"]) for line in told] == [
            (answer.headers["X-Request-Id"], type(error).__name__)
        ]


@pytest.mark.parametrize(("left", "told"), [(40, range(30, 41)), (-1, [1])])
def test_a_throttle_says_when_to_come_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, left: int, told: Collection[int]
) -> None:
    """429 with the seconds that are left, where it is over by now one (RFC 9110 §10.2.3 has none below 0)."""
    until = datetime.now(UTC) + timedelta(seconds=left)
    refusal = Refusal("client.throttled", until=until)
    monkeypatch.setattr(desk.gateway.server, "create_token_response", _failing(refusal))
    answer = desk.portal.call("/token", {"grant_type": "client_credentials"})
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) in told


class TestThrottle:
    """Failed client authentications are counted, right ones are not (design §2, Throttle)."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(
            update={"throttle": ThrottleSettings(client_failures_per_minute=3, exempt_networks=())}
        )

    def test_guessing_a_secret(self, desk: Desk) -> None:
        """After so many failures a minute the guesser hears 429; the owner's right secret still works."""
        form = {"grant_type": "client_credentials"}
        wrong = {"Authorization": basic("portal", "wrong")}
        statuses = [
            machine(
                desk.gateway,
                "POST",
                "/token",
                data=form,
                headers=wrong,
                environ_base={"REMOTE_ADDR": "198.51.100.7"},
            ).status_code
            for _ in range(5)
        ]
        assert statuses == [401, 401, 401, 429, 429]
        right = {"Authorization": basic("portal", desk.registered.secret or "")}
        answer = machine(
            desk.gateway,
            "POST",
            "/token",
            data=form,
            headers=right,
            environ_base={"REMOTE_ADDR": "198.51.100.7"},
        )
        assert answer.status_code == 200
