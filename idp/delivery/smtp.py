"""One mail to one server, over TLS with a checked certificate (RFC 5321, 3207, 8314, 4954, 6531).

Each step that fails is named, so that the worker knows whom it concerns and ``idp mail test`` can say what to
do.  The server is the operator's choice, so the rules of ``idp.egress`` for addresses that others choose do
not hold for it; its certificate is trusted as theirs are.  One clock bounds all of it: a server that hangs
or drips cannot keep a sender longer than ``mail.timeout_seconds``, which is less than the lease of a message.
"""

import re
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from idp import egress
from idp.delivery.mail_domain import mail_domain
from idp.settings import Settings

_SECONDS_TO_PART = 2.0
_TOO_LATE = "no answer in time"
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?!\S)")


class Step(StrEnum):
    """Where a delivery is."""

    NAME = "name"
    CONNECTION = "connection"
    ENCRYPTION = "encryption"
    CERTIFICATE = "certificate"
    SIGN_IN = "sign-in"
    SENDER = "sender"
    RECIPIENT = "recipient"
    CONTENT = "content"


class SmtpFailed(Exception):
    """A delivery that ended at a step; its text has the server's codes, never its words: they name people.

    :param code: what the server answered, None where it did not.
    :param said: the server's words, or why there are none.
    """

    def __init__(self, step: Step, said: str, code: int | None = None) -> None:
        enhanced = _ENHANCED.match(said) if code else None
        codes = f"{code} {enhanced[0]}" if enhanced else str(code)
        super().__init__(f"mail server, {step}: {codes if code else said}")
        self.step = step
        self.code = code
        self.said = said


class NoSuchLetters(SmtpFailed):
    """The address has letters for which the server must know RFC 6531, and it does not."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it goes over the wire, and its envelope."""

    sender: str
    recipient: str
    content: bytes
    utf8: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """A server that took a letter, or would: over what, and what it said last."""

    server: str
    encryption: str
    said: str


def send(settings: Settings, letter: Letter) -> Accepted:
    """Hand one letter to the server of the settings; returns when it has confirmed it.

    :raises SmtpFailed: it has not, or not in time: then it may have it all the same.
    """
    with _session(settings) as server:
        options = ["SMTPUTF8"] if letter.utf8 else []
        if letter.utf8 and not server.has_extn("smtputf8"):
            raise NoSuchLetters(Step.RECIPIENT, "the address needs SMTPUTF8, which the server does not offer")
        with server.at(Step.SENDER):
            server.expect(250, server.mail(letter.sender, options))
        with server.at(Step.RECIPIENT):
            server.expect(250, server.rcpt(letter.recipient), 251)
        with server.at(Step.CONTENT):
            said = server.expect(250, server.data(letter.content))
        return Accepted(server.name, server.encryption, said)


def look_up(settings: Settings) -> Accepted:
    """Go as far as sending would, and send nothing.

    :raises SmtpFailed: it would not get to the first mail.
    """
    with _session(settings) as server:
        with server.at(Step.CONNECTION):
            said = server.expect(250, server.noop())
        return Accepted(server.name, server.encryption, said)


class _Clock:
    """The time that is left for everything."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left, at least one thousandth: zero would mean "never wait"."""
        return max(0.001, self._end - time.monotonic())

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._end


class _Server(smtplib.SMTP):
    """The library's client on a connection that was made already, which ends when the clock says so."""

    def __init__(self, connection: socket.socket, host: str, port: int, helo: str, clock: _Clock) -> None:
        self._connection = connection
        self._clock = clock
        self.name = f"{host}:{port}"
        self._alarm = threading.Timer(clock.left(), self._break_off)
        self._alarm.daemon = True
        self._alarm.start()
        try:
            super().__init__(host, port, local_hostname=helo, timeout=clock.left())
        except OSError:
            self._alarm.cancel()
            raise

    def _get_socket(self, *_: object) -> socket.socket:
        return self._connection

    @property
    def encryption(self) -> str:
        """What protects the connection, such as ``TLSv1.3``, or nothing."""
        return (self.sock.version() or "") if isinstance(self.sock, ssl.SSLSocket) else ""

    def expect(self, code: int, answer: tuple[int, bytes], other: int | None = None) -> str:
        """Return what the server said; raises the library's exception for another code."""
        found, said = answer
        if found not in (code, other):
            raise smtplib.SMTPResponseException(found, said)
        return f"{found} {_words(said)}"

    def at(self, step: Step) -> "_Failing":
        """Name the step in what fails inside."""
        return _Failing(step, self._clock)

    def _break_off(self) -> None:
        """End the connection, whatever a thread waits for."""
        try:
            (self.sock or self._connection).shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has just ended by itself

    def part(self) -> None:
        """Say goodbye, without waiting long for an answer: the letter is delivered or not."""
        self._alarm.cancel()
        try:
            if self.sock is not None:
                self.sock.settimeout(_SECONDS_TO_PART)
                self.quit()
        except OSError:
            pass
        finally:
            self.close()


class _Failing:
    """A step: whatever fails inside becomes a :class:`SmtpFailed` of it."""

    def __init__(self, step: Step, clock: _Clock) -> None:
        self._step = step
        self._clock = clock

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError) and self._clock.is_over:  # also half a line, which looks like an answer
            raise SmtpFailed(self._step, _TOO_LATE) from None
        if isinstance(error, smtplib.SMTPResponseException):
            raise SmtpFailed(self._step, _words(error.smtp_error), error.smtp_code) from None
        if isinstance(error, ssl.SSLCertVerificationError):
            raise SmtpFailed(Step.CERTIFICATE, error.verify_message) from None
        if isinstance(error, UnicodeError):
            raise SmtpFailed(self._step, "only ASCII letters can be sent here") from None
        if isinstance(error, OSError):
            raise SmtpFailed(self._step, self._reason(error)) from None

    def _reason(self, error: OSError) -> str:
        if isinstance(error, TimeoutError):
            return _TOO_LATE
        if isinstance(error, smtplib.SMTPServerDisconnected | ConnectionResetError | BrokenPipeError):
            return "the server closed the connection"
        if isinstance(error, smtplib.SMTPNotSupportedError):
            return "the server does not offer it"
        return error.strerror or str(error)


@contextmanager
def _session(settings: Settings) -> Iterator[_Server]:
    """Yield a server that was greeted, secured and signed in to, as the settings say."""
    mail = settings.mail
    clock = _Clock(mail.timeout_seconds)
    trust = egress.trust(settings)
    host = mail.host or ""
    connection = _connect(host, mail.port, clock)
    with _Failing(Step.ENCRYPTION, clock):
        if mail.security == "tls":
            connection = trust.wrap_socket(connection, server_hostname=host)
    with _Failing(Step.CONNECTION, clock):
        server = _Server(connection, host, mail.port, mail_domain(settings), clock)
    try:
        with server.at(Step.CONNECTION):
            server.expect(250, server.ehlo())
        with server.at(Step.ENCRYPTION):
            if mail.security == "starttls":
                server.starttls(context=trust)
                server.expect(250, server.ehlo())
        with server.at(Step.SIGN_IN):
            if mail.username and mail.password:
                server.login(mail.username, mail.password.get_secret_value())
        yield server
    finally:
        server.part()


def _connect(host: str, port: int, clock: _Clock) -> socket.socket:
    """Return a connection to the first address of the host that answers."""
    with _Failing(Step.NAME, clock):
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError = TimeoutError()
    for number, (family, kind, protocol, _, address) in enumerate(found):
        connection = socket.socket(family, kind, protocol)
        # an address that swallows packets must leave time for the others
        connection.settimeout(clock.left() / (len(found) - number))
        try:
            connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
            continue
        connection.settimeout(clock.left())
        return connection
    with _Failing(Step.CONNECTION, clock):
        raise failure


def _words(said: bytes | str) -> str:
    """Return what a server said as one printable line."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
