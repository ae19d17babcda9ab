"""The proxies of ``docs/how-to/production`` as programs: our files in a folder and on ports of their own.

Only paths, ports and the upstream's address are replaced, so that what runs is what operators copy.
"""

import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import make_authority
from tests.infrastructure import _until as until
from tests.infrastructure import free_port

FOLDER = Path(__file__).parent.parent / "docs" / "how-to" / "production"
NGINX = (FOLDER / "nginx.conf").read_text("utf-8")
CADDY = (FOLDER / "Caddyfile").read_text("utf-8")
HOST = "login.example.de"

#: what Debian's /etc/nginx/nginx.conf has around a site: logs that would take the query
_AROUND = """
user root;
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/global-error.log;
events {{}}
http {{
    access_log {folder}/global-access.log;
    {temporary}
    include {folder}/lotse.conf;
}}
"""
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def program(name: str, *, package: str | None = None) -> str:
    """Return the path of a program, or skip the test; LOTSE_TEST_REQUIRE makes a failure of that."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"needs {name}: {name} is not installed: apt install {package or name}")
    return found


def read_body(stream: BufferedIOBase, headers: Message) -> bytes | None:
    """Return the body of a request, None where it breaks off."""
    if headers["Transfer-Encoding"] is None:
        length = int(headers["Content-Length"] or 0)
        return body if len(body := stream.read(length)) == length else None
    parts = []
    while size := int(stream.readline().strip() or b"0", 16):
        parts.append(stream.read(size))
        stream.readline()
    # only a body that ended has the empty line after its last chunk
    return b"".join(parts) if stream.readline() else None


@dataclass
class Upstream:
    """What stands in Lotse's place: it keeps what came, and sends on with a code."""

    port: int = field(default_factory=free_port)
    location: str = "/"
    #: heads as they come, and bodies when they are whole
    heads: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Answer until the block ends; afterwards nobody listens."""
        upstream = self

        class Answers(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                upstream.heads.append(dict(self.headers))
                if (body := read_body(self.rfile, self.headers)) is None:
                    self.close_connection = True
                    return
                upstream.bodies.append(body)
                self.send_response(303)
                self.send_header("Location", upstream.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST  # noqa: N815  (http.server's name)

            def log_message(self, *_of_no_use: Any) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", self.port), Answers) as server:
            threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
            yield
            server.shutdown()


@dataclass(frozen=True)
class Proxy:
    """A proxy that runs with our file; all it writes is in its folder."""

    folder: Path
    http: int
    https: int
    upstream: Upstream

    def connect(self, *, tls: bool = True) -> socket.socket:
        """Return a connection."""
        plain = socket.create_connection(("127.0.0.1", self.https if tls else self.http), timeout=10)
        if not tls:
            return plain
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.folder / "fullchain.pem")
        return context.wrap_socket(plain, server_hostname=HOST)

    def asked(self, target: str, *headers: str, tls: bool = True, host: str = HOST) -> str:
        """Return the head of the answer to a GET."""
        lines = [f"GET {target} HTTP/1.1", f"Host: {host}", "Connection: close", *headers, "", ""]
        with self.connect(tls=tls) as connection:
            connection.sendall("\r\n".join(lines).encode())
            return read_all(connection).decode().partition("\r\n\r\n")[0]

    def written(self) -> str:
        """Return all that stands in its folder."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return "\n".join(path.read_text("utf-8", "replace") for path in files)


def read_all(connection: socket.socket) -> bytes:
    """Return what comes until the other side closes; Caddy does so without TLS's own farewell."""
    parts = []
    with suppress(ssl.SSLEOFError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def _certify(folder: Path) -> None:
    """Put certificate and key where the files have them."""
    make_authority(folder, HOST)
    shutil.copy(folder / "ca.pem", folder / "fullchain.pem")
    shutil.copy(folder / "server.pem", folder / "privkey.pem")


def nginx(folder: Path) -> tuple[Proxy, list[str]]:
    """Write nginx's files; returns the proxy and its command."""
    _certify(folder)
    proxy = Proxy(folder, http=free_port(), https=free_port(), upstream=Upstream())
    text = NGINX.replace("/etc/ssl/lotse", str(folder)).replace("/var/log/nginx", str(folder))
    text = text.replace("127.0.0.1:8000", f"127.0.0.1:{proxy.upstream.port}")
    for port, own in (80, proxy.http), (443, proxy.https):
        text = text.replace(f"listen {port}", f"listen 127.0.0.1:{own}")
        # a container may have no IPv6
        text = text.replace(f"listen [::]:{port}", f"listen 127.0.0.2:{own}")
    (folder / "lotse.conf").write_text(text)
    temporary = " ".join(f"{name}_temp_path {folder}/{name};" for name in _TEMPORARY)
    (folder / "nginx.conf").write_text(_AROUND.format(folder=folder, temporary=temporary))
    command = [program("nginx"), "-e", str(folder / "early.log"), "-p", str(folder)]
    return proxy, [*command, "-c", str(folder / "nginx.conf")]


def caddy(folder: Path) -> tuple[Proxy, list[str]]:
    """Write Caddy's file; returns the proxy and its command."""
    _certify(folder)
    found = program("caddy")
    proxy = Proxy(folder, http=free_port(), https=free_port(), upstream=Upstream())
    own = f"{{\n\tadmin off\n\thttp_port {proxy.http}\n\thttps_port {proxy.https}\n"
    text = re.sub(r"^\{\n", own, CADDY, count=1, flags=re.MULTILINE)
    text = text.replace("tls {", f"tls {folder}/fullchain.pem {folder}/privkey.pem {{")
    text = text.replace("/var/log/caddy", str(folder))
    text = text.replace("127.0.0.1:8000", f"127.0.0.1:{proxy.upstream.port}")
    if _newer_than_debians(found):
        text = re.sub(r"\n\s+buffer_requests\n.*max_buffer_size", "\n\t\trequest_buffers", text)
    (folder / "Caddyfile").write_text(text)
    return proxy, [found, "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


def _newer_than_debians(caddy: str) -> bool:
    """Tell whether Caddy takes the other line that the file names."""
    said = subprocess.run([caddy, "version"], capture_output=True, text=True, check=True).stdout
    number = re.match(r"v?(\d+)\.(\d+)", said)
    return number is None or tuple(map(int, number.groups())) >= (2, 8)


@contextmanager
def started(proxy: Proxy, command: Sequence[str]) -> Iterator[Proxy]:
    """Run a proxy with its upstream until the block ends."""
    with ExitStack() as stack:
        stack.enter_context(proxy.upstream.running())
        yield stack.enter_context(alone(proxy, command))


@contextmanager
def alone(proxy: Proxy, command: Sequence[str]) -> Iterator[Proxy]:
    """Run a proxy whose upstream is away, until the block ends; then all its logs are written."""
    places = {key: str(proxy.folder) for key in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    with (proxy.folder / "output.log").open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=os.environ | places
        )
    try:
        assert until(lambda: process.poll() is not None or _listens(proxy), seconds=15), "does not listen"
        assert process.poll() is None, proxy.written()
        yield proxy
    finally:
        process.terminate()
        process.wait(15)


def _listens(proxy: Proxy) -> bool:
    try:
        for port in (proxy.http, proxy.https):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
