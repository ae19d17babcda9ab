"""What holds for machine endpoints and pages alike: host, limits, request id, log line (req 29, 101)."""

import http
import math
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from idp.crypto import random_token
from idp.errors import Busy, Refusal
from idp.logging import bound, get_logger
from idp.oidc.server import Answer, ProtocolServer, json_answer
from idp.web.client_address import origin
from idp.web.machine.dispatcher import HEALTH_PATHS, Dispatcher
from idp.web.machine.http import MAX_BODY, MachineRequest, plain

MAX_HEADERS = 16_384
MAX_DIGITS = 18
RETRY_SECONDS = 5

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]

log = get_logger(__name__)
#: no Content-Length either (RFC 9110 §8.6)
_BODILESS = (204, 304)
_STATUS = {status.value: f"{status.value} {status.phrase}" for status in http.HTTPStatus}


class Gateway:
    """The WSGI application of one process."""

    def __init__(self, server: ProtocolServer, pages: Wsgi) -> None:
        self.server = server
        self._settings = server.provider.settings
        self._host = urlsplit(self._settings.public_url).netloc
        self._dispatcher = Dispatcher(server)
        self._pages = pages

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request_id = environ["lotse.request_id"] = random_token(9)
        path = environ.get("PATH_INFO", "")
        refused = self._refusal(environ, path)
        if refused is not None:
            return _send(refused, start_response, request_id)
        if not self._dispatcher.handles(path):
            with bound(request_id=request_id):
                return self._logged_page(environ, start_response, path)
        answer = self._machine_answer(environ, path, request_id)
        if "HTTP_ORIGIN" in environ:
            answer = self._dispatcher.readable(answer, path, environ["HTTP_ORIGIN"])
        if answer.status >= 400:
            log.info(
                "request",
                request_id=request_id,
                method=environ["REQUEST_METHOD"],
                path=path,
                status=answer.status,
            )
        return _send(answer, start_response, request_id)

    def _refusal(self, environ: Environ, path: str) -> Answer | None:
        if environ.get("HTTP_HOST") != self._host and path not in HEALTH_PATHS:
            return plain(421, f"this server answers as {self._host}\n")
        if not environ.get("QUERY_STRING", "").isascii():
            return plain(400, "the address holds bytes that are not percent-encoded\n")
        length = environ.get("CONTENT_LENGTH") or "0"
        if not length.isascii() or not length.isdigit():
            return plain(400, "Content-Length is not a number\n")
        # Python refuses to read numbers of thousands of digits
        if len(length) > MAX_DIGITS or int(length) > MAX_BODY:
            return plain(413, "the body is longer than 64 KiB\n")
        size = len(environ.get("QUERY_STRING", "")) + len(path)
        size += sum(len(key) + len(value) for key, value in environ.items() if key.startswith("HTTP_"))
        if size > MAX_HEADERS:
            return plain(431, "the address and headers are longer than 16 KiB\n")
        return None

    def _machine_answer(self, environ: Environ, path: str, request_id: str) -> Answer:
        try:
            where = origin(environ, self._settings, request_id=request_id)
            return self._dispatcher.answer(MachineRequest(environ["REQUEST_METHOD"], environ, where), path)
        except Busy as busy:
            return _unavailable(503, busy.retry_after)
        except Refusal as refusal:  # a throttle: the only one that reaches here
            return _throttled(refusal)
        except (OperationalError, PoolTimeout) as error:
            return _database_away(error, request_id)
        except Exception as error:
            if _connection_lost(error):
                return _database_away(error, request_id)
            log.error("unexpected error", request_id=request_id, path=path, exc_info=error)
            return json_answer({"error": "server_error", "error_description": f"request {request_id}"}, 500)

    def _logged_page(self, environ: Environ, start_response: StartResponse, path: str) -> Iterable[bytes]:
        started = time.monotonic()
        status = 500

        def start(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal status
            status = int(line[:3])
            return start_response(line, headers, *([exc_info] if exc_info else []))

        try:
            return self._pages(environ, start)
        finally:
            took = round((time.monotonic() - started) * 1000, 1)
            log.info("request", method=environ["REQUEST_METHOD"], path=path, status=status, took_ms=took)


def _send(answer: Answer, start_response: StartResponse, request_id: str) -> Iterable[bytes]:
    headers = [*answer.headers, ("X-Content-Type-Options", "nosniff"), ("X-Request-Id", request_id)]
    if answer.status not in _BODILESS:
        headers.append(("Content-Length", str(len(answer.body))))
    start_response(_STATUS[answer.status], headers)
    return [answer.body]


def _unavailable(status: int, retry_after: int) -> Answer:
    content = {"error": "temporarily_unavailable", "error_description": "try again later"}
    return json_answer(content, status, [("Retry-After", str(retry_after))])


def _throttled(refusal: Refusal) -> Answer:
    wait = refusal.params["until"] - datetime.now(UTC)
    return _unavailable(429, max(1, math.ceil(wait.total_seconds())))


def _database_away(error: BaseException, request_id: str) -> Answer:
    log.error("database not reachable", request_id=request_id, exc_info=error)
    return _unavailable(503, RETRY_SECONDS)


def _connection_lost(error: Exception) -> bool:
    """Tell whether a driver's own error, from a hot statement, means that the database is away."""
    if isinstance(error, DBAPIError):
        return bool(error.connection_invalidated)
    return any(
        kind.__name__ in ("OperationalError", "InterfaceError")
        and kind.__module__.startswith(("psycopg", "sqlite3"))
        for kind in type(error).__mro__
    )
