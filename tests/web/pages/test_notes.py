"""What a form did is told by the browser's own signed cookie, never by an address (design §2, cookies)."""

import re
from pathlib import Path

import pytest

from idp.texts import template_folder
from tests.web.pages.house import PASSWORD, Browser, House, Person
from tests.web.pages.recovering import give

SUCCESS = 'class="notice success"'
FRESH = "Leuchtturm vor der Insel 9"

#: addresses that told of a success, by what anybody may have sent, whatever had happened
TYPED = (
    "/account/password?changed=1",
    "/account/sessions?done=ended",
    "/account/sessions?done=others",
    "/account/sessions?done=disconnected",
    "/account/sessions?done=forgotten",
    "/account/portals?withdrawn=1",
    "/account/profile?done=saved",
    "/account/profile?done=address",
    "/account/recovery?saved=1",
    "/account/linked?released=1",
    "/account/delete/undone",
    "/link/sent",
    "/link/undone",
    "/link/undone?out=1",
)


@pytest.fixture
def here(house: House, browser: Browser, ben: Person) -> Browser:
    """The browser in which ben is signed in, who has a recovery password."""
    give(house, ben)
    browser.get("/login")
    browser.sign_in(ben)
    return browser


def _save_profile(browser: Browser, locale: str = "de") -> str:
    """Store the profile, and return the address of the page that says so."""
    browser.get("/account/profile")
    browser.send(given_name="Ben", family_name="Brandt", locale=locale)
    assert SUCCESS in browser.text
    return browser.address


def test_a_note_is_of_its_page(here: Browser) -> None:
    """Two pages that both tell of something saved do not tell of each other's."""
    word = _save_profile(here).partition("?")[2]
    here.get(f"/account/recovery?{word}")
    assert here.page.status_code == 200
    assert SUCCESS not in here.text


@pytest.mark.parametrize("word", ["", "told=1", "told=", "told=saved&told=ended"])
@pytest.mark.parametrize("address", TYPED)
def test_a_typed_address_tells_nothing(here: Browser, address: str, word: str) -> None:
    """Not even to who has just done something else."""
    _save_profile(here)
    here.get(address + ("&" if "?" in address else "?") * bool(word) + word)
    assert here.page.status_code == 200
    assert SUCCESS not in here.text


def test_an_address_with_what_another_browser_was_told(house: House, here: Browser) -> None:
    """The word in it is that browser's alone."""
    ida, theirs = house.add("ida"), house.browser()
    theirs.get("/login")
    theirs.sign_in(ida)
    for browser in (theirs, here):
        address = _save_profile(browser)
    here.get(theirs.address)
    assert SUCCESS not in here.text
    here.get(address)
    assert SUCCESS in here.text


def test_it_is_told_again_in_another_language_and_until_something_else_is_done(here: Browser) -> None:
    """The links to languages keep it, as a reload does."""
    address = _save_profile(here)
    [link] = re.findall(r'href="(\?[^"]*lang=en)"', here.text)
    here.get("/account/profile" + link.replace("&amp;", "&"))
    assert "Your details are saved." in here.text
    here.get("/account/password")
    here.send(password=PASSWORD, new_password=FRESH, confirm_password=FRESH)
    assert here.heading == "Password changed!"
    here.get(address)
    assert SUCCESS not in here.text


def test_what_one_person_did_is_not_told_to_the_next(house: House, here: Browser) -> None:
    """With the same browser, by its history (req 75)."""
    address = _save_profile(here)
    here.get("/logout")
    here.send(choice="logout")
    here.get("/login")
    here.sign_in(house.add("ida"))
    here.get("/account")
    here.get(address)
    assert here.heading == "Profil"
    assert SUCCESS not in here.text


def test_what_was_sent_again(house: House, browser: Browser) -> None:
    """On pages before a sign-in, too: the address of the page says which, and nothing of what was done."""
    browser.get("/password/forgot")
    browser.send(email="ben@muster.example")
    plain = browser.address
    browser.get(f"{plain}&again=1")
    assert "noch einmal gesendet" not in browser.text
    house.clock.advance(minutes=2)
    browser.send()
    assert "noch einmal gesendet" in browser.text
    assert browser.address.startswith(plain)


@pytest.mark.parametrize(
    "address", ["/login?known=1", "/password/forgot?wrong_codes=1", "/password/recovery?wrong_codes=1"]
)
def test_a_typed_address_warns_of_nothing(browser: Browser, address: str) -> None:
    browser.get(address)
    assert browser.page.status_code == 200
    assert 'class="notice' not in browser.text


def test_no_page_reads_what_it_claims_from_its_address() -> None:
    """An address may choose a flow, a link's secret, what is filled in or a look: that is all there is."""
    views = Path(template_folder().parent, "idp", "web")
    text = "".join(path.read_text("utf-8") for path in views.rglob("*.py"))
    names = re.findall(r"""request\.args(?:\.get\(|\[)(\w+|"\w+")|("\w+"|_[A-Z]+) in request\.args""", text)
    assert {read or asked for read, asked in names} == {
        *('"flow"', '"token"', "name", '"kept"', '"told"'),  # flows, secrets of mails, and notes
        *('"again"', "_OFFER", '"user_code"', '"before"'),  # what is filled in, where a list goes on
        *('"lang"', '"theme"', '"ui_locales"'),
    }
