"""Every page a person can meet, examined by axe and measured (screens §2.2; req 116).

A run examines each page in one dress of language, theme and width, another for each page; ``make axe`` sets
``LOTSE_TEST_AXE=all`` and examines every page in all of them.
"""

import os
from itertools import product
from typing import Any, NamedTuple

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.house import Visits
from tests.browser.scenes import SCENES

pytestmark = [pytest.mark.axe, pytest.mark.slow]

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOCALES = ("de-DE", "en-GB")
THEMES = ("light", "dark")
WIDTHS = (320, 1280)
#: what axe cannot decide and we have: scene, rule and element
EXPLAINED = {
    # the open menu lies over the heading, as menus do; the heading alone is measured in "customer-home"
    ("customer-home-opened", "color-contrast", "h1"),
}
EVERYTHING = os.environ.get("LOTSE_TEST_AXE") == "all"


class Dress(NamedTuple):
    """How a page is looked at."""

    theme: Any
    width: int


def _choices() -> list[Any]:
    """Return scene, language and dresses of each examination."""
    dresses = [Dress(theme, width) for theme, width in product(THEMES, WIDTHS)]
    if EVERYTHING:
        return [
            pytest.param(name, locale, dresses, id=f"{name}-{locale}")
            for name, locale in product(SCENES, LOCALES)
        ]
    rotated = list(product(LOCALES, dresses))
    return [
        pytest.param(name, locale, [dress], id=f"{name}-{locale}-{dress.theme}-{dress.width}")
        for at, name in enumerate(SCENES)
        for locale, dress in [rotated[at % len(rotated)]]
    ]


def findings(page: Page, scene: str = "") -> list[str]:
    """Return what is wrong with a page, in words that name rule and element."""
    options = {"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations", "incomplete"]}
    results = Axe().run(page, options=options).response
    found = [
        f"{kind}: {rule['id']} {node['target']} {node.get('failureSummary', '')}"
        for kind in ("violations", "incomplete")
        for rule in results[kind]
        for node in rule["nodes"]
        if kind == "violations" or (scene, rule["id"], node["target"][0]) not in EXPLAINED
    ]
    assert results["passes"], "axe examined nothing"
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append("scrolls sideways")
    if page.locator("h1").count() != 1:
        found.append(f"{page.locator('h1').count()} headings of first order")
    if page.locator("main button[type=submit].primary").count() > page.locator("main form").count():
        found.append("more than one primary button in a form")
    return found


@pytest.mark.parametrize(("name", "locale", "dresses"), _choices())
def test_page(visits: Visits, name: str, locale: str, dresses: list[Dress]) -> None:
    """Nothing to mend and nothing left undecided; no script, style or frame was refused by the policy."""
    first = dresses[0]
    visitor = visits.new(
        locale=locale, color_scheme=first.theme, viewport={"width": first.width, "height": 900}
    )
    refused: list[str] = []
    visitor.context.on(
        "console", lambda said: refused.append(said.text) if "Content Security" in said.text else None
    )
    page = SCENES[name](visits, visitor).page
    found = []
    for dress in dresses:
        page.emulate_media(color_scheme=dress.theme, reduced_motion="reduce")
        page.set_viewport_size({"width": dress.width, "height": 900})
        found += [f"{dress.theme} {dress.width}: {finding}" for finding in findings(page, name)]
    assert found == []
    assert page.locator("html").get_attribute("lang") == locale[:2]
    assert refused == []


def test_findings_are_found(visits: Visits) -> None:
    """A page with a field without a name and grey letters on grey does not pass."""
    page = visits.new().page
    page.set_content("<h1>a</h1><h1>b</h1><input><p style='color:#999;background:#888'>grey</p>")
    said = " ".join(findings(page))
    assert all(word in said for word in ("label", "color-contrast", "html-has-lang", "2 headings"))
