"""K-14: deleting one's account, and the two ways to undo it (screens §1.4; req 40, 68, 73, 98, 109)."""

import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from idp.accounts.models import Account
from idp.delivery.preview import list_shown
from idp.management import account_deletion, accounts
from idp.organizations.models import Membership, Role
from tests.builders import OPERATOR
from tests.web.pages.house import PASSWORD, WRONG, Browser, House, Person, forms


@pytest.fixture
def ben(house: House, browser: Browser) -> Person:
    """Somebody without a second factor, signed in."""
    person = house.add("ben")
    browser.get("/login")
    browser.sign_in(person)
    return person


def status(house: House, person: Person) -> str:
    with house.work() as ctx:
        return ctx.db.get_one(Account, person.id).status


def delete(browser: Browser) -> None:
    browser.get("/account/delete")
    assert browser.heading == "Konto löschen"
    assert "<ul>" not in browser.text.partition("<h1>")[2].partition("</main>")[0]
    browser.send(agreed="y")


def link(house: House) -> str:
    """Return the way back that the mail names."""
    with house.work() as ctx:
        [found] = [mail.link for mail in list_shown(ctx) if "/account/delete/undo" in str(mail.link)]
    return str(found).removeprefix(house.settings.public_url)


def test_the_whole_way_and_back_by_the_mail(house: House, browser: Browser, ben: Person) -> None:
    """Signed out, told until when; the link works in another browser and opening it does nothing (req 68)."""
    delete(browser)
    assert browser.heading == "Ihr Konto wird gelöscht"
    assert ">15.03.2026" in browser.text
    assert 'href="/login"' in browser.text
    assert status(house, ben) == "deleted"
    browser.get("/account")
    assert browser.heading == "Anmelden"
    other = house.browser()
    for _ in range(2):
        other.get(link(house))
        assert other.heading == "Löschung zurücknehmen"
        assert not re.search(r'href="[^"]*token=', other.text)
        assert status(house, ben) == "deleted"
    other.send()
    assert other.heading == "Ihr Konto bleibt bestehen"
    assert status(house, ben) == "active"
    other.get("/login")
    other.sign_in(ben)
    assert other.heading == "Willkommen, Ben"
    assert other.get(link(house)).status_code == 410


def test_back_by_the_sign_in(house: House, browser: Browser, ben: Person) -> None:
    """Who comes from a portal goes on there (req 102)."""
    delete(browser)
    browser.ask()
    browser.give_password(ben)
    assert browser.heading == "Löschung zurücknehmen"
    assert "theme=dark" in browser.text
    assert status(house, ben) == "deleted"
    browser.send()
    assert browser.heading == "Ihr Konto bleibt bestehen"
    browser.get(
        browser.text.partition('<div class="buttons"><a class="button primary" href="')[2].partition('"')[0]
    )
    assert browser.heading == "Anmelden"
    browser.sign_in(ben)
    assert browser.arrived["code"]


def test_two_clicks_on_the_undo(house: House, browser: Browser, ben: Person) -> None:
    """The second hears what the first did."""
    delete(browser)
    browser.get("/login")
    browser.give_password(ben)
    action, hidden = forms(browser.text)[0]
    for _ in range(2):
        browser.post(action, hidden)
        assert browser.heading == "Ihr Konto bleibt bestehen"
    assert len(house.events("account.restored")) == 1


def test_another_browser_undoes_nothing_with_the_flow(house: House, browser: Browser, ben: Person) -> None:
    """(req 41)"""
    delete(browser)
    browser.get("/login")
    browser.give_password(ben)
    thief = house.browser()
    thief.get("/login")
    token = forms(thief.text)[0][1]["csrf_token"]
    thief.post(browser.address, {"csrf_token": token})
    assert status(house, ben) == "deleted"


def test_a_wrong_password_learns_nothing(house: House, browser: Browser, ben: Person) -> None:
    """(req 59): the sentence of every wrong password."""
    delete(browser)
    browser.get("/login")
    browser.send(username="ben", password=WRONG)
    assert "stimmt nicht" in browser.text
    assert browser.heading == "Anmelden"


def test_a_second_factor_is_still_asked_afterwards(house: House, browser: Browser, anna: Person) -> None:
    """Undoing lets nobody in."""
    browser.get("/login")
    browser.sign_in(anna)
    delete(browser)
    browser.get("/login")
    browser.give_password(anna)
    browser.send()
    assert status(house, anna) == "active"
    browser.get("/account")
    assert browser.heading == "Anmelden"
    browser.give_password(anna)
    assert browser.heading == "Zweistufige Anmeldung"


def test_without_the_tick_nothing_happens(house: House, browser: Browser, ben: Person) -> None:
    browser.get("/account/delete")
    browser.send()
    assert "Setzen Sie den Haken, wenn Sie Ihr Konto löschen wollen." in browser.text
    assert status(house, ben) == "active"


def test_old_forms_do_nothing(house: House, browser: Browser, ben: Person) -> None:
    """(req 98): deletion, and both ways of undoing."""
    browser.post("/account/delete", {"csrf_token": "old", "agreed": "y"})
    assert "Die Seite war länger offen" in browser.text
    assert status(house, ben) == "active"
    delete(browser)
    browser.get(link(house))
    [(action, hidden)] = forms(browser.text)
    browser.post(action, hidden | {"csrf_token": "old"})
    assert "Die Seite war länger offen" in browser.text
    browser.get("/login")
    browser.give_password(ben)
    [(action, hidden)] = forms(browser.text)
    browser.post(action, {"csrf_token": "old"})
    assert "Die Seite war länger offen" in browser.text
    assert status(house, ben) == "deleted"


def test_the_second_tab_signs_in_first(house: House, browser: Browser, ben: Person) -> None:
    """Its session is over."""
    tabs = []
    for _ in range(2):
        browser.get("/account/delete")
        tabs.append(forms(browser.text)[0])
    for action, hidden in tabs:
        browser.post(action, hidden | {"agreed": "y"})
    assert browser.heading == "Anmelden"
    assert len(house.events("account.deleted")) == 1


def test_two_clicks(house: House, browser: Browser, ben: Person) -> None:
    """The second hears what the first has done, which has signed the person out."""
    browser.get("/account/delete")
    browser.send()  # without the tick: the page stands there again
    action, hidden = forms(browser.text)[0]
    for _ in range(2):
        browser.post(action, hidden | {"agreed": "y"})
        assert browser.heading == "Ihr Konto wird gelöscht"
        assert ">15.03.2026" in browser.text
    assert len(house.events("account.deleted")) == 1


def test_a_form_that_is_sent_again_after_the_undo_says_nothing_untrue(
    house: House, browser: Browser, ben: Person
) -> None:
    """The account stays; the old form leads to the sign-in, the old page says that it is over."""
    browser.get("/account/delete")
    action, hidden = forms(browser.text)[0]
    browser.post(action, hidden | {"agreed": "y"})
    planned = browser.address
    browser.get(link(house).removeprefix(house.settings.public_url))
    browser.send()
    assert status(house, ben) == "active"
    browser.post(action, hidden | {"agreed": "y"})
    assert browser.heading == "Anmelden"
    assert browser.get(planned).status_code == 400
    assert status(house, ben) == "active"


def test_two_clicks_at_one_moment(house: House, browser: Browser, ben: Person) -> None:
    """(C16): both hear the same."""
    browser.get("/account/delete")
    action, hidden = forms(browser.text)[0]
    tabs = [house.browser() for _ in range(4)]
    for tab in tabs:
        for name in ("sid", "dev", "form", "flow"):
            tab.set_cookie(name, str(browser.cookie(name)))
    barrier = Barrier(len(tabs))

    def send(tab: Browser) -> str:
        barrier.wait()
        tab.post(action, hidden | {"agreed": "y"})
        return tab.heading

    with ThreadPoolExecutor(len(tabs)) as pool:
        assert set(pool.map(send, tabs)) == {"Ihr Konto wird gelöscht"}
    assert len(house.events("account.deleted")) == 1


def test_a_flow_of_another_kind_says_nothing(house: House, browser: Browser, ben: Person) -> None:
    """Neither that the account stays, nor that it goes: what was done there was something else."""
    delete(browser)
    planned = browser.address.partition("flow=")[2]
    browser.get("/login")
    browser.give_password(ben)
    undone = browser.address.partition("flow=")[2]
    token = forms(browser.text)[0][1]
    browser.post(f"/account/delete/undo?flow={planned}", token)
    assert browser.page.status_code == 400
    assert status(house, ben) == "deleted"
    browser.post(f"/account/delete/undo?flow={undone}", token)
    assert browser.heading == "Ihr Konto bleibt bestehen"
    assert browser.get(f"/account/delete/planned?flow={undone}").status_code == 400
    browser.post(f"/account/delete?plan={undone}", token)
    assert browser.heading == "Anmelden"


def test_five_minutes_after_the_proof_it_is_asked_again(house: House, browser: Browser, ben: Person) -> None:
    """(req 73)"""
    browser.get("/account/delete")
    action, hidden = forms(browser.text)[0]
    house.clock.advance(minutes=5)
    browser.post(action, hidden | {"agreed": "y"})
    assert browser.heading == "Bestätigen Sie Ihre Identität"
    assert status(house, ben) == "active"
    browser.send(password=PASSWORD)
    assert browser.heading == "Konto löschen"


def test_the_last_administrator_stays(house: House, browser: Browser) -> None:
    """The page says so and has no button; the form of an older page is refused."""
    ben = house.add("ben", company="Muster GmbH")
    browser.get("/login")
    browser.sign_in(ben)
    browser.get("/account/delete")
    assert "Muster GmbH" in browser.text
    action, hidden = forms(browser.text)[0]
    house.add("clara", company="Muster GmbH")
    with house.work() as ctx:
        ctx.db.add(Role(key="administrator", name_de="Administrator", name_en="Administrator"))
        ctx.db.flush()
        ctx.db.query(Membership).filter_by(account_id=ben.id).one().role = "administrator"
    browser.post(action, hidden | {"agreed": "y"})
    assert "Sie sind der einzige Administrator." in browser.text
    assert status(house, ben) == "active"
    browser.get("/account/delete")
    assert forms(browser.text) == []


def test_somebody_blocked_meanwhile(house: House, browser: Browser, ben: Person) -> None:
    """Hears of the block, and the mail's link undoes nothing (req 23)."""
    delete(browser)
    with house.work() as ctx:
        accounts.block(ctx.acting(OPERATOR), ben.id)
    browser.get("/login")
    browser.give_password(ben)
    assert "Ihr Konto ist gesperrt." in browser.text
    assert browser.get(link(house)).status_code == 410
    assert status(house, ben) == "deleted"


def test_after_the_time_the_name_is_unknown(house: House, browser: Browser, ben: Person) -> None:
    """Before and after the job (req 109)."""
    delete(browser)
    address = link(house)
    house.clock.advance(days=14)
    for _ in range(2):
        browser.get("/login")
        browser.give_password(ben)
        assert "stimmt nicht" in browser.text
        assert browser.get(address).status_code == 410
        with house.work() as ctx:
            account_deletion.erase_due(ctx, 500)


def test_pages_of_nothing(browser: Browser) -> None:
    """Made-up links and flows are lost, never an error of ours."""
    for address in ("undo", "undo?token=x", "undo?flow=x", "undo?token=", "planned", "planned?flow=x"):
        assert browser.get(f"/account/delete/{address}").status_code in (400, 410)
    browser.get("/account/delete/undone")
    assert browser.heading == "Anmelden"
