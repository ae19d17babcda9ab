"""Signing in at the portals, as people do it (screens §1.1; issue part 1)."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.house import BEISPIEL, CALLBACK, MUSTER, Visitor, Visits


def test_ben_signs_in_and_sees_what_his_token_allows(visits: Visits, visitor: Visitor) -> None:
    """Tiles by permission, and the area behind a tile that is not there is refused as well (screens R-06)."""
    house = visits.house
    visitor.page.goto(house.customer)
    visitor.page.get_by_role("link", name="Jetzt anmelden").click()
    expect(visitor.h1).to_have_text("Anmelden")
    expect(visitor.page.get_by_text("Sie melden sich an, um Kundenportal zu nutzen.")).to_be_visible()
    expect(visitor.page.get_by_label("E-Mail-Adresse/Benutzername")).to_be_focused()
    visitor.fill(house.of_the_cast("ben"))
    expect(visitor.h1).to_have_text("Willkommen, Ben")
    assert visitor.page.url == f"{house.customer}/"
    assert visitor.page.locator(".tile h3").all_inner_texts() == ["Meine Supportanfragen"]
    visitor.page.locator("#claims summary").click()
    expect(visitor.page.locator("#claims")).to_contain_text('["support_requests"]')
    expect(visitor.page.locator("#claims")).to_contain_text("urn:lotse:acr:aal1")
    visitor.page.get_by_role("link", name="Meine Supportanfragen").click()
    expect(visitor.h1).to_have_text("Meine Supportanfragen")
    answer = visitor.page.goto(f"{house.customer}/area/payroll_tickets")
    assert answer is not None
    assert answer.status == 403
    expect(visitor.h1).to_have_text("Dieser Bereich ist für Sie nicht freigegeben")


@pytest.mark.parametrize("scripts", [True, False])
def test_two_clicks_are_one_sign_in(visits: Visits, scripts: bool) -> None:
    """Who presses twice arrives, though the browser follows the second answer alone."""
    visitor = visits.new(java_script_enabled=scripts)
    visitor.come_from(visits.house.customer)
    ben = visits.house.of_the_cast("ben")
    visitor.page.locator("input[name=username]").fill(ben.username)
    visitor.page.locator("input[name=password]").fill(ben.password)
    visitor.page.locator("main button.primary").dblclick()
    expect(visitor.h1).to_have_text("Willkommen, Ben")


def test_two_buttons_of_a_form_are_two_wishes(visits: Visits, visitor: Visitor) -> None:
    """Who takes one file right after the other gets both."""
    visitor.page.goto(f"{visits.house.issuer}/account/data")
    visitor.fill(visits.house.regular())
    for kind in ("html", "json"):
        with visitor.page.expect_download() as taken:
            visitor.page.get_by_role("button", name=kind.upper()).click()
        assert taken.value.suggested_filename.endswith(f".{kind}")


def test_the_api_takes_the_access_token_alone(visits: Visits, visitor: Visitor) -> None:
    """The portal calls the orders API in the person's name; an ID token opens nothing there."""
    visitor.sign_in(visits.house.customer, visits.house.of_the_cast("ben"))
    visitor.page.goto(f"{visits.house.customer}/orders")
    expect(visitor.page.locator("main")).to_contain_text("A-1047")
    visitor.page.get_by_role("link", name="Mit dem ID-Token").click()
    expect(visitor.page.locator("main")).to_contain_text("hat abgelehnt (401)")


def test_the_second_portal_needs_no_password(visits: Visits, visitor: Visitor) -> None:
    """Single sign-on: no page of ours is shown on the way to the support portal."""
    visitor.sign_in(visits.house.customer, visits.house.of_the_cast("ben"))
    shown: list[str] = []
    visitor.page.on("framenavigated", lambda frame: shown.append(frame.url))
    visitor.page.goto(visits.house.support)
    visitor.page.get_by_role("link", name="Jetzt anmelden").click()
    expect(visitor.h1).to_have_text("Guten Tag, Ben")
    assert [url for url in shown if url.startswith(visits.house.issuer)] == []


def test_clara_opens_the_protected_page_with_her_app(visits: Visits, visitor: Visitor) -> None:
    """The app's code, typed as apps show it with a space, lets her in; the token says so (req 64)."""
    house = visits.house
    clara = house.of_the_cast("clara")
    visitor.page.goto(f"{house.support}/tickets/restricted")
    visitor.fill(clara)
    expect(visitor.h1).to_have_text("Zweistufige Anmeldung")
    expect(visitor.page.get_by_text("Lotse: clara@muster.example")).to_be_visible()
    expect(visitor.page.get_by_label("Einmal-Passwort")).to_be_focused()
    code = clara.code()
    visitor.fill_code(f"{code[:3]} {code[3:]}")
    expect(visitor.h1).to_have_text("Tickets zu Gehaltsdaten")
    expect(visitor.page.locator("main code")).to_have_text("urn:lotse:acr:aal2")


def test_a_wrong_code_and_one_used_twice(visits: Visits, visitor: Visitor) -> None:
    """A wrong code counts down; the code that signed in once does not sign in again (req 62, 63)."""
    house = visits.house
    nora = house.newcomer(apps=("Handy",))
    visitor.come_from(house.customer)
    visitor.fill(nora)
    code = nora.code()
    visitor.fill_code(f"{(int(code) + 1) % 10**6:06}")
    expect(visitor.page.get_by_role("alert")).to_contain_text("Der Code stimmt nicht. Noch 4 Versuche.")
    expect(visitor.page.get_by_label("Einmal-Passwort")).to_have_value("")
    visitor.fill_code(code)
    expect(visitor.h1).to_have_text("Willkommen, Nora")
    again = visits.new()
    again.come_from(house.customer)
    again.fill(nora)
    again.fill_code(code)
    expect(again.page.get_by_role("alert")).to_contain_text("Diesen Code haben Sie schon benutzt.")


def test_a_remembered_browser_skips_the_code_but_not_where_two_factors_are_a_must(
    visits: Visits, visitor: Visitor
) -> None:
    """The tick holds for portals that accept one factor; the protected page still asks (design §2)."""
    house = visits.house
    nora = house.newcomer(apps=("Handy",))
    visitor.come_from(house.customer)
    visitor.fill(nora)
    visitor.page.get_by_label("Mich auf diesem Gerät für 30 Tage merken.").check()
    visitor.fill_code(nora.code())
    expect(visitor.h1).to_have_text("Willkommen, Nora")
    visitor.sign_out(house.customer)
    expect(visitor.h1).to_have_text("Sie sind abgemeldet")
    visitor.come_from(house.customer)
    visitor.fill(nora)
    expect(visitor.h1).to_have_text("Willkommen, Nora")
    visitor.page.goto(f"{house.support}/tickets/restricted")
    expect(visitor.h1).to_have_text("Zweistufige Anmeldung")


def test_ben_hears_why_the_protected_page_stays_closed(visits: Visits, visitor: Visitor) -> None:
    """No second factor: the portal hears unmet_authentication_requirements and explains it."""
    house = visits.house
    visitor.sign_in(house.support, house.of_the_cast("ben"))
    visitor.page.get_by_role("link", name="Tickets zu Gehaltsdaten").click()
    expect(visitor.h1).to_have_text("Hier ist eine zweite Bestätigung nötig")
    assert "error=unmet_authentication_requirements" in visitor.page.url
    visitor.page.get_by_role("link", name="Zur Startseite").click()
    expect(visitor.h1).to_have_text("Guten Tag, Ben")


def test_a_wrong_password(visits: Visits, visitor: Visitor) -> None:
    """Focus on the summary, the name kept and the password not, and no word about who exists."""
    visitor.come_from(visits.house.customer)
    visitor.fill(visits.house.newcomer(given_name="Nils"), password="Leise rieselt der Schnee 8")
    page = visitor.page
    expect(page).to_have_title("Fehler: Anmelden – Lotse")
    expect(page.get_by_role("alert")).to_be_focused()
    name = page.get_by_label("E-Mail-Adresse/Benutzername")
    expect(name).to_have_value(re.compile("nils-"))
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(page.locator("input[name=password]")).to_have_value("")
    words = page.get_by_role("alert").inner_text()
    page.get_by_role("alert").get_by_role("link").click()
    expect(name).to_be_focused()
    page.locator("input[name=username]").fill("niemand-dieses-namens")
    page.locator("input[name=password]").fill("Leise rieselt der Schnee 8")
    visitor.press()
    assert page.get_by_role("alert").inner_text() == words


@pytest.mark.parametrize(
    ("username", "said"),
    [
        ("emil", "Ihr Zugang wartet auf die Freischaltung durch Muster GmbH."),
        ("dora", "Ihr Zugang ist gesperrt. Wenden Sie sich an Ihren Administrator bei Muster GmbH"),
    ],
)
def test_who_waits_or_is_blocked_hears_it_after_the_right_password_only(
    visits: Visits, visitor: Visitor, username: str, said: str
) -> None:
    """A guess tells nothing about a person's state, the person does hear it (req 23, 59)."""
    person = visits.house.of_the_cast(username)
    visitor.come_from(visits.house.customer)
    visitor.fill(person, password="Leise rieselt der Schnee 8")
    expect(visitor.page.get_by_role("alert")).to_contain_text(
        "E-Mail-Adresse, Benutzername oder Passwort stimmt nicht."
    )
    expect(visitor.page.locator("main")).not_to_contain_text("Muster GmbH")
    visitor.fill(person)
    expect(visitor.page.locator("main")).to_contain_text(said)
    assert visitor.page.url.startswith(visits.house.issuer)


def test_who_waits_goes_back_to_the_portal_or_on_with_another_account(
    visits: Visits, visitor: Visitor
) -> None:
    """The waiting page is no dead end (screens R-05)."""
    visitor.come_from(visits.house.customer)
    visitor.fill(visits.house.of_the_cast("emil"))
    expect(visitor.h1).to_have_text("Freischaltung ausstehend")
    visitor.page.get_by_role("button", name="Anderes Konto").click()
    expect(visitor.h1).to_have_text("Anmelden")
    visitor.fill(visits.house.of_the_cast("ben"))
    expect(visitor.h1).to_have_text("Willkommen, Ben")


def test_the_portal_asks_for_the_password_again(visits: Visits, visitor: Visitor) -> None:
    """``prompt=login`` shows the page to somebody who is signed in, with the name filled (req 12)."""
    nora = visits.house.newcomer()
    visitor.sign_in(visits.house.customer, nora)
    visitor.page.goto(f"{visits.house.customer}/login?again")
    expect(visitor.h1).to_have_text("Anmelden")
    expect(visitor.page.locator("input[name=username]")).to_have_value(nora.username)
    visitor.fill(nora)
    expect(visitor.h1).to_have_text("Willkommen, Nora")


def test_another_person_at_the_same_browser(visits: Visits, visitor: Visitor) -> None:
    """Who signs in after somebody else gets a session of their own, and so does the portal (req 12)."""
    visitor.sign_in(visits.house.customer, visits.house.of_the_cast("ben"))
    visitor.page.goto(f"{visits.house.customer}/login?again")
    visitor.fill(visits.house.newcomer())
    expect(visitor.h1).to_have_text("Willkommen, Nora")
    visitor.page.goto(f"{visits.house.support}/login")
    expect(visitor.h1).to_have_text("Guten Tag, Nora")


def test_choosing_the_account(visits: Visits, visitor: Visitor) -> None:
    """``prompt=select_account`` shows who is signed in, with a masked address, and offers another."""
    nora = visits.house.newcomer()
    visitor.sign_in(visits.house.customer, nora)
    visitor.come_from_client(prompt="select_account")
    expect(visitor.h1).to_have_text("Konto wählen")
    expect(visitor.page.locator("main")).not_to_contain_text(f"{nora.username}@")
    with visitor.page.expect_request(re.compile(f"{CALLBACK}.*code=")):
        visitor.page.get_by_role("button", name="Nora Neumann").click()
    again = visitor.another_tab()
    again.come_from_client(prompt="select_account")
    again.page.get_by_role("button", name="Anderes Konto").click()
    expect(again.h1).to_have_text("Anmelden")


def test_choosing_the_company(visits: Visits, visitor: Visitor) -> None:
    """Who belongs to two companies acts for one at a time, chosen once and kept for the next portal."""
    visitor.come_from(visits.house.customer)
    visitor.fill(visits.house.newcomer(companies=(MUSTER, BEISPIEL)))
    expect(visitor.h1).to_have_text("Für welches Unternehmen?")
    visitor.page.get_by_role("button", name="Beispiel AG").click()
    expect(visitor.h1).to_have_text("Willkommen, Nora")
    expect(visitor.page.locator("main")).to_contain_text("Beispiel AG · Kundennummer 100200400")
    visitor.page.locator("#claims summary").click()
    expect(visitor.page.locator("#claims")).not_to_contain_text("Muster GmbH")
    visitor.page.goto(f"{visits.house.support}/login")
    expect(visitor.h1).to_have_text("Guten Tag, Nora")


def test_cancelling_tells_the_portal(visits: Visits, visitor: Visitor) -> None:
    """ "Abbrechen" leads back to the portal, which says that nobody is signed in, and begins again."""
    visitor.come_from(visits.house.customer)
    visitor.page.get_by_role("button", name="Abbrechen").click()
    expect(visitor.h1).to_have_text("Die Anmeldung wurde abgebrochen")
    visitor.page.get_by_role("link", name="Noch einmal anmelden").click()
    expect(visitor.h1).to_have_text("Anmelden")


def test_showing_the_password(visits: Visits, visitor: Visitor) -> None:
    """The button shows and hides, says so politely, and the password leaves as a password (screens §2.1)."""
    visitor.come_from(visits.house.customer)
    page = visitor.page
    field, status = page.locator("input[name=password]"), page.get_by_role("status")
    expect(field).to_have_attribute("type", "password")
    field.fill("Leise rieselt der Schnee 8")
    page.get_by_role("button", name="Passwort anzeigen").click()
    expect(field).to_have_attribute("type", "text")
    expect(status).to_have_text("Passwort ist sichtbar.")
    page.get_by_role("button", name="Passwort verbergen").click()
    expect(field).to_have_attribute("type", "password")
    expect(status).to_have_text("Passwort ist verborgen.")
    page.get_by_role("button", name="Passwort anzeigen").click()
    field.evaluate("field => field.form.addEventListener('submit', event => event.preventDefault())")
    page.get_by_role("button", name="Anmelden").click()
    expect(field).to_have_attribute("type", "password")
