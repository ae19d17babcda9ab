"""Requests that granian reads, given to a WSGI application once they have come whole (req 29, F13).

granian's own bridge to WSGI reads a body in the thread that answers, and without a limit of time: a few
callers that send slowly stop a process.  Its other interface, RSGI, reads bodies where no thread waits.  This
is that interface without the event loop it is made for: a request without a body is answered in the thread
that granian gives it, one with a body in the thread that granian gives the body's last bytes.
"""

import io
import sys
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from granian._granian import CallbackScheduler

from idp.cli.sign_in_lines import SignInLines
from idp.logging import get_logger
from idp.web.gateway import BODY_LOST, TURNED_AWAY, Environ, Wsgi
from idp.web.machine.http import MAX_BODY

BODY_SECONDS = 10
"""How long a body may take from the end of its head to its own."""
PASSWORD_FORMS = frozenset({"/login", "/register", "/register/link", "/password/reset"})
"""What waits for a hash when it is posted."""
_CHECK_SECONDS = 0.5
_COMMON_NAMES = 256

_ALWAYS: Environ = {
    "SCRIPT_NAME": "",
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": True,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}

KnownAs = Callable[[Environ], str | None]

log = get_logger(__name__)


class AtOnce:
    """What granian takes for an event loop: calls back in the very thread that has something to tell."""

    @staticmethod
    def call_soon(callback: Callable[..., Any], *arguments: Any, context: Any = None) -> None:
        """Call it."""
        callback(*arguments)

    call_soon_threadsafe = call_soon


class Request(NamedTuple):
    """A request that has come."""

    environ: Environ
    protocol: Any
    body: bytes = b""


class Arrivals(CallbackScheduler):
    """Takes each request when its head is there; granian calls it in one of the process's threads.

    :param known_as: what an account is called that signed in from a request's browser before.
    :param sign_ins: how many of them are answered at the same time, in threads of their own.
    """

    def __new__(cls, application: Wsgi, *, known_as: KnownAs, sign_ins: int) -> "Arrivals":
        """Make granian's part, which would run tasks of an event loop if there were one."""
        # granian names no constructor of this class, which its own Python code calls so
        made: Arrivals = super().__new__(cls, AtOnce, application, None, None, None)  # type: ignore[call-arg]
        return made

    def __init__(self, application: Wsgi, *, known_as: KnownAs, sign_ins: int) -> None:
        self._application = application
        self._known_as = known_as
        self._on_the_way: dict[_Body, None] = {}
        self._sign_ins: SignInLines[Request] = SignInLines()
        self._schedule_fn = self._take
        threading.Thread(target=self._watch, name="body limit", daemon=True).start()
        for _ in range(sign_ins):
            threading.Thread(target=self._sign_in, name="sign-ins", daemon=True).start()

    def _take(self, watcher: Any) -> None:
        """Answer a request, or wait for its body first; granian looks at no exception."""
        protocol = watcher.proto
        try:
            environ = to_environ(watcher.scope)
            wanted = _length_to_read(environ)
            if not wanted:
                self._serve(Request(environ, protocol))
                return
            body = _Body(self, environ, protocol, wanted)
            self._on_the_way[body] = None
            body.read_on()
        except Exception as error:
            _fail(protocol, error)

    def came(self, body: "_Body") -> None:
        """Answer a request whose body is there, or will not come any more."""
        del self._on_the_way[body]
        self._serve(Request(body.environ, body.protocol, b"".join(body.parts)))

    def _serve(self, request: Request) -> None:
        environ = request.environ
        if environ["REQUEST_METHOD"] != "POST" or environ["PATH_INFO"] not in PASSWORD_FORMS:
            self._answer(request)
            return
        if not self._sign_ins.join(request, self._known_as(environ)):
            environ[TURNED_AWAY] = True
            self._answer(request)

    def _sign_in(self) -> None:
        """Take sign-ins from their line: threads that wait for hashes, so that no other does (A5, F12)."""
        while True:
            self._answer(self._sign_ins.take())

    def _answer(self, request: Request) -> None:
        """Let the application answer, and hand all of it over to be sent."""
        request.environ["wsgi.input"] = io.BytesIO(request.body)
        head: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            head[:] = [int(status[:3]), headers]

        try:
            parts = self._application(request.environ, start_response)
            try:
                content = b"".join(parts)
            finally:
                close = getattr(parts, "close", None)
                if close is not None:
                    close()
            request.protocol.response_bytes(*head, content)
        except Exception as error:
            _fail(request.protocol, error)

    def _watch(self) -> None:
        while True:
            time.sleep(_CHECK_SECONDS)
            now = time.monotonic()
            for body in list(self._on_the_way):
                if body.deadline > now:
                    break  # they stand in the order in which they came
                body.give_up()


class _Body:
    """A body on its way."""

    __slots__ = ("_arrivals", "_future", "_missing", "deadline", "environ", "parts", "protocol")

    def __init__(self, arrivals: Arrivals, environ: Environ, protocol: Any, wanted: int) -> None:
        self.deadline = time.monotonic() + BODY_SECONDS
        self.environ = environ
        self.parts: list[bytes] = []
        self.protocol = protocol
        self._arrivals = arrivals
        self._missing = wanted
        self._future: Any = None
        protocol.__aiter__()

    def read_on(self) -> None:
        """Ask for the next part, which calls :meth:`_hear`."""
        self._future = self.protocol.__anext__()
        self._future.add_done_callback(self._hear)

    def give_up(self) -> None:
        """Wait no longer; without effect where a part is coming in at this moment."""
        future = self._future
        if future is not None:
            future.cancel()

    def _hear(self, future: Any) -> None:
        self._future = None  # it knows us: granian's objects take no part in the collection of circles
        if future.cancelled():
            self.environ[BODY_LOST] = 408
            self._arrivals.came(self)
            return
        part = future.result()
        self.parts.append(part)
        self._missing -= len(part)
        if part and self._missing > 0:
            self.read_on()
            return
        if self._missing > 0 and "CONTENT_LENGTH" in self.environ:
            self.environ[BODY_LOST] = 400
        self._arrivals.came(self)


def to_environ(scope: Any) -> Environ:
    """Return a request's head as PEP 3333 has it, with nothing of this process's own environment.

    Names with an underscore are left out: they would pass for those with a hyphen, which a proxy sets.
    """
    environ = _ALWAYS.copy()
    environ["REQUEST_METHOD"] = scope.method
    environ["PATH_INFO"] = _latin(scope.path)
    environ["QUERY_STRING"] = _latin(scope.query_string)
    environ["SERVER_PROTOCOL"] = f"HTTP/{scope.http_version}"
    environ["wsgi.url_scheme"] = scope.scheme
    environ["REMOTE_ADDR"] = scope.client.rpartition(":")[0].strip("[]")
    server = scope.server.rpartition(":")
    environ["SERVER_NAME"], environ["SERVER_PORT"] = server[0].strip("[]"), server[2]
    headers = scope.headers
    for name, value in headers.items():
        key = _variable(name)
        if key in environ:
            environ[key] += (";" if name == "cookie" else ",") + value
        elif key is not None:
            environ[key] = value
    if "HTTP_HOST" not in environ:
        environ["HTTP_HOST"] = scope.authority or ""
    return environ


@lru_cache(_COMMON_NAMES)
def _variable(name: str) -> str | None:
    if "_" in name:
        return None
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def _latin(text: str) -> str:
    return text if text.isascii() else text.encode().decode("latin-1")


def _length_to_read(environ: Environ) -> int:
    """Return how much is worth waiting for: nothing of a body that will be refused for its length."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        return MAX_BODY + 1
    length = environ.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isdecimal() and len(length) < 9 and int(length) <= MAX_BODY else 0


def _fail(protocol: Any, error: Exception) -> None:
    log.error("the application failed", exc_info=error)
    protocol.response_bytes(500, [("Content-Length", "0")], b"")
