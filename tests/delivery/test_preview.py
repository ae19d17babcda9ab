"""Messages as the demo's outbox page shows them (design §5)."""

from datetime import timedelta

import pytest

from idp.context import Services
from idp.db import Database
from idp.delivery import mails, outbox, preview
from idp.settings import Settings
from tests.delivery.samples import ISSUER, LINK
from tests.installation import NOW, make_services, unit_of_work

SOON = NOW + timedelta(minutes=10)


@pytest.fixture
def services(settings: Settings, database: Database) -> Services:
    return make_services(settings.model_copy(update={"public_url": ISSUER}), database)


def test_mails_are_worded_and_other_messages_shown_as_they_are(services: Services) -> None:
    """Each has what the contract names: kind, to, subject, text, html, code, link."""
    with unit_of_work(services) as ctx:
        sms = {"text": "482913 ist Ihr Code.", "code": "482913"}
        outbox.enqueue(ctx, outbox.SMS, "+493415550100", sms, expires_at=SOON)
    verify = mails.VerifyAddress(code="123456", link=LINK)
    with unit_of_work(services, NOW + timedelta(seconds=1)) as ctx:
        key = mails.post(ctx, verify, to="ben@muster.example", locale="en", expires_at=SOON)
    with unit_of_work(services) as ctx:
        first, second = preview.list_shown(ctx)
        assert preview.find_shown(ctx, key) == first
        assert preview.find_shown(ctx, "nothing") is None
        assert len(preview.list_shown(ctx, 1)) == 1
    assert (first.id, first.kind, first.to) == (key, "mail", "ben@muster.example")
    assert (first.subject, first.code, first.link) == ("Verify your email address", "123456", LINK)
    assert "123456" in first.text
    assert first.html.startswith("<!doctype html>")
    assert (second.kind, second.to, second.text) == ("sms", "+493415550100", "482913 ist Ihr Code.")
    assert (second.code, second.subject, second.html, second.link) == ("482913", "", "", "")


def test_a_notice_has_neither_code_nor_link(services: Services) -> None:
    """Empty, as the contract's other absent parts."""
    with unit_of_work(services) as ctx:
        mails.post(ctx, mails.AddressAdded(), to="ben@muster.example", locale="de")
    with unit_of_work(services) as ctx:
        (shown,) = preview.list_shown(ctx)
    assert (shown.code, shown.link) == ("", "")
