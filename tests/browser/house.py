"""The demo, people made for one test alone, and what a person does in a browser window."""

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pyotp
from playwright.sync_api import Browser, BrowserContext, Locator, Page

from idp.accounts.models import Account
from idp.app import build_services
from idp.authentication import totp
from idp.cli.demo.people import BEISPIEL, MUSTER
from idp.context import Actor, Context, Services
from idp.delivery import mails, outbox
from idp.delivery.preview import Shown, list_shown
from idp.management import accounts, clients, memberships, organizations, permissions
from idp.settings import load_settings
from tests.demo_process import Demo
from tests.infrastructure import _until as until

PASSWORD = "Leise rieselt der Sand 8"
CALLBACK = "http://localhost:9/callback"
LOGO = "http://localhost:9/logo.svg"
FOREIGN: dict[str, Any] = {
    "client_id": "wetterdienst",
    "client_name": "Wetterdienst Nordsee",
    "kind": "spa",
    "redirect_uris": [CALLBACK],
    "scope": "openid profile email phone offline_access organization permissions",
    "logo_uri": LOGO,
    "policy_uri": "http://localhost:9/privacy",
    "tos_uri": "http://localhost:9/terms",
}
"""A client that is not the operator's own."""
FOREIGN_DEVICE: dict[str, Any] = {
    "client_id": "wetterstation",
    "client_name": "Wetterstation Nordsee",
    "kind": "device",
    "scope": "openid profile email organization offline_access",
    **{name: FOREIGN[name] for name in ("logo_uri", "policy_uri", "tos_uri")},
}
"""A program on a device that is not either."""
DRAWING = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 40">'
    '<circle cx="20" cy="20" r="12" fill="#e0a100"/>'
    '<path d="M40 28h110" stroke="#1d5a85" stroke-width="6"/></svg>'
)
#: a portal on another site that a test plays, with a page that is framed at a sign-out
FRAMED = "http://127.0.0.1:9009"
AT_CLIENT = "Back at the client"
#: RFC 7636 Appendix B
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@dataclass(frozen=True, slots=True)
class Somebody:
    """A person who can sign in."""

    username: str
    password: str
    totp_secret: str | None = None
    given_name: str = ""

    @property
    def email(self) -> str:
        """The person's address."""
        return f"{self.username}@muster.example"

    def code(self) -> str:
        """Return what the person's app shows."""
        assert self.totp_secret is not None
        return pyotp.TOTP(self.totp_secret).now()


class House:
    """The running demo and the operations that an operator has."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo
        self.facts = demo.facts
        self.issuer: str = self.facts["issuer"]
        self.customer: str = self.facts["customer_portal"]
        self.support: str = self.facts["support_portal"]
        settings = load_settings(demo.folder / "lotse.toml", environ={})
        self.services: Services = build_services(settings)
        self._regulars: dict[str, Somebody] = {}

    def of_the_cast(self, username: str) -> Somebody:
        """Return somebody of the demo; a code is good for one sign-in, so with apps tests make their own."""
        found = self.demo.person(username)
        return Somebody(username, found["password"], found["totp_secret"])

    @contextmanager
    def operator(self) -> Iterator[Context]:
        """Yield the context of one change."""
        with self.services.database.session() as db:
            yield self.services.context(db, actor=Actor(kind="operator", id="tests"))
            db.commit()

    def newcomer(
        self,
        *,
        given_name: str = "Nora",
        apps: Sequence[str] = (),
        companies: Sequence[str] = (MUSTER,),
        granted: Sequence[str] = ("documents",),
    ) -> Somebody:
        """Make a person whom no other test knows.

        :param apps: the names of the person's authenticator apps; they share a secret.
        :param companies: customer numbers.
        :param granted: permissions at the customer portal, in each company.
        """
        username = f"{given_name.lower()}-{secrets.token_hex(3)}"
        secret = pyotp.random_base32() if apps else None
        with self.operator() as ctx:
            account_id = accounts.create(
                ctx,
                username=username,
                password=PASSWORD,
                emails=[f"{username}@muster.example"],
                profile={"name": f"{given_name} Neumann", "given_name": given_name, "family_name": "Neumann"},
            )
            for label in apps:
                totp.enroll(ctx, ctx.db.get_one(Account, account_id), str(secret), label)
            for number in companies:
                organization_id = organizations.find(ctx, number).id
                membership_id = memberships.add(ctx, organization_id=organization_id, account_id=account_id)
                permissions.grant_to_member(ctx, organization_id, membership_id, "customer-portal", granted)
        return Somebody(username, PASSWORD, secret, given_name)

    def regular(self, **wishes: Any) -> Somebody:
        """Return a :meth:`newcomer` whom all tests of the run share that only need somebody like that."""
        key = repr(sorted(wishes.items()))
        if key not in self._regulars:
            self._regulars[key] = self.newcomer(**wishes)
        return self._regulars[key]

    def has_client(self, metadata: dict[str, Any]) -> None:
        """Register a client, where it is not; the running demo knows it a little later."""
        with self.operator() as ctx:
            if not clients.exists(ctx, metadata["client_id"]):
                clients.create(ctx, metadata)

    @property
    def for_one_product(self) -> dict[str, Any]:
        """A portal that nobody is asked for their affiliation by; it answers with a page that is served."""
        return {
            "client_id": "sage-100-portal",
            "client_name": "Portal für Sage 100",
            "kind": "spa",
            "first_party": True,
            "redirect_uris": [f"{self.customer}/signed-out"],
            "product": "sage-100",
            "require_membership": True,
        }

    def has_framed_client(self) -> None:
        """Register the portal ``framed`` with the first test that needs it."""
        with self.operator() as ctx:
            if any(facts.client_id == "framed" for facts in clients.list_all(ctx)):
                return
            clients.create(
                ctx,
                {
                    "client_id": "framed",
                    "client_name": "Rechnungsportal",
                    "first_party": True,
                    "redirect_uris": [f"{FRAMED}/callback"],
                    "post_logout_redirect_uris": [f"{FRAMED}/signed-out"],
                    "frontchannel_logout_uri": f"{FRAMED}/frontchannel-logout",
                },
            )

    def block(self, person: Somebody) -> None:
        """Block an account, as staff does."""
        with self.operator() as ctx:
            accounts.block(ctx, accounts.find(ctx, person.username))

    def post(self, mail: mails.Mail, to: str, locale: str = "de") -> None:
        """Put a mail into the demo's outbox."""
        with self.operator() as ctx:
            mails.post(ctx, mail, to=to, locale=locale, expires_at=ctx.now + timedelta(minutes=10))

    def newest_mail(self, to: str) -> Shown:
        """Return the mail that an address got last."""
        with self.operator() as ctx:
            return next(mail for mail in list_shown(ctx) if mail.to == to)

    def send(self, kind: str, recipient: str, **payload: str) -> None:
        """Put a message into the demo's outbox."""
        with self.operator() as ctx:
            outbox.enqueue(ctx, kind, recipient, payload, expires_at=ctx.now + timedelta(hours=1))

    def expire(self, flow_id: str) -> None:
        """Let the hour of a sign-in pass."""
        past = int((datetime.now(UTC) - timedelta(seconds=1)).timestamp() * 1_000_000)
        with closing(sqlite3.connect(self.demo.folder / "lotse.db", timeout=30)) as database:
            changed = database.execute("UPDATE flow SET expires_at = ? WHERE id = ?", (past, flow_id))
            assert changed.rowcount == 1
            database.commit()

    def device(
        self, client_id: str = "device-cli", scope: str = "openid profile email organization"
    ) -> dict[str, str]:
        """Ask for codes as a device does; a client that was made just now is known within a second."""

        def asked() -> httpx.Response:
            form = {"client_id": client_id, "scope": scope}
            return httpx.post(f"{self.issuer}/device_authorization", data=form, trust_env=False)

        assert until(lambda: asked().status_code == 200, seconds=20)
        codes: dict[str, str] = asked().json()
        return codes

    def strict_device(self) -> dict[str, str]:
        """Ask for codes as a device that demands two factors."""
        with self.operator() as ctx:
            if not any(one.client_id == "strict-device" for one in clients.list_all(ctx)):
                levels = ["urn:lotse:acr:aal2"]
                registration = {"client_id": "strict-device", "kind": "device", "default_acr_values": levels}
                clients.create(ctx, registration)
        return self.device("strict-device")

    def authorize(self, client_id: str = "probe-public", **changes: str) -> str:
        """Return the address of an authorization request of a client that the test plays itself."""
        parameters = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": CALLBACK,
            "scope": "openid",
            "state": "af0ifjsldkj",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changes,
        }
        return f"{self.issuer}/authorize?{urlencode(parameters)}"


class Visitor:
    """A person at one window; further windows share the browser's cookies."""

    def __init__(self, house: House, context: BrowserContext, page: Page | None = None) -> None:
        self.house = house
        self.context = context
        self.page = page or context.new_page()

    def another_tab(self) -> "Visitor":
        """Open a second window of the same browser."""
        return Visitor(self.house, self.context)

    def come_from(self, portal: str) -> None:
        """Go to a portal's sign-in."""
        self.page.goto(f"{portal}/login")

    def fill(self, person: Somebody, *, password: str | None = None) -> None:
        """Fill the sign-in page and send it."""
        self.page.locator("input[name=username]").fill(person.username)
        self.page.locator("input[name=password]").fill(person.password if password is None else password)
        self.press()

    def fill_code(self, code: str) -> None:
        """Fill the page of the second step and send it."""
        self.page.locator("input[name=code]").fill(code)
        self.press()

    def come_from_client(self, **changes: str) -> None:
        """Send a request of a client that the test plays, with a page where the answer arrives."""
        page = f"<!doctype html><title>Client</title><h1>{AT_CLIENT}</h1>"
        self.page.route(f"{CALLBACK}*", lambda route: route.fulfill(body=page, content_type="text/html"))
        self.page.goto(self.house.authorize(**changes))

    def come_from_a_stranger(self, **changes: str) -> None:
        """The same for the portal of somebody else, whose logo is answered for it."""
        self.see_logos()
        self.come_from_new_client(FOREIGN, scope=FOREIGN["scope"], **changes)

    def see_logos(self) -> None:
        """Have the logo of somebody else answered."""
        self.page.route(LOGO, lambda route: route.fulfill(body=DRAWING, content_type="image/svg+xml"))

    def come_from_new_client(self, metadata: dict[str, Any], **changes: str) -> None:
        """The same for a client that is registered with the first test that needs it."""
        self.house.has_client(metadata)
        known = {"client_id": metadata["client_id"], "redirect_uri": metadata["redirect_uris"][0]}
        wishes = {**known, **changes}
        self.come_from_client(**wishes)
        while self.page.locator("main summary").count():  # the portal is not known yet
            self.come_from_client(**wishes)

    def visit_framed(self) -> None:
        """Sign in at the portal ``framed``, in the open session and behind the window."""
        address = self.house.authorize("framed", redirect_uri=f"{FRAMED}/callback")
        assert "code=" in self.context.request.get(address, max_redirects=0).headers["location"]

    def connect_a_device(self, user_code: str) -> None:
        """Type the code of a device."""
        self.page.goto(f"{self.house.issuer}/device")
        self.page.locator("input[name=code]").fill(user_code)
        self.press()

    def press(self, button: str = "main button.primary") -> None:
        """Press the page's one primary button and wait for what comes; a page that leads on is none of it."""
        with self.page.expect_navigation() as arrived:
            self.page.locator(button).click()
        if arrived.value is not None and "refresh" in arrived.value.headers:
            self.page.wait_for_url(lambda url: not url.startswith(self.house.issuer))

    def sign_in(self, portal: str, person: Somebody) -> None:
        """Walk the whole way."""
        self.come_from(portal)
        self.fill(person)
        if person.totp_secret is not None:
            self.fill_code(person.code())

    def sign_out(self, portal: str) -> None:
        """Use the portal's menu."""
        self.page.goto(portal)
        self.page.locator(".menu summary").click()
        with self.page.expect_navigation():
            self.page.locator(".menu button").click()

    @property
    def flow_id(self) -> str:
        """The sign-in that the page belongs to."""
        return parse_qs(urlsplit(self.page.url).query)["flow"][0]

    @property
    def heading(self) -> str:
        """The page's only heading of first order."""
        return self.page.get_by_role("heading", level=1).inner_text()

    @property
    def h1(self) -> Locator:
        """The same, to wait for."""
        return self.page.locator("h1")


@dataclass
class Visits:
    """Opens browsers, each without history."""

    house: House
    browser: Browser

    def new(self, **wishes: Any) -> Visitor:
        """Return a person at a fresh browser that speaks German, unless told otherwise."""
        context = self.browser.new_context(**{"locale": "de-DE", "reduced_motion": "reduce", **wishes})
        return Visitor(self.house, context)

    def like(self, visitor: Visitor) -> Visitor:
        """Return somebody at another browser of the same language, theme and size."""
        page = visitor.page
        dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        return self.new(
            locale=page.evaluate("navigator.language"),
            color_scheme="dark" if dark else "light",
            viewport=page.viewport_size,
        )


__all__ = ["AT_CLIENT", "BEISPIEL", "CALLBACK", "FRAMED", "MUSTER", "House", "Somebody", "Visitor", "Visits"]
