"""What the owner hears of sign-ins: new devices, many failures, wrong codes (req 60)."""

from tests.web.pages.house import ESSENTIAL, WRONG, Browser, House, Person
from tests.web.pages.recovering import posted


def _subjects(house: House) -> list[str]:
    return [mail.subject for mail in posted(house)]


def test_a_new_device(house: House, browser: Browser) -> None:
    """Not the first one of all, not a known one; the mail names the portal (M07)."""
    ben = house.add("ben")
    browser.ask()
    browser.sign_in(ben)
    browser.ask(prompt="login")
    browser.sign_in(ben)
    assert _subjects(house) == []
    other = house.browser()
    other.ask()
    other.sign_in(ben)
    assert _subjects(house) == ["Neue Anmeldung"]
    assert "Kundenportal" in posted(house)[0].text
    other.ask(prompt="login")
    other.sign_in(ben)
    assert len(posted(house)) == 1


def test_a_copied_cookie_is_no_known_device(house: House, browser: Browser) -> None:
    """Who copied it from a shared PC before, or planted it there, is reported like anybody else (req 60; C6).

    Those who were known at that PC still are.
    """
    eve, ben = house.add("eve"), house.add("ben")
    own = house.browser()
    for visitor, person in ((own, ben), (browser, eve)):
        visitor.get("/login")
        visitor.sign_in(person)
    copied = str(browser.cookie("dev"))
    browser.client.delete_cookie("sid", domain="localhost")
    browser.get("/login")
    browser.sign_in(ben)
    before = len(posted(house))
    elsewhere = house.browser()
    elsewhere.set_cookie("dev", copied)
    elsewhere.get("/login")
    elsewhere.sign_in(ben)
    assert elsewhere.heading == "Willkommen, Ben"
    assert _subjects(house)[0] == "Neue Anmeldung"
    assert len(posted(house)) == before + 1
    for person in (eve, ben):
        browser.client.delete_cookie("sid", domain="localhost")
        browser.get("/login")
        browser.sign_in(person)
    assert len(posted(house)) == before + 1


def test_who_only_knows_the_password_is_no_new_device(house: House, browser: Browser, anna: Person) -> None:
    """Before the second factor nobody is in, and nothing is told as if (M07)."""
    browser.get("/login")
    browser.sign_in(anna)
    other = house.browser()
    other.get("/login")
    other.give_password(anna)
    assert _subjects(house) == []


def test_a_success_after_many_failures(house: House, browser: Browser) -> None:
    """Also from a known device."""
    ben = house.add("ben")
    browser.get("/login")
    browser.sign_in(ben)
    browser.client.delete_cookie("sid", domain="localhost")
    browser.get("/login")
    for _ in range(6):
        browser.send(username="ben", password=WRONG)
    browser.give_password(ben)
    assert _subjects(house) == ["Neue Anmeldung nach falschen Versuchen"]


class TestWrongCodes:
    """A right password, then codes that are not."""

    def test_five_of_them(self, house: House, browser: Browser, anna: Person) -> None:
        browser.ask()
        browser.give_password(anna)
        for _ in range(4):
            browser.send(code=anna.wrong_code())
        assert _subjects(house) == []
        browser.send(code=anna.wrong_code())
        (mail,) = posted(house)
        assert mail.subject == "Falsche Codes nach Ihrem richtigen Passwort"
        assert "Kundenportal" in mail.text
        assert "Waren Sie das? Dann melden Sie sich noch einmal an.\n" in mail.text

    def test_few_at_a_time(self, house: House, browser: Browser, anna: Person) -> None:
        """Who stops before the fifth meets the hour's limit, and the owner hears of that."""
        for _ in range(3):
            browser.get("/login")
            browser.give_password(anna)
            for _ in range(4):
                browser.send(code=anna.wrong_code())
            browser.client.delete_cookie("flow", domain="localhost")
        assert "Zu viele Versuche" in browser.text
        assert _subjects(house)[0] == "Falsche Codes nach Ihrem richtigen Passwort"

    def test_guesses_in_sessions_use_up_no_other_mail(
        self, house: House, browser: Browser, anna: Person
    ) -> None:
        """Who has cookies alone does not keep from the owner that somebody knows the password."""
        places = [house.browser() for _ in range(6)]
        for place in places:
            place.get("/login")
            place.sign_in(anna)
            house.clock.advance(minutes=1)
        for place in places:
            house.clock.advance(hours=1)
            place.get("/account/password")
            for _ in range(5):
                place.send(code=anna.wrong_code())
        house.clock.advance(hours=1)
        browser.get("/login")
        browser.give_password(anna)
        for _ in range(5):
            browser.send(code=anna.wrong_code())
        assert _subjects(house)[0] == "Falsche Codes nach Ihrem richtigen Passwort"

    def test_a_flood_of_them(self, house: House, browser: Browser, anna: Person) -> None:
        """Who knows the password does not fill the mailbox."""
        for _ in range(20):
            visitor = house.browser()
            visitor.get("/login")
            visitor.give_password(anna)
            visitor.send(code=anna.wrong_code())
        assert len(posted(house)) <= 5

    def test_after_a_link(self, house: House, browser: Browser, anna: Person) -> None:
        """The mailbox is not what protected the account."""
        browser.get("/password/forgot")
        browser.send(email="anna@muster.example")
        browser.get(posted(house)[0].link.removeprefix(house.settings.public_url))
        browser.send(new_password="Leuchtturm vor der Insel 9", confirm_password="Leuchtturm vor der Insel 9")
        for _ in range(5):
            browser.send(code=anna.wrong_code())
        assert "Falsche Codes beim Ändern Ihres Passworts" in _subjects(house)

    def test_where_one_is_confirmed(self, house: House, browser: Browser, anna: Person) -> None:
        """A stolen session guesses codes, and nobody gave a password for them (K-06)."""
        browser.get("/login")
        browser.sign_in(anna)
        house.clock.advance(minutes=20)
        browser.get("/account/recovery")
        assert browser.heading == "Bestätigen Sie Ihre Identität"
        for _ in range(5):
            browser.send(code=anna.wrong_code())
        (mail,) = posted(house)
        assert mail.subject == "Falsche Codes in Ihrer offenen Anmeldung"
        assert "Ihrem richtigen Passwort" not in mail.text
        assert "/account/sessions" in mail.text
        browser.sign_in(anna)
        browser.get("/account/activity")
        assert "Ein Code der zweiten Stufe war falsch." in browser.text

    def test_where_a_portal_asks_for_more(self, house: House, browser: Browser, anna: Person) -> None:
        """In sessions as well; when the hour's tries are over, too."""
        places = [browser, house.browser(), house.browser()]
        for place in places:
            place.get("/login")
            place.sign_in(anna)
            house.clock.advance(minutes=1)
        house.clock.advance(hours=2)
        for place, tries in zip(places, (4, 4, 3), strict=True):
            place.ask(claims=ESSENTIAL)
            for _ in range(tries):
                place.send(code=anna.wrong_code())
        assert places[-1].page.status_code == 429
        assert "Falsche Codes in Ihrer offenen Anmeldung" in _subjects(house)
