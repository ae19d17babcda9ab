"""Third parties through the pages: consent given, remembered, declined, withdrawn (L-11; req 16, 23)."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from idp.accounts.models import Account
from idp.audit.models import AuditEvent
from idp.context import Actor, Services
from idp.management import consents, permissions
from idp.oidc.models import Authorization, Consent
from idp.web.gateway import Gateway
from tests import cast
from tests.builders import OPERATOR, make_catalogue, make_membership, make_organization
from tests.installation import unit_of_work
from tests.plain_browser import Browser, Portal, claims
from tests.world import PROFILE, forget_snapshot, now

SCOPE = "openid profile email phone address organization permissions offline_access"


@pytest.fixture
def portal(services: Services, gateway: Gateway) -> Portal:
    with unit_of_work(services) as ctx:
        registered = cast.register(ctx, "third", first_party=False, scope=SCOPE)
        paul = cast.person(ctx, "paul", phones=["+4940123456"], **PROFILE)
        make_membership(ctx, make_organization(ctx), paul)
        cast.person(ctx, "ben")
    return Portal(gateway, registered)


def ask(portal: Portal, browser: Browser, username: str = "paul", **changes: str | None) -> str:
    """Come from the portal, sign in where that is asked, and return the text of the page shown then."""
    portal.authorize(browser, **changes)
    if "/login" in browser.url:
        browser.sign_in(username)
    return browser.page.text if browser.page is not None else ""


def allow(portal: Portal, browser: Browser, *fields: str) -> dict[str, Any]:
    """Tick what is named beside what is ticked, agree, and return the tokens."""
    assert "/consent" in browser.url, browser.url
    browser.submit(expect_action="/consent", choice="allow", **dict.fromkeys(fields, "y"))
    return portal.tokens(browser)


def rows(services: Services, table: Any, *where: Any) -> int:
    with services.database.session() as db:
        return int(db.scalar(select(func.count()).select_from(table).where(*where)) or 0)


def test_only_what_was_ticked_is_granted(portal: Portal) -> None:
    """The page shows the real values, nothing is ticked; the answer says what was granted (req 16, 110)."""
    browser = Browser(portal.gateway)
    page = ask(portal, browser)
    for value in (
        "paul@muster.example",
        "Paul Muster",
        "Muster GmbH",
        "100200300",
        "portal.example",
        "Third",
    ):
        assert value in page, value
    assert "checked" not in page
    tokens = allow(portal, browser, "scope.email")
    assert tokens["scope"] == "openid email"
    assert claims(tokens["access_token"])["scope"] == "openid email"
    assert "organization" not in claims(tokens["access_token"])
    shown = portal.userinfo(tokens["access_token"]).get_json()
    assert set(shown) == {"sub", "email", "email_verified"}
    refreshed = portal.refresh(tokens["refresh_token"]).get_json()
    assert refreshed["scope"] == "openid email"


@pytest.mark.parametrize(
    ("told", "german", "english"),
    [
        (
            {"home_uri": "https://wetter.example/", "policy_uri": "https://wetter.example/privacy"},
            (
                'ein anderer Anbieter, nicht Lotse<br><a href="https://wetter.example/">',
                'steht unter <a href="https://wetter.example/privacy">Datenschutz bei Wetter</a>',
            ),
            (
                'another provider, not Lotse<br><a href="https://wetter.example/">',
                'stated under <a href="https://wetter.example/privacy">Privacy at Wetter</a>',
            ),
        ),
        (
            {"home_uri": None, "policy_uri": None},
            ("<dd>ein anderer Anbieter, nicht Lotse</dd>", "<dd>Wetter hat uns keinen genannt."),
            ("<dd>another provider, not Lotse</dd>", "<dd>Wetter has not given us one."),
        ),
    ],
    ids=["registered", "not registered"],
)
def test_whose_the_portal_is_and_why_it_asks(
    portal: Portal,
    services: Services,
    told: dict[str, Any],
    german: tuple[str, ...],
    english: tuple[str, ...],
) -> None:
    """As far as its registration says it, and that it says nothing; then how the answer is taken back by
    oneself (L-11, K-10).
    """
    with unit_of_work(services) as ctx:
        fields: dict[str, Any] = {"client_name": "Wetter", "first_party": False, **told}
        other = Portal(portal.gateway, cast.register(ctx, "wetter", **fields))
    portal.gateway.server.provider.snapshots.expire()
    browser = Browser(portal.gateway)
    page = ask(other, browser, scope="openid email")
    link = '<a href="/account/portals">{}</a>'
    assert "Sie melden sich an, um <strong>Wetter</strong> zu nutzen." in page
    for words in (*german, f"unter {link.format('Verbundene Portale')}"):
        assert words in page, words
    page = browser.get(browser.url.removeprefix(browser.issuer) + "&lang=en").text
    for words in (*english, f"under {link.format('Connected portals')}"):
        assert words in page, words
    allow(other, browser, "scope.email")
    browser.get("/account/portals")
    browser.submit(expect_action="/account/portals/wetter/withdraw")
    assert rows(services, Consent) == 0


def test_claims_that_were_not_allowed_appear_nowhere(portal: Portal) -> None:
    """Claims asked for by name are shown with their values, and each needs its tick (OIDC Core §5.5)."""
    wish = {
        "id_token": {"birthdate": {"essential": True}, "email": None, "acr": None},
        "userinfo": {"gender": None, "birthdate": None, "email": None},
    }
    browser = Browser(portal.gateway)
    page = ask(portal, browser, scope="openid email", claims=json.dumps(wish))
    assert "29.02.1980" in page
    assert "männlich" in page
    assert page.count("paul@muster.example") == 1  # asked for twice, shown with its scope
    tokens = allow(portal, browser, "claim.gender")
    assert not {"birthdate", "email", "gender"} & set(claims(tokens["id_token"]))
    assert claims(tokens["id_token"])["acr"]
    assert set(portal.userinfo(tokens["access_token"]).get_json()) == {"sub", "gender"}
    ask(portal, browser, scope="openid email", claims=json.dumps(wish), prompt="consent")
    tokens = allow(portal, browser, "scope.email", "claim.birthdate")
    told = claims(tokens["id_token"])
    assert (told["birthdate"], told["email"]) == ("1980-02-29", "paul@muster.example")
    assert {"gender", "birthdate", "email"} <= set(portal.userinfo(tokens["access_token"]).get_json())


def test_a_decision_is_remembered(portal: Portal, services: Services) -> None:
    """The same and less are not asked again; more asks for all, with the old ones ticked."""
    browser = Browser(portal.gateway)
    ask(portal, browser, scope="openid profile email")
    allow(portal, browser, "scope.email")
    for scope, granted in (
        ("openid profile email", "openid email"),
        ("openid", "openid"),
        ("email", "email"),
    ):
        portal.authorize(browser, scope=scope, prompt="none")
        assert portal.tokens(browser)["scope"] == granted
    portal.authorize(browser, scope="openid email phone", prompt="none")
    assert portal.answer(browser)["error"] == "consent_required"
    page = ask(portal, browser, scope="openid email phone")
    assert page.count(" checked") == 1
    assert 'name="scope.email" value="y" checked' in page
    assert allow(portal, browser, "scope.phone")["scope"] == "openid email phone"
    assert rows(services, Consent) == 1
    page = ask(portal, browser, scope="openid profile email phone")  # of which profile was declined
    assert portal.tokens(browser)["scope"] == "openid email phone"


def test_prompt_consent_asks_again(portal: Portal) -> None:
    """Even where all was allowed; what is no longer ticked is no longer granted."""
    browser = Browser(portal.gateway)
    ask(portal, browser, scope="openid email")
    allow(portal, browser, "scope.email")
    page = ask(portal, browser, scope="openid email", prompt="consent")
    assert 'name="scope.email" value="y" checked' in page
    browser.post(
        browser.url.removeprefix(browser.issuer),
        fields_of(page) | {"choice": "allow"},
    )
    assert portal.tokens(browser)["scope"] == "openid"
    portal.authorize(browser, scope="openid email", prompt="none")
    assert portal.tokens(browser)["scope"] == "openid"


def fields_of(page: str) -> dict[str, str]:
    """Return the hidden fields of the consent form."""
    form = page[page.index('action="/consent') :]
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))


def test_declining(portal: Portal, services: Services) -> None:
    """access_denied to the portal, nothing stored, an event in the log; the next request asks again."""
    browser = Browser(portal.gateway)
    ask(portal, browser)
    browser.submit(expect_action="/consent", choice="decline", **{"scope.email": "y"})
    answer = portal.answer(browser)
    assert (answer["error"], answer["iss"], answer["state"]) == (
        "access_denied",
        browser.issuer,
        "af0ifjsldkj",
    )
    assert rows(services, Consent) == 0
    assert rows(services, Authorization) == 0
    assert rows(services, AuditEvent, AuditEvent.event == "consent.declined") == 1
    ask(portal, browser)
    assert "/consent" in browser.url


def test_a_given_consent_is_an_event(portal: Portal, services: Services) -> None:
    """Who, which portal, what; no value of the person."""
    ask(portal, browser := Browser(portal.gateway))
    allow(portal, browser, "scope.email")
    with services.database.session() as db:
        (event,) = db.scalars(select(AuditEvent).where(AuditEvent.event == "consent.given"))
    assert (event.actor_kind, event.client, event.old) == ("account", "third", None)
    assert event.target_id == event.actor_id
    assert json.loads(event.new or "") == {"claims": [], "scope": "email openid"}


def test_withdrawal_ends_everything_at_once(portal: Portal, services: Services) -> None:
    """Waiting codes, refresh, userinfo, introspection, offline access too; the next request asks (req 23)."""
    browser = Browser(portal.gateway)
    ask(portal, browser, scope=SCOPE)
    offline = allow(portal, browser, "scope.offline_access", "scope.email")
    assert offline["scope"] == "openid email offline_access"
    portal.authorize(browser, scope="openid email")
    bound = portal.tokens(browser)
    portal.authorize(browser, scope="openid email")
    waiting = portal.answer(browser)["code"]
    with unit_of_work(services, now()) as ctx:
        account_id = ctx.db.scalars(select(Consent.account_id)).one()
        ended = consents.withdraw(ctx.acting(Actor("account", account_id)), account_id, "third")
    assert (ended.sessions, ended.authorizations) == (0, 3)
    for tokens in (offline, bound):
        assert portal.refresh(tokens["refresh_token"]).get_json()["error"] == "invalid_grant"
        assert portal.userinfo(tokens["access_token"]).status_code == 401
        assert portal.call("/introspect", {"token": tokens["access_token"]}).get_json() == {"active": False}
    assert portal.exchange(waiting).get_json()["error"] == "invalid_grant"
    portal.authorize(browser, prompt="none", scope="openid")
    assert portal.answer(browser)["error"] == "consent_required"
    page = ask(portal, browser, scope=SCOPE)
    assert " checked" not in page


def test_offline_access_survives_sign_out(portal: Portal, services: Services) -> None:
    """With the tick it lives on, 90 days in all; without it, it dies with the session (OIDC Core §11)."""
    browser = Browser(portal.gateway)
    page = ask(portal, browser, scope=SCOPE)
    assert "90 Tage" in page
    offline = allow(portal, browser, "scope.offline_access")
    assert offline["scope"] == "openid offline_access"
    portal.authorize(browser, scope="openid")
    bound = portal.tokens(browser)
    browser.get("/logout", id_token_hint=offline["id_token"])
    assert portal.refresh(bound["refresh_token"]).get_json()["error"] == "invalid_grant"
    again = portal.refresh(offline["refresh_token"])
    assert again.status_code == 200
    assert portal.userinfo(again.get_json()["access_token"]).status_code == 200
    with services.database.session() as db:
        found = {row.offline: row.expires_at - row.created_at for row in db.scalars(select(Authorization))}
    assert found == {True: timedelta(days=90), False: timedelta(days=30)}


def test_offline_access_of_a_first_party(portal: Portal, services: Services) -> None:
    """Ignored without prompt=consent; with it a tick as at others, remembered then (OIDC Core §11)."""
    with unit_of_work(services) as ctx:
        own = Portal(portal.gateway, cast.register(ctx, "own", scope="openid email offline_access"))
        plain = Portal(
            portal.gateway,
            cast.register(ctx, "plain", scope="openid email", grant_types=["authorization_code"]),
        )
    portal.gateway.server.provider.snapshots.expire()
    browser = Browser(portal.gateway)
    wish = "openid email offline_access"
    ask(own, browser, scope=wish)
    assert own.tokens(browser)["scope"] == "openid email"
    page = ask(own, browser, scope=wish, prompt="consent")
    assert 'name="scope.email"' not in page  # the operator's own portal has it anyway
    assert "paul@muster.example" in page
    assert allow(own, browser, "scope.offline_access")["scope"] == wish
    own.authorize(browser, scope=wish, prompt="none")
    assert own.tokens(browser)["scope"] == wish
    ask(plain, browser, scope=wish, prompt="consent")
    assert "scope.offline_access" not in (browser.page.text if browser.page else "")
    assert allow(plain, browser)["scope"] == "openid email"


def test_permissions_and_services_in_words(portal: Portal, services: Services) -> None:
    """Permissions by their names in the language of the page, an API's scope with the API's name."""
    with unit_of_work(services) as ctx:
        cast.register_api(ctx)
        shop = cast.register(
            ctx, "shop", first_party=False, scope="openid permissions orders:read", audiences=["orders-api"]
        )
        make_catalogue(ctx, "shop")
        operator = ctx.acting(OPERATOR)
        company = make_organization(ctx, "100200900", "Hafen GmbH")
        membership = make_membership(ctx, company, cast.person(ctx, "mira"))
        permissions.grant_to_organization(operator, company, "shop", ["orders"])
        permissions.grant_to_member(operator, company, membership, "shop", ["orders"])
    portal.gateway.server.provider.snapshots.expire()
    theirs, browser = Portal(portal.gateway, shop), Browser(portal.gateway)
    page = ask(theirs, browser, "mira", scope="openid permissions orders:read", ui_locales="en")
    for words in ("orders en", "Does something", "Access to Orders-Api", "orders:read"):
        assert words in page, words
    german = browser.get(browser.url.removeprefix(browser.issuer) + "&lang=de").text
    assert "orders de" in german
    tokens = allow(theirs, browser, "scope.orders:read")
    assert tokens["scope"] == "openid orders:read"


def test_a_pure_api_client_needs_one_tick(portal: Portal, services: Services) -> None:
    """Without ``openid`` nothing is granted that was not ticked: agreeing to nothing is no answer."""
    browser = Browser(portal.gateway)
    ask(portal, browser, scope="email")
    browser.submit(expect_action="/consent", choice="allow")
    assert "/consent" in browser.url
    assert 'class="error-summary"' in (browser.page.text if browser.page else "")
    assert rows(services, Consent) == 0
    tokens = allow(portal, browser, "scope.email")
    assert tokens["scope"] == "email"
    assert "id_token" not in tokens


def test_what_is_not_stored_is_said(portal: Portal) -> None:
    """Somebody without phone, address and company reads that there is nothing."""
    browser = Browser(portal.gateway)
    page = ask(portal, browser, "ben", scope=SCOPE)
    assert page.count("Dazu ist bei uns nichts gespeichert.") == 4


def test_an_address_of_several_lines_is_one_text(portal: Portal, services: Services) -> None:
    """``formatted`` has line ends (OIDC Core §5.1.1), which a page would show as spaces."""
    with unit_of_work(services) as ctx:
        cast.person(ctx, "vera", address={"formatted": "Hafenstraße 12\r\n04109 Leipzig", "country": "DE"})
    page = ask(portal, Browser(portal.gateway), "vera", scope="openid address")
    assert "Hafenstraße 12, 04109 Leipzig" in page


@pytest.mark.parametrize("first_party", [False, True], ids=["a third party", "the operator's own"])
def test_what_is_unticked_ends_where_it_was_issued(
    portal: Portal, services: Services, gateway: Gateway, first_party: bool
) -> None:
    """Tokens from before hold more than the person allows now, even beyond sign-out (req 16, 23)."""
    with unit_of_work(services) as ctx:
        registered = cast.register(ctx, "mine", first_party=first_party, scope=SCOPE)
    forget_snapshot(gateway)
    mine, browser = Portal(gateway, registered), Browser(gateway)
    asked = {"scope": "openid email offline_access", "prompt": "consent"}
    ask(mine, browser, **asked)
    email = () if first_party else ("scope.email",)
    wide = allow(mine, browser, "scope.offline_access", *email)
    assert "offline_access" in wide["scope"]
    page = ask(mine, browser, **asked)
    browser.post(browser.url.removeprefix(browser.issuer), fields_of(page) | {"choice": "allow"})
    narrow = mine.tokens(browser)
    assert "offline_access" not in narrow["scope"]
    assert mine.refresh(wide["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert mine.userinfo(wide["access_token"]).status_code == 401
    assert mine.refresh(narrow["refresh_token"]).status_code == 200


def test_more_ends_nothing(portal: Portal) -> None:
    """Who allows something further keeps what was issued before."""
    browser = Browser(portal.gateway)
    ask(portal, browser, scope="openid email")
    before = allow(portal, browser, "scope.email")
    ask(portal, browser, scope="openid email phone")
    allow(portal, browser, "scope.phone")
    assert portal.refresh(before["refresh_token"]).status_code == 200


def test_an_answer_counts_for_the_company_whose_values_were_shown(portal: Portal, services: Services) -> None:
    """Another one chosen in a second tab meanwhile is asked about anew (L-11, req 75)."""
    with unit_of_work(services) as ctx:
        (account_id,) = ctx.db.scalars(select(Account.id).where(Account.username == "paul"))
        make_membership(ctx, make_organization(ctx, "700800900", "Beispiel AG"), account_id)
    browser = Browser(portal.gateway)
    page = ask(portal, browser, scope="openid organization", prompt="consent")
    assert "/choose-organization" in browser.url
    first, second = re.findall(r'name="choice" value="([^"]+)"', page)[:2]
    browser.submit(expect_action="/choose-organization", choice=first)
    flow = browser.url.partition("flow=")[2]
    answer = fields_of(browser.page.text) | {"choice": "allow", "scope.organization": "y"}  # type: ignore[union-attr]
    browser.client.post(
        f"/consent?flow={flow}",
        base_url=browser.issuer,
        data=answer,
        headers={"Origin": browser.issuer},
    )
    browser.get("/choose-organization", flow=flow)
    browser.submit(expect_action="/choose-organization", choice=second)
    assert "/consent" in browser.url
