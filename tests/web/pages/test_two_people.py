"""A page that stood open while somebody else signed in does not speak for them (req 75, C6)."""

import pytest
from sqlalchemy import select, update

from idp.accounts.models import Account
from idp.oidc import consent
from idp.oidc.clients import load_clients
from idp.oidc.models import Authorization, Client
from idp.organizations.models import JoinRequest
from tests.legacy import OLD_PASSWORD
from tests.web.pages.house import PASSWORD, Browser, House, Person, forms
from tests.web.pages.linking import bring, links, prepare_linking

CHANGED = "Hier ist jetzt jemand anderes angemeldet"


@pytest.fixture
def house(house: House) -> House:
    """An old portal whose accounts can be linked."""
    return prepare_linking(house)


@pytest.fixture
def ida(house: House) -> Person:
    """Somebody else with the same browser."""
    return house.add("ida")


@pytest.fixture
def here(house: House, browser: Browser, ben: Person) -> Browser:
    """The browser in which the first one is signed in; the portal lets everybody in."""
    _set(house, require_membership=False)
    browser.ask()
    browser.sign_in(ben)
    return browser


def _set(house: House, **fields: object) -> None:
    with house.work() as ctx:
        client = ctx.db.scalars(select(Client)).one()
        for name, value in fields.items():
            setattr(client, name, value)
    house.forget_snapshot()


def _in_another_tab(browser: Browser, person: Person) -> None:
    kept = browser.page, browser.address
    browser.ask(prompt="login")
    browser.sign_in(person)
    browser.page, browser.address = kept


def _press(browser: Browser, ending: str, **fields: str) -> None:
    """Send the form whose address, but for its query, ends so."""
    actions = [action.partition("?")[0].endswith(ending) for action, _ in forms(browser.text)]
    browser.send(form=actions.index(True), **fields)


def _account(house: House, person: Person) -> Account:
    with house.work() as ctx:
        return ctx.db.get_one(Account, person.id)


def _joining(house: House) -> list[str]:
    with house.work() as ctx:
        return [request.account_id for request in ctx.db.scalars(select(JoinRequest))]


def test_deletion(house: House, here: Browser, ida: Person) -> None:
    """The page says who is asked, and opens anew for who is signed in."""
    here.get("/account/delete")
    _in_another_tab(here, ida)
    _press(here, "/account/delete", agreed="y")
    assert here.heading == CHANGED
    assert here.page.status_code == 409
    assert _account(house, ida).status == "active"
    assert 'href="/account/delete">Seite neu öffnen' in here.text
    here.get("/account/delete")
    _press(here, "/account/delete", agreed="y")
    assert _account(house, ida).status == "deleted"


def test_profile(house: House, here: Browser, ida: Person) -> None:
    """Nothing of what the first one typed is stored, shown again or kept for a later step (req 75)."""
    here.get("/account/profile")
    _in_another_tab(here, ida)
    house.clock.advance(minutes=16)
    _press(here, "/account/profile", given_name="Benjamin", family_name="Muster", locale="de")
    assert here.heading == CHANGED
    assert "Benjamin" not in here.text
    here.get("/account/profile")
    _press(here, "/account/profile", given_name="Ida", family_name="Beispiel", locale="de")
    here.send(password=PASSWORD)
    assert "Benjamin" not in here.text
    assert 'value="Ida"' in here.text
    assert _account(house, ida).given_name is None


def test_ending_sessions(house: House, here: Browser, ben: Person, ida: Person) -> None:
    """Neither all others nor one of them."""
    for person in (ben, ida):
        elsewhere = house.browser()
        elsewhere.get("/login")
        elsewhere.sign_in(person)
    here.get("/account/sessions")
    _in_another_tab(here, ida)
    page = here.page
    hers = next(row for row in house.sessions() if row.account_id == ida.id)
    before = [row.ended_at for row in house.sessions()]
    _press(here, "/others")
    assert here.heading == CHANGED
    here.page = page
    token = forms(here.text)[0][1]
    here.post(f"/account/sessions/{hers.id}/end", token)
    assert here.heading == CHANGED
    assert [row.ended_at for row in house.sessions()] == before


def test_disconnecting_a_device(house: House, here: Browser, ben: Person, ida: Person) -> None:
    with house.work() as ctx:
        mine = Authorization.account_id == ben.id  # it becomes what the device grant leaves
        ctx.db.execute(update(Authorization).where(mine).values(redirect_uri=""))
    here.get("/account/sessions")
    _in_another_tab(here, ida)
    _press(here, "/disconnect")
    assert here.heading == CHANGED
    assert not house.events("device_request.disconnected")


def test_withdrawing_from_a_portal(house: House, here: Browser, ben: Person, ida: Person) -> None:
    _set(house, first_party=False)
    with house.work() as ctx:
        client = load_clients(ctx.db)["portal"]
        wanted = consent.asked(client, "openid", {})
        for person in (ben, ida):
            consent.decide(ctx, person.id, client, wanted, wanted)
    here.get("/account/portals")
    _in_another_tab(here, ida)
    _press(here, "/withdraw")
    assert here.heading == CHANGED
    assert not house.events("consent.withdrawn")


@pytest.mark.parametrize("leaves", [True, False])
def test_after_a_sign_out_or_a_session_that_is_over(
    house: House, here: Browser, ida: Person, leaves: bool
) -> None:
    """It counts who was signed in when the page was shown, not whose session was replaced."""
    here.get("/account/delete")
    kept = here.page, here.address
    if leaves:
        here.get("/logout")
        here.send(choice="logout")
    house.clock.advance(hours=13)
    here.get("/login")
    here.sign_in(ida)
    here.page, here.address = kept
    _press(here, "/account/delete", agreed="y")
    assert here.heading == CHANGED
    assert _account(house, ida).status == "active"


def test_old_account(house: House, browser: Browser, ben: Person, ida: Person) -> None:
    browser.ask()
    browser.send(username="smueller", password=OLD_PASSWORD)
    browser.send(choice="sign_in")
    browser.sign_in(ben)
    _in_another_tab(browser, ida)
    browser.send(choice="bring")
    assert browser.heading == CHANGED
    assert not links(house)


def test_link(house: House, browser: Browser, ben: Person, ida: Person) -> None:
    """The way on is the same page of the same request, empty."""
    _set(house, product="sage-100")
    browser.ask()
    browser.sign_in(ben)
    again = browser.address
    _in_another_tab(browser, ida)
    bring(browser)
    assert browser.heading == CHANGED
    assert f'href="{again}"' in browser.text
    assert not links(house)
    browser.get(again)
    assert browser.heading == "Willkommen im Kundenportal"
    assert "smueller" not in browser.text


def test_number(house: House, browser: Browser, ben: Person, ida: Person) -> None:
    _set(house, product="sage-100")
    browser.ask()
    browser.sign_in(ben)
    _in_another_tab(browser, ida)
    _press(browser, "/link/number", customer_number="100200300")
    assert browser.heading == CHANGED
    assert not _joining(house)


def test_affiliation(house: House, browser: Browser, ben: Person, ida: Person) -> None:
    browser.ask()
    browser.sign_in(ben)
    _in_another_tab(browser, ida)
    browser.send(family="sage-100")
    assert browser.heading == CHANGED
    assert _account(house, ida).product_family is None


def test_the_same_person_goes_on_in_a_second_tab(house: House, browser: Browser, ben: Person) -> None:
    """Signed in for another portal, again, or once more after a sign-out: open pages still count."""
    _set(house, require_membership=False)
    browser.ask()
    waiting = browser.page, browser.address
    browser.ask()
    browser.sign_in(ben)
    browser.get("/account/profile")
    profile = browser.page, browser.address
    _in_another_tab(browser, ben)
    browser.get("/logout")
    browser.send(choice="logout")
    browser.page, browser.address = waiting
    browser.sign_in(ben)
    assert browser.arrived["code"]
    browser.page, browser.address = profile
    _press(browser, "/account/profile", given_name="Ben", family_name="Muster", locale="de")
    assert "Ihre Angaben sind gespeichert." in browser.text
    assert _account(house, ben).given_name == "Ben"


def test_what_was_typed_into_an_old_page_stays(house: House, here: Browser) -> None:
    """Too old a form is no other person's (req 114)."""
    here.get("/account/profile")
    action, hidden = forms(here.text)[-1]
    house.clock.advance(minutes=14)
    here.post(action, hidden | {"given_name": "Ben", "csrf_token": "old"})
    assert "Die Seite war länger offen" in here.text
    assert 'value="Ben"' in here.text
