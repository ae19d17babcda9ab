"""The egress function against servers that listen on this machine (req 32, C9)."""

import socket
import threading
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from idp import egress
from idp.egress import EgressFailed, EgressRefused, fetch, is_loopback, is_public
from idp.settings import Settings
from idp.settings.models import Egress
from tests.sinks import Sink

THIS_MACHINE = (
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "localhost",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "0.0.0.0",  # noqa: S104  (to be refused)
)
"""Ways to write this machine's address."""
STRICT = Settings()
LOOPBACK = Settings(egress=Egress(allow_loopback=True))


@pytest.mark.parametrize("host", [*THIS_MACHINE, "127.0.0.1.", "LOCALHOST"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_spelling_of_this_machine_is_reached(sink: Sink, scheme: str, host: str) -> None:
    """C9: nothing even connects."""
    with pytest.raises((EgressRefused, EgressFailed)):
        fetch(f"{scheme}://{host}:{sink.port}/json", settings=STRICT)
    assert sink.connections == 0


def test_the_machine_is_not_reached_by_ipv6(sink6: Sink) -> None:
    """C9"""
    with pytest.raises(EgressRefused):
        fetch(f"https://[::1]:{sink6.port}/json", settings=STRICT)
    assert sink6.connections == 0


def test_a_name_that_points_inward_is_refused(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """C9: what counts is the address, not the name."""
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", sink.port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: answers)
    with pytest.raises(EgressRefused, match="not public"):
        fetch(f"https://portal.example:{sink.port}/json", settings=STRICT)
    assert sink.connections == 0


def test_one_inward_address_among_public_ones_refuses_the_name(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C9"""
    answers = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, sink.port))
        for address in ("93.184.215.14", "127.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: answers)
    with pytest.raises(EgressRefused, match="not public"):
        fetch(f"https://portal.example:{sink.port}/json", settings=STRICT)
    assert sink.connections == 0


def test_a_name_that_rebinds_is_asked_once(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """C9: the socket goes to the address that was judged, whatever the name says afterwards."""
    asked: list[str] = []
    ask = socket.getaddrinfo

    def rebinding(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host != "portal.example":
            return ask(host, port, *args, **kwargs)
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "10.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    answer = fetch(f"http://portal.example:{sink.port}/json", settings=LOOPBACK)
    assert (answer.status, len(asked)) == (200, 1)
    assert sink.headers[0]["host"] == f"portal.example:{sink.port}"


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "127.0.0.1",
        "0.0.0.0",  # noqa: S104  (to be refused)
        "255.255.255.255",
        "224.0.1.1",
        "192.0.2.1",
        "198.18.0.1",
        "240.0.0.1",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001:0:a00:1::",
        "2001:db8::1",
        "fe80::1",
        "fe80::1%1",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    """(req 32)"""
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"],
)
def test_addresses_that_are_public(address: str) -> None:
    """(req 32)"""
    assert is_public(ip_address(address))


@pytest.mark.parametrize(("address", "expected"), [("::ffff:127.0.0.1", True), ("8.8.8.8", False)])
def test_loopback_is_recognised_inside_ipv6(address: str, expected: bool) -> None:
    """(req 32)"""
    assert is_loopback(ip_address(address)) is expected


@pytest.mark.parametrize(
    "url",
    [
        "http://portal.example/",
        "ftp://portal.example/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "//portal.example/",
        "https:///nothing",
        "https://user@portal.example/",
        "https://user:word@portal.example/",
        "https://@portal.example/",
        "https://portal.example\\@127.0.0.1/",
        "https://portal.example /",
        "https://portal.example/\r\nX: 1",
        "https://portal.example/\x00",
        "https://pörtal.example/",
        "https://portal.example:port/",
        "https://portal.example:99999/",
        "https://[::1/",
        "",
    ],
)
def test_urls_that_are_refused_unresolved(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """(req 32)"""
    asked: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **_k: asked.append(args))
    with pytest.raises(EgressRefused):
        fetch(url, settings=STRICT)
    assert asked == []


def test_http_is_for_loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """(req 32): the demo's switch opens loopback, not clear text to others."""
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: answers)
    with pytest.raises(EgressRefused, match="loopback"):
        fetch("http://portal.example/", settings=LOOPBACK)


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f000001", "0177.0.0.1"])
def test_odd_spellings_are_refused_even_where_loopback_is_allowed(sink: Sink, host: str) -> None:
    """(req 32)"""
    with pytest.raises(EgressRefused, match="unusual"):
        fetch(f"http://{host}:{sink.port}/json", settings=LOOPBACK)
    assert sink.connections == 0


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "192.168.1.1", "[fd00::1]", "[fe80::1]"])
def test_the_loopback_switch_opens_no_other_network(address: str) -> None:
    """(req 32)"""
    with pytest.raises(EgressRefused, match="not public"):
        fetch(f"https://{address}/json", settings=LOOPBACK)


def test_an_answer_is_brought_home(sink: Sink) -> None:
    """(req 32)"""
    answer = fetch(
        f"http://localhost:{sink.port}/json?a=b",
        method="POST",
        data=b"x=1",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        settings=LOOPBACK,
    )
    assert (answer.status, answer.body) == (200, b'{"a":1}')
    assert answer.headers["content-type"].startswith("application/json")
    assert (sink.hits, sink.bodies) == (["/json?a=b"], [b"x=1"])
    assert sink.headers[0]["accept-encoding"] == "identity"


def test_names_of_types_in_any_case(sink: Sink) -> None:
    """RFC 9110 §8.3.1, §8.4.1."""
    assert fetch(f"http://127.0.0.1:{sink.port}/capitals", settings=LOOPBACK).body == b"{}"


def test_a_proxy_in_the_environment_is_not_asked(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """(req 32): a proxy would resolve the name again, out of our sight."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert fetch(f"http://127.0.0.1:{sink.port}/json", settings=LOOPBACK).status == 200


def test_a_redirect_is_not_followed(sink: Sink) -> None:
    """(req 32)"""
    answer = fetch(f"http://127.0.0.1:{sink.port}/redirect", settings=LOOPBACK)
    assert answer.status == 302
    assert sink.hits == ["/redirect"]


def test_a_resolver_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """F17"""
    answer = threading.Event()
    monkeypatch.setattr(egress, "SECONDS", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: answer.wait(10) and [])
    with pytest.raises(EgressFailed, match="resolved in time"):
        fetch("https://portal.example/", settings=STRICT)
    answer.set()


def test_an_unknown_name_may_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that fails today may answer tomorrow."""

    def unknown(*_args: Any, **_kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(EgressFailed, match=r"portal\.example: the name is not known"):
        fetch("https://portal.example/a?secret=b", settings=STRICT)


def test_a_label_that_is_too_long_is_no_crash() -> None:
    """(req 29)"""
    with pytest.raises(EgressFailed):
        fetch(f"https://{'a' * 70}.example/", settings=STRICT)


def test_a_closed_port_may_be_tried_again(sink: Sink) -> None:
    """A relying party that restarts."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(EgressFailed):
        fetch(f"http://127.0.0.1:{port}/", settings=LOOPBACK)


def test_garbage_instead_of_http_may_be_tried_again(sink: Sink) -> None:
    """(req 29)"""
    with pytest.raises(EgressFailed):
        fetch(f"http://127.0.0.1:{sink.port}/garbage", settings=LOOPBACK)


def test_a_certificate_nobody_vouches_for_is_refused(tls_sink: Sink) -> None:
    """(req 32)"""
    with pytest.raises(EgressFailed):
        fetch(f"https://localhost:{tls_sink.port}/json", settings=LOOPBACK)
    assert tls_sink.hits == []


def test_a_trusted_authority_can_be_added(tls_sink: Sink, authority: Path) -> None:
    """design §5 ``--trust-ca``"""
    trusting = Settings(egress=Egress(allow_loopback=True, trust_ca_file=authority / "ca.pem"))
    assert fetch(f"https://localhost:{tls_sink.port}/json", settings=trusting).status == 200


def test_the_certificate_must_name_the_host(tls_sink: Sink, authority: Path) -> None:
    """The pinned address replaces neither SNI nor the check of the name."""
    trusting = Settings(egress=Egress(allow_loopback=True, trust_ca_file=authority / "ca.pem"))
    with pytest.raises(EgressFailed):
        fetch(f"https://127.0.0.1:{tls_sink.port}/json", settings=trusting)
    assert tls_sink.hits == []


def test_nothing_is_begun_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline holds for every step, the first one too."""
    monkeypatch.setattr(egress, "SECONDS", -1.0)
    with pytest.raises(EgressFailed, match="in time"):
        fetch("https://93.184.215.14/", settings=STRICT)


def test_the_next_address_is_tried_where_one_does_not_answer(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host with IPv6 in its name service only."""
    ask = socket.getaddrinfo

    def two(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host != "portal.example":
            return ask(host, port, *args, **kwargs)
        entries = ((socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1"))
        return [(family, socket.SOCK_STREAM, 6, "", (address, port)) for family, address in entries]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    assert fetch(f"http://portal.example:{sink.port}/json", settings=LOOPBACK).status == 200
