"""A rendered mail as the wire wants it: headers, encodings, addresses (RFC 5322, 2045, 3834, 5891, 6532)."""

import smtplib
from datetime import datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage

import idna

from idp.delivery.outbox import Undeliverable
from idp.delivery.rendering import Rendered
from idp.delivery.smtp import Letter
from idp.settings import Settings


def compose(
    settings: Settings, rendered: Rendered, to: str, *, message_id: str, at: datetime, language: str
) -> Letter:
    """Return the letter; the same facts give the same headers, so a repetition is known as one.

    :param message_id: the outbox's, the same at every attempt.
    :param at: when the mail was posted.
    :raises Undeliverable: the address is none.
    """
    mail = settings.mail
    sender, recipient = address_of(mail.from_address or "", ""), address_of(to, "")
    named = address_of(mail.from_address or "", mail.from_name or settings.product.name)
    utf8 = not (sender.addr_spec + recipient.addr_spec).isascii()
    message = EmailMessage(policy=policy.SMTPUTF8 if utf8 else policy.SMTP)
    message["From"] = named
    message["To"] = recipient
    if settings.support.mail:
        message["Reply-To"] = address_of(settings.support.mail, "")
    message["Subject"] = rendered.subject
    message["Date"] = at
    message["Message-ID"] = f"<{message_id}>"
    message["Auto-Submitted"] = "auto-generated"  # no out-of-office note answers this (RFC 3834)
    message["X-Auto-Response-Suppress"] = "All"  # the same for Exchange
    message.set_content(rendered.text, charset="utf-8", cte="quoted-printable")
    message.add_alternative(rendered.html, subtype="html", charset="utf-8", cte="quoted-printable")
    message["Content-Language"] = language  # last: it would go to the first part
    return Letter(sender.addr_spec, recipient.addr_spec, message.as_bytes(), utf8)


def address_of(text: str, name: str) -> Address:
    """Return an address with its domain in the form of the DNS (RFC 5891: ß stays ß).

    :raises Undeliverable: it is none, or could be read as another or as several.
    """
    local, _, domain = text.rpartition("@")
    try:
        ascii_domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
        found = Address(display_name=name, username=local, domain=ascii_domain)
    except ValueError as error:
        raise Undeliverable("the address is none that mail goes to") from error
    # what needs quotes is legal and reaches nobody; what the library reads otherwise would reach another
    plain = f"{local}@{ascii_domain}"
    if not (local and domain) or found.addr_spec != plain or smtplib.quoteaddr(plain) != f"<{plain}>":
        raise Undeliverable("the address is none that mail goes to")
    return found
