"""What the question about a device says: it is the consent (L-14, L-11; decision 33; req 16, 30)."""

import re
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import update

from idp.accounts.models import Account
from idp.context import Services
from idp.web.gateway import Gateway
from tests import cast
from tests.device_programs import Device, answer, at_the_question
from tests.installation import unit_of_work
from tests.plain_browser import Browser, Portal
from tests.world import forget_snapshot


@dataclass
class Lobby:
    """Somebody at a browser, and programs and portals of whoever registers them."""

    services: Services
    gateway: Gateway
    browser: Browser

    def program(self, client_id: str, **fields: Any) -> Device:
        """Register a program on a device."""
        with unit_of_work(self.services) as ctx:
            registered = cast.register_device(ctx, client_id, **fields)
        forget_snapshot(self.gateway)
        return Device(self.gateway, registered)

    def portal(self, client_id: str, **fields: Any) -> Portal:
        """Register a portal."""
        with unit_of_work(self.services) as ctx:
            registered = cast.register(ctx, client_id, **fields)
        forget_snapshot(self.gateway)
        return Portal(self.gateway, registered)


@pytest.fixture
def lobby(services: Services, gateway: Gateway) -> Lobby:
    with unit_of_work(services) as ctx:
        cast.member(ctx)
    return Lobby(services, gateway, Browser(gateway))


def _told(page: str) -> dict[str, list[str]]:
    """Return the values shown under each thing that is told."""
    found = re.findall(r'id="([\w.]+)-told">(.*?)</(?:dl|p)>', page, re.DOTALL)
    return {field: re.sub(r"<[^>]+>", " ", text).split() for field, text in found}


def _fact(page: str, term: str) -> str:
    found = re.search(rf"<dt>{term}</dt><dd>(.*?)</dd>", page, re.DOTALL)
    assert found is not None, term
    return found[1]


def test_a_program_of_others_is_asked_about_as_their_portals_are(lobby: Lobby) -> None:
    """With the own values, whose it is, why and for how long, as the consent page has it (L-11; req 16)."""
    scope = "openid profile email organization"
    site = "https://wetter.example/"
    told = {"home_uri": site, "policy_uri": f"{site}privacy", "logo_uri": f"{site}logo.svg"}
    fields: dict[str, Any] = {"client_name": "Wetter", "first_party": False, "scope": scope, **told}
    page = at_the_question(lobby.browser, lobby.program("station", **fields).ask(scope)).text
    assert "anna@muster.example" in " ".join(_told(page)["scope.email"])
    assert {"Muster", "GmbH", "100200300"} <= set(_told(page)["scope.organization"])
    assert f'src="{site}logo.svg"' in page
    assert _fact(page, "Betreiber").startswith("ein anderer Anbieter, nicht Lotse")
    assert f'href="{site}"' in _fact(page, "Betreiber")
    assert f'href="{site}privacy"' in _fact(page, "Zweck")
    assert _fact(page, "Dauer") == "bis Sie sich abmelden, höchstens 30 Tage"
    assert 'href="/account/portals"' in page
    asked = lobby.portal("web", **fields).authorize(lobby.browser, scope=scope).text
    assert 'name="scope.email"' in asked
    assert _told(page) == _told(asked)
    for term in ("Betreiber", "Zweck", "Dauer"):
        assert _fact(page, term) == _fact(asked, term)


def test_the_operators_own_program_is_told_of_shortly(lobby: Lobby) -> None:
    """Whose and for how long, and the labels of what it gets; nothing of that is a consent (L-11)."""
    page = at_the_question(lobby.browser, lobby.program("till").ask("openid profile email")).text
    assert _fact(page, "Betreiber") == "Lotse"
    assert _fact(page, "Dauer") == "bis Sie sich abmelden, höchstens 30 Tage"
    assert "E-Mail-Adresse" in _fact(page, "Das Gerät bekommt")
    for words in ("anna@muster.example", "<dt>Zweck</dt>", "/account/portals"):
        assert words not in page, words


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("203.0.113.80", "203.0.113.0<br>dasselbe Netz wie dieser Browser"),
        ("198.51.100.7", "203.0.113.0<br>ein anderes Netz als dieser Browser"),
    ],
)
def test_where_the_device_stands(lobby: Lobby, address: str, words: str) -> None:
    """Whoever was sent a code by a stranger sees that the device is elsewhere (RFC 8628 §5.4; req 30)."""
    lobby.browser.address = address
    page = at_the_question(lobby.browser, lobby.program("till").ask("openid")).text
    assert _fact(page, "Netz des Geräts") == words


@pytest.mark.parametrize(
    ("scope", "fields", "words"),
    [
        ("openid", {"grant_types": [cast.DEVICE_GRANT]}, "nur jetzt, höchstens 5 Minuten"),
        ("openid", {}, "bis Sie sich abmelden, höchstens 30 Tage"),
        ("openid offline_access", {}, "auch wenn Sie sich abmelden, höchstens 90 Tage"),
    ],
)
def test_for_how_long_a_device_is_let_in(
    lobby: Lobby, scope: str, fields: dict[str, Any], words: str
) -> None:
    """The longest time for which it gets anything; what stands as a consent says where it is withdrawn."""
    for first_party in (True, False):
        program = lobby.program(f"p{first_party}".lower(), scope=scope, first_party=first_party, **fields)
        page = at_the_question(lobby.browser, program.ask(scope)).text
        assert _fact(page, "Dauer") == words
        assert ('href="/account/portals"' in page) is (not first_party or "offline_access" in scope)


def test_question_and_answer_speak_one_language(lobby: Lobby) -> None:
    """That of who is signed in, whatever the browser prefers."""
    with unit_of_work(lobby.services) as ctx:
        ctx.db.execute(update(Account).values(locale="en"))
    code = lobby.program("station", scope="openid").ask("openid")
    assert '<html lang="en"' in at_the_question(lobby.browser, code).text
    assert '<html lang="en"' in answer(lobby.browser).text
