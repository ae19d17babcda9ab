"""Mail servers of our own: a real one, which takes what is right, and one that does what it is told (F5)."""

import email
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from idp.settings import Settings
from idp.settings.models import Egress, Mail
from tests.infrastructure import free_port

USER, PASSWORD = "lotse", "correct horse battery staple"
SENDER = "konto@lotse.example"
QUEUED = "250 2.0.0 Ok: queued as 4XyZ"


@dataclass
class Mailbox:
    """What a server took, and confirmed."""

    envelopes: list[Envelope] = field(default_factory=list)
    signed_in: list[bool] = field(default_factory=list)
    #: how who brought it named itself
    clients: list[str | None] = field(default_factory=list)

    @property
    def letters(self) -> list[EmailMessage]:
        return [parsed(envelope.content or b"") for envelope in self.envelopes]

    @property
    def recipients(self) -> list[list[str]]:
        return [envelope.rcpt_tos for envelope in self.envelopes]

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep a letter."""
        self.envelopes.append(envelope)
        self.signed_in.append(session.authenticated is True)
        self.clients.append(session.host_name)
        return QUEUED


def parsed(content: bytes | str) -> EmailMessage:
    """Return a letter; what its parser finds wrong is raised."""
    text = content if isinstance(content, str) else content.decode()
    message = email.message_from_string(text, policy=SMTPUTF8.clone(raise_on_defect=True))
    assert isinstance(message, EmailMessage)
    return message


def settings_for(port: int, ca: Path | None = None, host: str = "localhost", **mail: Any) -> Settings:
    """Return settings that send through a server of this machine."""
    given = {"security": "none", "from_address": SENDER} | mail
    return Settings(
        public_url="https://login.example.de",
        mail=Mail(host=host, port=port, **given),
        egress=Egress(trust_ca_file=ca),
    )


def _sign_in(_server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: Any) -> AuthResult:
    right = given == LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)


@contextmanager
def real_server(security: str, authority: Path | None = None) -> Iterator[tuple[int, Mailbox]]:
    """Run aiosmtpd on a port of the loopback address; with TLS it wants a password."""
    mailbox, port = Mailbox(), free_port()
    options: dict[str, Any] = {}
    if authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority / "server.pem")
        options = {"authenticator": _sign_in}
        if security == "starttls":
            options |= {"tls_context": context, "require_starttls": True, "auth_required": True}
        else:
            options |= {"ssl_context": context, "auth_require_tls": False}
    controller = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=port,
        server_hostname="mail.example",
        enable_SMTPUTF8=True,
        **options,
    )
    controller.start()
    try:
        yield port, mailbox
    finally:
        controller.stop()


CLOSE, HANG, DRIP = "close", "hang", "drip"
_SAYS = {
    "GREETING": "220 mail.example ESMTP",
    "EHLO": "250-mail.example\r\n250 SIZE 1000000",
    "MAIL": "250 2.1.0 Ok",
    "RCPT": "250 2.1.5 Ok",
    "DATA": "354 go on",
    "END": QUEUED,
    "NOOP": "250 2.0.0 Ok",
    "QUIT": "221 2.0.0 Bye",
}


class Faulty:
    """A server that answers as told: for each command a list of answers, used in turn, the last for ever."""

    def __init__(self) -> None:
        self.says: dict[str, list[str]] = {}
        #: commands, without their arguments
        self.heard: list[str] = []
        #: letters it has read to their end, confirmed or not; and those it has confirmed
        self.read: list[bytes] = []
        self.confirmed: list[bytes] = []
        self.port = 0
        self.released = threading.Event()

    def answer(self, command: str) -> str:
        """Return what is said to a command now."""
        told = self.says.get(command, [_SAYS.get(command, "502 5.5.2 What?")])
        return told.pop(0) if len(told) > 1 else told[0]


class _Conversation(socketserver.StreamRequestHandler):
    faulty: Faulty

    def handle(self) -> None:
        """Talk until one side ends."""
        if not self.say("GREETING"):
            return
        while line := self.rfile.readline():
            command = line.split()[0].decode().upper() if line.split() else ""
            self.faulty.heard.append(command)
            if not self.say(command):
                return
            if command == "DATA" and self.told.startswith("354") and not self.take():
                return
            if command == "QUIT":
                return

    def take(self) -> bool:
        """Read a letter to its end, or as far as told."""
        lines: list[bytes] = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
            if self.faulty.says.get("BODY") and len(lines) == 3 and not self.say("BODY", quiet=True):
                return False
        self.faulty.read.append(b"".join(lines))
        alive = self.say("END")
        if self.told.startswith("250"):
            self.faulty.confirmed.append(b"".join(lines))
        return alive

    def say(self, command: str, *, quiet: bool = False) -> bool:
        """Answer; tells whether the conversation goes on."""
        self.told = self.faulty.answer(command)
        if self.told == CLOSE:
            return False
        if self.told == HANG:
            self.faulty.released.wait(20)
            return False
        if self.told == DRIP:
            while not self.faulty.released.wait(0.02):
                self.wfile.write(b"2")
            return False
        if not quiet:
            self.wfile.write(self.told.encode() + b"\r\n")
        return True


class _Threads(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Broken connections are what these tests are about."""


@contextmanager
def faulty_server(port: int = 0) -> Iterator[Faulty]:
    """Run a server that does what it is told."""
    faulty = Faulty()
    server = _Threads(("127.0.0.1", port), type("Bound", (_Conversation,), {"faulty": faulty}))
    faulty.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield faulty
    finally:
        faulty.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
