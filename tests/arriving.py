"""Requests as granian hands them to ``idp.cli.arrivals``, without granian."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from idp.cli.arrivals import AtOnce
from idp.web.gateway import TURNED_AWAY, Environ


class Headers(dict[str, Any]):
    """As granian hands them over: each line of its own."""

    def __init__(self, *lines: tuple[str, str]) -> None:
        super().__init__(lines)
        self._lines = list(lines)

    def items(self) -> Any:
        return self._lines


def scope(*headers: tuple[str, str], **changes: Any) -> SimpleNamespace:
    facts: dict[str, Any] = {
        "method": "GET",
        "path": "/jwks",
        "query_string": "",
        "http_version": "1.1",
        "scheme": "http",
        "client": "203.0.113.7:40000",
        "server": "127.0.0.1:8000",
        "authority": None,
        "headers": Headers(*headers),
    }
    return SimpleNamespace(**{**facts, **changes})


class Future:
    """A part of a body that is asked for."""

    def __init__(self) -> None:
        self.callback: Callable[[Any], None] | None = None
        self.part: bytes | None = None
        self.given_up = threading.Event()

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self.callback = callback

    def cancel(self) -> None:
        assert self.callback is not None
        self.given_up.set()
        AtOnce.call_soon(self.callback, self, context=None)

    def cancelled(self) -> bool:
        return self.given_up.is_set()

    def result(self) -> bytes:
        assert self.part is not None
        return self.part


@dataclass
class Protocol:
    """One request's connection."""

    futures: list[Future] = field(default_factory=list)
    sent: tuple[int, list[tuple[str, str]], bytes] | None = None

    def __aiter__(self) -> "Protocol":
        return self

    def __anext__(self) -> Future:
        self.futures.append(Future())
        return self.futures[-1]

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.sent = (status, headers, body)

    def send(self, part: bytes) -> None:
        """Let a part arrive."""
        future = self.futures[-1]
        future.part = part
        assert future.callback is not None
        AtOnce.call_soon_threadsafe(future.callback, future, context=None)


class SlowHashes:
    """An application whose sign-ins last until they are let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.began = threading.Semaphore(0)

    def __call__(self, environ: Environ, start_response: Any) -> list[bytes]:
        if environ["REQUEST_METHOD"] == "POST" and TURNED_AWAY not in environ:
            self.began.release()
            assert self.go.wait(30)
        start_response("503 BUSY" if TURNED_AWAY in environ else "200 OK", [])
        return []
