"""An installation with people and a portal, its clock in the test's hand, and browsers that visit it."""

import html
import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pyotp
from sqlalchemy import select
from werkzeug.test import Client, TestResponse

from idp.accounts import identifiers
from idp.accounts.models import Account
from idp.app import create_app
from idp.audit.models import AuditEvent
from idp.authentication import totp
from idp.authentication.models import Session
from idp.context import Actor, Context, Origin, Services
from idp.crypto import b64url, random_token, sha256
from idp.db import Database, new_id
from idp.installation import snapshot_changed
from idp.oidc.models import Client as Portal
from idp.organizations.models import Membership, Organization, Role
from idp.settings import Settings
from tests.installation import NOW, install_signing_keys, make_services, unit_of_work

PASSWORD = "ein Kahn auf der Elbe"
WRONG = "ein Kahn auf der Oder"
ESSENTIAL = '{"id_token":{"acr":{"essential":true,"value":"urn:lotse:acr:aal2"}}}'
"""The ``claims`` of a portal that demands two factors."""
REDIRECT = "http://localhost:8001/callback"


@dataclass
class Clock:
    """The time that requests see."""

    now: datetime = NOW

    def advance(self, **by: float) -> None:
        """Move on."""
        self.now += timedelta(**by)


@dataclass(frozen=True, slots=True)
class ClockedServices(Services):
    """Services whose requests get their time from a test's clock."""

    clock: Clock = field(default_factory=Clock)

    def context(
        self,
        db: Any,
        *,
        now: datetime | None = None,
        origin: Origin | None = None,
        actor: Actor | None = None,
    ) -> Context:
        """Return a context at the clock's time."""
        return Services.context(self, db, now=now or self.clock.now, origin=origin, actor=actor)


class House:
    """The installation under test."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.clock = Clock()
        made = make_services(settings, database)
        self.services = ClockedServices(
            settings=settings,
            database=database,
            vault=made.vault,
            throttle=made.throttle,
            passwords=made.passwords,
            clock=self.clock,
        )
        install_signing_keys(self.services)
        with self.work() as ctx:
            ctx.db.add_all([Role(key="member", name_de="Mitarbeiter", name_en="Member")])
        self.settings = settings
        self._portal()
        self.app = create_app(settings, self.services)

    def restart(self, settings: Settings) -> None:
        """Serve the same database with other settings; a browser of before knows nothing of it."""
        self.services = replace(self.services, settings=settings)
        self.settings = settings
        self.app = create_app(settings, self.services)

    def work(self) -> Any:
        """Return a unit of work at the clock's time."""
        return unit_of_work(self.services, self.clock.now)

    def add(
        self,
        name: str,
        *,
        password: str | None = PASSWORD,
        status: str = "active",
        app: bool = False,
        company: str | None = None,
        membership: str = "active",
    ) -> "Person":
        """Add a person; with *app* also an authenticator app."""
        secret = totp.new_secret() if app else None
        with self.work() as ctx:
            account = Account(
                id=new_id(),
                sub=random_token(),
                status=status,
                epoch=1,
                name=name.title(),
                password_hash=self.services.passwords.hash(password) if password else None,
                created_at=ctx.now,
                updated_at=ctx.now,
            )
            ctx.db.add(account)
            ctx.db.flush()
            identifiers.set_username(ctx, account, name)
            identifiers.add_email(ctx, account.id, f"{name}@muster.example", verified=True)
            if secret:
                totp.enroll(ctx, account, secret, "Lotse")
            if company:
                self.join(ctx, account.id, company, membership)
            return Person(self, account.id, name, secret)

    def browser(self) -> "Browser":
        """Return a browser without cookies."""
        return Browser(self)

    def forget_snapshot(self) -> None:
        """Have the next request see changed clients."""
        self.app.server.provider.snapshots.expire()
        with self.work() as ctx:
            snapshot_changed(ctx.db)

    def events(self, name: str | None = None) -> list[AuditEvent]:
        """Return what the audit log holds, in order, of one name or of all."""
        with self.services.database.session() as db:
            rows = list(db.scalars(select(AuditEvent).order_by(AuditEvent.at, AuditEvent.id)))
        return [row for row in rows if name in (None, row.event)]

    def sessions(self) -> list[Session]:
        """Return all rows of sessions, in the order they began."""
        with self.services.database.session() as db:
            return list(db.scalars(select(Session).order_by(Session.created_at, Session.id)))

    def join(self, ctx: Context, account_id: str, company: str, status: str) -> None:
        """Make somebody a member of a company, which is founded where it does not exist."""
        organization = ctx.db.scalars(select(Organization).where(Organization.name == company)).one_or_none()
        if organization is None:
            number = f"{len(company):03d}{sum(company.encode()) % 10**6:06d}"
            organization = Organization(id=new_id(), name=company, customer_number=number, created_at=ctx.now)
            ctx.db.add(organization)
            ctx.db.flush()
        ctx.db.add(
            Membership(
                id=new_id(),
                account_id=account_id,
                organization_id=organization.id,
                role="member",
                status=status,
                created_at=ctx.now,
                changed_at=ctx.now,
            )
        )
        ctx.db.flush()

    def _portal(self) -> None:
        with self.work() as ctx:
            ctx.db.add(
                Portal(
                    id=new_id(),
                    client_id="portal",
                    client_name="Kundenportal",
                    kind="spa",
                    first_party=True,
                    redirect_uris=[REDIRECT],
                    grant_types=["authorization_code"],
                    response_types=["code"],
                    scope="openid organization",
                    token_endpoint_auth_method="none",
                    home_uri="http://localhost:8001/",
                    updated_at=ctx.now,
                    created_at=ctx.now,
                )
            )


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account."""

    house: House
    id: str
    name: str
    secret: str | None

    def code(self, *, back: int = 0) -> str:
        """Return what the person's app shows now, or showed some steps ago."""
        at = self.house.clock.now - timedelta(seconds=30 * back)
        return pyotp.TOTP(self.secret or "").at(at)

    def wrong_code(self) -> str:
        """Return six digits that the app shows neither now nor a step ago."""
        right = {self.code(), self.code(back=1)}
        return next(code for code in ("111111", "222222", "333333") if code not in right)


class Browser:
    """A browser: keeps cookies, sends forms as browsers do, follows redirects that stay in the house."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.client = Client(house.app)
        self.origin = house.settings.public_url
        self.extra: dict[str, str] = {}
        self.page: TestResponse
        self.address = "/"

    def get(self, address: str, *, follow: bool = True) -> TestResponse:
        """Open an address."""
        self.address = address
        self.page = self.client.get(address, base_url=self.origin, headers=self.extra)
        return self._follow() if follow else self.page

    def post(
        self,
        address: str,
        data: dict[str, str],
        *,
        follow: bool = True,
        headers: dict[str, str] | None = None,
    ) -> TestResponse:
        """Post a form as it is, without its hidden fields."""
        sent = {"Sec-Fetch-Site": "same-origin", "Origin": self.origin} if headers is None else headers
        self.page = self.client.post(address, data=data, base_url=self.origin, headers=self.extra | sent)
        self.address = address
        return self._follow() if follow else self.page

    def send(self, *, form: int = 0, follow: bool = True, **fields: str) -> TestResponse:
        """Fill in a form of the page and send it with its hidden fields."""
        action, hidden = forms(self.text)[form]
        return self.post(action or self.address, hidden | fields, follow=follow)

    def cookie(self, name: str) -> str | None:
        """Return a cookie's value."""
        found = self.client.get_cookie(name, domain="localhost")
        return found.value if found else None

    def set_cookie(self, name: str, value: str) -> None:
        """Plant a cookie."""
        self.client.set_cookie(name, value, domain="localhost")

    @property
    def text(self) -> str:
        """The page as text."""
        return self.page.get_data(as_text=True)

    @property
    def heading(self) -> str:
        """The page's h1."""
        found = re.search(r"<h1[^>]*>(.*?)</h1>", self.text, re.DOTALL)
        return html.unescape(found[1].strip()) if found else ""

    @property
    def arrived(self) -> dict[str, str]:
        """The parameters the portal was called back with; empty while the browser is still in the house."""
        location = self.page.headers.get("Location", "")
        return dict(parse_qsl(urlsplit(location).query)) if location.startswith(REDIRECT) else {}

    def ask(self, **parameters: str) -> TestResponse:
        """Come from the portal to sign in."""
        self.verifier = random_token()
        challenge = b64url(sha256(self.verifier))
        wanted = {
            "client_id": "portal",
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "scope": "openid",
            "state": "s",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return self.get(f"/authorize?{urlencode(wanted | parameters)}")

    def give_password(self, person: Person) -> TestResponse:
        """Fill in the sign-in page with the right password."""
        return self.send(username=person.name, password=PASSWORD)

    def sign_in(self, person: Person, **fields: str) -> TestResponse:
        """Fill in the sign-in page, and the code where it is asked."""
        self.give_password(person)
        if person.secret and self.address.startswith("/login/totp"):
            self.send(code=person.code(), **fields)
        return self.page

    def _follow(self) -> TestResponse:
        for _ in range(10):
            location = self.page.headers.get("Location")
            if location is None or location.startswith(REDIRECT):
                return self.page
            assert location.startswith("/") or location.startswith(self.origin), location
            self.address = location.removeprefix(self.origin)
            self.page = self.client.get(self.address, base_url=self.origin, headers=self.extra)
        raise AssertionError(f"too many redirects, last to {self.address}")


def forms(page: str) -> list[tuple[str, dict[str, str]]]:
    """Return action and hidden fields of each form of a page."""
    found = []
    for head, body in re.findall(r"<form([^>]*)>(.*?)</form>", page, re.DOTALL):
        action = re.search(r'action="([^"]*)"', head)
        hidden = {
            _attribute(tag, "name"): _attribute(tag, "value")
            for tag in re.findall(r"<input[^>]*>", body)
            if _attribute(tag, "type") == "hidden"
        }
        found.append((html.unescape(action[1]) if action else "", hidden))
    return found


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return html.unescape(found[1]) if found else ""
