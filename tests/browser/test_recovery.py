"""The recovery password in a browser, in German: Amt24's A5 and A6 (features §1.7)."""

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.house import PASSWORD, Visits
from tests.browser.scenes.recovery import give, lose_app, reset


def test_set_it_and_come_back_with_it(visits: Visits) -> None:
    """A5 and A6: generate, download, tick, confirm; later a new password with it, and on to the portal."""
    visitor, nora = visits.new(), visits.house.newcomer()
    page = visitor.page
    page.goto(f"{visits.house.issuer}/account")
    visitor.fill(nora)
    page.get_by_role("link", name="Wiederherstellung", exact=True).click()
    expect(page.locator("h1")).to_have_text("Wiederherstellungspasswort setzen")
    page.get_by_role("button", name="Erzeugen").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Herunterladen").click()
    assert download.value.suggested_filename == "wiederherstellungspasswort.txt"
    text = page.locator("#recovery-string").inner_text()
    assert text in Path(download.value.path()).read_text("utf-8")
    page.get_by_label("Ich habe das Wiederherstellungspasswort gespeichert.").check()
    page.get_by_label("Kennwort", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Wiederherstellungspasswort speichern").click()
    expect(page.get_by_text("Ihr neues Wiederherstellungspasswort gilt ab sofort.")).to_be_visible()
    assert visits.house.newest_mail(nora.email).subject == "Neue Wiederherstellungsdaten"

    elsewhere = visits.new()
    reset(visits, elsewhere, nora, text.lower())
    elsewhere.press()
    expect(elsewhere.page.locator("h1")).to_have_text("Passwort geändert!")
    elsewhere.page.get_by_role("link", name="Weiter").click()
    expect(elsewhere.page.locator("h1")).to_have_text("Willkommen, Nora")


def test_the_second_step_stays(visits: Visits) -> None:
    """A6, made safe: the string sets a password, the app is asked all the same."""
    visitor, nora = visits.new(), visits.house.newcomer(apps=("Handy",))
    reset(visits, visitor, nora, give(visits, nora))
    visitor.press()
    expect(visitor.page.locator("h1")).to_have_text("Zweistufige Anmeldung")
    visitor.fill_code(nora.code())
    expect(visitor.page.locator("h1")).to_have_text("Passwort geändert!")


def test_without_a_script_it_is_a_file(visits: Visits) -> None:
    """No dead buttons; the download works."""
    visitor = visits.new(java_script_enabled=False)
    page = visitor.page
    page.goto(f"{visits.house.issuer}/account/recovery")
    visitor.fill(visits.house.newcomer())
    visitor.press()
    expect(page.get_by_role("button", name="Kopieren")).to_be_hidden()
    expect(page.get_by_role("button", name="Drucken")).to_be_hidden()
    with page.expect_download() as download:
        page.get_by_role("button", name="Herunterladen").click()
    assert download.value.suggested_filename.endswith(".txt")


def test_what_is_printed(visits: Visits) -> None:
    """The sheet with string, service and date; nothing else of the page."""
    visitor = visits.new()
    page = visitor.page
    page.goto(f"{visits.house.issuer}/account/recovery")
    visitor.fill(visits.house.newcomer())
    visitor.press()
    page.emulate_media(media="print")
    expect(page.locator("#recovery-string")).to_be_visible()
    expect(page.get_by_text("Erzeugt am")).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(0)
    expect(page.locator("h1")).to_be_hidden()
    expect(page.get_by_label("Kennwort", exact=True)).to_be_hidden()


def test_who_has_no_app_any_more(visits: Visits) -> None:
    """The way on is beside the field; a code from the mail, and the sign-in ends at the portal."""
    visitor, house = visits.new(), visits.house
    nora = lose_app(visits, visitor)
    page = visitor.page
    expect(page.locator("h1")).to_have_text("Zweistufige Anmeldung ausschalten")
    page.get_by_role("button", name="Code senden").click()
    expect(page.locator("h1")).to_have_text("Code eingeben")
    page.get_by_label("Code", exact=True).fill(house.newest_mail(nora.email).code)
    page.get_by_role("button", name="Weiter").click()
    expect(page.locator("h1")).to_have_text("Passwort geändert!")
    expect(page.get_by_text("Ihre zweistufige Anmeldung ist jetzt ausgeschaltet.")).to_be_visible()
    page.get_by_role("link", name="Weiter").click()
    expect(page.locator("h1")).to_have_text("Willkommen, Nora")
