"""A program on a device without a browser, and the way of a person through its pages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from werkzeug.test import TestResponse

from idp.context import Services
from idp.web.gateway import Gateway
from tests import cast
from tests.builders import make_membership, make_organization
from tests.cast import DEVICE_GRANT
from tests.installation import unit_of_work
from tests.plain_browser import Browser, Portal
from tests.world import forget_snapshot


@dataclass
class Device(Portal):
    """A program that asks for codes and polls with them (RFC 8628)."""

    codes: dict[str, Any] = field(default_factory=dict)
    #: where it stands
    address: str = "203.0.113.7"

    def call(self, path: str, form: Mapping[str, str | None]) -> TestResponse:
        """Call a machine endpoint with this client's credentials, from the device's address."""
        return self.call_from(self.address, path, form)

    def ask(self, scope: str = "openid profile organization") -> str:
        """Ask for codes and return what the device shows."""
        answer = self.call("/device_authorization", {"scope": scope})
        assert answer.status_code == 200, answer.text
        self.codes = answer.get_json()
        return str(self.codes["user_code"])

    def poll(self, **changes: str | None) -> TestResponse:
        """Ask for tokens once."""
        form = {"grant_type": DEVICE_GRANT, "device_code": self.codes["device_code"]}
        return self.call("/token", form | changes)

    def hears(self, **changes: str | None) -> str:
        """Return what a poll without tokens is told."""
        answer = self.poll(**changes)
        assert answer.status_code == 400, answer.text
        return str(answer.get_json()["error"])


def a_terminal(services: Services, gateway: Gateway) -> Device:
    """Register a cash desk's terminal for Muster GmbH with Anna and Clara, who has an app."""
    with unit_of_work(services) as ctx:
        registered = cast.register_device(ctx, client_name="Kassenterminal")
        organization = make_organization(ctx)
        for name in ("anna", "clara"):
            make_membership(ctx, organization, cast.person(ctx, name, app=name == "clara"))
    return Device(gateway, registered)


def registered_anew(device: Device, services: Services, **fields: Any) -> Device:
    """Register another program on a device."""
    with unit_of_work(services) as ctx:
        registered = cast.register_device(ctx, "other", **fields)
    forget_snapshot(device.gateway)
    return Device(device.gateway, registered)


def enter(browser: Browser, user_code: str) -> TestResponse:
    """Type a code into the first page."""
    browser.get("/device")
    return browser.submit(expect_action="/device", code=user_code)


def at_the_question(browser: Browser, user_code: str, username: str = "anna") -> TestResponse:
    """Type a code and sign in where that is asked; the question is shown then."""
    enter(browser, user_code)
    if "/login" in browser.url:
        browser.sign_in(username)
    assert 'name="confirmation"' in browser.page.text, browser.url  # type: ignore[union-attr]
    return browser.page  # type: ignore[return-value]


def answer(browser: Browser, choice: str = "connect") -> TestResponse:
    """Answer the question."""
    return browser.submit(expect_action="/device/", choice=choice)


def connect(browser: Browser, user_code: str, username: str = "anna") -> TestResponse:
    """Let a device in."""
    at_the_question(browser, user_code, username)
    return answer(browser)


def heading(page: TestResponse) -> str:
    """Return the heading of a page."""
    found = re.search(r"<h1>(.*?)</h1>", page.text)
    assert found is not None, page.text
    return found[1]
