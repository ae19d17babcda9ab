"""The page of who is turned away: like any other page of ours, but made once (A5, F12; req 99, 107)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from idp.app import create_app
from idp.cli.arrivals import PASSWORD_FORMS
from idp.context import Services
from idp.settings import Settings
from idp.web.gateway import TURNED_AWAY, Gateway
from tests.driver import counted
from tests.world import Desk, machine


def turned_away(
    gateway: Gateway, query: str = "", *, cookie: str = "", host: str = "localhost:8000", accepted: str = ""
) -> TestResponse:
    """Return what a sign-in is answered that found no room."""
    return Client(gateway, use_cookies=False).post(
        "/login",
        query_string=query,
        data={"username": "anna", "password": "secret"},
        headers={"Host": host, "Cookie": cookie, "Accept-Language": accepted},
        environ_overrides={TURNED_AWAY: True},
    )


def test_who_is_turned_away_reads_what_to_do(desk: Desk) -> None:
    """503, when to come back, and that nothing is lost; no database is asked, no try counted."""
    with counted(desk.services.database) as traffic:
        answer = turned_away(desk.gateway)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "Im Moment melden sich sehr viele Menschen an" in answer.text
    assert "laden Sie dann diese Seite neu" in answer.text
    assert "secret" not in answer.text
    assert traffic.statements == []


def test_its_headers_are_those_of_every_page(desk: Desk) -> None:
    """Policy, no-store and the rest, as a page that the framework answers has them (req 99)."""
    ordinary = dict(machine(desk.gateway, "GET", "/nowhere").headers)
    away = dict(turned_away(desk.gateway).headers)
    assert away.pop("Retry-After") == "5"
    assert away.pop("X-Request-Id") != ordinary.pop("X-Request-Id")
    assert away.pop("Content-Length") != ordinary.pop("Content-Length")
    assert away == ordinary


def test_each_answer_has_the_id_of_its_request(desk: Desk) -> None:
    """Copied by people, found in the log (req 107)."""
    first, second = turned_away(desk.gateway), turned_away(desk.gateway)
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]
    for answer in (first, second):
        assert f">{answer.headers['X-Request-Id']}<" in answer.text
        assert "lotse-request-id" not in answer.text


@pytest.mark.parametrize(
    ("query", "accepted", "cookie", "language"),
    [
        ("", "", "", "de"),
        ("", "en-GB,en;q=0.9", "", "en"),
        ("", "fr", "", "de"),
        ("lang=en", "de", "", "en"),
        ("ui_locales=fr+en", "de", "", "en"),
        ("lang=xx", "de", "lang=en", "en"),
        ("", "", 'lang="><b>', "de"),
    ],
    ids=["default", "browser", "not spoken", "chosen", "portal", "kept", "hostile"],
)
def test_it_speaks_the_language_of_the_page_before(
    desk: Desk, query: str, accepted: str, cookie: str, language: str
) -> None:
    """By the rule that all pages follow."""
    answer = turned_away(desk.gateway, query, cookie=cookie, accepted=accepted)
    assert f'<html lang="{language}"' in answer.text
    assert ("Very many people" in answer.text) == (language == "en")


def test_it_looks_as_the_page_before(desk: Desk) -> None:
    """Light or dark, as the person chose."""
    dark = turned_away(desk.gateway, cookie="theme=dark")
    assert 'data-theme="dark"' in dark.text
    assert "data-theme" not in turned_away(desk.gateway).text


def test_it_is_made_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """For each language and theme; a flood's answers are copies, whatever it sends."""
    made: list[tuple[str, ...]] = []
    page: Any = desk.gateway._overload
    make: Callable[..., bytes] = page._make
    monkeypatch.setattr(page, "_make", lambda *shown: made.append(shown) or make(*shown))
    for number in range(5):
        turned_away(desk.gateway, f"lang=x{number}&flow={number}", cookie=f"theme={number}")
        turned_away(desk.gateway, "lang=en")
    assert made == [("de", "system"), ("en", "system")]


def test_it_leads_nowhere_else(desk: Desk) -> None:
    """A link to another language would lose the sign-in that a portal began."""
    assert 'hreflang="' not in turned_away(desk.gateway, "flow=" + "x" * 43).text


def test_an_https_installation(settings: Settings, services: Services) -> None:
    """Its preferences stand in cookies of other names, and browsers are told to stay with https (req 103)."""
    https = settings.model_copy(update={"public_url": "https://login.example"})
    gateway = create_app(https, replace(services, settings=https))
    answer = turned_away(gateway, cookie="__Host-lang=en; lang=de", host="login.example")
    assert answer.status_code == 503
    assert '<html lang="en"' in answer.text
    assert "Strict-Transport-Security" in answer.headers


def test_another_host_is_told_so_first(desk: Desk) -> None:
    """What holds for every request holds here (req 101)."""
    assert turned_away(desk.gateway, host="evil.example").status_code == 421


def test_what_waits_for_a_hash_is_a_form_of_ours(desk: Desk) -> None:
    """A page that moves takes its place in line with it."""
    pages: Any = desk.gateway._pages
    posted = {rule.rule for rule in pages.__self__.url_map.iter_rules() if "POST" in (rule.methods or ())}
    assert posted >= PASSWORD_FORMS
