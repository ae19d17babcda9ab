"""How much a task asks of a person: pages, clicks and typed fields, counted by the browser (screens §1.8)."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Page, expect

from tests.browser.house import BEISPIEL, PASSWORD, Visitor, Visits
from tests.browser.scenes.linking import ask, bring, choose, has_old_access

_COUNT = """
addEventListener('click', event => { if (event.isTrusted && event.detail) count('a click') }, true);
addEventListener('input', event => {
  if (!['checkbox', 'radio'].includes(event.target.type)) count(event.target.name)
}, true);
"""


@dataclass
class Effort:
    """What a person did."""

    issuer: str
    pages: list[str] = field(default_factory=list)
    clicks: int = 0
    fields: set[str] = field(default_factory=set)
    _leads_on: bool = False

    def watch(self, page: Page) -> None:
        """Count from now on: pages of ours that are shown, clicks on anything, fields that are typed into.

        A page that leads on by itself is not to be read.
        """
        page.expose_binding("count", lambda _source, what: self._note(what))
        page.add_init_script(_COUNT)
        page.on("response", lambda response: self._answered(response.headers))
        page.on("framenavigated", lambda frame: self._navigated(frame.url))

    def _note(self, what: str) -> None:
        if what == "a click":
            self.clicks += 1
        else:
            self.fields.add(what)

    def _answered(self, headers: dict[str, str]) -> None:
        self._leads_on = self._leads_on or "refresh" in headers

    def _navigated(self, url: str) -> None:
        if url.startswith(self.issuer) and not self._leads_on:
            self.pages.append(url)
        self._leads_on = False

    @property
    def total(self) -> tuple[int, int, int]:
        """Pages, clicks, fields."""
        return len(self.pages), self.clicks, len(self.fields)


def test_with_a_password_alone(visits: Visits) -> None:
    """One page, one click, two fields."""
    visitor, effort = visits.new(), Effort(visits.house.issuer)
    visitor.page.goto(visits.house.customer)
    effort.watch(visitor.page)
    visitor.page.goto(f"{visits.house.customer}/login")
    visitor.fill(visits.house.regular())
    expect(visitor.page.locator("h1")).to_have_text("Willkommen, Nora")
    assert effort.total == (1, 1, 2)


def test_with_an_app(visits: Visits) -> None:
    """Two pages, two clicks, three fields."""
    visitor, effort = visits.new(), Effort(visits.house.issuer)
    nora = visits.house.newcomer(apps=("Handy",))
    effort.watch(visitor.page)
    visitor.sign_in(visits.house.customer, nora)
    expect(visitor.page.locator("h1")).to_have_text("Willkommen, Nora")
    assert effort.total == (2, 2, 3)


def test_at_a_remembered_device(visits: Visits) -> None:
    """The tick of the last time spares the second page."""
    visitor, effort = visits.new(), Effort(visits.house.issuer)
    nora = visits.house.newcomer(apps=("Handy",))
    visitor.come_from(visits.house.customer)
    visitor.fill(nora)
    visitor.page.get_by_role("checkbox").check()
    visitor.fill_code(nora.code())
    visitor.sign_out(visits.house.customer)
    effort.watch(visitor.page)
    visitor.come_from(visits.house.customer)
    visitor.fill(nora)
    expect(visitor.page.locator("h1")).to_have_text("Willkommen, Nora")
    assert effort.total == (1, 1, 2)


def test_at_the_second_portal(visits: Visits) -> None:
    """Nothing at all."""
    visitor, effort = visits.new(), Effort(visits.house.issuer)
    visitor.sign_in(visits.house.customer, visits.house.regular())
    effort.watch(visitor.page)
    visitor.come_from(visits.house.support)
    expect(visitor.page.locator("h1")).to_have_text("Guten Tag, Nora")
    assert effort.total == (0, 0, 0)


def test_a_new_password(visits: Visits) -> None:
    """From the sign-in page, where it is asked for: four pages, four clicks, three fields, and the portal."""
    visitor, effort = visits.new(), Effort(visits.house.issuer)
    nora = visits.house.newcomer()
    effort.watch(visitor.page)
    visitor.come_from(visits.house.customer)
    effort.pages.clear()
    with visitor.page.expect_navigation():
        visitor.page.get_by_role("link", name="Passwort vergessen?").click()
    visitor.page.locator("input[name=email]").fill(nora.email)
    visitor.press()
    visitor.page.goto(visits.house.newest_mail(nora.email).link)
    for name in ("new_password", "confirm_password"):
        visitor.page.locator(f"input[name={name}]").fill("Möwen über dem Hafen 7")
    visitor.press()
    with visitor.page.expect_navigation():
        visitor.page.get_by_role("link", name="Weiter").click()
    expect(visitor.h1).to_have_text("Willkommen, Nora")
    assert effort.total == (4, 4, 3)


def _register(visits: Visits, visitor: Visitor) -> None:
    """From the sign-in page to an account, by the code of the mail."""
    with visitor.page.expect_navigation():
        visitor.page.get_by_role("link", name="Konto erstellen").click()
    address = f"nora-{secrets.token_hex(4)}@muster.example"
    entries = {"email": address, "given_name": "Nora", "family_name": "Neumann"}
    for name, typed in (entries | dict.fromkeys(("password", "confirm_password"), PASSWORD)).items():
        visitor.page.locator(f"input[name={name}]").fill(typed)
    visitor.press()
    visitor.fill_code(visits.house.newest_mail(address).code)


def _join(visits: Visits, visitor: Visitor) -> None:
    """By the customer number, in a company that takes people at once."""
    ask(visitor, BEISPIEL)


def _bring(visits: Visits, visitor: Visitor) -> None:
    """By user name and password of the old portal."""
    bring(visitor, has_old_access(visits.house))


ways = pytest.mark.parametrize(("link", "fields"), [(_join, 7), (_bring, 8)], ids=["number", "old-account"])


@ways
def test_from_nothing_into_a_company(visits: Visits, link: Callable[..., None], fields: int) -> None:
    """Three pages, four clicks, seven fields from the open sign-in page; four, four, seven are demanded.

    An old account takes one field more than a customer number: its user name and its password.
    """
    visitor, effort = visits.new(), Effort(visits.house.issuer)
    effort.watch(visitor.page)
    visitor.come_from_new_client(visits.house.for_one_product)
    effort.pages.clear()
    _register(visits, visitor)
    link(visits, visitor)
    expect(visitor.page).to_have_url(re.compile(r"/signed-out\?code="))
    assert effort.total == (3, 4, fields)


@ways
def test_where_the_affiliation_is_asked(visits: Visits, link: Callable[..., None], fields: int) -> None:
    """A portal that declares no product costs one page and two clicks more: the choice and its button.

    With them it is two clicks more than demanded; the operator spares them by declaring the product.
    """
    visitor, effort = visits.new(), Effort(visits.house.issuer)
    effort.watch(visitor.page)
    visitor.come_from(visits.house.customer)
    effort.pages.clear()
    _register(visits, visitor)
    choose(visitor)
    link(visits, visitor)
    expect(visitor.h1).to_have_text("Willkommen, Nora")
    assert effort.total == (4, 6, fields)


def test_a_recovery_password(visits: Visits) -> None:
    """Two pages, five clicks, one field; the page that says it is done asks nothing more."""
    visitor, effort = visits.new(), Effort(visits.house.issuer)
    page = visitor.page
    page.goto(f"{visits.house.issuer}/account")
    visitor.fill(visits.house.newcomer())
    effort.watch(page)
    page.reload()
    effort.pages.clear()
    page.get_by_role("link", name="Wiederherstellung", exact=True).click()
    page.get_by_role("button", name="Erzeugen").click()
    with page.expect_download():
        page.get_by_role("button", name="Herunterladen").click()
    page.get_by_label("Ich habe das Wiederherstellungspasswort gespeichert.").check()
    page.get_by_label("Kennwort", exact=True).fill(PASSWORD)
    pages = len(effort.pages)
    page.get_by_role("button", name="Wiederherstellungspasswort speichern").click()
    expect(page.get_by_text("gilt ab sofort")).to_be_visible()
    assert (pages, effort.clicks, len(effort.fields)) == (2, 5, 1)
