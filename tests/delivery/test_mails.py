"""The mails there are: what is checked when one is written, and what its row holds (req 59, 67, 68)."""

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from idp.context import Services
from idp.db import Database
from idp.delivery import mails, outbox
from idp.delivery.mails import MAILS, Mail
from idp.delivery.models import OutboxMessage
from idp.settings import Settings
from idp.settings.models import Product
from tests.delivery.samples import EXPIRING, ISSUER, LINK, SAMPLES
from tests.installation import NOW, make_services, unit_of_work

SOON = NOW + timedelta(minutes=10)


@pytest.fixture
def services(settings: Settings, database: Database) -> Services:
    return make_services(settings.model_copy(update={"public_url": ISSUER}), database)


def posted(services: Services, mail: Mail, **how: Any) -> outbox.Message:
    """Post a mail and return it as its sender gets it."""
    with unit_of_work(services) as ctx:
        mails.post(ctx, mail, **{"to": "ben@muster.example", "locale": "de", "expires_at": SOON, **how})
    with unit_of_work(services) as ctx:
        (message,) = outbox.claim(ctx, (outbox.MAIL,), limit=10)
    return message


def test_every_mail_has_a_sample() -> None:
    """What no sample shows would escape the tests of texts and pictures."""
    declared = {kind.name for kind in Mail.__subclasses__()}
    assert {mail.name for mail in SAMPLES.values()} == MAILS.keys() == declared


@pytest.mark.parametrize("name", SAMPLES)
def test_a_mail_comes_back_as_it_was_posted(services: Services, name: str) -> None:
    """Facts, no text: putting a mail together takes time, and may not tell who has an account (req 59)."""
    message = posted(services, SAMPLES[name], locale="en")
    assert mails.read(message.payload) == (SAMPLES[name], "en")
    assert (message.recipient, message.expires_at) == ("ben@muster.example", SOON)
    assert message.payload.keys() == {"mail", "language", "facts"}


def test_address_code_and_link_are_sealed(services: Services) -> None:
    """Nothing of them stands in the database in clear (req 67, 105)."""
    with unit_of_work(services) as ctx:
        mails.post(
            ctx,
            mails.VerifyAddress(code="482913", link=LINK),
            to="ben@muster.example",
            locale="de",
            expires_at=SOON,
        )
    with services.database.reader.connect() as reader:
        row = reader.execute(select(OutboxMessage.__table__)).one()
    stored = b"".join(value if isinstance(value, bytes) else str(value).encode() for value in row)
    assert not any(secret in stored for secret in (b"482913", LINK.encode(), b"muster.example"))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_code_or_a_link_needs_an_end(services: Services, name: str) -> None:
    """It is not sent after it; a mail without either waits a week for a server that is away."""
    mail = SAMPLES[name]
    if EXPIRING & {field.name for field in fields(mail)}:  # type: ignore[arg-type]
        with unit_of_work(services) as ctx, pytest.raises(ValueError, match="needs expires_at"):
            mails.post(ctx, mail, to="ben@muster.example", locale="de")
    else:
        assert posted(services, mail, expires_at=None).expires_at == NOW + timedelta(days=7)


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/x",
        f"{ISSUER}.evil.example/x",
        f"{ISSUER}@evil.example/x",
        ISSUER,
        f"{ISSUER}/x y",
        f"{ISSUER}/x\nBcc: eve@evil.example",
        f"{ISSUER}/ä",
        "javascript:alert(1)",
        "/register/code",
        "",
    ],
)
def test_links_lead_to_us(services: Services, link: str) -> None:
    """The host comes from the settings, whatever a request's said (req 68, C22)."""
    with unit_of_work(services) as ctx, pytest.raises(ValueError, match="its link does not lead to"):
        mails.post(ctx, mails.ResetPassword(link=link), to="ben@muster.example", locale="de", expires_at=SOON)


@pytest.mark.parametrize(
    "address",
    [
        "ben@muster.example\r\nBcc: eve@evil.example",
        "ben@muster.example\n",
        "ben @muster.example",
        "ben@muster.example\0",
        "ben@muster.example\u2028Bcc:",
        "ben",
        "",
    ],
)
def test_only_a_plain_address_is_written_to(services: Services, address: str) -> None:
    """No header is written by whoever chooses the address (C12)."""
    with unit_of_work(services) as ctx, pytest.raises(ValueError, match="no plain mail address"):
        mails.post(ctx, mails.AddressAdded(), to=address, locale="de")


@pytest.mark.parametrize(
    ("locale", "default", "language"),
    [("de", "en", "de"), ("en-GB", "de", "en"), ("fr", "en", "en"), (None, "de", "de"), ("", "en", "en")],
)
def test_a_mail_speaks_the_recipients_language(
    services: Services, locale: str | None, default: str, language: str
) -> None:
    """Or the installation's, where we do not speak it (req 117)."""
    changed = services.settings.model_copy(
        update={"product": Product.model_validate({"default_locale": default})}
    )
    with unit_of_work(services) as ctx:
        key = mails.post(
            replace(ctx, settings=changed),
            mails.AddressAdded(),
            to="ben@muster.example",
            locale=locale,
        )
    with unit_of_work(services) as ctx:
        message = outbox.find_message(ctx, key)
        assert message is not None
        assert message.payload["language"] == language


@pytest.mark.parametrize(
    "payload",
    [
        {"mail": "of_tomorrow", "language": "de", "facts": {}},
        {"mail": "address_added", "language": "de", "facts": {"more": "than we know"}},
    ],
)
def test_a_mail_of_another_release_is_left_to_it(payload: dict[str, Any]) -> None:
    """While two releases run, the older one does not word what it does not know (A7)."""
    with pytest.raises(LookupError, match="this release does not know the mail"):
        mails.read(payload)


def test_strangers_are_told_nothing_that_a_registrant_typed() -> None:
    """Nobody writes to strangers through us: an address may be anybody's until it is proven (C5, C12)."""
    assert {field.name for field in fields(mails.VerifyAddress)} == {"code", "link", "portal", "change"}
    assert {field.name for field in fields(mails.AlreadyRegistered)} == {"change"}
