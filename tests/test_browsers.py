"""Browsers as mails name them: in our words, never in the other side's."""

import pytest

from idp.browsers import recognise

_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "browser", "system"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox", "Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0) {_WEBKIT} Chrome/140.0 Safari/537.36", "Chrome", "Windows"),
        (
            f"Mozilla/5.0 (Windows NT 10.0) {_WEBKIT} Chrome/140.0 Safari/537.36 Edg/140.0",
            "Microsoft Edge",
            "Windows",
        ),
        (f"Mozilla/5.0 (X11; CrOS x86_64) {_WEBKIT} Chrome/140.0 Safari/537.36", "Chrome", "ChromeOS"),
        (
            f"Mozilla/5.0 (Linux; Android 16) {_WEBKIT} SamsungBrowser/28.0 Chrome/130.0 Safari/537.36",
            "Samsung Internet",
            "Android",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile Safari/604.1",
            "Safari",
            "iPhone",
        ),
        ("Mozilla/5.0 (iPad; CPU OS 19_0 like Mac OS X) CriOS/140.0 Safari/604.1", "Chrome", "iPad"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/19.0 Safari/605.1", "Safari", "macOS"),
        ("Mozilla/5.0 (Macintosh) Chrome/140.0 Safari/537.36 OPR/120.0", "Opera", "macOS"),
        ("curl/8.5.0", "", ""),
        ("www.evil.example <script>", "", ""),
        ("", "", ""),
    ],
)
def test_a_browser_is_named(user_agent: str, browser: str, system: str) -> None:
    """What we know, or nothing."""
    assert recognise(user_agent) == (browser, system)
