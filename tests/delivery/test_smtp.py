"""One mail to one server: a real one, and one with every fault of F5."""

import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from idp.delivery import smtp
from idp.delivery.smtp import Letter, NoSuchLetters, SmtpFailed, Step, look_up, send
from idp.settings import Settings
from tests.infrastructure import free_port
from tests.mail_servers import (
    CLOSE,
    DRIP,
    HANG,
    PASSWORD,
    QUEUED,
    SENDER,
    USER,
    Faulty,
    real_server,
    settings_for,
)

pytestmark = pytest.mark.enable_socket

CONTENT = (
    b"Subject: Test\r\nFrom: konto@lotse.example\r\n\r\nGuten Tag\r\n.\r\n..zwei Punkte\r\n.QUIT\r\nEnde\r\n"
)
LETTER = Letter(SENDER, "ben@muster.example", CONTENT)
WITH_PASSWORD = {"username": USER, "password": PASSWORD}


def hurried(settings: Settings, seconds: float = 0.3) -> Settings:
    """Return settings that wait less than anybody may set."""
    return settings.model_copy(update={"mail": settings.mail.model_copy(update={"timeout_seconds": seconds})})


def failure(settings: Settings, letter: Letter = LETTER) -> SmtpFailed:
    with pytest.raises(SmtpFailed) as failed:
        send(settings, letter)
    return failed.value


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_letter_is_delivered_over_tls_with_a_password(authority: Path, security: str) -> None:
    """Byte by byte, dots included, to a server that takes nothing else."""
    with real_server(security, authority) as (port, mailbox):
        settings = settings_for(port, authority / "ca.pem", security=security, **WITH_PASSWORD)
        accepted = send(settings, LETTER)
        assert look_up(settings).said.startswith("250")
    (envelope,) = mailbox.envelopes
    assert mailbox.signed_in == [True]
    assert (envelope.mail_from, envelope.rcpt_tos) == (SENDER, ["ben@muster.example"])
    assert envelope.original_content == CONTENT
    assert (accepted.server, accepted.encryption) == (f"localhost:{port}", "TLSv1.3")
    assert accepted.said == QUEUED


def test_a_relay_on_this_machine_needs_neither() -> None:
    """``security = "none"``."""
    with real_server("none") as (port, mailbox):
        assert send(settings_for(port), LETTER).encryption == ""
    assert mailbox.recipients == [["ben@muster.example"]]


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("how", ["unknown authority", "other name"])
def test_a_certificate_is_checked(authority: Path, security: str, how: str) -> None:
    """Neither password nor letter goes to whom the certificate does not name."""
    with real_server(security, authority) as (port, mailbox):
        ca, host = (None, "localhost") if how == "unknown authority" else (authority / "ca.pem", "127.0.0.1")
        failed = failure(settings_for(port, ca, host, security=security, **WITH_PASSWORD))
    assert failed.step == Step.CERTIFICATE
    assert mailbox.envelopes == []


def test_a_wrong_password_is_named(authority: Path) -> None:
    """It is the operator's to mend."""
    with real_server("starttls", authority) as (port, mailbox):
        wrong = {"username": USER, "password": "wrong"}
        failed = failure(settings_for(port, authority / "ca.pem", security="starttls", **wrong))
    assert (failed.step, failed.code) == (Step.SIGN_IN, 535)
    assert mailbox.envelopes == []


def test_a_password_that_smtp_cannot_say(authority: Path) -> None:
    """The library knows ASCII alone."""
    with real_server("starttls", authority) as (port, _):
        odd = {"username": USER, "password": "schlüssel"}
        failed = failure(settings_for(port, authority / "ca.pem", security="starttls", **odd))
    assert (failed.step, failed.said) == (Step.SIGN_IN, "only ASCII letters can be sent here")


def test_nothing_goes_in_clear_where_tls_was_asked_for(faulty: Faulty) -> None:
    """Who takes STARTTLS out of the server's answer gets nothing (RFC 3207 §6)."""
    failed = failure(settings_for(faulty.port, security="starttls", **WITH_PASSWORD))
    assert (failed.step, failed.said) == (Step.ENCRYPTION, "the server does not offer it")
    assert set(faulty.heard) <= {"EHLO", "QUIT"}


def test_a_server_that_refuses_to_encrypt(faulty: Faulty) -> None:
    """It offers STARTTLS, and then will not."""
    faulty.says |= {"EHLO": ["250-mail.example\r\n250 STARTTLS"], "STARTTLS": ["454 4.7.0 not now"]}
    failed = failure(settings_for(faulty.port, security="starttls"))
    assert (failed.step, failed.code) == (Step.ENCRYPTION, 454)


def test_a_server_without_sign_in(faulty: Faulty) -> None:
    """A password that nobody asks for is a mistake in the settings."""
    failed = failure(settings_for(faulty.port, **WITH_PASSWORD))
    assert (failed.step, failed.said) == (Step.SIGN_IN, "the server does not offer it")


def test_a_port_that_speaks_no_tls(faulty: Faulty) -> None:
    """``tls`` on the port of ``starttls``."""
    assert failure(settings_for(faulty.port, security="tls")).step == Step.ENCRYPTION


@pytest.mark.parametrize(
    ("command", "answer", "step", "code"),
    [
        ("GREETING", "554 5.3.2 no service", Step.CONNECTION, 554),
        ("GREETING", "421 4.3.2 too busy", Step.CONNECTION, 421),
        ("EHLO", "500 5.5.1 what", Step.CONNECTION, 500),
        ("MAIL", "553 5.7.1 not yours", Step.SENDER, 553),
        ("RCPT", "550 5.1.1 no such user", Step.RECIPIENT, 550),
        ("RCPT", "450 4.7.1 greylisted", Step.RECIPIENT, 450),
        ("DATA", "452 4.3.1 disk full", Step.CONTENT, 452),
        ("END", "554 5.7.1 spam", Step.CONTENT, 554),
        ("END", "451 4.3.0 later", Step.CONTENT, 451),
    ],
)
def test_a_refusal_is_named_by_step_and_code(
    faulty: Faulty, command: str, answer: str, step: Step, code: int
) -> None:
    """The text that is logged has the codes; the server's words are for the operator's terminal (req 105)."""
    faulty.says[command] = [f"{answer} <ben@muster.example>"]
    failed = failure(settings_for(faulty.port))
    assert (failed.step, failed.code) == (step, code)
    assert str(failed) == f"mail server, {step}: {answer[:9].strip()}"
    assert "<ben@muster.example>" in failed.said
    assert faulty.confirmed == []


def test_a_code_without_its_enhanced_form(faulty: Faulty) -> None:
    """RFC 3463 is optional."""
    faulty.says["RCPT"] = ["550 5.1.1.evil@muster.example"]
    assert str(failure(settings_for(faulty.port))) == "mail server, recipient: 550"


@pytest.mark.parametrize("command", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "BODY", "END"])
@pytest.mark.parametrize("fault", [CLOSE, HANG, DRIP])
def test_a_server_that_ends_or_hangs(faulty: Faulty, command: str, fault: str) -> None:
    """At every step, and bounded over all: a byte now and then wins no time (F5)."""
    faulty.says[command] = [fault]
    began = time.monotonic()
    failed = failure(hurried(settings_for(faulty.port)))
    assert time.monotonic() - began < 5
    assert failed.code is None
    assert failed.said == ("the server closed the connection" if fault == CLOSE else "no answer in time")
    assert faulty.confirmed == []


def test_a_confirmation_counts_although_the_goodbye_hangs(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was confirmed is delivered; sending it again would be a second one."""
    monkeypatch.setattr(smtp, "_SECONDS_TO_PART", 0.05)
    for ending in (HANG, CLOSE, "500 what"):
        faulty.says["QUIT"] = [ending]
        assert send(settings_for(faulty.port), LETTER).said == QUEUED
    assert len(faulty.confirmed) == 3


def test_a_slow_server_is_waited_for(faulty: Faulty) -> None:
    """Tarpits are no faults, as long as they end in time."""
    answer, delays = faulty.answer, iter([0.1, 0.1, 0.1, 0.1, 0.1])

    def slow(command: str) -> str:
        time.sleep(next(delays, 0))
        return answer(command)

    faulty.answer = slow  # type: ignore[method-assign]
    assert send(settings_for(faulty.port), LETTER).said == QUEUED


def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A typing error in the settings, or DNS that is away."""

    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    failed = failure(settings_for(25, host="mail.nowhere.example"))
    assert (failed.step, failed.said) == (Step.NAME, "Name or service not known")


def test_a_name_that_can_be_none() -> None:
    """A label has 63 characters at most."""
    assert failure(settings_for(25, host=f"{'x' * 64}.example")).step == Step.NAME


def test_a_server_that_is_not_there() -> None:
    """A port on which nobody listens."""
    failed = failure(settings_for(free_port()))
    assert (failed.step, failed.said) == (Step.CONNECTION, "Connection refused")


def test_letters_beyond_ascii_in_an_address(faulty: Faulty) -> None:
    """They go where the server knows them (RFC 6531), and nowhere else under another name."""
    letter = Letter(SENDER, "jürgen@xn--mller-kva.example", "Subject: Grüße\r\n\r\nx\r\n".encode(), utf8=True)
    with real_server("none") as (port, mailbox):
        send(settings_for(port), letter)
    assert mailbox.recipients == [["jürgen@xn--mller-kva.example"]]
    with pytest.raises(NoSuchLetters, match="needs SMTPUTF8"):
        send(settings_for(faulty.port), letter)
    assert "MAIL" not in faulty.heard


def test_an_address_that_swallows_packets_leaves_time_for_the_next(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name may have several addresses, and one of them be dead."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    waiting = [socket.socket() for _ in range(3)]
    for one in waiting:  # whoever comes after them is not answered
        one.setblocking(False)
        one.connect_ex(full.getsockname())
    kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
    found = [(*kind, full.getsockname()), (*kind, ("127.0.0.1", faulty.port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    try:
        assert send(hurried(settings_for(25), 4), LETTER).said == QUEUED
        found.pop()
        found.append(found[0])
        assert failure(hurried(settings_for(25), 0.4)).said == "no answer in time"
    finally:
        for one in (*waiting, full):
            one.close()


def test_the_alarm_may_come_when_all_is_over(faulty: Faulty) -> None:
    """Nothing is broken off then."""
    with smtp._session(settings_for(faulty.port)) as server:
        pass
    server._break_off()
    assert faulty.heard == ["EHLO", "QUIT"]


def test_a_step_that_took_too_long_says_so() -> None:
    """Also where only one address of several did."""
    late = pytest.raises(SmtpFailed, match="mail server, connection: no answer in time")
    with late, smtp._Failing(Step.CONNECTION, smtp._Clock(60)):
        raise TimeoutError


def test_no_thread_and_no_connection_is_left(faulty: Faulty) -> None:
    """A worker runs for months."""
    before = threading.active_count()
    for greeting in ("220 here", "554 no", CLOSE):
        faulty.says["GREETING"] = [greeting]
        try:
            look_up(settings_for(faulty.port))
        except SmtpFailed:
            pass
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before
