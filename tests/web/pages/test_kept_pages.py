"""Pages put together once for everybody: each person gets the own tokens and nobody else's (design §6)."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import render_template
from sqlalchemy import update

from idp.installation import snapshot_changed
from idp.oidc.models import Client
from idp.web import kept_pages
from tests.web.pages.house import WRONG, Browser, House, forms


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The templates that were rendered to be kept."""
    names: list[str] = []

    def note(template: str, **values: Any) -> str:
        names.append(template)
        return render_template(template, **values)

    monkeypatch.setattr(kept_pages, "render_template", note)
    return names


def _flow(browser: Browser) -> str:
    return parse_qs(urlsplit(browser.address).query)["flow"][0]


def _token(browser: Browser) -> str:
    return next(hidden["csrf_token"] for _, hidden in forms(browser.text) if "csrf_token" in hidden)


def _without_tokens(browser: Browser) -> str:
    return browser.text.replace(_flow(browser), "").replace(_token(browser), "")


def test_each_browser_gets_its_own_tokens(house: House, rendered: list[str]) -> None:
    """The second page comes from what is kept, and both forms work (req 41, 98)."""
    person = house.add("ben")
    first, second = house.browser(), house.browser()
    first.ask()
    second.ask()
    assert len(rendered) == 1
    assert _without_tokens(first) == _without_tokens(second)
    for mine, other in ((first, second), (second, first)):
        assert (
            mine.text.count(_flow(mine)) == mine.text.count("flow=") + 1
        )  # the form that gives up names it too
        assert _flow(other) not in mine.text
        assert _token(other) not in mine.text
        assert "\0" not in mine.text
    for browser in (second, first):
        browser.sign_in(person)
        assert browser.arrived["code"]


def test_what_differs_is_not_mixed_up(house: House, rendered: list[str]) -> None:
    """Language, look, the links' query, and what the portal asks for."""
    pages = {}
    for name, language, cookie, wish in (
        ("plain", "de", None, {}),
        ("english", "en", None, {}),
        ("portal's language", "de", None, {"ui_locales": "en"}),
        ("dark", "de", "dark", {}),
        ("hint", "de", None, {"login_hint": "ben@muster.example"}),
    ):
        browser = house.browser()
        browser.extra = {"Accept-Language": language}
        if cookie:
            browser.set_cookie("theme", cookie)
        browser.ask(**wish)
        pages[name] = browser
    texts = {name: _without_tokens(browser) for name, browser in pages.items()}
    assert texts.pop("portal's language") == texts["english"]
    assert len(set(texts.values())) == 4
    assert "Sign in" in texts["english"]
    assert 'data-theme="dark"' in texts["dark"]
    assert "ben@muster.example" in texts["hint"]
    before = len(rendered)
    pages["plain"].get(f"{pages['plain'].address}&lang=en")
    assert "lang=de" in pages["plain"].text
    assert len(rendered) == before + 1  # and is kept for nobody
    pages["plain"].get(f"{pages['plain'].address}")
    assert len(rendered) == before + 2


def test_mistakes_are_one_persons(house: House, rendered: list[str]) -> None:
    """What was typed and what was wrong with it reaches no other page."""
    house.add("ben")
    first, second = house.browser(), house.browser()
    first.ask()
    first.send(username="ben", password=WRONG)
    assert "stimmt nicht" in first.text
    second.ask()
    assert len(rendered) == 1
    assert "stimmt nicht" not in second.text
    assert 'value="ben"' not in second.text


def test_a_portal_that_changes_its_name(house: House) -> None:
    """Its page is another one from then on."""
    browser = house.browser()
    browser.ask()
    assert "Kundenportal" in browser.text
    with house.work() as ctx:
        ctx.db.execute(update(Client).values(client_name="Bürgerportal"))
        snapshot_changed(ctx.db)
    house.forget_snapshot()
    other = house.browser()
    other.ask()
    assert "Bürgerportal" in other.text
    assert "Kundenportal" not in other.text


def test_only_so_many_are_kept(house: House, rendered: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A process does not grow with the number of portals."""
    monkeypatch.setattr(kept_pages, "_AT_MOST", 1)
    for language in ("de", "en", "de"):
        browser = house.browser()
        browser.extra = {"Accept-Language": language}
        browser.ask()
    assert len(rendered) == 3
