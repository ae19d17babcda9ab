"""Short ways into the middle of the protocol: a code without pages, time that passed, tokens verified."""

import base64
import hashlib
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import KeySet
from sqlalchemy import BigInteger, select, type_coerce, update
from sqlalchemy.orm import InstrumentedAttribute
from werkzeug.test import Client, TestResponse

from idp.accounts.models import Account
from idp.authentication import live_sessions, sessions
from idp.authentication.models import AuthenticationEvent, Session
from idp.context import Context, Services
from idp.crypto import sha256
from idp.flows.models import OneTimeSecret
from idp.oidc.authorization import issue
from idp.oidc.authorization_request import AuthorizationRequest
from idp.oidc.clients import load_clients
from idp.web.gateway import Gateway
from idp.web.machine import endpoints
from tests.cast import REDIRECT, Registered
from tests.installation import unit_of_work
from tests.plain_browser import Portal

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
"""RFC 7636 Appendix B."""
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

_UNSYNCHRONIZED = {"synchronize_session": False}

ALL_SCOPES = "openid profile email phone address organization permissions"

PROFILE: dict[str, Any] = {
    "name": "Paul Muster",
    "given_name": "Paul",
    "family_name": "Muster",
    "middle_name": "Peter",
    "nickname": "Pit",
    "profile": "https://muster.example/paul",
    "picture": "https://muster.example/paul.png",
    "website": "https://muster.example",
    "gender": "male",
    "birthdate": "1980-02-29",
    "zoneinfo": "Europe/Berlin",
    "locale": "de-DE",
    "address": {"street_address": "Am Kai 7", "locality": "Hamburg", "postal_code": "20457", "country": "DE"},
}


def now() -> datetime:
    """Return the time that requests see."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Issued:
    """A code, and whose authorization it opens."""

    code: str
    authorization_id: str


def code_for(
    ctx: Context,
    client_id: str,
    account_id: str,
    *,
    membership: str | None = None,
    methods: tuple[tuple[str, str | None], ...] = (("pwd", None),),
    **request: Any,
) -> Issued:
    """Issue a code as the hub does, without pages, in a session of its own."""
    live, *_ = sessions.start(ctx, ctx.db.get_one(Account, account_id), methods=methods)
    wanted: dict[str, Any] = {
        "client_id": client_id,
        "redirect_uri": REDIRECT,
        "scope": "openid",
        "code_challenge": CHALLENGE,
        **request,
    }
    client = load_clients(ctx.db)[client_id]
    held = live_sessions.hold(ctx, live.session.id, client.row_id)
    code = issue(ctx, AuthorizationRequest(**wanted), client, held, membership)
    found = select(OneTimeSecret.target).where(OneTimeSecret.hash == sha256(code))
    return Issued(code, ctx.db.scalars(found).one())


@dataclass
class Desk:
    """One portal at the machine endpoints, for one person; everything but the pages."""

    services: Services
    gateway: Gateway
    registered: Registered
    account_id: str
    portal: Portal = field(init=False)

    def __post_init__(self) -> None:
        self.portal = Portal(self.gateway, self.registered, verifier=VERIFIER)
        self.issuer = self.gateway.server.provider.issuer

    def code(self, **request: Any) -> Issued:
        """Issue a code now."""
        with unit_of_work(self.services, now()) as ctx:
            return code_for(ctx, self.registered.client_id, self.account_id, **request)

    def redeem(self, code: str, **changes: str | None) -> TestResponse:
        """Redeem a code."""
        return self.portal.exchange(code, **changes)

    def tokens(self, **request: Any) -> dict[str, Any]:
        """Issue and redeem a code."""
        answer = self.redeem(self.code(**request).code)
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.get_json()
        return tokens

    def introspect(self, token: str, portal: Portal | None = None) -> dict[str, Any]:
        """Ask what a token is worth."""
        answer = (portal or self.portal).call("/introspect", {"token": token})
        assert answer.status_code == 200, answer.text
        facts: dict[str, Any] = answer.get_json()
        return facts

    def work(self) -> Any:
        """Return a unit of work at the time that requests see."""
        return unit_of_work(self.services, now())


def machine(gateway: Gateway, method: str, path: str, **options: Any) -> TestResponse:
    """Send a request to a machine endpoint as it stands."""
    return Client(gateway).open(path, method=method, base_url=gateway.server.provider.issuer, **options)


def verified(gateway: Gateway, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims of a JWT, verified by joserfc with the published keys alone."""
    published = machine(gateway, "GET", "/jwks").get_json()
    keys, algorithms = KeySet.import_key_set(published), ["ES256", "RS256", "PS256", "EdDSA"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # of EdDSA, the name that OpenID Connect has
        decoded = jwt.decode(token, keys, algorithms=algorithms)
    return dict(decoded.header), dict(decoded.claims)


def forget_snapshot(gateway: Gateway) -> None:
    """Have the next request ask the database for changed clients and keys."""
    gateway.server.provider.snapshots.expire()


def time_passes(services: Services, **span: float) -> None:
    """Have all sessions begun, and been proven, that much earlier."""
    for columns in (
        (AuthenticationEvent.at,),
        (Session.created_at, Session.last_seen_at, Session.active_since),
    ):
        move_back(services, columns, timedelta(**span))


def move_back(
    services: Services, columns: Collection[InstrumentedAttribute[Any]], span: timedelta, *where: Any
) -> None:
    """Have the times in columns of one table be that much earlier."""
    micros = span // timedelta(microseconds=1)
    values = {column.key: type_coerce(column, BigInteger) - micros for column in columns}
    with services.database.session() as db, db.begin():
        table = next(iter(columns)).class_
        db.execute(update(table).where(*where).values(values), execution_options=_UNSYNCHRONIZED)


@contextmanager
def later(**span: float) -> Iterator[None]:
    """Have the endpoints of machines see a time that much later, until the block ends."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(**span)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(endpoints, "datetime", Later)
        yield


def at_hash(token: str, alg: str = "ES256") -> str:
    """Return the hash of OIDC Core §3.1.3.6, written out."""
    name, half = ("sha512", 32) if alg == "EdDSA" else ("sha256", 16)
    digest = hashlib.new(name, token.encode()).digest()
    return base64.urlsafe_b64encode(digest[:half]).rstrip(b"=").decode()


__all__ = [
    "ALL_SCOPES",
    "CHALLENGE",
    "PROFILE",
    "VERIFIER",
    "Desk",
    "at_hash",
    "code_for",
    "forget_snapshot",
    "machine",
    "move_back",
    "now",
    "time_passes",
    "verified",
]
