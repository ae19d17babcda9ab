"""What holds for machine endpoints and pages alike: host, limits, request id, log line (req 29, 101)."""

import http
import math
import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from idp.audit.log import shorten
from idp.authentication import devices
from idp.context import Origin
from idp.crypto import random_token
from idp.errors import Busy, Refusal
from idp.logging import bound, get_logger, request_line
from idp.oidc.server import Answer, ProtocolServer, json_answer
from idp.pooling import takes_no_writes
from idp.settings import Settings
from idp.web.browser import Browser
from idp.web.client_address import client_ip, origin
from idp.web.machine.authorization import AuthorizationEndpoint
from idp.web.machine.dispatcher import HEALTH_PATHS, UNREMARKABLE_PATHS, Dispatcher
from idp.web.machine.http import MAX_BODY, MachineRequest, plain
from idp.web.page_headers import answer_headers
from idp.web.parameters import MAX_PARAMETERS

MAX_HEADERS = 16_384
MAX_DIGITS = 18
RETRY_SECONDS = 5

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]

BODY_LOST = "lotse.body_lost"
"""Where the server sets it, the body did not come whole: the status that says why."""
TURNED_AWAY = "lotse.turned_away"
"""Where the server sets it, too many people wait for a hash already."""
_CLOSE = ("Connection", "close")

log = get_logger(__name__)
#: no Content-Length either (RFC 9110 §8.6)
_BODILESS = (204, 304)
#: nothing that could be an address or a token, and nothing that JSON escapes
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9/._-]*", re.ASCII)
_STATUS = {status.value: f"{status.value} {status.phrase}" for status in http.HTTPStatus}


class Gateway:
    """The WSGI application of one process.

    :param overload: makes the answer to who is turned away, from the request and its id.
    """

    def __init__(
        self, server: ProtocolServer, pages: Wsgi, overload: Callable[[Environ, str], Answer]
    ) -> None:
        self.server = server
        self._overload = overload
        self._settings = server.provider.settings
        self._host = urlsplit(self._settings.public_url).netloc
        self._authorization = AuthorizationEndpoint(server)
        self._dispatcher = Dispatcher(server)
        self._pages = pages
        self._closing = False
        self._always = answer_headers(secure=self._settings.secure)

    def close_connections(self) -> None:
        """Have each connection closed after its next answer: this process is about to stop."""
        self._closing = True

    def known_as(self, environ: Environ) -> str | None:
        """Return what an account is called that signed in from this browser before, by its cookie alone."""
        return devices.known_as(
            self.server.provider.services.vault, Browser(environ, self._settings).device()
        )

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        visit = _Visit(environ, self._settings)
        environ["lotse.request_id"] = visit.request_id
        refused = self._refusal(environ, visit.path)
        if refused is None and TURNED_AWAY in environ:  # nothing is done for it (A5)
            refused = self._overload(environ, visit.request_id)
        if refused is not None:
            visit.note(refused.status)
            return self._send(refused, start_response, visit)
        if not self._dispatcher.handles(visit.path):
            with bound(request_id=visit.request_id):
                return self._for_a_person(environ, start_response, visit)
        answer = self._machine_answer(environ, visit)
        if "HTTP_ORIGIN" in environ:
            answer = self._dispatcher.readable(answer, visit.path, environ["HTTP_ORIGIN"])
        if answer.status >= 400:
            visit.note(answer.status)
        elif visit.path not in UNREMARKABLE_PATHS:
            visit.note_success(answer.status)
        return self._send(answer, start_response, visit)

    def _refusal(self, environ: Environ, path: str) -> Answer | None:
        if environ.get("HTTP_HOST") != self._host and path not in HEALTH_PATHS:
            return plain(421, f"this server answers as {self._host}\n")
        misread = _misread(environ, path)
        if misread is not None:
            return misread
        length = environ.get("CONTENT_LENGTH") or "0"
        if not length.isascii() or not length.isdigit():
            return plain(400, "Content-Length is not a number\n")
        # Python refuses to read numbers of thousands of digits
        if len(length) > MAX_DIGITS or int(length) > MAX_BODY:
            return plain(413, "the body is longer than 64 KiB\n")
        if BODY_LOST in environ:
            return plain(environ[BODY_LOST], "the body did not come whole, or not in time\n", [_CLOSE])
        if _head_size(environ, path) > MAX_HEADERS:
            return plain(431, "the address and headers are longer than 16 KiB\n")
        return None

    def _machine_answer(self, environ: Environ, visit: "_Visit") -> Answer:
        request_id = visit.request_id
        try:
            return self._dispatcher.answer(MachineRequest(visit.method, environ, visit.origin), visit.path)
        except Busy as busy:
            return _unavailable(503, busy.retry_after)
        except Refusal as refusal:  # a throttle: the only one that reaches here
            return _throttled(refusal)
        except (OperationalError, PoolTimeout) as error:
            return _database_away(error, request_id)
        except Exception as error:
            if _connection_lost(error):
                return _database_away(error, request_id)
            log.error("unexpected error", request_id=request_id, path=visit.path, exc_info=error)
            return json_answer({"error": "server_error", "error_description": f"request {request_id}"}, 500)

    def _for_a_person(
        self, environ: Environ, start_response: StartResponse, visit: "_Visit"
    ) -> Iterable[bytes]:
        """Answer a browser: by a redirect of the authorization endpoint, else by a page."""
        if self._authorization.handles(visit.method, visit.path):
            redirect = self._authorization.answer(environ, visit.path, visit.origin())
            if redirect is not None:
                visit.note(redirect.status)
                return self._send(redirect, start_response, visit)
        return self._page(environ, start_response, visit)

    def _page(self, environ: Environ, start_response: StartResponse, visit: "_Visit") -> Iterable[bytes]:
        status = 500

        def start(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal status
            status = int(line[:3])
            headers = [*headers, ("X-Request-Id", visit.request_id)]
            if self._closing:
                headers.append(_CLOSE)
            return start_response(line, headers, *([exc_info] if exc_info else []))

        try:
            return self._pages(environ, start)
        finally:
            visit.note(status)

    def _send(self, answer: Answer, start_response: StartResponse, visit: "_Visit") -> Iterable[bytes]:
        headers = [*answer.headers, *self._always, ("X-Request-Id", visit.request_id)]
        if answer.status not in _BODILESS:
            headers.append(("Content-Length", str(len(answer.body))))
        if self._closing:
            headers.append(_CLOSE)
        start_response(_STATUS[answer.status], headers)
        # RFC 9110 §9.3.2: the headers of GET, its length too
        return [b"" if visit.method == "HEAD" else answer.body]


class _Visit:
    """One request as its log line tells it: no query, no header, and of the address the network alone."""

    __slots__ = ("_environ", "_settings", "_started", "ip", "method", "path", "request_id")

    def __init__(self, environ: Environ, settings: Settings) -> None:
        self._started = time.perf_counter()
        self._environ = environ
        self._settings = settings
        self.request_id = random_token(9)
        self.method: str = environ["REQUEST_METHOD"]
        self.path: str = environ.get("PATH_INFO", "")
        self.ip: str | None = None

    def origin(self) -> Origin:
        """Return where the request came from."""
        where = origin(self._environ, self._settings, request_id=self.request_id)
        self.ip = where.ip
        return where

    def note(self, status: int) -> None:
        """Write the line; what the caller chose is cleaned."""
        self.ip = self.ip or client_ip(self._environ, self._settings.server.trusted_proxies)
        if status < 400 and _PLAIN_PATH.fullmatch(self.path):  # there is such a page
            self.note_success(status)
            return
        ip = shorten(self.ip) if self.ip else None
        facts = {"request_id": self.request_id, "method": self.method, "path": self.path, "status": status}
        log.info("request", **facts, took_ms=self._took_ms(), ip=ip)

    def note_success(self, status: int) -> None:
        """Write the line of a request that was served: method and path are names of ours."""
        ip = shorten(self.ip) if self.ip else None
        request_line(
            request_id=self.request_id,
            method=self.method,
            path=self.path,
            status=status,
            took_ms=self._took_ms(),
            ip=ip,
        )

    def _took_ms(self) -> float:
        return round((time.perf_counter() - self._started) * 1000, 1)


def _misread(environ: Environ, path: str) -> Answer | None:
    """Refuse what pages would be found under as well: ``//login`` for ``/login``, ``get`` for GET."""
    if environ.get("SCRIPT_NAME"):  # gunicorn takes it from a header of proxies; pages would redirect to it
        return plain(400, "this server answers at the root of its host\n")
    if path.startswith("//") or "\0" in path:  # PostgreSQL has no such character, so no key is one
        return plain(404, "there is nothing at this address\n")
    if not environ["REQUEST_METHOD"].isupper():
        return plain(400, "a method has capital letters alone\n")
    query = environ.get("QUERY_STRING", "")
    if not query.isascii():
        return plain(400, "the address holds bytes that are not percent-encoded\n")
    if query.count("&") >= MAX_PARAMETERS:
        return plain(400, f"the address holds over {MAX_PARAMETERS} parameters\n")
    return None


def _head_size(environ: Environ, path: str) -> int:
    headers = (len(key) + len(value) for key, value in environ.items() if key.startswith("HTTP_"))
    return len(path) + len(environ.get("QUERY_STRING", "")) + sum(headers)


def _unavailable(status: int, retry_after: int) -> Answer:
    content = {"error": "temporarily_unavailable", "error_description": "try again later"}
    return json_answer(content, status, [("Retry-After", str(retry_after))])


def _throttled(refusal: Refusal) -> Answer:
    wait = refusal.params["until"] - datetime.now(UTC)
    return _unavailable(429, max(1, math.ceil(wait.total_seconds())))


def _database_away(error: BaseException, request_id: str) -> Answer:
    log.error("database away or busy", request_id=request_id, exc_info=error)
    return _unavailable(503, RETRY_SECONDS)


def _connection_lost(error: Exception) -> bool:
    """Tell whether a driver's own error, from a hot statement, means that the database is away."""
    if isinstance(error, DBAPIError):
        return bool(error.connection_invalidated)
    return takes_no_writes(error) or any(
        kind.__name__ in ("OperationalError", "InterfaceError")
        and kind.__module__.startswith(("psycopg", "sqlite3"))
        for kind in type(error).__mro__
    )
