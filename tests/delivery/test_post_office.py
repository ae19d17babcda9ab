"""Mails through the worker, against servers with faults: confirmed once, never late (F5, A6; req 67, 105)."""

import io
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest
import structlog

from idp import logging as idp_logging
from idp.app import build_duties
from idp.context import Services
from idp.db import Database
from idp.delivery import mails, outbox, post_office
from idp.delivery.mails import Mail
from idp.delivery.outbox import Undeliverable, Unreachable
from idp.delivery.smtp import SmtpFailed, Step
from idp.settings import Settings
from idp.settings.models import Mail as MailSettings
from idp.worker import Duties, Worker
from tests.delivery.samples import ISSUER, LINK
from tests.infrastructure import free_port
from tests.installation import NOW, make_services, unit_of_work
from tests.mail_servers import CLOSE, QUEUED, SENDER, Faulty, faulty_server, parsed, real_server
from tests.test_worker import states

pytestmark = pytest.mark.enable_socket

MINUTE = timedelta(minutes=1)
VERIFY = mails.VerifyAddress(code="482913", link=LINK)
GREYLISTED = "450 4.7.1 <ben@muster.example>: Greylisted, code 482913"


@pytest.fixture
def services(settings: Settings, database: Database) -> Services:
    return make_services(settings.model_copy(update={"public_url": ISSUER}), database)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is logged, as JSON lines; put back afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    idp_logging.configure(stream=stream)
    yield stream
    root.handlers, level = before
    root.setLevel(level)
    structlog.reset_defaults()


def post(services: Services, mail: Mail = VERIFY, to: str = "ben@muster.example", at: datetime = NOW) -> str:
    with unit_of_work(services, at) as ctx:
        ends = at + timedelta(minutes=10) if mail is VERIFY else None
        return mails.post(ctx, mail, to=to, locale="de", expires_at=ends)


def work(services: Services, port: int, at: datetime = NOW) -> None:
    """Let a worker do what is due."""
    mail = MailSettings(host="127.0.0.1", port=port, security="none", from_address=SENDER)
    settings = services.settings.model_copy(update={"mail": mail})
    worker = Worker(services, Duties(senders={outbox.MAIL: partial(post_office.deliver, settings)}))
    try:
        worker.run_once(at)
    finally:
        worker.close()


def message_ids(letters: list[bytes]) -> list[str]:
    return [parsed(letter.replace(b"\r\n..", b"\r\n."))["Message-ID"] for letter in letters]


def test_mails_leave_an_installation_that_has_no_name(settings: Settings, database: Database) -> None:
    """It names itself by its IPv6 address, as RFC 5321 §4.1.3 has it."""
    services = make_services(settings.model_copy(update={"public_url": "https://[2001:db8::1]"}), database)
    key = post(services, mails.PasswordChanged(means="link"))
    with real_server("none") as (port, mailbox):
        work(services, port)
    assert states(services) == {key: ("sent", 1, None)}
    assert [letter["Message-ID"] for letter in mailbox.letters] == [f"<{key}@[IPv6:2001:db8::1]>"]
    assert mailbox.clients == ["[IPv6:2001:db8::1]"]


def test_a_mail_is_sent_in_words(services: Services) -> None:
    """To a real server: once, with the code, in the recipient's language."""
    key = post(services)
    with real_server("none") as (port, mailbox):
        work(services, port)
        work(services, port, NOW + MINUTE)
    (letter,) = mailbox.letters
    assert (letter["Subject"], letter["To"]) == ("Verifizieren Sie Ihre E-Mail-Adresse", "ben@muster.example")
    plain = letter.get_body(("plain",))
    assert plain is not None
    assert "482913" in plain.get_content()
    assert states(services) == {key: ("sent", 1, None)}


@pytest.mark.parametrize(
    "fault",
    [
        {"GREETING": ["421 4.3.2 busy"]},
        {"GREETING": [CLOSE]},
        {"MAIL": ["451 4.3.0 later"]},
        {"MAIL": ["553 5.7.1 not from here"]},
        {"RCPT": [GREYLISTED]},
        {"RCPT": ["530 5.7.0 sign in first"]},
        {"DATA": ["452 4.3.1 full"]},
        {"BODY": [CLOSE]},
        {"END": ["451 4.3.0 later"]},
        {"END": ["421 4.3.2 closing"]},
        {"END": [CLOSE]},
    ],
    ids=lambda fault: f"{next(iter(fault))} {fault[next(iter(fault))][0][:3]}",
)
def test_what_was_not_confirmed_is_sent_again_under_the_same_id(
    services: Services, faulty: Faulty, fault: dict[str, list[str]], log: io.StringIO
) -> None:
    """Once where the server confirmed, else again, so that a receiver knows a repetition (I5)."""
    key = post(services)
    for command, (answer,) in fault.items():
        faulty.says[command] = [answer, answer, *([QUEUED] if command == "END" else [])]
        if command != "END":
            faulty.says[command] += [{"GREETING": "220 hello", "DATA": "354 go on"}.get(command, "250 ok")]
    work(services, faulty.port)
    assert faulty.confirmed == []
    work(services, faulty.port, NOW + timedelta(seconds=2))
    work(services, faulty.port, NOW + timedelta(seconds=6))
    work(services, faulty.port, NOW + MINUTE)
    assert len(faulty.confirmed) == 1
    assert states(services)[key][:2] == ("sent", 3)
    assert set(message_ids(faulty.read)) == {f"<{key}@login.example.de>"}
    assert not re.search(r"muster\.example|482913|somewhere|Zm9y", log.getvalue())


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (
            ("RCPT", "550 5.1.1 <ben@muster.example> unknown, 482913"),
            "mail server, recipient: 550 5.1.1",
        ),
        (("RCPT", "552 mailbox full"), "mail server, recipient: 552"),
        (("END", "554 5.7.1 spam"), "mail server, content: 554 5.7.1"),
    ],
)
def test_a_refusal_for_good_is_not_tried_again(
    services: Services, faulty: Faulty, log: io.StringIO, told: tuple[str, str], why: str
) -> None:
    """And neither the log nor the table has the server's words: they name people (req 105)."""
    faulty.says[told[0]] = [told[1]]
    key = post(services)
    work(services, faulty.port)
    work(services, faulty.port, NOW + MINUTE)
    assert states(services) == {key: ("failed", 1, why)}
    assert why in log.getvalue()
    assert not re.search(r"muster\.example|482913|somewhere|Zm9y", log.getvalue())


def test_an_address_that_is_none_is_given_up(services: Services, faulty: Faulty) -> None:
    """Also one whose letters the server does not know."""
    keys = [post(services, to=to) for to in ("a,b@muster.example", "jürgen@muster.example")]
    work(services, faulty.port)
    found = states(services)
    assert [found[key][0] for key in keys] == ["failed", "failed"]
    assert "SMTPUTF8" in str(found[keys[1]][2])
    assert not {"MAIL", "RCPT"} & set(faulty.heard)


def test_half_an_hour_without_a_server(services: Services) -> None:
    """Live mails go out within two minutes of its return, dead codes never, none twice (F5)."""
    port = free_port()
    notice, code = post(services, mails.PasswordChanged()), post(services)
    at = NOW
    while at < NOW + 30 * MINUTE:
        work(services, port, at)
        at += timedelta(seconds=30)
    fresh = post(services, at=at)
    with faulty_server(port) as server:
        for _ in range(4):
            work(services, port, at)
            at += timedelta(seconds=30)
    found = states(services)
    assert [found[key][0] for key in (notice, fresh)] == ["sent", "sent"]
    assert found[code][0] in ("failed", "expired")
    assert sorted(message_ids(server.confirmed)) == sorted(
        f"<{key}@login.example.de>" for key in (notice, fresh)
    )


def test_a_greylisted_recipient_is_asked_less_and_less_often(services: Services, faulty: Faulty) -> None:
    """It concerns this mail alone, so the pause doubles, up to a day (A6)."""
    faulty.says["RCPT"] = [GREYLISTED]
    key = post(services, mails.PasswordChanged())
    for minute in range(60):
        work(services, faulty.port, NOW + minute * MINUTE)
    assert states(services)[key] == ("waiting", 11, "mail server, recipient: 450 4.7.1")


def test_a_mail_of_another_release_waits(services: Services, faulty: Faulty) -> None:
    """Two releases run while one replaces the other (A7)."""
    with unit_of_work(services) as ctx:
        payload = {"mail": "of_tomorrow", "language": "de", "facts": {}}
        key = outbox.enqueue(ctx, outbox.MAIL, "a@b.example", payload, expires_at=NOW + 10 * MINUTE)
    work(services, faulty.port)
    assert states(services)[key][0] == "waiting"


@pytest.mark.parametrize(
    ("failed", "kind"),
    [
        (SmtpFailed(Step.RECIPIENT, "no", 550), Undeliverable),
        (SmtpFailed(Step.CONTENT, "no", 500), Undeliverable),
        (SmtpFailed(Step.RECIPIENT, "later", 499), SmtpFailed),
        (SmtpFailed(Step.RECIPIENT, "closing", 421), Unreachable),
        (SmtpFailed(Step.SIGN_IN, "no", 535), Unreachable),
        (SmtpFailed(Step.CERTIFICATE, "unknown authority"), Unreachable),
        (SmtpFailed(Step.CONTENT, "closed"), Unreachable),
    ],
)
def test_the_step_decides_whom_it_concerns(
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    failed: SmtpFailed,
    kind: type[Exception],
) -> None:
    """This mail, or all of them."""
    post(services)
    with unit_of_work(services) as ctx:
        (message,) = outbox.claim(ctx, (outbox.MAIL,), limit=1)

    def send(*_: object) -> None:
        raise failed

    monkeypatch.setattr(post_office, "send", send)
    settings = services.settings.model_copy(update={"mail": MailSettings(from_address=SENDER)})
    with pytest.raises(kind, match="mail server"):
        post_office.deliver(settings, message)


@pytest.mark.parametrize("host", [None, "mail.example"])
def test_mails_stay_in_the_house_without_a_server(services: Services, host: str | None) -> None:
    """In the demo its outbox shows them (design §5)."""
    mail = MailSettings(host=host, from_address=SENDER)
    changed = replace(services, settings=services.settings.model_copy(update={"mail": mail}))
    assert (outbox.MAIL in build_duties(changed).senders) == (host is not None)
