"""What the sign-in page costs a person's line, counted by the browser (screens §2.2, Budgets; design §6)."""

from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.house import Visits

KILOBYTE = 1024


@dataclass
class Traffic:
    """What came over the line: addresses, and bytes with headers as they were sent."""

    urls: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    _kept: set[str] = field(default_factory=set)

    def watch(self, page: Page) -> None:
        """Count what this window loads from now on."""
        line = page.context.new_cdp_session(page)
        line.send("Network.enable")
        line.on("Network.requestWillBeSent", lambda event: self._asked(event))
        line.on("Network.requestServedFromCache", lambda event: self._kept.add(event["requestId"]))
        line.on("Network.loadingFinished", lambda event: self._came(event))

    def _asked(self, event: dict[str, Any]) -> None:
        self.urls[event["requestId"]] = event["request"]["url"]

    def _came(self, event: dict[str, Any]) -> None:
        if event["requestId"] not in self._kept:
            self.sizes[event["requestId"]] = int(event["encodedDataLength"])

    @property
    def bytes(self) -> int:
        """All of it."""
        return sum(self.sizes.values())


def test_the_first_visit_is_light(visits: Visits) -> None:
    """At most 65 KB and 6 requests, none of them to anybody else; the second page at most 12 KB."""
    house = visits.house
    visitor, first, second = visits.new(), Traffic(), Traffic()
    first.watch(visitor.page)
    visitor.page.goto(f"{house.issuer}/login", wait_until="networkidle")
    assert 2 <= len(first.urls) <= 6, first.urls
    assert 20 * KILOBYTE < first.bytes <= 65 * KILOBYTE, first.sizes
    assert {url for url in first.urls.values() if not url.startswith(house.issuer)} == set()
    second.watch(visitor.page)
    visitor.press()
    expect(visitor.page.get_by_role("alert")).to_be_visible()
    visitor.page.wait_for_load_state("networkidle")
    assert 0 < second.bytes <= 12 * KILOBYTE, second.sizes


def test_nothing_moves_while_the_page_comes(visits: Visits) -> None:
    """The layout stays where it is when the font arrives: a shift of at most 0.02 (screens §2.2)."""
    visitor = visits.new()
    visitor.page.add_init_script(
        "globalThis.shift = 0; new PerformanceObserver(list => list.getEntries().forEach("
        "entry => { globalThis.shift += entry.value })).observe({type: 'layout-shift', buffered: true})"
    )
    visitor.page.goto(f"{visits.house.issuer}/login", wait_until="networkidle")
    assert visitor.page.evaluate("document.fonts.ready.then(() => document.fonts.size)") >= 1
    assert visitor.page.evaluate("globalThis.shift") <= 0.02
