"""A third party knows the companies whose values somebody was shown, and no other (L-11; req 16, 59, 75)."""

import json
from typing import Any

import pytest
from sqlalchemy import select, update

from idp.accounts.models import Account
from idp.audit.models import AuditEvent
from idp.context import Actor, Services
from idp.management import own_data
from idp.oidc.models import Consent
from idp.organizations.models import Organization
from idp.web.gateway import Gateway
from tests import cast
from tests.builders import make_membership, make_organization
from tests.device_programs import Device, connect
from tests.installation import unit_of_work
from tests.plain_browser import Browser, Portal, claims
from tests.world import forget_snapshot, now

FIRST, SECOND = "100200300", "700800900"
SCOPE = "openid organization permissions"


@pytest.fixture
def portal(services: Services, gateway: Gateway) -> Portal:
    """A portal of somebody else, and a person of two companies."""
    with unit_of_work(services) as ctx:
        registered = cast.register(ctx, "third", first_party=False, scope=SCOPE)
        paul = cast.person(ctx, "paul")
        make_membership(ctx, make_organization(ctx), paul)
        make_membership(ctx, make_organization(ctx, SECOND, "Beispiel AG"), paul)
    return Portal(gateway, registered)


@pytest.fixture
def browser(portal: Portal) -> Browser:
    """Where the first company was allowed."""
    browser = Browser(portal.gateway)
    portal.authorize(browser, scope="openid organization", organization=FIRST)
    browser.sign_in("paul")
    tokens = allow(portal, browser)
    assert claims(tokens["id_token"])["organization"]["name"] == "Muster GmbH"
    return browser


def allow(portal: Portal, browser: Browser, *scopes: str) -> dict[str, Any]:
    """Tick and agree, and return the tokens."""
    ticks = {f"scope.{scope}": "y" for scope in scopes or ("organization",)}
    browser.submit(expect_action="/consent", choice="allow", **ticks)
    return portal.tokens(browser)


def silent(portal: Portal, browser: Browser, **changes: str) -> dict[str, str]:
    portal.authorize(browser, prompt="none", **({"scope": "openid organization"} | changes))
    return portal.answer(browser)


def test_each_company_is_asked_about_once(portal: Portal, browser: Browser) -> None:
    """The page shows the second one's values; then both are known, and no other is."""
    assert "code" in silent(portal, browser, organization=FIRST)
    assert silent(portal, browser, organization=SECOND)["error"] == "consent_required"
    page = portal.authorize(browser, scope="openid organization", organization=SECOND).text
    assert "/consent" in browser.url
    assert "Beispiel AG" in page
    assert "Muster GmbH" not in page
    assert claims(allow(portal, browser)["id_token"])["organization"]["name"] == "Beispiel AG"
    for number in (FIRST, SECOND):
        assert "code" in silent(portal, browser, organization=number)
    assert silent(portal, browser, organization="100200999")["error"] == "consent_required"


def test_what_tells_of_no_company_is_not_asked_again(portal: Portal, browser: Browser) -> None:
    """Whatever company somebody acts for."""
    portal.authorize(browser, scope="openid", organization=SECOND)
    assert "organization" not in claims(portal.tokens(browser)["id_token"])


def test_more_of_one_company_is_not_more_of_the_other(portal: Portal, browser: Browser) -> None:
    """Permissions were shown of the first alone: the second is asked about with its own."""
    portal.authorize(browser, scope="openid organization", organization=SECOND)
    allow(portal, browser)
    portal.authorize(browser, scope=SCOPE, organization=FIRST)
    allow(portal, browser, "organization", "permissions")
    assert "code" in silent(portal, browser, scope=SCOPE, organization=FIRST)
    assert silent(portal, browser, scope=SCOPE, organization=SECOND)["error"] == "consent_required"


@pytest.mark.parametrize(
    ("first", "second"),
    [("organization permissions", "organization"), ("organization permissions", "permissions")],
)
def test_what_was_shown_of_one_company_is_not_shown_of_the_other(
    portal: Portal, first: str, second: str
) -> None:
    """Each claim counts for the companies that it was shown of, whatever was allowed elsewhere."""
    browser = Browser(portal.gateway)
    portal.authorize(browser, scope=f"openid {first}", organization=FIRST)
    browser.sign_in("paul")
    allow(portal, browser, *first.split())
    portal.authorize(browser, scope=f"openid {second}", organization=SECOND)
    allow(portal, browser, second)
    assert "code" in silent(portal, browser, scope=f"openid {second}", organization=SECOND)
    for wanted in {*first.split()} - {second}:
        for scope in (f"openid {wanted}", SCOPE):
            answer = silent(portal, browser, scope=scope, organization=SECOND)
            assert answer["error"] == "consent_required", scope
    assert "code" in silent(portal, browser, scope=SCOPE, organization=FIRST)


def test_the_log_names_the_company(browser: Browser, services: Services) -> None:
    """Whose values were shown, by its id."""
    with services.database.session() as db:
        (event,) = db.scalars(select(AuditEvent).where(AuditEvent.event == "consent.given"))
        company = db.scalars(select(Organization.id).where(Organization.customer_number == FIRST)).one()
    assert json.loads(event.new or "")["organization"] == company


def test_a_no_for_one_company_leaves_the_other(portal: Portal, browser: Browser) -> None:
    """Declining answers this request alone."""
    portal.authorize(browser, scope="openid organization", organization=SECOND)
    browser.submit(expect_action="/consent", choice="decline")
    assert portal.answer(browser)["error"] == "access_denied"
    assert "code" in silent(portal, browser, organization=FIRST)
    assert silent(portal, browser, organization=SECOND)["error"] == "consent_required"


def test_the_account_tells_which_companies_a_portal_knows(
    portal: Portal, browser: Browser, services: Services
) -> None:
    """On the page never values of one that it may not know; in what is downloaded by their names (K-10)."""
    portal.authorize(browser, scope="openid", organization=SECOND)  # the session acts for it now
    page = browser.get("/account/portals").text
    assert ("Muster GmbH" in page, "Beispiel AG" in page) == (True, False)
    assert "Kennt diese Unternehmen" not in page
    portal.authorize(browser, scope="openid organization", organization=SECOND)
    allow(portal, browser)
    page = browser.get("/account/portals").text
    assert "Kennt diese Unternehmen" in page
    assert "Beispiel AG, Muster GmbH" in page
    with unit_of_work(services, now()) as ctx:
        account_id = ctx.db.scalars(select(Account.id).where(Account.username == "paul")).one()
        told = own_data.export(ctx.acting(Actor("account", account_id)), account_id, format="json")
        assert [row["companies"] for row in told["consents"]] == [["Beispiel AG", "Muster GmbH"]]


def test_the_account_shows_each_claim_of_a_company_it_was_allowed_for(
    portal: Portal, browser: Browser
) -> None:
    """Of one company its name, of the other the permissions (K-10)."""
    portal.authorize(browser, scope="openid permissions", organization=SECOND)
    allow(portal, browser, "permissions")
    page = browser.get("/account/portals").text
    assert "<li>Name: Muster GmbH</li>" in page
    assert "Name: Beispiel AG" not in page
    assert "Beispiel AG, Muster GmbH" in page


def test_what_was_issued_before_companies_were_kept_is_told(
    portal: Portal, browser: Browser, services: Services
) -> None:
    """A row of before knows no companies; the portal does, and its access goes on (revision 0008)."""
    with unit_of_work(services) as ctx:
        ctx.db.execute(update(Consent).values(organizations=[]))
    page = browser.get("/account/portals").text
    assert "<li>Name: Muster GmbH</li>" in page
    assert silent(portal, browser, organization=FIRST)["error"] == "consent_required"


def test_the_operators_own_portal_knows_every_company(
    portal: Portal, services: Services, gateway: Gateway
) -> None:
    """What is decided there is access while the person is away; the account tells so (K-10)."""
    with unit_of_work(services) as ctx:
        own = Portal(gateway, cast.register(ctx, "own", scope="openid organization offline_access"))
    forget_snapshot(gateway)
    browser = Browser(gateway)
    wish = "openid organization offline_access"
    own.authorize(browser, scope=wish, organization=FIRST, prompt="consent")
    browser.sign_in("paul")
    allow(own, browser, "offline_access")
    own.authorize(browser, scope="openid organization", organization=SECOND, prompt="none")
    assert claims(own.tokens(browser)["id_token"])["organization"]["name"] == "Beispiel AG"
    page = browser.get("/account/portals").text
    assert "Beispiel AG, Muster GmbH" in page


def test_the_operators_own_portal_that_asks_for_no_company(
    portal: Portal, services: Services, gateway: Gateway
) -> None:
    """It is told of none, whatever somebody acts for (K-10)."""
    with unit_of_work(services) as ctx:
        own = Portal(gateway, cast.register(ctx, "own", scope="openid offline_access"))
    forget_snapshot(gateway)
    browser = Browser(gateway)
    for number in (FIRST, SECOND):
        own.authorize(browser, scope="openid offline_access", organization=number, prompt="consent")
        if number == FIRST:
            browser.sign_in("paul")
        allow(own, browser, "offline_access")
    page = browser.get("/account/portals").text
    assert "Zugriff entziehen" in page
    assert ("Muster GmbH" in page, "Beispiel AG" in page) == (False, False)


def test_a_device_is_allowed_one_company(services: Services, gateway: Gateway) -> None:
    """Its question is a consent like any other, with the company that the session acts for (RFC 8628)."""
    with unit_of_work(services) as ctx:
        cast.member(ctx)
        asked = {"first_party": False, "scope": "openid organization"}
        program = Device(gateway, cast.register_device(ctx, "station", **asked))
    connect(Browser(gateway), program.ask("openid organization"))
    assert program.poll().status_code == 200
    with unit_of_work(services) as ctx:
        company = ctx.db.scalars(select(Organization.id).where(Organization.customer_number == FIRST)).one()
        assert ctx.db.scalars(select(Consent.organizations)).one() == [["organization", company]]
