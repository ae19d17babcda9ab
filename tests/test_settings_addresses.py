"""Settings that are addresses: what can work, and secrets that are not repeated (design §7)."""

import pytest

from idp.settings import load_settings
from tests.test_settings import problems


@pytest.mark.parametrize(
    "url",
    [
        "https://login.example.de/",
        "https://login.example.de/idp",
        "https://user@login.example.de",
        "https://login.example.de?x=1",
        "https://login.example.de?",
        "https://login.example.de#x",
        "https://login.example.de#",
        "https://Login.example.de",
        "HTTPS://login.example.de",
        "https://login.example.de:99999",
        "https://login.example.de:443",
        "http://login.example.de:80",
        "https://login.example.de:0",
        "https://login.example.de:08443",
        "https://login.example.de:",
        "https://login.example.de ",
        "https://login.example.de\n",
        "https://login example.de",
        "https://login.example.de\\x",
        "https://münchen.example",
        "https://login.example.de:٤٤",
        "https://*",
        "https://*.example.de",
        "https://login..example.de",
        "https://[::1",
        "https://[::1]x",
        "https://[1:2]",
        "https://[0:0::1]",
        "login.example.de",
        "ftp://login.example.de",
        "https://",
    ],
)
def test_issuer_is_scheme_host_and_port(url: str) -> None:
    """The issuer is compared as text (OIDC Core §2), and Host with it: only what browsers send can work."""
    (problem,) = problems(overrides={"public_url": url})
    assert problem.key == "public_url"
    assert problem.message.startswith("must be an address such as https://login.example.de")


@pytest.mark.parametrize(
    "url",
    [
        "https://login.example.de",
        "https://login.example.de:8443",
        "https://login.example.de:80",
        "http://localhost:8000",
        "http://localhost",
        "https://xn--mnchen-3ya.example",
        "https://10.0.0.5",
        "https://[2001:db8::5]",
        "https://[::1]:8443",
    ],
)
def test_issuers(url: str) -> None:
    """Names, addresses, and ports that are not the usual one."""
    assert load_settings(None, {}, {"public_url": url}).issuer == url


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("redis.url", "redis://:aaCANARY/bb@127.0.0.1:6379/0"),
        ("redis.url", "redis://:12/CANARY@127.0.0.1:6379/0"),
        ("redis.url", "redis://user:1?CANARY@127.0.0.1"),
        ("redis.url", "redis://user:1#CANARY@127.0.0.1"),
        ("redis.url", "redis://:[CANARY@127.0.0.1"),
        ("redis.url", "redis://:CANARY℀@127.0.0.1"),
        ("redis.url", "redis://CANARY@"),
        ("redis.url", "redis://127.0.0.1:99999"),
        ("redis.url", "redis://"),
        ("redis.url", "unix://:aa/CANARY@/run/redis.sock"),
        ("database.url", "postgresql://lotse:a@CANARY/b@127.0.0.1/lotse"),
        ("database.url", "postgresql://CANARY/b@127.0.0.1/lotse"),
        ("database.url", "postgresql://lotse:x@127.0.0.1:CANARY/lotse"),
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_repeating_it(key: str, url: str) -> None:
    """Its parts would be others than they seem: a piece of the password would be host or port (design §7)."""
    (problem,) = problems(overrides={key: url})
    assert problem.key == key
    assert problem.message.endswith("address; percent-encode the password")
    assert "CANARY" not in str(problem)


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("redis.url", "redis://redis"),
        ("redis.url", "rediss://user:p%2Fx%40@redis.example:6380/1?socket_timeout=1"),
        ("redis.url", "redis://:x@[::1]:6379"),
        ("redis.url", "unix:///run/redis/redis.sock?db=1"),
        ("redis.url", "unix://:x@/run/redis/redis.sock"),
        ("database.url", "postgresql://lotse:p%40%2F@db:5432/lotse?sslmode=verify-full"),
        ("database.url", "postgresql:///lotse?host=/run/postgresql"),
        ("database.url", "postgresql://lotse:k/x+=@[::1]/lotse"),
        ("database.url", "sqlite:////srv/a@b/lotse.db"),
    ],
)
def test_addresses_that_can_be_read(key: str, url: str) -> None:
    """Sockets, IPv6, and passwords as they are to be written."""
    assert load_settings(None, {}, {key: url}).model_dump()[key.partition(".")[0]]["url"] == url
