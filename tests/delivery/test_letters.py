"""Letters: headers, encodings and addresses (RFC 5322, 3834, 5891; C12)."""

from datetime import timedelta
from typing import Any

import pytest

from idp.delivery import mails
from idp.delivery.letters import address_of, compose
from idp.delivery.outbox import Undeliverable
from idp.delivery.rendering import Rendered, render
from idp.delivery.smtp import Letter
from idp.settings.models import Mail
from tests.delivery.samples import AT, LINK, SETTINGS
from tests.mail_servers import parsed

FROM = SETTINGS.model_copy(update={"mail": Mail(host="localhost", from_address="konto@lotse.example")})
MAIL = mails.VerifyAddress(code="482913", link=LINK, portal="Kundenportal für Größen")


def letter(to: str = "ben@muster.example", rendered: Rendered | None = None, **changes: Any) -> Letter:
    texts = rendered or render(SETTINGS, MAIL, "de", at=AT, until=AT + timedelta(minutes=10))
    settings = FROM.model_copy(update=changes)
    return compose(settings, texts, to, message_id="0123abcd@login.example.de", at=AT, language="de")


def test_a_letter_has_what_a_letter_needs() -> None:
    """Whom it is from, when it was written, that a program wrote it, and where answers go."""
    found = letter()
    message = parsed(found.content)
    assert (found.sender, found.recipient, found.utf8) == ("konto@lotse.example", "ben@muster.example", False)
    assert {name: message[name] for name in message} == {
        "From": "Lotse <konto@lotse.example>",
        "To": "ben@muster.example",
        "Reply-To": "hilfe@lotse.example",
        "Subject": "Verifizieren Sie Ihre E-Mail-Adresse",
        "Date": "Sun, 01 Mar 2026 12:00:00 +0000",
        "Message-ID": "<0123abcd@login.example.de>",
        "Content-Language": "de",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "MIME-Version": "1.0",
        "Content-Type": message["Content-Type"],
    }


def test_both_texts_arrive_as_they_were_written() -> None:
    """Plain text first, the better form last (RFC 2046 §5.1.4), in lines that every server passes on."""
    content = letter().content
    texts = render(SETTINGS, MAIL, "de", at=AT, until=AT + timedelta(minutes=10))
    plain, html = parsed(content).iter_parts()
    assert (plain.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert plain.get_content().replace("\r\n", "\n") == texts.text
    assert html.get_content().replace("\r\n", "\n").strip() == texts.html.strip()
    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 78
    assert b"\n" not in content.replace(b"\r\n", b"")


def test_a_letter_is_the_same_at_every_attempt() -> None:
    """But for the boundary between its parts: a receiver recognises it (A6)."""
    first, second = (dict(parsed(letter().content)) for _ in range(2))
    for one in (first, second):
        del one["Content-Type"]
    assert first == second


def test_names_of_the_installation_may_have_any_letters() -> None:
    """They are encoded, and cannot end a header."""
    named = Mail(host="localhost", from_address="konto@lotse.example", from_name='Stadt „Köln", Konto <x@y>')
    message = parsed(letter(mail=named, support=SETTINGS.support.model_copy(update={"mail": None})).content)
    assert message["From"].addresses[0].display_name == 'Stadt „Köln", Konto <x@y>'
    assert message["From"].addresses[0].addr_spec == "konto@lotse.example"
    assert message["Reply-To"] is None


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("ben@müller.example", "ben@xn--mller-kva.example"),
        ("ben@straße.example", "ben@xn--strae-oqa.example"),
        ("ben@STRASSE.example", "ben@STRASSE.example"),
        ("ben+code@muster.example", "ben+code@muster.example"),
        ("b.e.n@muster.example", "b.e.n@muster.example"),
        ("o'brien@muster.example", "o'brien@muster.example"),
        ("jürgen@muster.example", "jürgen@muster.example"),
        ("x" * 64 + "@muster.example", "x" * 64 + "@muster.example"),
    ],
)
def test_addresses_keep_who_they_name(address: str, written: str) -> None:
    """The domain in the form of the DNS; ß is a letter of its own, and its domain another's than ss."""
    assert address_of(address, "").addr_spec == written
    found = letter(address)
    assert (found.recipient, found.utf8) == (written, not written.isascii())
    assert parsed(found.content)["To"].addresses[0].addr_spec == written


@pytest.mark.parametrize(
    "address",
    [
        "ben@muster.example,eve@evil.example",
        "ben@muster.example>,<eve@evil.example",
        "eve@evil.example,ben@muster.example",
        "<eve@evil.example>ben@muster.example",
        "ben@muster.example\r\nBcc:eve@evil.example",
        "eve(@muster.example",
        "@muster.example",
        "ben@",
        "ben",
        f"ben@{'ä' * 64}.example",
        "ben@\u2028.example",
        "a;b@muster.example",
        'a"b@muster.example',
        "a:b@muster.example",
        "a b@muster.example",
    ],
)
def test_an_address_is_one_address_or_none(address: str) -> None:
    """Nobody gets into the envelope or a header by what he calls himself (C12)."""
    with pytest.raises(Undeliverable, match="the address is none that mail goes to"):
        letter(address)
