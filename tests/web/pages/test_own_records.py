"""K-09, K-10, K-13, K-15: sessions, portals, data and activity as their owner meets them (screens §1.4)."""

import html
import json
from collections.abc import Callable

import pytest

from idp.authentication.models import Device, Session
from idp.delivery.preview import list_shown
from idp.oidc import consent
from idp.oidc.clients import load_clients
from idp.oidc.consent import Extent
from idp.oidc.models import Client
from tests.web.pages.house import PASSWORD, Browser, House, Person, forms

FIREFOX = "Mozilla/5.0 (Windows NT 10.0) Firefox/140.0"


@pytest.fixture
def ben(house: House, browser: Browser) -> Person:
    """Somebody without a second factor, signed in with Firefox."""
    person = house.add("ben")
    browser.extra["User-Agent"] = FIREFOX
    browser.ask()
    browser.sign_in(person)
    return person


def another(house: House, person: Person, **extra: str) -> Browser:
    """Return a second browser of the same person."""
    made = house.browser()
    made.extra |= extra
    made.get("/login")
    made.sign_in(person)
    return made


def press(browser: Browser, ending: str, **fields: str) -> None:
    """Send the form whose action ends so."""
    browser.send(form=[action.endswith(ending) for action, _ in forms(browser.text)].index(True), **fields)


class TestSessions:
    def test_what_is_shown(self, house: House, browser: Browser, ben: Person) -> None:
        """Browser in words, portals, this one; no network address (req 110)."""
        another(house, ben, **{"User-Agent": "curl"})
        browser.get("/account/sessions")
        assert browser.heading == "Anmeldungen und Geräte"
        for shown in ("Firefox auf Windows", "Unbekanntes Gerät", "Kundenportal", "Diese hier"):
            assert shown in browser.text
        assert browser.text.count("Diese hier") == 1
        assert "curl" not in browser.text
        assert "127.0.0.1" not in browser.text

    def test_ending_another(self, house: House, browser: Browser, ben: Person) -> None:
        other = another(house, ben)
        [here, there] = house.sessions()
        browser.get("/account/sessions")
        press(browser, f"/{there.id}/end")
        assert "Dieses Gerät ist abgemeldet." in browser.text
        assert other.get("/account").status_code == 200
        assert other.heading == "Anmelden"
        assert [row.ended_at is None for row in house.sessions()] == [True, False]
        assert here.id in browser.text

    def test_ending_this_one(self, house: House, browser: Browser, ben: Person) -> None:
        """Leads to the page that says so; the cookie is gone."""
        browser.get("/account/sessions")
        press(browser, "/end")
        assert browser.heading == "Sie sind abgemeldet"
        browser.get("/account/sessions")
        assert browser.heading == "Anmelden"

    def test_ending_all_others(self, house: House, browser: Browser, ben: Person) -> None:
        """The button stands there only where there are others."""
        browser.get("/account/sessions")
        assert "Überall sonst abmelden" not in browser.text
        another(house, ben)
        another(house, ben)
        browser.get("/account/sessions")
        press(browser, "/others")
        assert "Sie sind überall sonst abgemeldet." in browser.text
        assert [row.ended_at is None for row in house.sessions()] == [True, False, False]

    def test_forgetting_a_device(self, house: House, browser: Browser) -> None:
        anna = house.add("anna", app=True)
        browser.get("/login")
        browser.sign_in(anna, remember_device="y")
        browser.get("/account/sessions")
        assert "Gemerkt bis" in browser.text
        press(browser, "/forget")
        assert "fragen wir wieder nach der zweiten Stufe" in browser.text
        assert "Kein Gerät ist gemerkt" in browser.text
        with house.work() as ctx:
            assert ctx.db.query(Device).filter(Device.trust_hash.is_not(None)).count() == 0

    def test_what_is_another_persons_is_not_there(self, house: House, browser: Browser, ben: Person) -> None:
        """(req 91): 404 for session and device, as for what does not exist."""
        clara = house.add("clara", app=True)
        hers = house.browser()
        hers.get("/login")
        hers.sign_in(clara, remember_device="y")
        session = next(row for row in house.sessions() if row.account_id == clara.id)
        with house.work() as ctx:
            device = ctx.db.query(Device).filter_by(account_id=clara.id).one().id
        browser.get("/account/sessions")
        token = forms(browser.text)[0][1]["csrf_token"]
        for path in (
            f"/account/sessions/{session.id}/end",
            "/account/sessions/nothing/end",
            f"/account/sessions/devices/{device}/forget",
            "/account/portals/nothing/withdraw",
        ):
            assert browser.post(path, {"csrf_token": token}).status_code == 404
        with house.work() as ctx:
            assert ctx.db.get_one(Session, session.id).ended_at is None


class TestPortals:
    def allow(self, house: House, person: Person) -> None:
        with house.work() as ctx:
            client = Client(
                client_id="wetter",
                client_name="Wetter",
                kind="web",
                redirect_uris=["https://wetter.example/"],
                grant_types=["authorization_code"],
                response_types=["code"],
                scope="openid email offline_access",
                token_endpoint_auth_method="none",
                created_at=ctx.now,
                updated_at=ctx.now,
            )
            ctx.db.add(client)
            ctx.db.flush()
            wanted = Extent(frozenset({"openid", "email", "offline_access"}), frozenset())
            consent.decide(ctx, person.id, load_clients(ctx.db)["wetter"], wanted, wanted)
        house.forget_snapshot()

    def test_what_a_portal_gets_with_the_values(self, house: House, browser: Browser, ben: Person) -> None:
        """(req 16): and the operator's own portal as used without consent."""
        self.allow(house, ben)
        browser.get("/account/portals")
        assert browser.heading == "Verbundene Portale"
        for shown in (
            "Wetter",
            "ben@muster.example (bestätigt)",
            "abgemeldet sind",
            "Ohne Zustimmung",
            "Kundenportal",
        ):
            assert shown in browser.text

    def test_withdrawing(self, house: House, browser: Browser, ben: Person) -> None:
        """Of two clicks the browser shows the answer to the second, which is that of the first."""
        self.allow(house, ben)
        browser.get("/account/portals")
        target, hidden = forms(browser.text)[0]
        browser.send()
        assert "Der Zugriff ist entzogen." in browser.text
        assert "Sie haben keinem Portal erlaubt" in browser.text
        browser.post(target, hidden)
        assert "Der Zugriff ist entzogen." in browser.text
        assert browser.post("/account/portals/nothing/withdraw", hidden).status_code == 404
        assert len(house.events("consent.withdrawn")) == 1


class TestActivity:
    def test_plain_sentences(self, browser: Browser, ben: Person) -> None:
        """Newest first, with the browser in words and the portal by name."""
        browser.get("/account/activity")
        assert browser.heading == "Aktivität"
        text = html.unescape(browser.text)
        for shown in ("Sie haben sich angemeldet.", "Portal: Kundenportal.", "Firefox auf Windows"):
            assert shown in text
        assert "127.0.0" not in text

    def test_pages(self, house: House, browser: Browser, ben: Person) -> None:
        for _ in range(15):
            another(house, ben)
        browser.get("/account/activity")
        assert "Neueste Einträge" not in browser.text
        older = html.unescape(browser.text.partition('"pager"')[2].partition('href="')[2].partition('"')[0])
        browser.get(older)
        assert "Neueste Einträge" in browser.text
        assert "Ein Portal hat Ihre Anmeldung erhalten." in browser.text

    @pytest.mark.parametrize("before", ["", "nothing", "x" * 400, "%00", "'--", "../"])
    def test_a_foreign_place_shows_nothing(self, browser: Browser, ben: Person, before: str) -> None:
        """(req 104)"""
        assert browser.get(f"/account/activity?before={before}").status_code == 200
        assert "Hier steht nichts." in browser.text


class TestData:
    def test_json(self, house: House, browser: Browser, ben: Person) -> None:
        """A file, kept nowhere, neither here nor in the browser; the person is told (M14)."""
        browser.get("/account/data")
        assert browser.heading == "Meine Daten"
        assert "<ul>" not in browser.text.partition("<h1>")[2].partition("</main>")[0]
        browser.send(format="json")
        headers = browser.page.headers
        assert headers["Content-Type"] == "application/json"
        assert headers["Content-Disposition"] == "attachment; filename=Lotse-2026-03-01.json"
        assert headers["Cache-Control"] == "no-store"
        found = json.loads(browser.text)
        assert found["account"][0]["username"] == "ben"
        assert found["addresses"][0]["value"] == "ben@muster.example"
        assert found["sessions"][0]["user_agent"] == FIREFOX
        with house.work() as ctx:
            assert [mail.subject for mail in list_shown(ctx)] == ["Ihr Datenexport"]

    def test_mails_about_it_stand_in_nobodys_way(self, house: House, browser: Browser, ben: Person) -> None:
        """Five downloads an hour and five mails a day: the queue of mails is everybody's (req 72)."""
        for _ in range(2):
            for _ in range(5):
                browser.get("/account/data")
                if browser.heading != "Meine Daten":
                    browser.send(password=PASSWORD)
                assert browser.send(format="json").status_code == 200
            browser.get("/account/data")
            assert browser.send(format="json").status_code == 429
            assert "Sie haben Ihre Daten gerade mehrmals heruntergeladen." in browser.text
            house.clock.advance(hours=1)
        assert len(house.events("account.exported")) == 10
        with house.work() as ctx:
            assert [mail.subject for mail in list_shown(ctx)] == ["Ihr Datenexport"] * 5

    @pytest.mark.parametrize(("language", "word"), [("de", "Zuletzt benutzt"), ("en", "Last used")])
    def test_html(self, browser: Browser, ben: Person, language: str, word: str) -> None:
        """Readable alone: in the language of the page, without anything to load."""
        browser.get(f"/account/data?lang={language}")
        browser.send(format="html")
        assert browser.page.headers["Content-Disposition"].endswith(".html")
        assert f'lang="{language}"' in browser.text
        for shown in (word, "ben@muster.example", "Firefox/140.0"):
            assert shown in browser.text
        assert "src=" not in browser.text

    @pytest.mark.parametrize("format", ["", "xml", "../json"])
    def test_other_forms_do_not_exist(self, house: House, browser: Browser, ben: Person, format: str) -> None:
        browser.get("/account/data")
        assert browser.send(format=format).status_code == 400
        assert house.events("account.exported") == []

    def test_an_old_form_hands_out_nothing(self, house: House, browser: Browser, ben: Person) -> None:
        """(req 98)"""
        browser.post("/account/data", {"csrf_token": "old", "format": "json"})
        assert browser.heading == "Meine Daten"
        assert "Die Seite war länger offen" in browser.text
        assert house.events("account.exported") == []

    def test_five_minutes_after_the_proof_it_is_asked_again(
        self, house: House, browser: Browser, ben: Person
    ) -> None:
        """(req 73): page and download."""
        browser.get("/account/data")
        action, hidden = forms(browser.text)[0]
        house.clock.advance(minutes=5)
        browser.post(action, hidden | {"format": "json"})
        assert browser.heading == "Bestätigen Sie Ihre Identität"
        assert house.events("account.exported") == []
        browser.send(password=PASSWORD)
        assert browser.heading == "Meine Daten"


STRANGERS: dict[str, Callable[[Browser], object]] = {
    "sessions": lambda browser: browser.get("/account/sessions"),
    "portals": lambda browser: browser.get("/account/portals"),
    "activity": lambda browser: browser.get("/account/activity"),
    "data": lambda browser: browser.get("/account/data"),
    "deletion": lambda browser: browser.get("/account/delete"),
}


@pytest.mark.parametrize("page", STRANGERS)
def test_strangers_sign_in(browser: Browser, page: str) -> None:
    STRANGERS[page](browser)
    assert browser.heading == "Anmelden"
