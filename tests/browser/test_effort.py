"""How much a task asks of a person: pages, clicks and typed fields, counted by the browser (screens §1.8)."""

from dataclasses import dataclass, field

from playwright.sync_api import Page, expect

from tests.browser.house import Visits

_COUNT = """
addEventListener('click', event => { if (event.isTrusted && event.detail) count('a click') }, true);
addEventListener('input', event => { if (event.target.type !== 'checkbox') count(event.target.name) }, true);
"""


@dataclass
class Effort:
    """What a person did."""

    issuer: str
    pages: list[str] = field(default_factory=list)
    clicks: int = 0
    fields: set[str] = field(default_factory=set)

    def watch(self, page: Page) -> None:
        """Count from now on: pages of ours that are shown, clicks on anything, fields that are typed into."""
        page.expose_binding("count", lambda _source, what: self._note(what))
        page.add_init_script(_COUNT)
        page.on("framenavigated", lambda frame: self._navigated(frame.url))

    def _note(self, what: str) -> None:
        if what == "a click":
            self.clicks += 1
        else:
            self.fields.add(what)

    def _navigated(self, url: str) -> None:
        if url.startswith(self.issuer):
            self.pages.append(url)

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
