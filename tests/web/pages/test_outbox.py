"""``/dev/outbox``: mail, SMS and calls of the demo, for people and for programs (design §5)."""

import base64
import hashlib
import re
from dataclasses import replace
from datetime import timedelta

import html5lib
import pytest
from werkzeug.test import Client

from idp.app import create_app
from idp.context import Services
from idp.delivery import mails, outbox
from idp.settings import Settings

PATH = "/dev/outbox"
BASE = "http://localhost:8000"


@pytest.fixture
def demo(services: Services, settings: Settings) -> Services:
    return replace(services, settings=settings.model_copy(update={"mode": "demo"}))


@pytest.fixture
def browser(demo: Services) -> Client:
    return Client(create_app(demo.settings, demo))


@pytest.fixture
def key(demo: Services) -> str:
    """The id of a mail, which an SMS followed."""
    with demo.database.session() as db:
        ctx = demo.context(db)
        later = ctx.now + timedelta(minutes=10)
        mail = mails.VerifyAddress(code="482913", link=f"{BASE}/register/code/x", portal="<b>Portal</b>")
        found = mails.post(ctx, mail, to="nora@muster.example", locale="en", expires_at=later)
        db.commit()
    with demo.database.session() as db:
        ctx = demo.context(db)
        sms = {"text": "654321 ist Ihr Code.", "code": "654321"}
        outbox.enqueue(ctx, outbox.SMS, "+493415550100", sms, expires_at=later)
        db.commit()
    return found


@pytest.mark.usefixtures("key")
def test_programs_get_a_list(browser: Client) -> None:
    """Newest first, with the names that scripts rely on (design §5)."""
    sms, mail = browser.get(PATH, base_url=BASE, headers={"Accept": "application/json"}).json
    assert list(mail) == sorted(["kind", "to", "subject", "text", "html", "code", "link", "at"])
    assert (mail["kind"], mail["to"], mail["code"]) == ("mail", "nora@muster.example", "482913")
    assert (mail["subject"], mail["link"]) == ("Verify your email address", f"{BASE}/register/code/x")
    assert "482913" in mail["text"]
    assert "482913" in mail["html"]
    assert (sms["kind"], sms["text"], sms["html"]) == ("sms", "654321 ist Ihr Code.", "")


def test_people_see_codes_and_a_way_to_the_mail(browser: Client, key: str) -> None:
    """The page links to the mail as a mail program shows it."""
    text = browser.get(PATH, base_url=BASE, headers={"Accept": "text/html"}).text
    assert re.findall(r'href="(/dev/outbox/[^"]+)"', text) == [f"{PATH}/{key}"]
    assert "482913" in text
    assert "654321" in text


def test_a_mail_is_shown_with_its_own_style_and_no_other(browser: Client, key: str) -> None:
    """The policy names the hash of this one style; nothing else inline counts (req 99, C12)."""
    answer = browser.get(f"{PATH}/{key}", base_url=BASE)
    html5lib.HTMLParser(strict=True).parse(answer.text)
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = answer.headers.getlist("Content-Security-Policy")
    assert f"style-src 'self' 'sha256-{digest}';" in policy
    assert "unsafe-inline" not in policy
    assert "<b>Portal" not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_what_is_no_mail_is_not_found(browser: Client, demo: Services) -> None:
    """An SMS has no HTML, and an id that nobody has no message."""
    with demo.database.session() as db:
        ctx = demo.context(db)
        sms = outbox.enqueue(ctx, outbox.SMS, "+49", {}, expires_at=ctx.now + timedelta(minutes=1))
        db.commit()
    for key in (sms, "nothing", "%00", "x" * 500):
        assert browser.get(f"{PATH}/{key}", base_url=BASE).status_code == 404


@pytest.mark.parametrize("mode", ["development", "production"])
def test_elsewhere_there_is_no_such_page(demo: Services, key: str, mode: str) -> None:
    """Codes are for their recipients (req 67)."""
    changed = demo.settings.model_copy(update={"mode": mode})
    browser = Client(create_app(changed, replace(demo, settings=changed)))
    for path in (PATH, f"{PATH}/{key}"):
        assert browser.get(path, base_url=BASE).status_code == 404
