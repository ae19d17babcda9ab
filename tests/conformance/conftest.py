"""What modules of the certification tests need: two portals, a person with every claim, strict checks."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from idp.app import create_app
from idp.context import Services
from idp.db import Database
from idp.settings import Settings
from idp.settings.models import Egress, Keys, Password
from idp.web.gateway import Gateway
from tests import cast
from tests.cast import Registered
from tests.installation import install_signing_keys, make_services, unit_of_work
from tests.key_site import KeySite, key_site
from tests.plain_browser import Browser, Portal
from tests.world import ALL_SCOPES, PROFILE, at_hash, machine, verified

ISSUER = "https://anmeldung.example"

STATE = "s" * 100 + "-._~ /?:@&=+$,'"
STATE += "x" * (128 - len(STATE))
"""128 characters, those that get lost when somebody encodes twice or not at all among them."""


@dataclass
class Op:
    """The provider under test, two of its clients, and a browser."""

    services: Services
    gateway: Gateway
    client: Portal
    second: Portal
    #: what its clients ask for: the form-post plan has the modules of the basic one
    response_mode: str | None = None

    def portal(self, registered: Registered) -> Portal:
        """Return another client under test."""
        return Portal(self.gateway, registered, always=_always(self.response_mode))

    @property
    def issuer(self) -> str:
        return self.gateway.server.provider.issuer

    def browser(self) -> Browser:
        """Return a browser without cookies."""
        return Browser(self.gateway)

    def log_in(self, browser: Browser, **changes: str | None) -> dict[str, Any]:
        """Walk to tokens; the sign-in page must have been shown."""
        self.client.authorize(browser, **changes)
        assert asks_for_password(browser)
        browser.sign_in("paul")
        return self.tokens(browser)

    def tokens(self, browser: Browser) -> dict[str, Any]:
        """Redeem the code that came back as it must."""
        self.arrived(browser)
        return self.client.tokens(browser)

    def arrived(self, browser: Browser) -> None:
        """Hold that the answer travels as was asked for."""
        asked = self.response_mode == "form_post"
        assert (browser.form_for(self.client.registered.redirect_uri) is not None) is asked
        if asked:
            by_form(self, browser)

    def refused(self, browser: Browser, **changes: str | None) -> dict[str, str]:
        """Send a request that must come back to the portal with an error, without any page."""
        self.client.authorize(browser, state=STATE, **changes)
        self.arrived(browser)
        return checked_error(self, self.client.answer(browser))

    def silent(self, browser: Browser, **changes: str | None) -> dict[str, Any]:
        """Send a request that must be answered with a code without any page; returns its tokens."""
        self.client.authorize(browser, **changes)
        return self.tokens(browser)

    def id_token(self, tokens: dict[str, Any], *, nonce: str | None = "n-0S6_WzA2Mj") -> dict[str, Any]:
        """Return the claims of an ID token that passes what every module checks (conformance §2)."""
        header, claims = verified(self.gateway, tokens["id_token"])
        now = time.time()
        assert header["kid"]
        assert claims["iss"] == self.issuer
        assert claims["aud"] == claims["azp"] == self.client.registered.client_id
        assert now < claims["exp"] < now + 50 * 365 * 86_400
        assert abs(now - claims["iat"]) < 300
        assert claims.get("nonce") == nonce
        assert claims["sub"]
        assert claims["acr"]
        assert claims["auth_time"] <= now
        assert claims["at_hash"] == at_hash(tokens["access_token"])
        assert isinstance(tokens["expires_in"], int)
        userinfo = self.client.userinfo(tokens["access_token"])
        assert userinfo.status_code == 200
        assert userinfo.get_json()["sub"] == claims["sub"]
        return claims


def _always(response_mode: str | None) -> dict[str, str]:
    return {} if response_mode is None else {"response_mode": response_mode}


def by_form(op: Op, browser: Browser) -> None:
    """Hold that the page shown posts to the portal: nothing in an address, kept by nobody."""
    form = browser.form_for(op.client.registered.redirect_uri)
    assert form is not None
    assert form["fields"]["iss"] == op.issuer
    assert set(form["fields"]) <= {"code", "error", "error_description", "state", "iss"}
    assert browser.page is not None
    assert browser.page.status_code == 200
    assert browser.page.headers["Cache-Control"] == "no-store"
    assert "Location" not in browser.page.headers


def checked_error(op: Op, answer: dict[str, str]) -> dict[str, str]:
    """Return an error response that passes what every module checks of one."""
    assert answer["state"] == STATE
    assert answer["iss"] == op.issuer
    assert set(answer) <= {"error", "error_description", "state", "iss"}
    allowed = {*range(0x20, 0x22), *range(0x23, 0x5C), *range(0x5D, 0x7F)}
    assert set(map(ord, answer.get("error_description", ""))) <= allowed
    return answer


def asks_for_password(browser: Browser) -> bool:
    """Tell whether the sign-in page is shown."""
    assert browser.page is not None
    return 'name="password"' in browser.page.text


def error_page(op: Op, browser: Browser, answer: TestResponse) -> bool:
    """Tell whether the person sees a page of the provider that says what is wrong."""
    return (
        answer.status_code == 400
        and "Location" not in answer.headers
        and "<h1" in answer.text
        and browser.url.startswith(op.issuer)
    )


def metadata_of(gateway: Gateway, path: str = "/.well-known/openid-configuration") -> dict[str, Any]:
    """Return the provider's metadata."""
    answer = machine(gateway, "GET", path)
    assert answer.status_code == 200
    assert answer.mimetype == "application/json"
    content: dict[str, Any] = answer.get_json()
    return content


IN_BOTH_PLANS = pytest.mark.parametrize(
    "response_mode", [None, "form_post"], ids=["oidcc-basic", "oidcc-formpost-basic"]
)
"""Runs a module as the basic plan has it, and once more as the form-post plan has it."""


@pytest.fixture
def response_mode() -> str | None:
    """Nothing is said of it where a module does not belong to the form-post plan."""
    return None


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Sites of the portals are on this machine, as the suite's are."""
    return settings.model_copy(update={"egress": Egress(allow_loopback=True)})


@pytest.fixture
def site() -> Iterator[KeySite]:
    """A portal's own site."""
    with key_site() as served:
        yield served


@pytest.fixture
def provider(tmp_path: Path, database: Database) -> Gateway:
    """The product as it stands in production, behind TLS."""
    settings = Settings(
        mode="production",
        public_url=ISSUER,
        keys=Keys(directory=tmp_path / "keys"),
        password=Password(memory_kib=8, time_cost=1),
    )
    services = make_services(settings, database)
    install_signing_keys(services)
    return create_app(settings, services)


@pytest.fixture
def op(services: Services, gateway: Gateway, response_mode: str | None) -> Op:
    """The provider with its clients and one person."""
    with unit_of_work(services) as ctx:
        first = cast.register(ctx, "first", scope=ALL_SCOPES)
        second = cast.register(ctx, "second", scope=ALL_SCOPES)
        cast.person(ctx, "paul", phones=["+4940123456"], **PROFILE)
    always = _always(response_mode)
    portals = (Portal(gateway, registered, always=always) for registered in (first, second))
    return Op(services, gateway, *portals, response_mode=response_mode)
