"""What people do on the page of a mailed code in tests: mistype it, have another one sent."""

import html
import re

from tests.web.pages.house import Browser, forms


def wrong(code: str) -> str:
    """Return six digits that are not the code."""
    return f"{(int(code) + 1) % 10**6:06}"


def resend(browser: Browser, **typed: str) -> None:
    """Press the button that sends the form for another code."""
    target = re.search(r'formaction="([^"]*)"', browser.text)
    assert target is not None
    browser.post(html.unescape(target[1]), forms(browser.text)[0][1] | typed)
