"""C12: what people, clients and companies bring along is text on every page, never markup (req 99, C12)."""

from urllib.parse import quote, urlencode

import html5lib
import pytest

from tests.attacks import scenes
from tests.attacks.bad_input import NAMES, places
from tests.attacks.live import Answer, Live
from tests.attacks.scenes import PAGES, Stage
from tests.attacks.visitor import SAME_ORIGIN, Visitor

pytestmark = pytest.mark.enable_socket

#: leaves quoted attributes, elements, comments, scripts and templates, wherever it lands
MARK = "\"' lotsemark=1 `--></title></script><lotsemark>{{7919*7919}}${7919*7919}"
COMPUTED = str(7919 * 7919)


@pytest.fixture
def stage(live: Live) -> Stage:
    return scenes.build(live, MARK)


@pytest.mark.parametrize("page", PAGES)
def test_stored_texts_are_escaped(stage: Stage, page: str) -> None:
    """Names of clients, companies and people, on every page in both languages (C12)."""
    answer = PAGES[page](stage)
    _is_text(page, answer)


def test_the_mark_is_shown(stage: Stage) -> None:
    """The sweep sees what it looks for: client, company and person stand on these pages."""
    for page in ("login", "choose organisation", "consent", "start, signed in", "access pending"):
        assert "lotsemark=1" in PAGES[page](stage).text, page


def test_parameters_are_escaped(stage: Stage) -> None:
    """Each parameter on each path, alone and all at once (C12)."""
    visitor = stage.visitor()
    page = stage.ask(visitor)
    paths = places(stage.live, page.url.partition("flow=")[2])
    everything = urlencode(dict.fromkeys(NAMES, MARK))
    shown = 0
    for path in paths:
        for query in (everything, *(urlencode({name: MARK}) for name in NAMES[:22])):
            answer = Visitor(stage.live, dict(visitor.cookies)).once("GET", f"{path}?{query}")
            _is_text(f"{path}?{query}", answer)
            shown += "lotsemark=1" in answer.text
    assert shown, "no page shows a parameter: the sweep proves nothing"
    for name in stage.portal.parameters():
        query = urlencode(stage.portal.parameters(**{name: MARK}))
        _is_text(name, visitor.once("GET", f"/authorize?{query}"))


def test_paths_headers_and_cookies_are_escaped(stage: Stage) -> None:
    """What stands in the address or a header comes back as text, if at all (C12)."""
    for path in ("/", "/login", "/authorize/", "/logout/", "/logged-out/", "/static/", "/dev/"):
        _is_text(path, stage.live.send("GET", path + quote(MARK, safe="")))
        _is_text(path, stage.live.send("GET", f"{path}?{quote(MARK, safe='')}"))
    names = ("User-Agent", "Referer", "Accept-Language", "X-Forwarded-For", "X-Forwarded-Host", "Origin")
    for page in ("/", "/login", "/nowhere", "/authorize", "/logout/x"):
        for name in names:
            _is_text(f"{page} {name}", stage.live.send("GET", page, headers={name: MARK}))
        for cookie in (
            "__Host-sid",
            "__Host-flow",
            "__Host-dev",
            "__Host-form",
            "__Host-lang",
            "__Host-theme",
        ):
            headers = {"Cookie": f"{cookie}={MARK}"}
            _is_text(f"{page} {cookie}", stage.live.send("GET", page, headers=headers))


def test_typed_values_are_escaped(stage: Stage) -> None:
    """A form that comes back with its mistakes shows what was typed as text (C12)."""
    visitor = stage.visitor()
    stage.ask(visitor, login_hint=MARK)
    assert visitor.page is not None
    _is_text("login_hint", visitor.page)
    assert "lotsemark=1" in visitor.page.text
    answer = visitor.submit("/login", username=MARK, password=MARK)
    _is_text("username", answer)
    assert "lotsemark=1" in answer.text
    half_way = stage.visitor()
    stage.ask(half_way)
    half_way.sign_in("clara")
    _is_text("code", half_way.submit("/login/totp?", code=MARK, authenticator=MARK, remember_device=MARK))


def test_machine_answers_are_no_markup(stage: Stage) -> None:
    """JSON with its own type and nosniff, whatever was sent (C12)."""
    body = urlencode(dict.fromkeys(NAMES, MARK))
    for path in ("/token", "/introspect", "/revoke", "/par", "/userinfo"):
        answer = stage.live.form(path, [*dict.fromkeys(NAMES, MARK).items()], **SAME_ORIGIN)
        assert answer.header("Content-Type") == "application/json", (path, body)
        assert answer.header("X-Content-Type-Options") == "nosniff"
        assert "<lotsemark" not in answer.text


def _is_text(where: str, answer: Answer) -> None:
    """Parse as browsers do: the mark made no element and no attribute, and was not computed."""
    assert COMPUTED not in answer.text, where
    if not (answer.header("Content-Type") or "").startswith("text/html"):
        assert answer.header("X-Content-Type-Options") == "nosniff", where
        return
    if "lotsemark" not in answer.text:
        return  # nothing of it came back: parsing would show nothing
    document = html5lib.parse(answer.body, namespaceHTMLElements=False, transport_encoding="utf-8")
    for element in document.iter():
        assert element.tag != "lotsemark", where
        assert not any("lotsemark" in name for name in element.attrib), (where, element.tag)
        for name in ("href", "src", "action", "formaction"):
            assert not element.attrib.get(name, "").strip().lower().startswith(("javascript:", "data:")), (
                where
            )
