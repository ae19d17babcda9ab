"""The language a portal asks for holds on every page of its flow (OIDC Core §3.1.2.1; req 117)."""

import pytest

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
