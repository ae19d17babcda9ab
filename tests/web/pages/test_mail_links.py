"""Where mails lead: to pages that exist."""

import re

import pytest

from idp.delivery.rendering import render
from tests.delivery.samples import AT, ISSUER, SAMPLES, SETTINGS, TOKEN
from tests.web.pages.house import Browser


@pytest.mark.parametrize("name", SAMPLES)
def test_a_mail_leads_to_pages_that_exist(browser: Browser, name: str) -> None:
    """Whoever is not signed in may be asked to; nobody reads that there is no such page."""
    text = render(SETTINGS, SAMPLES[name], "de", at=AT, until=AT).text
    for path in re.findall(rf"{re.escape(ISSUER)}(/\S*)", text):
        if not path.endswith(TOKEN):  # a made-up address, in place of the one that the mail is given
            assert browser.get(path).status_code == 200, path
