"""Choosing an account (L-09) and a company."""

import pytest

from idp.organizations.memberships import for_account
from tests.web.pages.house import Browser, House, forms


def test_the_account_of_the_session_is_offered(house: House, browser: Browser) -> None:
    """``prompt=select_account``: name, masked address, and on with it."""
    person = house.add("ben", company="Muster GmbH")
    browser.ask()
    browser.sign_in(person)
    browser.ask(prompt="select_account")
    assert browser.heading == "Konto wählen"
    assert "Ben" in browser.text
    assert "b…@muster.example" in browser.text
    assert "ben@muster.example" not in browser.text
    browser.send(choice=person.id)
    assert browser.arrived["code"]
    assert len(house.sessions()) == 1


def test_another_account_signs_in_instead(house: House, browser: Browser) -> None:
    """The first session ends when the other person has signed in, not before (req 12)."""
    ben, clara = house.add("ben"), house.add("clara")
    browser.ask()
    browser.sign_in(ben)
    browser.ask(prompt="select_account")
    browser.send(form=1)
    assert browser.heading == "Anmelden"
    assert 'value="ben"' not in browser.text
    assert house.sessions()[0].ended_at is None
    browser.sign_in(clara)
    assert browser.arrived["code"]
    assert [session.end_reason for session in house.sessions()] == ["other_person", None]


def test_choosing_another_account_and_then_the_same_goes_on_too(house: House, browser: Browser) -> None:
    ben = house.add("ben")
    browser.ask()
    browser.sign_in(ben)
    browser.ask(prompt="select_account")
    browser.send(form=1)
    browser.sign_in(ben)
    assert browser.arrived["code"]
    assert len(house.sessions()) == 1


@pytest.mark.parametrize("choice", ["", "x", "\0", "a" * 64])
def test_an_account_that_is_not_listed_is_not_taken(house: House, browser: Browser, choice: str) -> None:
    """(req 75)"""
    ben, clara = house.add("ben"), house.add("clara")
    browser.ask()
    browser.sign_in(ben)
    browser.ask(prompt="select_account")
    for value in (choice, clara.id):
        browser.send(choice=value)
        assert browser.heading == "Konto wählen"
        assert "Diesen Eintrag gibt es nicht mehr." in browser.text


def test_without_a_session_the_choice_leads_to_the_sign_in(house: House, browser: Browser) -> None:
    ben = house.add("ben")
    browser.ask()
    browser.sign_in(ben)
    browser.ask(prompt="select_account")
    page, address = browser.text, browser.address
    browser.client.delete_cookie("sid", domain="localhost")
    browser.get(address)
    assert browser.heading == "Anmelden"
    action, hidden = forms(page)[0]
    browser.post(action, hidden | {"choice": ben.id})
    assert browser.heading == "Anmelden"


def test_who_belongs_to_two_companies_chooses_one_for_the_session(house: House, browser: Browser) -> None:
    person = house.add("felix", company="Muster GmbH")
    with house.work() as ctx:
        house.join(ctx, person.id, "Beispiel AG", "active")
    browser.ask(scope="openid organization")
    browser.sign_in(person)
    assert browser.heading == "Für welches Unternehmen?"
    first = browser.text.index("Beispiel AG")
    assert first < browser.text.index("Muster GmbH")
    with house.work() as ctx:
        muster = next(m for m in for_account(ctx, person.id) if m.organization_name == "Muster GmbH")
    browser.send(choice=muster.id)
    assert browser.arrived["code"]
    assert house.sessions()[0].membership_id == muster.id
    assert [event.organization for event in house.events("session.organization_chosen")] == [
        muster.organization_id
    ]
    browser.ask(scope="openid organization")
    assert browser.arrived["code"]


@pytest.mark.parametrize("status", ["blocked", "pending", "ended"])
def test_a_company_one_may_not_act_for_is_not_taken(house: House, browser: Browser, status: str) -> None:
    """(req 23): neither offered nor accepted."""
    person = house.add("felix", company="Muster GmbH")
    other = house.add("other", company="Fremde KG")
    with house.work() as ctx:
        house.join(ctx, person.id, "Beispiel AG", "active")
        house.join(ctx, person.id, "Zweite AG", status)
        foreign = for_account(ctx, other.id)[0].id
        refused = next(m.id for m in for_account(ctx, person.id) if m.status == status)
    browser.ask()
    browser.sign_in(person)
    assert "Zweite AG" not in browser.text
    for choice in (refused, foreign, "", "x"):
        browser.send(choice=choice)
        assert browser.heading == "Für welches Unternehmen?"
        assert "Diesen Eintrag gibt es nicht mehr." in browser.text
    assert house.sessions()[0].membership_id is None


def test_choosing_needs_a_session(house: House, browser: Browser) -> None:
    browser.ask()
    browser.get(browser.address.replace("/login", "/choose-organization"))
    assert browser.heading == "Anmelden"
    action, hidden = forms(browser.text)[0]
    browser.post(action.replace("/login", "/choose-organization"), hidden | {"choice": "x"})
    assert browser.heading == "Anmelden"


# -- the start page


def test_strangers_see_the_portals_and_the_way_in(browser: Browser) -> None:
    browser.get("/")
    assert browser.heading == "Willkommen"
    assert 'href="http://localhost:8001/"' in browser.text
    assert 'href="/login"' in browser.text


def test_who_is_signed_in_sees_who_he_is(house: House, browser: Browser) -> None:
    person = house.add("ben", company="Muster GmbH")
    browser.get("/login")
    browser.sign_in(person)
    assert browser.address == "/"
    for shown in ("Ben", "ben@muster.example", "Muster GmbH", 'href="/logout"'):
        assert shown in browser.text


def test_people_without_a_company_have_a_start_page_too(house: House, browser: Browser) -> None:
    person = house.add("paul")
    browser.get("/login")
    browser.sign_in(person)
    assert browser.heading == "Willkommen, Paul"
    assert "Kundennummer" not in browser.text


def test_a_choice_with_an_old_token_changes_nothing(house: House, browser: Browser) -> None:
    """(req 98): a page without anything typed asks to open it again."""
    ben = house.add("ben")
    browser.ask()
    browser.sign_in(ben)
    browser.ask(prompt="select_account")
    choice = browser.address
    browser.send(choice=ben.id, csrf_token="old")
    assert browser.page.status_code == 400
    browser.get(choice)
    assert browser.heading == "Konto wählen"


def test_a_form_to_nowhere_is_not_found(browser: Browser) -> None:
    browser.post("/nowhere", {"x": "y"}, headers={})
    assert browser.page.status_code == 404
