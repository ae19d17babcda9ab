"""Devices: nothing but the right person's click on the right question lets one in (req 30, 55, 98).

C3, C7, C13, C15, C16; RFC 8628 §5; RFC 10027.  That each form needs our own page and its token, and that no
page can be framed, is in the sweeps of C13 and C24.
"""

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from idp.context import Context, Services
from idp.db import Database
from idp.flows.models import Flow
from idp.management import accounts, clients, memberships
from idp.oidc import user_codes
from idp.oidc.models import Authorization, DeviceRequest
from idp.organizations.memberships import for_account
from idp.settings import Settings
from idp.throttling import make_throttle
from idp.web.gateway import Gateway
from tests import cast
from tests.builders import OPERATOR, make_membership, make_organization
from tests.device_programs import Device, answer, at_the_question, connect, enter, heading
from tests.installation import unit_of_work
from tests.plain_browser import Browser, Portal
from tests.world import VERIFIER, forget_snapshot


@pytest.fixture
def device(services: Services, gateway: Gateway) -> Device:
    with unit_of_work(services) as ctx:
        registered = cast.register_device(ctx)
        organization = make_organization(ctx)
        for name in ("anna", "ben"):
            make_membership(ctx, organization, cast.person(ctx, name))
        for name in ("nora", "otto"):
            cast.person(ctx, name)
    return Device(gateway, registered)


def _fields(page: str) -> dict[str, str]:
    return dict(re.findall(r'name="(csrf_token|confirmation)" value="([^"]*)"', page))


def _target(browser: Browser) -> str:
    return browser.url.removeprefix(browser.issuer)


def _connected(services: Services) -> list[str]:
    """Return whom a device acts for, by user name."""
    with unit_of_work(services) as ctx:
        found = ctx.db.scalars(
            select(Authorization.account_id).join(
                DeviceRequest, DeviceRequest.authorization_id == Authorization.id
            )
        ).all()
        names = {accounts.find(ctx, name): name for name in ("anna", "ben", "nora", "otto")}
    return [names[account_id] for account_id in found]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"choice": ""},
        {"choice": "yes"},
        {"choice": "connect", "confirmation": ""},
        {"choice": "connect", "confirmation": "x" * 43},
        {"choice": "connect", "confirmation": "\u00e4"},
        {"choice": "deny", "confirmation": ""},
    ],
    ids=str,
)
def test_nothing_but_a_click_on_the_question_decides(
    device: Device, services: Services, changes: dict[str, str]
) -> None:
    """Empty posts, other words, guessed confirmations: the question is shown again (req 30)."""
    browser = Browser(device.gateway)
    page = at_the_question(browser, device.ask())
    shown = browser.post(_target(browser), _fields(page.text) | changes)
    assert 'name="confirmation"' in shown.text
    assert _connected(services) == []
    assert device.hears() == "authorization_pending"


def test_the_question_cannot_be_skipped(device: Device, services: Services) -> None:
    """Right after the code, signed in or not, an answer without a question is none (req 30; issue 26100)."""
    browser = Browser(device.gateway)
    enter(browser, device.ask())
    flow = re.search(r"flow=([\w-]{43})", browser.url)
    assert flow is not None
    token = _fields(browser.page.text)["csrf_token"]  # type: ignore[union-attr]
    for path, status in (("/device/{}", 200), ("/authorize/{}/decline", 400), ("/logout/{}", 400)):
        page = browser.post(path.format(flow[1]), {"csrf_token": token, "choice": "connect"})
        assert page.status_code == status
    assert _connected(services) == []
    browser.get(f"/login?flow={flow[1]}")
    browser.sign_in()
    token = _fields(browser.page.text)["csrf_token"]  # type: ignore[union-attr]
    browser.post(f"/device/{flow[1]}", {"csrf_token": token, "choice": "connect"})
    assert _connected(services) == []


def test_a_device_s_flow_gives_no_code(device: Device, services: Services) -> None:
    """The authorization endpoint does not answer it, and the device's pages answer no portal's (C2)."""
    browser = Browser(device.gateway)
    at_the_question(browser, device.ask())
    own = browser.url.rpartition("/")[2]
    assert browser.get(f"/authorize/{own}").status_code == 400
    with unit_of_work(services) as ctx:
        portal = Portal(device.gateway, cast.register(ctx))
    forget_snapshot(device.gateway)
    other = Browser(device.gateway)
    portal.authorize(other)
    flow = re.search(r"flow=([\w-]{43})", other.url)
    assert flow is not None
    assert other.get(f"/device/{flow[1]}").status_code == 400
    assert other.get(f"/device/{flow[1]}/done").status_code == 400
    assert _connected(services) == []


def test_another_browser_s_question(device: Device, services: Services) -> None:
    """The attacker sends the victim the question, or takes the victim's: neither connects (C6, req 41)."""
    attacker, victim = Browser(device.gateway), Browser(device.gateway)
    page = at_the_question(attacker, device.ask(), "ben")
    at_the_question(victim, Device(device.gateway, device.registered).ask(), "anna")
    own = _fields(victim.page.text)  # type: ignore[union-attr]
    for fields in (_fields(page.text), own, _fields(page.text) | {"csrf_token": own["csrf_token"]}):
        answered = victim.post(_target(attacker), fields | {"choice": "connect"})
        assert answered.status_code == 400
    assert _connected(services) == []
    assert device.hears() == "authorization_pending"


@pytest.mark.parametrize(("first", "then"), [("ben", "anna"), ("nora", "otto")])
def test_a_page_of_another_account(device: Device, services: Services, first: str, then: str) -> None:
    """The question was one's, another signed in since, with or without a company.

    The click is asked for anew, and why (req 75).
    """
    browser = Browser(device.gateway)
    page = at_the_question(browser, device.ask(), first)
    stood_open, target = _fields(page.text), _target(browser)
    browser.get("/logout")
    browser.submit(expect_action="/logout", choice="logout")
    browser.get("/login")
    browser.sign_in(then)
    fresh = _fields(browser.get(target).text)
    assert fresh["confirmation"] != stood_open["confirmation"]
    sent = stood_open | {"csrf_token": fresh["csrf_token"], "choice": "connect"}
    for fields in (sent, stood_open | {"choice": "connect"}):
        again = browser.post(target, fields).text
        assert 'name="confirmation"' in again
        assert "Sie sind jetzt mit einem anderen Konto" in again
        assert "länger offen" not in again
    assert _connected(services) == []
    browser.post(target, fresh | {"choice": "connect"})
    assert _connected(services) == [then]


def test_a_page_of_another_flow(device: Device, services: Services) -> None:
    """The same person at the same code in two browsers: each answers its own question alone (req 41)."""
    shown, first, second = device.ask(), Browser(device.gateway), Browser(device.gateway)
    others = _fields(at_the_question(first, shown).text)["confirmation"]
    own = _fields(at_the_question(second, shown).text)
    target = _target(second)
    second.post(target, own | {"confirmation": others, "choice": "connect"})
    assert _connected(services) == []
    second.post(target, own | {"choice": "connect"})
    assert _connected(services) == ["anna"]


def test_a_page_of_another_company(device: Device, services: Services) -> None:
    """The question named one company, the session acts for the other by now."""
    with unit_of_work(services) as ctx:
        account_id = accounts.find(ctx, "anna")
        make_membership(ctx, make_organization(ctx, "100200400", "Beispiel AG"), account_id)
        mine = {each.organization_name: each.id for each in for_account(ctx, account_id)}
    browser = Browser(device.gateway)
    enter(browser, device.ask())
    asked = browser.sign_in()
    flow = re.search(r"flow=([\w-]{43})", browser.url)
    assert flow is not None
    early = _fields(asked.text) | {"choice": "connect", "confirmation": "x"}
    browser.post(f"/device/{flow[1]}", early)  # before the question is there
    page = browser.submit(expect_action="/choose-organization", choice=mine["Muster GmbH"])
    fields, target = _fields(page.text), _target(browser)
    flow_id = target.rpartition("/")[2]
    browser.get(f"/choose-organization?flow={flow_id}")
    browser.submit(expect_action="/choose-organization", choice=mine["Beispiel AG"])
    again = browser.post(target, fields | {"choice": "connect"}).text
    assert "Beispiel AG" in again
    assert "für ein anderes Unternehmen angemeldet" in again
    assert _connected(services) == []


def test_replays(device: Device, services: Services) -> None:
    """The answer counts once, and whatever is sent then hears it again; the code is used."""
    browser = Browser(device.gateway)
    shown = device.ask()
    page = at_the_question(browser, shown)
    fields, target = _fields(page.text) | {"choice": "connect"}, _target(browser)
    for again in (fields, fields, fields | {"choice": "deny"}):
        assert heading(browser.post(target, again)) == "Gerät verbunden"
    assert heading(browser.post(f"{target}/decline", fields)) == "Gerät verbunden"
    assert "schon benutzt" in enter(browser, shown).text
    assert _connected(services) == ["anna"]
    assert device.poll().status_code == 200


def test_the_code_does_not_stand_in_the_flow(device: Device, services: Services) -> None:
    """A copy of the tables does not give the codes that wait (req 37)."""
    shown = device.ask()
    enter(Browser(device.gateway), shown)
    with services.database.session() as db:
        flow = db.scalars(select(Flow)).one()
        kept = f"{flow.request} {flow.done} {flow.form_data!r}"
    assert shown not in kept
    assert shown.replace("-", "") not in kept
    assert device.codes["device_code"] not in kept


def test_two_people_at_one_code(device: Device, services: Services) -> None:
    """Both see the question, the first click counts, whichever it is."""
    shown = device.ask()
    first, second = Browser(device.gateway), Browser(device.gateway)
    at_the_question(first, shown, "ben")
    at_the_question(second, shown, "anna")
    answer(first)
    assert "schon benutzt" in answer(second).text
    assert _connected(services) == ["ben"]


def test_parallel_clicks(device: Device, services: Services) -> None:
    """Eight browsers, half of them refusing, at the same moment: one decision, at most one authorization."""
    shown = device.ask()
    browsers = [Browser(device.gateway) for _ in range(8)]
    for number, browser in enumerate(browsers):
        at_the_question(browser, shown, ("anna", "ben")[number % 2])
    barrier = threading.Barrier(len(browsers))

    def click(number: int) -> str:
        barrier.wait()
        return answer(browsers[number], ("connect", "deny")[number % 2]).text

    with ThreadPoolExecutor(len(browsers)) as pool:
        pages = list(pool.map(click, range(len(browsers))))
    decided = [page for page in pages if "<h1>Gerät verbunden" in page or "<h1>Gerät nicht" in page]
    assert len(decided) == 1
    with services.database.session() as db:
        row = db.scalars(select(DeviceRequest)).one()
        assert (row.authorization_id is None) != (row.denied_at is None)
        assert len(db.scalars(select(Authorization)).all()) == (row.denied_at is None)


def _block(ctx: Context) -> None:
    accounts.block(ctx, accounts.find(ctx, "anna"))


def _delete(ctx: Context) -> None:
    accounts.delete(ctx, accounts.find(ctx, "anna"))


def _leave(ctx: Context) -> None:
    mine = for_account(ctx, accounts.find(ctx, "anna"))[0]
    memberships.end(ctx, mine.organization_id, mine.id)


def _block_member(ctx: Context) -> None:
    mine = for_account(ctx, accounts.find(ctx, "anna"))[0]
    memberships.block(ctx, mine.organization_id, mine.id)


def _client_off(ctx: Context) -> None:
    clients.disable(ctx, "terminal")


ENDS: dict[str, Callable[[Context], object]] = {
    "blocked": _block,
    "deleted": _delete,
    "left the company": _leave,
    "blocked by the company": _block_member,
    "client off": _client_off,
}


@pytest.mark.parametrize("moment", ["before the click", "before the poll", "after the tokens"])
@pytest.mark.parametrize("end", ENDS)
def test_who_was_let_go_has_no_device(device: Device, services: Services, end: str, moment: str) -> None:
    """The matrix of C7 for this grant, at each of its moments (req 23, 30)."""
    browser = Browser(device.gateway)
    at_the_question(browser, device.ask())
    tokens: dict[str, Any] = {}
    if moment != "before the click":
        answer(browser)
    if moment == "after the tokens":
        tokens = device.poll().get_json()
    with unit_of_work(services, datetime.now(UTC)) as ctx:
        ENDS[end](ctx.acting(OPERATOR))
    forget_snapshot(device.gateway)
    if moment == "before the click":
        answer(browser)
    refused = device.poll()
    assert refused.status_code in (400, 401)
    assert "access_token" not in refused.get_json()
    if tokens:
        assert device.refresh(tokens["refresh_token"]).status_code in (400, 401)
        assert device.userinfo(tokens["access_token"]).status_code == 401


def test_pkce_is_no_way_around(device: Device, services: Services) -> None:
    """A device code is no authorization code and the reverse, whatever is sent beside it (C3; OpenAM)."""
    with unit_of_work(services) as ctx:
        registered = cast.register(
            ctx,
            "cli",
            kind="native",
            token_endpoint_auth_method="none",
            grant_types=["authorization_code", "refresh_token", cast.DEVICE_GRANT],
        )
    forget_snapshot(device.gateway)
    both = Device(device.gateway, registered, verifier=VERIFIER)
    browser = Browser(device.gateway)
    connect(browser, both.ask())
    for verifier in (None, VERIFIER):
        assert both.exchange(both.codes["device_code"], code_verifier=verifier).status_code == 400
    both.authorize(browser)
    code = both.answer(browser)["code"]
    assert both.hears(device_code=code) == "invalid_grant"
    assert both.exchange(code).status_code == 200
    assert both.poll().status_code == 200


# -- guessing


@pytest.fixture
def close(services: Services, settings: Settings, gateway: Gateway, database: Database) -> Settings:
    """An installation that stops after five codes a minute."""
    throttle = settings.throttle.model_copy(update={"login_per_minute": 5})
    changed = settings.model_copy(update={"throttle": throttle})
    made = make_throttle(changed, database, services.vault)
    flask: Any = gateway._pages.__self__  # type: ignore[attr-defined]
    flask.extensions["lotse"] = Services(changed, database, services.vault, made, services.passwords)
    return changed


def test_guesses_from_a_network_are_stopped(device: Device, close: Settings) -> None:
    """Fresh cookies and right codes in between do not help; another network goes on (RFC 8628 §5.1; C15)."""
    shown = device.ask()
    for _ in range(4):
        assert "kennen wir nicht" in enter(Browser(device.gateway, address="198.51.100.1"), "BCDF-GHJK").text
    enter(Browser(device.gateway, address="198.51.100.1"), shown)
    stopped = enter(Browser(device.gateway, address="198.51.100.1"), shown)
    assert stopped.status_code == 429
    assert 0 < int(stopped.headers["Retry-After"]) <= 60
    assert "Zu viele Versuche" in stopped.text
    assert f'value="{shown}"' in stopped.text
    assert enter(Browser(device.gateway, address="198.51.100.2"), shown).status_code == 200


def test_guesses_of_an_account_are_stopped(device: Device, close: Settings) -> None:
    """From wherever they come; an own device in between clears nothing (req 55)."""
    browser = Browser(device.gateway, address="198.51.100.1")
    browser.get("/login")
    browser.sign_in()
    for number in range(5):
        browser.address = f"198.51.100.{number + 2}"
        enter(browser, device.ask() if number == 2 else "BCDF-GHJK")
    browser.address = "198.51.100.99"
    assert enter(browser, "BCDF-GHJK").status_code == 429
    other = Browser(device.gateway, address="198.51.100.99")
    assert enter(other, "BCDF-GHJK").status_code == 200


def test_what_can_be_no_code_costs_nothing(device: Device, close: Settings) -> None:
    """A slip of the keyboard is no guess, and asks no table."""
    browser = Browser(device.gateway, address="198.51.100.1")
    for typed in ("", "BCDF", "12345678", "BCDF-GHJKL", "x" * 300) * 2:
        assert "8 Buchstaben" in enter(browser, typed).text
    assert user_codes.read(device.ask()) is not None
    assert "/login" in enter(browser, device.codes["user_code"]).request.url
