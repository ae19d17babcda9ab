"""``idp mail test``, and what the doctor says about mail (screens §4.2)."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from idp.cli.mail_advice import advise
from idp.delivery.smtp import SmtpFailed, Step
from tests.certificates import make_authority
from tests.cli.terminal import Terminal
from tests.infrastructure import free_port
from tests.mail_servers import (
    PASSWORD,
    QUEUED,
    SENDER,
    USER,
    Faulty,
    faulty_server,
    real_server,
    settings_for,
)

pytestmark = pytest.mark.enable_socket


def terminal_for(port: int, **mail: str) -> Terminal:
    """A command line whose settings name a server of this machine; nothing else is installed."""
    given = {"host": "localhost", "port": str(port), "security": "none", "from_address": SENDER} | mail
    return Terminal({f"LOTSE_MAIL__{key.upper()}": value for key, value in given.items()})


def said(terminal: Terminal, exit_code: int = 1) -> str:
    result = terminal.run("mail", "test", "ben@muster.example")
    assert result.exit_code == exit_code, result.output
    return result.stderr


def test_a_mail_is_sent_now(tmp_path: Path) -> None:
    """Over TLS and with the password, without database or server of ours; the server's words are shown."""
    authority = make_authority(tmp_path)
    with real_server("starttls", authority) as (port, mailbox):
        terminal = terminal_for(port, security="starttls", username=USER, password=PASSWORD)
        terminal = Terminal(terminal.environment | {"LOTSE_EGRESS__TRUST_CA_FILE": str(authority / "ca.pem")})
        text = terminal.ok("mail", "test", "ben@muster.example", "--lang", "en")
        answer = terminal.json("mail", "test", "ben@muster.example")
    assert text.startswith(f"localhost:{port} took the mail over TLSv1.3: {QUEUED}\n")
    assert answer == {"server": f"localhost:{port}", "encryption": "TLSv1.3", "said": QUEUED}
    first, second = mailbox.letters
    assert (first["Subject"], second["Subject"]) == ("Test message from Lotse", "Testnachricht von Lotse")
    assert first["Message-ID"] != second["Message-ID"]


def test_a_public_address_by_number() -> None:
    """The test mail names the installation as its mails do."""
    with real_server("none") as (port, mailbox):
        terminal = terminal_for(port)
        Terminal(terminal.environment | {"LOTSE_PUBLIC_URL": "https://[2001:db8::1]"}).ok(
            "mail", "test", "ben@muster.example"
        )
    [letter] = mailbox.letters
    assert letter["Message-ID"].endswith("@[IPv6:2001:db8::1]>")


def test_without_a_server_it_says_so() -> None:
    """Exit code 5: the settings come first."""
    result = Terminal({}).run("mail", "test", "ben@muster.example")
    assert (result.exit_code, result.stderr) == (5, "idp: no mail server is set; name it in mail.host\n")


def test_an_address_that_is_none() -> None:
    """Wrong usage, before anything is sent."""
    result = terminal_for(free_port()).run("mail", "test", "ben")
    assert (result.exit_code, "the address is none that mail goes to: ben" in result.stderr) == (2, True)


def test_each_step_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Name, connection, encryption, certificate, sign-in, sender, recipient, content: in plain words."""
    port = free_port()
    assert f"localhost:{port} does not answer (Connection refused)\n→ Correct mail.host" in said(
        terminal_for(port)
    )
    for security in ("starttls", "tls"):
        with real_server(security, make_authority(tmp_path)) as (port, _):
            text = said(terminal_for(port, security=security))
            assert f"the certificate of localhost:{port} is not trusted (self-signed certificate" in text
    with faulty_server() as faulty:
        here = f"localhost:{faulty.port}"
        assert "does not speak TLS as set by mail.security = tls" in said(
            terminal_for(faulty.port, security="tls")
        )
        text = said(terminal_for(faulty.port, security="starttls"))
        assert "= starttls (the server does not offer it)\n→ Port 465 wants" in text
        for command, answer, found in (
            ("GREETING", "554 5.3.2 go away", f"{here} lets nobody in (554 5.3.2 go away)"),
            ("MAIL", "553 5.7.1 not yours", f"{here} takes no mail from {SENDER} (553 5.7.1 not yours)"),
            ("RCPT", "550 5.1.1 nobody", f"{here} does not take mail for this address (550 5.1.1 nobody)"),
            ("END", "554 5.7.1 spam", f"{here} did not confirm the mail (554 5.7.1 spam)"),
        ):
            faulty.says = {command: [answer]}
            text = said(terminal_for(faulty.port))
            assert found in text
            assert "\n→ " in text

    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    text = said(terminal_for(25, host="mail.nowhere.example", security="starttls"))
    assert "the name mail.nowhere.example is not known (Name or service not known)" in text


def test_a_wrong_password_says_what_to_do(tmp_path: Path) -> None:
    """Whom the server does not let in, never with what password."""
    authority = make_authority(tmp_path)
    with real_server("starttls", authority) as (port, _):
        terminal = terminal_for(port, security="starttls", username=USER, password="canary")
        terminal = Terminal(terminal.environment | {"LOTSE_EGRESS__TRUST_CA_FILE": str(authority / "ca.pem")})
        text = said(terminal)
    assert f"localhost:{port} does not let {USER} sign in (535" in text
    assert "canary" not in text


@pytest.mark.parametrize("step", Step)
def test_every_step_has_its_advice(step: Step) -> None:
    """None is forgotten."""
    found, remedy = advise(SmtpFailed(step, "no", 500), settings_for(25))
    assert found.endswith("(500 no)")
    assert remedy.endswith(".")


def doctor(terminal: Terminal, faulty: Faulty, **mail: str) -> dict[str, str]:
    environment = {f"LOTSE_MAIL__{key.upper()}": value for key, value in mail.items()}
    environment |= {"LOTSE_MAIL__HOST": "localhost", "LOTSE_MAIL__PORT": str(faulty.port)}
    environment |= {"LOTSE_MAIL__FROM_ADDRESS": SENDER, "LOTSE_EGRESS__ALLOW_LOOPBACK": "true"}
    result = terminal.run("doctor", "--json", **environment)
    found = {finding["check"]: finding for finding in json.loads(result.stdout)["findings"]}
    mine: dict[str, str] = found["mail"]
    return mine


def test_the_doctor_tries_the_mail_server(terminal: Terminal) -> None:
    """As far as the first mail, of which none is sent."""
    with faulty_server() as faulty:
        assert doctor(terminal, faulty, security="none") == {
            "state": "ok",
            "check": "mail",
            "found": f"localhost:{faulty.port} lets us in; idp mail test ADDRESS sends one",
            "remedy": "",
        }
        assert "MAIL" not in faulty.heard
        found = doctor(terminal, faulty)
    assert found["state"] == "problem"
    assert "does not offer it" in found["found"]
    assert found["remedy"].startswith("Port 465 wants")


def test_the_password_is_never_shown(terminal: Terminal, tmp_path: Path) -> None:
    """Masked, and read from a file as other secrets are (req 96)."""
    secret = tmp_path / "mail-password"
    secret.write_text("canary\n")
    environment = {"LOTSE_MAIL__USERNAME": USER, "LOTSE_MAIL__PASSWORD_FILE": str(secret)}
    shown = terminal.run("config", "show", **environment)
    assert shown.exit_code == 0
    assert "mail.password " in shown.stdout
    assert "canary" not in shown.output
