"""Statements and commits of every protocol endpoint, as the driver counts them (design §6)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from idp.context import Services
from idp.db import Database
from idp.oidc import consent, snapshot
from idp.oidc.clients import load_clients
from idp.oidc.consent import Extent
from idp.web.gateway import Gateway
from tests import cast
from tests.builders import make_catalogue, make_membership, make_organization
from tests.device_programs import Device, connect
from tests.driver import Traffic, counted
from tests.installation import unit_of_work
from tests.plain_browser import Browser, Portal
from tests.provers import ProvingPortal
from tests.signers import Signer, SigningPortal
from tests.world import ALL_SCOPES, PROFILE, VERIFIER, Desk, machine

# the statements of the engines differ
pytestmark = pytest.mark.measured


@pytest.fixture
def desk(services: Services, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Desk:
    # the look at the version row, at most two a second, is no part of any request
    monkeypatch.setattr(snapshot, "POLL_SECONDS", 3600.0)
    with unit_of_work(services) as ctx:
        registered = cast.register(ctx)
        make_catalogue(ctx)
        account = cast.person(ctx, "paul", phones=["+4940123456"], **PROFILE)
        make_membership(ctx, make_organization(ctx), account)
    gateway.server.provider.snapshots.expire()
    made = Desk(services, gateway, registered, account)
    made.tokens()  # everything is warm
    return made


@pytest.fixture
def traffic(desk: Desk, database: Database) -> Iterator[Traffic]:
    with counted(database) as found:
        yield found


@pytest.fixture
def spent(traffic: Traffic) -> Callable[..., tuple[int, int]]:
    """Calls something and returns statements and commits of the call."""

    def call(action: Callable[[], Any], *, status: int = 200) -> tuple[int, int]:
        traffic.clear()
        answer = action()
        assert answer.status_code == status, answer.text
        return len(traffic.statements), traffic.commits

    return call


Spent = Callable[..., tuple[int, int]]


def _one_more_on_sqlite(services: Services, statements: int) -> int:
    """SQLite reads in a second statement what PostgreSQL returns from the consuming one."""
    return statements + (services.database.dialect == "sqlite")


@pytest.mark.parametrize(
    "path",
    ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/jwks", "/health/live"],
)
def test_documents_ask_nothing(desk: Desk, spent: Spent, path: str) -> None:
    """Discovery, JWKS and the sign of life: no statement."""
    assert spent(lambda: machine(desk.gateway, "GET", path)) == (0, 0)


def test_client_credentials_ask_nothing(desk: Desk, spent: Spent) -> None:
    """The client is in the snapshot, the token has no row."""
    assert spent(lambda: desk.portal.call("/token", {"grant_type": "client_credentials"})) == (0, 0)


def test_code_exchange(desk: Desk, spent: Spent, services: Services) -> None:
    """Consume and read, insert the refresh token, commit."""
    code = desk.code().code
    assert spent(lambda: desk.redeem(code)) == (_one_more_on_sqlite(services, 2), 1)


def test_code_exchange_without_refresh_token(desk: Desk, spent: Spent, services: Services) -> None:
    """Consume and read, commit."""
    with desk.work() as ctx:
        lone = cast.register(ctx, "lone", grant_types=["authorization_code"])
    desk.gateway.server.provider.snapshots.expire()
    other = Desk(desk.services, desk.gateway, lone, desk.account_id)
    other.tokens()
    code = other.code().code
    assert spent(lambda: other.redeem(code)) == (_one_more_on_sqlite(services, 1), 1)


def test_refresh(desk: Desk, spent: Spent, services: Services) -> None:
    """Consume and read, insert the successor, commit; nothing else."""
    token = desk.tokens(scope=ALL_SCOPES)["refresh_token"]
    assert spent(lambda: desk.portal.refresh(token)) == (_one_more_on_sqlite(services, 2), 1)


def test_permissions_are_read_once_a_version(desk: Desk, spent: Spent, services: Services) -> None:
    """The first token for a membership reads them, the next one knows them."""
    with desk.work() as ctx:
        fresh = make_membership(ctx, make_organization(ctx, "100200500", "Neu GmbH"), desk.account_id)
    first = desk.code(scope="openid permissions", membership=fresh).code
    second = desk.code(scope="openid permissions", membership=fresh).code
    usual = _one_more_on_sqlite(services, 2)
    assert spent(lambda: desk.redeem(first)) == (usual + 1, 1)
    assert spent(lambda: desk.redeem(second)) == (usual, 1)


def test_introspection(desk: Desk, spent: Spent) -> None:
    """One read, of a person's token and of a client's own."""
    tokens = desk.tokens(scope=ALL_SCOPES)
    own = desk.portal.call("/token", {"grant_type": "client_credentials"}).get_json()
    for token in (tokens["access_token"], own["access_token"]):
        form = {"token": token}
        assert spent(lambda form=form: desk.portal.call("/introspect", form)) == (1, 0)
    assert spent(lambda: desk.portal.call("/introspect", {"token": "garbage"})) == (0, 0)


@pytest.mark.parametrize("scope", ["openid", "openid profile", ALL_SCOPES], ids=str)
def test_userinfo(desk: Desk, spent: Spent, scope: str) -> None:
    """The authorization, and in the same read the person with all addresses."""
    token = desk.tokens(scope=scope)["access_token"]
    assert spent(lambda: desk.portal.userinfo(token)) == (1, 0)


@pytest.fixture
def opaque(desk: Desk) -> Desk:
    """A portal whose access tokens are opaque."""
    with desk.work() as ctx:
        made = cast.register(ctx, "opaque", access_token_format="opaque")
    desk.gateway.server.provider.snapshots.expire()
    other = Desk(desk.services, desk.gateway, made, desk.account_id)
    other.tokens()
    return other


def test_opaque_tokens_cost_one_insert(opaque: Desk, spent: Spent, services: Services) -> None:
    """Beside what a JWT costs, in the same transaction; a client's own one is that insert alone."""
    code = opaque.code().code
    tokens: dict[str, str] = {}

    def redeem() -> Any:
        answer = opaque.redeem(code)
        tokens.update(answer.get_json())
        return answer

    usual = _one_more_on_sqlite(services, 2)
    assert spent(redeem) == (usual + 1, 1)
    assert spent(lambda: opaque.portal.refresh(tokens["refresh_token"])) == (usual + 1, 1)
    assert spent(lambda: opaque.portal.call("/token", {"grant_type": "client_credentials"})) == (1, 1)


def test_opaque_tokens_are_found_in_one_read(opaque: Desk, spent: Spent) -> None:
    """By userinfo and introspection, with all that decides about them; other words cost nothing."""
    tokens = opaque.tokens(scope=ALL_SCOPES)
    own = opaque.portal.call("/token", {"grant_type": "client_credentials"}).get_json()
    assert spent(lambda: opaque.portal.userinfo(tokens["access_token"])) == (1, 0)
    for token in (tokens["access_token"], own["access_token"]):
        form = {"token": token}
        assert spent(lambda form=form: opaque.portal.call("/introspect", form)) == (1, 0)
    for token in ("at_garbage", tokens["refresh_token"]):
        form = {"token": token}
        assert spent(lambda form=form: opaque.portal.call("/introspect", form)) == (0, 0)
        assert spent(lambda token=token: opaque.portal.userinfo(token), status=401) == (0, 0)
    form = {"token": tokens["access_token"]}
    found, commits = spent(lambda: opaque.portal.call("/revoke", form))
    assert (found <= 2, commits) == (True, 1), found


def test_strict_revocation_costs_one_insert(desk: Desk, spent: Spent) -> None:
    """For a JWT that a client gets for itself; its introspection is one read as for all."""
    with desk.work() as ctx:
        strict = Portal(desk.gateway, cast.register(ctx, "strict", strict_revocation=True))
    desk.gateway.server.provider.snapshots.expire()
    grant = {"grant_type": "client_credentials"}
    token = strict.call("/token", grant).get_json()["access_token"]
    assert spent(lambda: strict.call("/token", grant)) == (1, 1)
    assert spent(lambda: strict.call("/introspect", {"token": token})) == (1, 0)


def test_refused_requests_ask_nothing(desk: Desk, spent: Spent) -> None:
    """A wrong secret and a token that is no token cost the database nothing."""
    wrong = {"client_id": "portal", "client_secret": "wrong", "grant_type": "client_credentials"}
    assert spent(lambda: machine(desk.gateway, "POST", "/token", data=wrong), status=401) == (0, 0)
    assert spent(lambda: desk.portal.userinfo("garbage"), status=401) == (0, 0)


def test_revocation(desk: Desk, spent: Spent) -> None:
    """Owner, authorization, audit event; or the list of single tokens and the audit event; one commit."""
    tokens = desk.tokens()
    for token, statements in ((tokens["access_token"], 2), (tokens["refresh_token"], 3)):
        form = {"token": token}
        found, commits = spent(lambda form=form: desk.portal.call("/revoke", form))
        assert (found <= statements, commits) == (True, 1), found


def test_a_signed_authentication_costs_one_insert(desk: Desk, spent: Spent) -> None:
    """The assertion's jti, committed before anything else happens (req 19)."""
    signer = Signer()
    with desk.work() as ctx:
        registered = cast.register(
            ctx, "signer", token_endpoint_auth_method="private_key_jwt", jwks=signer.jwks
        )
    desk.gateway.server.provider.snapshots.expire()
    portal = SigningPortal(desk.gateway, registered, signer=signer)
    grant = {"grant_type": "client_credentials"}
    portal.call("/token", grant)
    assert spent(lambda: portal.call("/token", grant)) == (1, 1)


def test_a_proof_costs_one_insert(desk: Desk, spent: Spent, services: Services) -> None:
    """Its jti, committed before anything else happens; the first one of a lineage is noted there (req 26)."""
    portal = ProvingPortal(desk.gateway, desk.registered, verifier=VERIFIER)
    grant = {"grant_type": "client_credentials"}
    assert spent(lambda: portal.call("/token", grant)) == (1, 1)
    code = desk.code().code
    tokens: dict[str, Any] = {}

    def exchange() -> Any:
        answer = portal.exchange(code)
        tokens.update(answer.get_json())
        return answer

    assert spent(exchange) == (_one_more_on_sqlite(services, 4), 2)
    assert spent(lambda: portal.userinfo(tokens["access_token"])) == (2, 1)
    assert spent(lambda: portal.refresh(tokens["refresh_token"])) == (_one_more_on_sqlite(services, 3), 2)


def test_pushed_requests(desk: Desk, spent: Spent) -> None:
    """One insert, later one update beside what the same request costs by query."""
    browser, query = Browser(desk.gateway), desk.portal.parameters()
    pushed = {}

    def push() -> Any:
        answer = desk.portal.call("/par", query)
        pushed.update(answer.get_json())
        return answer

    def ask(parameters: dict[str, str]) -> Any:
        return browser.client.get("/authorize", query_string=parameters, base_url=browser.issuer)

    assert spent(push, status=201) == (1, 1)
    plain, commits = spent(lambda: ask(query), status=303)
    reference = {"client_id": "portal", "request_uri": pushed["request_uri"]}
    assert spent(lambda: ask(reference), status=303) == (plain + 1, commits + 1)


def test_what_a_third_party_costs(desk: Desk, spent: Spent, traffic: Traffic) -> None:
    """The decision is read for the hub, and again under the lock: two statements beside a first party's."""
    with desk.work() as ctx:
        registered = cast.register(ctx, "third", first_party=False)
        everything = Extent(frozenset({"openid", "email"}))
        consent.decide(ctx, desk.account_id, load_clients(ctx.db)["third"], everything, everything)
    desk.gateway.server.provider.snapshots.expire()
    browser, third = Browser(desk.gateway), Portal(desk.gateway, registered)
    desk.portal.sign_in(browser, "paul")

    def ask(portal: Portal) -> Any:
        query = portal.parameters(scope="openid email")
        return browser.client.get("/authorize", query_string=query, base_url=browser.issuer)

    ask(third)  # the session has a sid there from the first time on
    own, commits = spent(lambda: ask(desk.portal), status=303)
    assert spent(lambda: ask(third), status=303) == (own + 2, commits), traffic.statements


def test_polls_of_a_device(desk: Desk, spent: Spent, services: Services) -> None:
    """Codes: throttle and insert. While nobody has decided: look, note. With tokens: as a code's exchange."""
    with desk.work() as ctx:
        device = Device(desk.gateway, cast.register_device(ctx))
    desk.gateway.server.provider.snapshots.expire()
    device.ask()
    device.hears()
    assert spent(lambda: device.call("/device_authorization", {"scope": "openid"})) == (2, 2)
    device.ask("openid")
    assert spent(device.poll, status=400) == (2, 1)
    browser = Browser(desk.gateway)
    connect(browser, device.codes["user_code"], "paul")
    assert spent(device.poll) == (_one_more_on_sqlite(services, 2), 1)


def test_pages_of_the_protocol(desk: Desk, spent: Spent, traffic: Traffic) -> None:
    """A request that needs a page, one that is answered at once, and a sign-out, each in one commit."""
    browser, portal = Browser(desk.gateway), Portal(desk.gateway, desk.registered)
    query = portal.parameters(scope="openid")

    def ask(path: str, **parameters: str) -> Any:
        return browser.client.get(path, query_string=parameters, base_url=browser.issuer)

    found, commits = spent(lambda: ask("/authorize", **query), status=303)
    assert (found <= 1, commits) == (True, 1), traffic.statements
    portal.sign_in(browser, "paul")
    found, commits = spent(lambda: ask("/authorize", **query), status=303)
    # account, memberships and session, held, and three rows
    assert (found, commits) == (6, 1), traffic.statements
    found, commits = spent(lambda: ask("/logout", client_id="portal"), status=303)
    assert (found <= 3, commits) == (True, 1), traffic.statements


def test_a_sign_in_with_form(desk: Desk, spent: Spent, traffic: Traffic, services: Services) -> None:
    """Look-up, counted try, all that changes with the portal's code."""
    browser = Browser(desk.gateway)
    desk.portal.authorize(browser)
    found, commits = spent(lambda: browser.sign_in("paul"))
    # look-ups begin no transaction, and the counted try commits itself: only SQLite has to say so
    once = 1 if services.database.dialect == "postgresql" else 2
    assert (found, commits) == (23, once), "\n".join(traffic.statements)


@pytest.mark.alone_on("postgresql")
def test_how_often_the_database_is_waited_for(desk: Desk, traffic: Traffic) -> None:
    """BEGIN goes with the first write, and what is only inserted with what comes next or with COMMIT."""
    if desk.services.database.dialect == "sqlite":
        return
    portal = desk.portal
    query = portal.parameters(scope="openid")

    def waits(action: Callable[[], Any]) -> int:
        traffic.clear()
        action()
        return traffic.journeys

    def authorize(visitor: Browser) -> Any:
        return visitor.client.get("/authorize", query_string=query, base_url=browser.issuer)

    for _ in range(2):  # the first time statements are prepared
        browser = Browser(desk.gateway)
        began = waits(lambda browser=browser: authorize(browser))
        portal.authorize(browser)
        signed_in = waits(lambda browser=browser: browser.sign_in("paul"))
        at_once = waits(lambda browser=browser: authorize(browser))
        code = desk.code(scope=ALL_SCOPES).code
        exchanged = waits(lambda code=code: desk.redeem(code))
        token = desk.tokens(scope=ALL_SCOPES)["refresh_token"]
        refreshed = waits(lambda token=token: portal.refresh(token))
    assert (began, signed_in, at_once, exchanged, refreshed) == (1, 14, 2, 2, 2)
