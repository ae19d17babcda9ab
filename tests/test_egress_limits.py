"""How much, for how long and from where the egress function reads (req 32; F17)."""

import socket
import threading
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpcore
import pytest

from idp import egress
from idp.egress import EgressFailed, EgressRefused, fetch, is_public
from idp.settings import Settings
from idp.settings.models import Egress
from tests.sinks import Sink
from tests.test_egress import LOOPBACK


def test_the_largest_body_is_read(sink: Sink) -> None:
    """(req 32)"""
    answer = fetch(f"http://127.0.0.1:{sink.port}/limit", settings=LOOPBACK)
    assert len(answer.body) == egress.MAX_BYTES


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("oversized", "too large"),
        ("continue", "too large"),
        ("crumbs", "too large"),
        ("compressed", "compressed"),
        ("html", "media type"),
    ],
)
def test_answers_that_are_refused(sink: Sink, path: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """(req 32)"""
    monkeypatch.setattr(egress, "SECONDS", 60.0)  # what is refused here is not that it takes long
    with pytest.raises(EgressRefused, match=why):
        fetch(f"http://127.0.0.1:{sink.port}/{path}", settings=LOOPBACK)


def test_the_caller_names_the_types(sink: Sink) -> None:
    """(req 32)"""
    answer = fetch(f"http://127.0.0.1:{sink.port}/html", accept=("text/html",), settings=LOOPBACK)
    assert answer.body == b"<p>"


def test_an_unwanted_body_is_not_read(sink: Sink) -> None:
    """(req 32)"""
    answer = fetch(f"http://127.0.0.1:{sink.port}/oversized", accept=None, settings=LOOPBACK)
    assert (answer.status, answer.body) == (200, b"")


def test_an_error_page_may_have_any_type(sink: Sink) -> None:
    """The caller decides by the status."""
    assert fetch(f"http://127.0.0.1:{sink.port}/missing", settings=LOOPBACK).status == 404


@pytest.mark.parametrize("path", ["silent", "drip"])
def test_a_slow_answer_is_given_up(sink: Sink, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """F17: neither silence nor a byte now and then holds us beyond the limit."""
    monkeypatch.setattr(egress, "SECONDS", 0.3)
    with pytest.raises(EgressFailed):
        fetch(f"http://127.0.0.1:{sink.port}/{path}", settings=LOOPBACK)


@pytest.mark.parametrize(("scheme", "size"), [("https", 0), ("http", 32 * 1024 * 1024)])
def test_a_site_that_only_takes_the_connection_is_given_up(
    monkeypatch: pytest.MonkeyPatch, scheme: str, size: int
) -> None:
    """F17: no word of TLS, or nothing is read of what is sent."""
    monkeypatch.setattr(egress, "SECONDS", 0.3)
    closed = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def close() -> None:
            closed.set()
            listener.close()

        patience = threading.Timer(30, close)  # else a failure would hang
        patience.start()
        url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(EgressFailed):
            fetch(url, method="POST", data=bytes(size), settings=LOOPBACK)
        patience.cancel()
    assert not closed.is_set()


@pytest.mark.parametrize("path", ["silent", "drip"])
def test_a_slow_answer_is_given_up_behind_tls(
    tls_sink: Sink, authority: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F17, where all fetches of production go: the deadline holds for what comes through TLS."""
    monkeypatch.setattr(egress, "SECONDS", 0.5)
    trusting = Settings(egress=Egress(allow_loopback=True, trust_ca_file=authority / "ca.pem"))
    patience = threading.Timer(30, tls_sink.released.set)  # else a failure would hang
    patience.start()
    with pytest.raises(EgressFailed):
        fetch(f"https://localhost:{tls_sink.port}/{path}", settings=trusting)
    patience.cancel()
    assert tls_sink.hits == [f"/{path}"]
    assert not tls_sink.released.is_set()


def test_an_address_that_swallows_packets_leaves_time_for_the_next(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is given its part of the time that is left."""
    ask, connect = socket.getaddrinfo, httpcore.SyncBackend.connect_tcp
    given: dict[str, float] = {}

    def two(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host != "portal.example":
            return ask(host, *args, **kwargs)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 80)) for each in ("127.0.0.2", "127.0.0.1")
        ]

    def swallowing(self: Any, host: str, port: int, timeout: float | None = None, **more: Any) -> Any:
        given[host] = timeout or 0
        if host == "127.0.0.2":
            raise httpcore.ConnectTimeout
        return connect(self, host, port, timeout=timeout, **more)

    monkeypatch.setattr(egress, "SECONDS", 8.0)
    monkeypatch.setattr(socket, "getaddrinfo", two)
    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", swallowing)
    assert fetch(f"http://portal.example:{sink.port}/json", settings=LOOPBACK).status == 200
    assert 0 < given["127.0.0.2"] <= 4


def test_a_failure_names_the_host_alone() -> None:
    """Nothing of path or query comes into a log: it may be for the other side alone (req 32)."""
    with pytest.raises(EgressFailed) as failed:  # nobody listens there
        fetch("http://127.0.0.1:1/a?secret=b", settings=LOOPBACK)
    assert str(failed.value) == "127.0.0.1: ConnectError"


def test_an_address_with_a_zone_is_not_public() -> None:
    """It is of one link of this machine, whatever the rest says (RFC 4007 §11)."""
    assert is_public(ip_address("2606:4700::1111"))
    assert not is_public(ip_address("2606:4700::1111%eth0"))


@pytest.mark.parametrize("address", ["4000::1", "8000::1", "e000::1"])
def test_what_is_reserved_is_not_public(address: str) -> None:
    """RFC 4291 §2.4: global unicast is 2000::/3; Python calls the rest global, too."""
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("url", ["https://portal.example\\.evil.example/", "https://portal.example\\/"])
def test_a_backslash_is_refused_unresolved(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Browsers read it as a slash, Python as part of the host (req 32)."""
    asked: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **_k: asked.append(args))
    with pytest.raises(EgressRefused):
        fetch(url, settings=Settings())
    assert asked == []
