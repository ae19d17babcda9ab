"""nginx and Caddy with the files of ``docs/how-to/production``: what they pass on, await and write down."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from tests import proxies
from tests.infrastructure import _until as until
from tests.proxies import CADDY, HOST, NGINX, Proxy, alone, read_all, started

Make = Callable[[Path], tuple[Proxy, list[str]]]
MAKERS = {"nginx": proxies.nginx, "caddy": proxies.caddy}
SECRET = "kein-fall-fuer-ein-log"
QUERY = f"?login_hint=anna@example.de&code={SECRET}"
REFERER = f"Referer: https://{HOST}/authorize{QUERY}"

#: nothing here runs the product
pytestmark = [pytest.mark.slow, pytest.mark.unmeasured]


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Make:
    """Each of the two."""
    return MAKERS[request.param]


def test_nginx_passes_on_what_counts() -> None:
    """TLS 1.2 and 1.3, Host unchanged, the caller's address set, no query logged (req 58, 101, 103)."""
    for line in (
        "ssl_protocols       TLSv1.2 TLSv1.3;",
        "proxy_set_header Host $http_host;",
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_request_buffering     on;",
        "client_max_body_size        64k;",
    ):
        assert line in NGINX
    (logged,) = re.findall(r"log_format lotse ([^;]+);", NGINX)
    assert "$uri" in logged
    assert not re.search(r"\$request\b|\$request_uri|\$args|\$http_", logged)
    assert "add_header" not in NGINX  # ours would be sent twice


def test_each_server_of_nginx_has_logs_of_its_own() -> None:
    """What a block does not say it takes from nginx.conf, whose format has the query."""
    blocks = NGINX.split("\nserver {")[1:]
    assert len(blocks) == 2
    assert all("access_log " in block and "crit;" in block for block in blocks)


def test_caddy_passes_on_what_counts() -> None:
    """TLS 1.2 and 1.3, bodies waited for; both logs by the format without queries."""
    for line in ("protocols tls1.2 tls1.3", "\t\tbuffer_requests\n", "request>uri regexp", "keepalive 5s"):
        assert line in CADDY
    assert CADDY.count("import without_queries") == CADDY.count("\tlog {") == 2


def test_nginx_takes_the_file(tmp_path: Path) -> None:
    """``nginx -t``."""
    _, command = proxies.nginx(tmp_path)
    done = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_caddy_takes_the_file(tmp_path: Path) -> None:
    """``caddy validate``: as ``adapt``, and each module takes its part."""
    _, (found, _, *config) = proxies.caddy(tmp_path)
    done = subprocess.run([found, "validate", *config], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_log_has_a_query(make: Make, tmp_path: Path) -> None:
    """Neither of the redirect to https, nor of a request, its answer, or one that finds Lotse away."""
    proxy, command = make(tmp_path)
    proxy.upstream.location = f"https://portal.example/cb{QUERY}"
    with started(proxy, command):
        assert f"https://{HOST}/http{QUERY}" in proxy.asked(f"/http{QUERY}", REFERER, tls=False)
        assert proxy.upstream.location in proxy.asked(f"/https{QUERY}", REFERER)
    with alone(proxy, command):
        assert " 502 " in proxy.asked(f"/away{QUERY}", REFERER).splitlines()[0]
    written = proxy.written()
    assert "/https" in written  # it does keep a log
    assert "/away" in written
    assert [line for line in written.splitlines() if SECRET in line or "anna" in line] == []


def test_lotse_hears_of_a_request_when_all_of_it_has_come(make: Make, tmp_path: Path) -> None:
    """The largest body it takes, whose last byte is late (docs/decisions/0035, 0039)."""
    proxy, command = make(tmp_path)
    body = b"x" * 65536
    head = f"POST /token HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    with started(proxy, command), proxy.connect() as connection:
        shutil.rmtree(
            tmp_path / "client_body", ignore_errors=True
        )  # nginx fails where it wants a file for it
        connection.sendall(head.encode() + body[:-1])
        time.sleep(0.3)
        assert proxy.upstream.heads == []
        connection.sendall(body[-1:])
        assert b" 303 " in read_all(connection).splitlines()[0]
    assert proxy.upstream.bodies == [body]


@pytest.mark.parametrize("sent", [b"x" * 9000, b"x" * 70_000], ids=["broken off", "too long"])
def test_no_part_of_a_body_passes_for_the_whole(make: Make, tmp_path: Path, sent: bytes) -> None:
    """In pieces of no announced sum; the caller goes in the middle, or goes on where the most is reached."""
    proxy, command = make(tmp_path)
    head = f"POST /token HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n{len(sent):x}\r\n"
    with started(proxy, command):
        with proxy.connect() as connection:
            connection.sendall(head.encode() + sent + b"\r\n")
            if len(sent) > 65536:
                with suppress(OSError):  # it may have answered and gone
                    connection.sendall(b"0\r\n\r\n")
                assert re.match(rb"HTTP/1.1 (413|502) ", connection.recv(65536))
        until(lambda: bool(proxy.upstream.bodies), seconds=0.3)
    assert proxy.upstream.bodies == []


def test_host_and_address_are_the_callers(make: Make, tmp_path: Path) -> None:
    """``Host`` as it came; an address that the caller claims is dropped."""
    proxy, command = make(tmp_path)
    with started(proxy, command):
        proxy.asked("/", "X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: http")
        proxy.asked("/", host=f"{HOST}:8443")  # for a public_url with a port
    head, with_port = proxy.upstream.heads
    assert (head["Host"], with_port["Host"]) == (HOST, f"{HOST}:8443")
    assert head["X-Forwarded-For"] == "127.0.0.1"
    assert head["X-Forwarded-Proto"] == "https"


def test_an_answer_may_send_to_the_longest_address(make: Make, tmp_path: Path) -> None:
    """A portal's ``state`` of 4,096 characters goes back to it whole, whatever signs it is of."""
    proxy, command = make(tmp_path)
    proxy.upstream.location = f"https://portal.example/cb?state={quote('🚢' * 4096)}"
    with started(proxy, command):
        head = proxy.asked("/authorize")
    assert f"Location: {proxy.upstream.location}" in head.splitlines(), head[:200]
