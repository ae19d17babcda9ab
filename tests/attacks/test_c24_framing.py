"""C24: no page can be framed, and every page carries the whole policy (req 10, 99, 103)."""

import re

import pytest

from tests.attacks.live import Answer
from tests.attacks.scenes import PAGES, Stage

pytestmark = pytest.mark.enable_socket

HEADERS = {
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
}
LOGO_ORIGIN = "https://portal.example"
ALLOWED_SOURCES = {"'self'", "'none'", "data:"}
#: the one page that frames others: those that sign out elsewhere (req 48)
FRAMES = "signed out, with frames"
#: pages without input, whose form goes to a portal that may send on to anywhere
BY_FORM = ("answer by form", "refusal by form")


@pytest.mark.parametrize("page", PAGES)
def test_no_page_can_be_framed(stage: Stage, page: str) -> None:
    """Both headers, for browsers old and new; nothing inline, nothing from elsewhere (req 99)."""
    answer = PAGES[page](stage)
    assert answer.header("X-Frame-Options") == "DENY"
    policy = policy_of(answer)
    assert policy["frame-ancestors"] == ["'none'"]
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == ["'self'"]
    assert policy["base-uri"] == ["'none'"]
    for directive, sources in policy.items():
        portals = {LOGO_ORIGIN} if (page, directive) == ("consent", "img-src") else set()
        named = directive in ("form-action", "frame-src")
        assert named or set(sources) - portals <= ALLOWED_SOURCES, directive
    if page in BY_FORM:
        assert "form-action" not in policy
    else:
        assert set(policy["form-action"]) <= {"'self'", "https://portal.example"}
    assert policy.get("frame-src", []) == (["https://portal.example"] if page == FRAMES else [])
    framed = re.findall(r'<iframe[^>]* src="([^"?]*)', answer.text)
    assert framed == (["https://portal.example/frontchannel-logout"] if page == FRAMES else [])
    for name, value in HEADERS.items():
        assert answer.header(name) == value, name
    assert "no-store" in (answer.header("Cache-Control") or "")
    _needs_nothing_inline(answer.text)


def _needs_nothing_inline(text: str) -> None:
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"<[^>]+\son[a-z]+\s*=", text)
    assert not re.search(r"<[^>]+\sstyle\s*=", text)
    assert "<style" not in text
    assert not re.search(r"<iframe(?![^>]*\bsandbox=)", text)
    assert "javascript:" not in text


def test_no_script_listens_for_messages(stage: Stage) -> None:
    """There is no postMessage surface (C24)."""
    pages = [PAGES[name](stage).text for name in ("login", FRAMES, "answer by form")]
    scripts = {address for page in pages for address in re.findall(r'<script[^>]*src="([^"]+)"', page)}
    assert len(scripts) == 3
    for address in scripts:
        source = stage.live.send("GET", address).text
        assert "postMessage" not in source
        assert not re.search(r"addEventListener\(\s*[\"']message", source)
        assert "innerHTML" not in source
        assert "eval(" not in source


def policy_of(answer: Answer) -> dict[str, list[str]]:
    """Return the content security policy as directive → sources; there is exactly one."""
    lines = [value for name, value in answer.headers if name.lower() == "content-security-policy"]
    assert len(lines) == 1
    parts = [part.split() for part in lines[0].split(";") if part.strip()]
    found = {words[0]: words[1:] for words in parts}
    assert len(found) == len(parts), "a directive comes twice"
    return found
