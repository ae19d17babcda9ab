"""The language a portal asks for holds on every page of its flow (OIDC Core §3.1.2.1; req 117)."""

import html
import re
from urllib.parse import urlsplit

import pytest

from idp.accounts.models import Account
from tests.web.pages.house import WRONG, Browser, House


@pytest.mark.parametrize(
    ("ui_locales", "language", "sentence"),
    [
        ("en", "en", "Email address, username or password is not correct."),
        ("fr en-GB", "en", "Email address, username or password is not correct."),
        ("de", "de", "E-Mail-Adresse, Benutzername oder Passwort stimmt nicht."),
        ("fr", "de", "E-Mail-Adresse, Benutzername oder Passwort stimmt nicht."),
    ],
)
def test_errors_speak_the_language_the_portal_asked_for(
    house: House, browser: Browser, ui_locales: str, language: str, sentence: str
) -> None:
    """Frame and sentence alike: the sentence is worded before the page is rendered."""
    house.add("ben")
    browser.ask(ui_locales=ui_locales)
    assert f'<html lang="{language}"' in browser.text
    browser.send(username="ben", password=WRONG)
    assert f'<html lang="{language}"' in browser.text
    assert sentence in browser.text


def test_a_persons_choice_wins_over_the_portals_wish(house: House, browser: Browser) -> None:
    """Who has pressed "Deutsch" once is not spoken to in English again."""
    house.add("ben")
    browser.get("/login?lang=de")
    browser.ask(ui_locales="en")
    assert '<html lang="de"' in browser.text


def test_every_page_speaks_the_language_of_who_is_signed_in(house: House, browser: Browser) -> None:
    """It counts more than the browser's, and less than what the person chose here or the portal asks for."""
    ben = house.add("ben")
    with house.work() as ctx:
        ctx.db.get_one(Account, ben.id).locale = "de"
    browser.extra["Accept-Language"] = "en-GB"
    browser.get("/login")
    assert '<html lang="en"' in browser.text
    browser.sign_in(ben)
    for path in ("/", "/device", "/account", "/account/confirm", "/link", "/logout"):
        browser.get(path)
        assert '<html lang="de"' in browser.text, path
    browser.get("/device")
    browser.send(code="")
    assert '<html lang="de"' in browser.text
    browser.ask(prompt="login", ui_locales="en")
    assert '<html lang="en"' in browser.text
    browser.ask(prompt="login")
    assert '<html lang="de"' in browser.text
    browser.get("/?lang=en")
    browser.get("/account")
    assert '<html lang="en"' in browser.text


def _links(text: str) -> list[str]:
    """Return the links that change language or theme."""
    return [html.unescape(found) for found in re.findall(r'href="(\?[^"]*(?:lang|theme)=[^"]*)"', text)]


def test_links_of_a_form_that_is_shown_again_lead_to_it(house: House, browser: Browser) -> None:
    """A mistake does not take the choice away."""
    house.add("ben")
    browser.ask()
    browser.send(username="ben", password=WRONG)
    assert "ben" in browser.text
    links = _links(browser.text)
    assert len(links) == 4
    for link in links:
        assert browser.get(f"{urlsplit(browser.address).path}{link}").status_code == 200
        assert 'name="password"' in browser.text


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/authorize", {"client_id": "nobody"}),
        ("/logout", {"post_logout_redirect_uri": "https://evil.example/"}),
        ("/authorize/x/decline", {}),
        ("/device/x/decline", {}),
        ("/login/totp/cancel", {}),
        ("/choose-account/other", {}),
        ("/nowhere", {}),
    ],
)
def test_a_page_that_no_link_leads_to_offers_none(browser: Browser, path: str, form: dict[str, str]) -> None:
    """What was asked came in the body, or nothing stands at the address: a link would lead elsewhere."""
    browser.ask()
    assert len(_links(browser.text)) == 4
    browser.post(path, form)
    assert browser.page.status_code >= 400
    assert _links(browser.text) == []


def test_an_answer_by_form_offers_none(house: House, browser: Browser) -> None:
    """A link would ask the portal's question once more."""
    ben = house.add("ben")
    browser.ask(response_mode="form_post")
    browser.sign_in(ben)
    assert "data-answer" in browser.text
    assert _links(browser.text) == []
