"""C12: what people, clients and companies bring along is text on every page, never markup (req 99, C12)."""

from urllib.parse import quote, urlencode

import html5lib
import pytest

from tests.attacks.bad_input import NAMES, places, turn
from tests.attacks.live import Answer
from tests.attacks.scenes import PAGES, Stage
from tests.attacks.visitor import SAME_ORIGIN, Visitor

pytestmark = pytest.mark.enable_socket

#: leaves quoted attributes, elements, comments, scripts and templates, wherever it lands
MARK = "\"' lotsemark=1 `--></title></script><lotsemark>{{7919*7919}}${7919*7919}"
COMPUTED = str(7919 * 7919)


@pytest.fixture
def mark() -> str:
    return MARK


@pytest.mark.parametrize("page", PAGES)
def test_stored_texts_are_escaped(stage: Stage, page: str) -> None:
    """Names of clients, companies and people, on every page in both languages (C12)."""
    assert _markup(PAGES[page](stage)) is None


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
    for at, path in enumerate(paths):
        for query in (everything, *(urlencode({name: MARK}) for name in turn(NAMES[:24], at))):
            answer = Visitor(stage.live, dict(visitor.cookies)).once("GET", f"{path}?{query}")
            assert _markup(answer) is None, f"{path}?{query}"
            shown += "lotsemark=1" in answer.text
    assert shown, "no page shows a parameter: the sweep proves nothing"
    for name in stage.portal.parameters():
        query = urlencode(stage.portal.parameters(**{name: MARK}))
        assert _markup(visitor.once("GET", f"/authorize?{query}")) is None, name


def test_paths_headers_and_cookies_are_escaped(stage: Stage) -> None:
    """What stands in the address or a header comes back as text, if at all (C12)."""
    for path in ("/", "/login", "/authorize/", "/logout/", "/logged-out/", "/static/", "/dev/"):
        assert _markup(stage.live.send("GET", path + quote(MARK, safe=""))) is None, path
        assert _markup(stage.live.send("GET", f"{path}?{quote(MARK, safe='')}")) is None, path
    names = ("User-Agent", "Referer", "Accept-Language", "X-Forwarded-For", "X-Forwarded-Host", "Origin")
    for page in ("/", "/login", "/nowhere", "/authorize", "/logout/x"):
        for name in names:
            assert _markup(stage.live.send("GET", page, headers={name: MARK})) is None, f"{page} {name}"
        for cookie in (
            "__Host-sid",
            "__Host-flow",
            "__Host-dev",
            "__Host-form",
            "__Host-lang",
            "__Host-theme",
        ):
            headers = {"Cookie": f"{cookie}={MARK}"}
            assert _markup(stage.live.send("GET", page, headers=headers)) is None, f"{page} {cookie}"


def test_typed_values_are_escaped(stage: Stage) -> None:
    """A form that comes back with its mistakes shows what was typed as text (C12)."""
    visitor = stage.visitor()
    stage.ask(visitor, login_hint=MARK)
    assert visitor.page is not None
    assert _markup(visitor.page) is None, "login_hint"
    assert "lotsemark=1" in visitor.page.text
    answer = visitor.submit("/login", username=MARK, password=MARK)
    assert _markup(answer) is None, "username"
    assert "lotsemark=1" in answer.text
    half_way = stage.visitor()
    stage.ask(half_way)
    half_way.sign_in("clara")
    assert (
        _markup(half_way.submit("/login/totp?", code=MARK, authenticator=MARK, remember_device=MARK)) is None
    ), "code"


def test_what_a_registration_types_is_escaped(stage: Stage) -> None:
    """Mistakes show what was typed as text, and so does the way back to another address (C12)."""
    answer = PAGES["register, mistakes"](stage)
    assert _markup(answer) is None
    assert answer.text.count("lotsemark=1") > 1


def test_machine_answers_are_no_markup(stage: Stage) -> None:
    """JSON with its own type and nosniff, whatever was sent (C12)."""
    body = urlencode(dict.fromkeys(NAMES, MARK))
    for path in ("/token", "/introspect", "/revoke", "/par", "/userinfo"):
        answer = stage.live.form(path, [*dict.fromkeys(NAMES, MARK).items()], **SAME_ORIGIN)
        assert answer.header("Content-Type") == "application/json", (path, body)
        assert answer.header("X-Content-Type-Options") == "nosniff"
        assert "<lotsemark" not in answer.text


def _markup(answer: Answer) -> str | None:
    """Parse as browsers do, and say what the mark has become where it is no text any more."""
    if COMPUTED in answer.text:
        return "computed"
    if not (answer.header("Content-Type") or "").startswith("text/html"):
        return None if answer.header("X-Content-Type-Options") == "nosniff" else "sniffed"
    if "lotsemark" not in answer.text:
        return None  # nothing of it came back: parsing would show nothing
    document = html5lib.parse(answer.body, namespaceHTMLElements=False, transport_encoding="utf-8")
    for element in document.iter():
        if element.tag == "lotsemark":
            return "an element"
        if any("lotsemark" in name for name in element.attrib):
            return f"an attribute of {element.tag}"
        for name in ("href", "src", "action", "formaction"):
            if element.attrib.get(name, "").strip().lower().startswith(("javascript:", "data:")):
                return f"{name} of {element.tag}"
    return None


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("<p>{}</p>", "an element"),
        ("<input value={!r}>", "an attribute of input"),
        ("<a href='javascript:lotsemark'>", "href of a"),
        (COMPUTED, "computed"),
        ("<p>&lt;lotsemark&gt;</p>", None),
    ],
)
def test_markup_is_found(content: str, found: str | None) -> None:
    """What the sweep looks for is seen where it is."""
    body = content.format(MARK).encode()
    assert _markup(Answer(200, (("Content-Type", "text/html"),), body)) == found


def test_a_type_that_may_be_guessed_is_found() -> None:
    """An answer of another type without nosniff is as bad as markup."""
    assert _markup(Answer(200, (("Content-Type", "text/plain"),), b"x")) == "sniffed"
