"""Where a request came from (req 58)."""

from typing import Any

import pytest

from idp.authentication.devices import DeviceCookie
from idp.settings import Settings
from idp.settings.models import Server
from idp.web.client_address import client_ip, origin

TRUSTED = Server(trusted_proxies=("10.0.0.0/8", "fd00::/8")).trusted_proxies  # type: ignore[arg-type]


def _environ(peer: str, forwarded: str | None = None) -> dict[str, Any]:
    return {"REMOTE_ADDR": peer} | ({"HTTP_X_FORWARDED_FOR": forwarded} if forwarded is not None else {})


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "198.51.100.1, junk", "10.0.0.1"),
        ("10.0.0.1", "junk, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("fd00::1", "[2001:db8::7]:443", "2001:db8::7"),
        ("fd00::1", "2001:db8::7", "2001:db8::7"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("fe80::1%eth0", None, "fe80::1"),
    ],
)
def test_only_trusted_proxies_are_believed(peer: str, forwarded: str | None, found: str) -> None:
    """(req 58): read from the end, as long as who wrote an entry is trusted."""
    assert client_ip(_environ(peer, forwarded), TRUSTED) == found


def test_without_trusted_proxies_the_header_is_nothing() -> None:
    """(req 58)"""
    assert client_ip(_environ("127.0.0.1", "198.51.100.1"), ()) == "127.0.0.1"


@pytest.mark.parametrize("peer", ["", "unix:", "x" * 200])
def test_a_server_without_addresses_names_none(peer: str) -> None:
    assert client_ip(_environ(peer, "198.51.100.1"), TRUSTED) is None
    assert client_ip({}, TRUSTED) is None


def test_a_long_chain_is_not_followed_for_ever() -> None:
    """(req 29)"""
    chain = ", ".join(["198.51.100.1"] + ["10.0.0.2"] * 5000)
    assert client_ip(_environ("10.0.0.1", chain), TRUSTED) == "10.0.0.2"


def test_the_origin_names_browser_and_device() -> None:
    name = "d" * 43
    environ = {
        "REMOTE_ADDR": "203.0.113.9",
        "HTTP_USER_AGENT": "Mozilla\x1b[31m\r\n" + "x" * 300,
        "HTTP_COOKIE": f"a=b; dev={name}.{'t' * 43}; dev2=x",
    }
    where = origin(environ, Settings(), request_id="r")
    assert (where.ip, where.request_id) == ("203.0.113.9", "r")
    assert where.user_agent.startswith("Mozilla[31mxx")
    assert len(where.user_agent) == 255
    assert where.device == DeviceCookie(name).hash
    https = origin(environ, Settings(public_url="https://login.example"))
    assert https.device is None
    environ["HTTP_COOKIE"] = f"__Host-dev={name}"
    assert origin(environ, Settings(public_url="https://login.example")).device == where.device


@pytest.mark.parametrize("cookie", ["", "dev=", "dev", "dev=short", "dev=" + "ü" * 43, ";;;=;"])
def test_an_odd_cookie_is_no_device(cookie: str) -> None:
    assert origin({"HTTP_COOKIE": cookie}, Settings()).device is None
