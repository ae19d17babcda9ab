"""Every mail as a mail program shows it, examined by axe (screens §2.2; req 116)."""

from datetime import timedelta
from itertools import cycle

import pytest
from playwright.sync_api import Browser

from idp.delivery.rendering import render
from tests.browser.test_axe import THEMES, findings
from tests.delivery.samples import AT, SAMPLES, SETTINGS

pytestmark = [pytest.mark.axe, pytest.mark.slow]


@pytest.mark.parametrize("language", ["de", "en"])
def test_mails(browser: Browser, language: str) -> None:
    """Narrow and wide, light and dark: nothing to mend, nothing undecided, nothing asked of the network."""
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    found = {}
    dresses = cycle([(theme, width) for theme in THEMES for width in (320, 600)] + [("dark", 320)])
    try:
        for (name, mail), (theme, width) in zip(SAMPLES.items(), dresses, strict=False):
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            page.set_viewport_size({"width": width, "height": 700})
            html = render(SETTINGS, mail, language, at=AT, until=AT + timedelta(minutes=10)).html
            page.set_content(html)
            if wrong := findings(page):
                found[name, theme, width] = wrong
    finally:
        page.close()
    assert found == {}
    assert asked == []
