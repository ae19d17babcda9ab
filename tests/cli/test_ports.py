"""Ports: taken ones are said with the remedy, free ones are found."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from idp.cli import ports
from idp.cli.failures import Unready
from tests.cli.terminal import Terminal, environment_of


@pytest.fixture
def taken() -> Iterator[int]:
    """A port somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_is_said_with_the_remedy(taken: int) -> None:
    """The sentence names port and host, and what to do."""
    with pytest.raises(Unready, match=rf"port {taken} on 127\.0\.0\.1 .* listens there\. Try another"):
        ports.require_free("127.0.0.1", taken, remedy="Try another.")


def test_a_name_to_listen_on_is_refused(tmp_path: Path) -> None:
    """The server listens on addresses: a sentence, by the flag of either command, before anything is made."""
    terminal = Terminal(environment_of(tmp_path / "installation"))
    for command in (["demo", "--dir", str(tmp_path / "demo"), "--port", "0"], ["serve"]):
        refused = terminal.run(*command, "--host", "localhost")
        assert (refused.exit_code, "IP address such as 127.0.0.1" in refused.stderr) == (5, True), command
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_host_is_said() -> None:
    """A host that has no address."""
    assert "the host is unknown" in (ports.why_not("no-such-host.invalid", 8000) or "")


def test_other_refusals_of_the_system_are_passed_on() -> None:
    """An address that is not this machine's (TEST-NET-1, RFC 5737)."""
    assert ports.why_not("192.0.2.1", 8000) is not None


def test_a_port_of_the_system_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ports below 1024 need rights."""

    def refuse(_socket: socket.socket, _address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    assert "below 1024" in (ports.why_not("127.0.0.1", 80) or "")


def test_a_row_of_free_ports() -> None:
    """Neighbours that are all free."""
    first = ports.free_row("127.0.0.1", 4)
    assert [ports.why_not("127.0.0.1", port) for port in range(first, first + 4)] == [None] * 4


def test_no_row_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without neighbouring free ports gets a sentence."""
    monkeypatch.setattr(ports, "why_not", lambda host, port: "another program listens there")
    with pytest.raises(Unready, match="--port"):
        ports.free_row("127.0.0.1", 4)
