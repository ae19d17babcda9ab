"""C8: no parameter, cookie or path sends a browser anywhere but to registered addresses (req 2, 102)."""

from urllib.parse import quote, urlencode

import pytest

from tests.attacks.bad_input import NAMES, places, turn
from tests.attacks.live import ISSUER, Answer, absolute
from tests.attacks.scenes import FORMS, READING, Stage
from tests.attacks.visitor import Visitor, leads_outside
from tests.cast import REDIRECT, SIGNED_OUT

pytestmark = pytest.mark.enable_socket

EVIL = "evil.example"

PAYLOADS = (
    f"https://{EVIL}",
    f"http://{EVIL}/",
    f"//{EVIL}",
    f"///{EVIL}",
    f"////{EVIL}/..",
    f"\\\\{EVIL}",
    f"/\\{EVIL}",
    f"\\/{EVIL}",
    f"/\\/{EVIL}",
    f"/\t/{EVIL}",
    f"/\n/{EVIL}",
    f"\t//{EVIL}",
    f" //{EVIL}",
    f"https:{EVIL}",
    f"https:/{EVIL}",
    f"https:\\\\{EVIL}",
    f"HTTPS://{EVIL}",
    f"https://{EVIL}%00.portal.example",
    f"https://login.example@{EVIL}",
    f"https://login.example:443@{EVIL}/",
    f"https://login.example.{EVIL}",
    f"https://{EVIL}#login.example",
    f"https://{EVIL}?login.example",
    f"https://{EVIL}\\.login.example",
    f"https://{EVIL}/login.example",
    f"https://portal.example.{EVIL}/callback",
    f"https://{EVIL}。portal.example",
    f"//{EVIL}%2f..",
    f"/%2f%2f{EVIL}",
    f"/%5c{EVIL}",
    f"%2f%2f{EVIL}",
    f"/.{EVIL}",
    f"/..//{EVIL}",
    f"/;@{EVIL}",
    f"@{EVIL}",
    f".{EVIL}",
    f":80//{EVIL}",
    "javascript:alert(1)",
    "javascript://portal.example/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "//0x7f000001",
    "//[::ffff:1.2.3.4]/",
    f"x\r\nLocation: https://{EVIL}",
    f"x%0d%0aLocation:%20https://{EVIL}",
)

#: a page without any of these cannot lead where a payload wants
TRACES = (EVIL, "javascript:", "data:text", "7f000001", "1.2.3.4")

#: names that other products read a return address from
RETURNS = (
    "next",
    "continue",
    "return",
    "returnTo",
    "return_to",
    "return_url",
    "redirect",
    "redirect_to",
    "redirect_url",
    "url",
    "target",
    "goto",
    "RelayState",
    "r",
    "rd",
    "callback",
    "target_link_uri",
    "iss",
    "home_uri",
    "initiate_login_uri",
)

HOME = "https://portal.example/"

#: forms whose answer is a page or a file
ANSWERED_AT_ONCE = READING | {
    "joining.submit_code",
    "own_address.submit_link",
    "own_address.submit_undo",
    "own_data.download",
}


def _stays(answer: Answer) -> bool:
    """Tell whether a Location and every link stay at the issuer or go to a registered address."""
    return (
        (answer.location is None or _is_ours(absolute(answer.location, answer.url)))
        and not _linked(answer)
        and answer.header("Refresh") is None
        and EVIL not in (answer.header("Set-Cookie") or "")
    )


def _is_ours(target: str) -> bool:
    """Tell whether a redirect stays here or goes where a portal registered."""
    return target.startswith(f"{ISSUER}/") or target.partition("?")[0] in (REDIRECT, SIGNED_OUT, HOME)


def _linked(answer: Answer) -> set[str]:
    """Return the addresses outside that a page links and nobody registered."""
    named = answer.status != 303 and any(trace in answer.text for trace in TRACES)
    outside = leads_outside(answer.text, answer.url) if named else set()
    allowed = {HOME, f"{HOME}login?iss={quote(ISSUER, safe='')}"}
    return {address for address in outside if _is_address(address)} - allowed


def _is_address(text: str) -> bool:
    return ":" in text.partition("/")[0]


@pytest.mark.parametrize("username", [None, "anna"], ids=["stranger", "signed in"])
def test_no_parameter_of_any_path_leads_away(stage: Stage, username: str | None) -> None:
    """Each payload in all parameters at once, on each path, with a flow open (req 102)."""
    visitor = stage.visitor(username)
    begun = stage.ask(visitor, prompt="login")
    flow_id = begun.url.partition("flow=")[2]
    names = [name for name in (*NAMES, *RETURNS) if name not in ("flow", "client_id")]
    for at, path in enumerate(places(stage.live, flow_id)):
        if path.startswith("/static/"):
            continue
        for payload in turn(PAYLOADS, at) if username else turn(PAYLOADS[::4], at):
            query = urlencode({"flow": flow_id} | dict.fromkeys(names, payload))
            answer = Visitor(stage.live, dict(visitor.cookies)).once("GET", f"{path}?{query}")
            assert answer.status < 500
            assert _stays(answer), (path, payload)


def test_no_parameter_of_a_right_request_leads_away(stage: Stage) -> None:
    """A request that succeeds goes to its registered URI, whatever else it carries (req 2)."""
    visitor = stage.visitor("anna")
    free = {"state", "nonce", "login_hint", "ui_locales", "acr_values", *RETURNS}
    for payload in PAYLOADS:
        for names in ({"state"}, free):
            query = urlencode(stage.portal.parameters() | dict.fromkeys(names, payload))
            answer = visitor.once("GET", f"/authorize?{query}")
            assert _stays(answer), payload
            assert absolute(answer.location or "").startswith(f"{REDIRECT}?"), payload
        query = urlencode(
            {"client_id": "portal", "post_logout_redirect_uri": SIGNED_OUT, "state": payload}
            | dict.fromkeys(RETURNS, payload)
        )
        assert _stays(Visitor(stage.live).once("GET", f"/logout?{query}")), payload


@pytest.mark.parametrize("view", FORMS)
def test_no_field_of_a_form_leads_away(stage: Stage, view: str) -> None:
    """Added fields change nothing of where a form leads; the last try is the real one (req 102)."""
    filled = FORMS[view](stage)
    known = {name: value for name, value in filled.fields.items() if name != "choice"}
    for payload in PAYLOADS[::6]:
        added = dict.fromkeys((*RETURNS, "redirect_uri", "post_logout_redirect_uri", "state"), payload)
        wrong = {"csrf_token": "x"}
        answer = Visitor(stage.live, dict(filled.visitor.cookies)).post_once(
            filled.target, {**added, **known, **wrong}
        )
        assert _stays(answer), payload
    everything = dict.fromkeys((*RETURNS, "redirect_uri", "post_logout_redirect_uri", "state"), PAYLOADS[0])
    answer = filled.visitor.post_once(filled.target, everything | filled.fields)
    assert answer.status == (200 if view in ANSWERED_AT_ONCE else 303)
    assert _stays(answer)


def test_no_cookie_leads_away(stage: Stage) -> None:
    """Each payload in each cookie of ours, on each path (C8)."""
    cookies = ("sid", "flow", "dev", "form", "lang", "theme", "next")
    led_away = []
    for at, path in enumerate(places(stage.live)):
        for payload in turn(PAYLOADS, at):
            value = quote(payload, safe=":/@\\.#?")
            sent = "; ".join(f"__Host-{name}={value}; {name}={value}" for name in cookies)
            answer = stage.live.send("GET", path, headers={"Cookie": sent})
            if answer.status >= 500 or not _stays(answer):
                led_away.append((path, payload, answer.status, answer.location))
    assert led_away == []


def test_no_path_leads_away(stage: Stage) -> None:
    """Payloads as path: no normalising redirect names a foreign host (Werkzeug, C8)."""
    for payload in PAYLOADS:
        for before in ("", "/", "/login", "/login/", "/static/x/", "/authorize/"):
            encoded = before + quote(payload, safe="/\\@:;.%#?[]")
            answer = stage.live.send("GET", encoded if encoded.startswith("/") else f"/{encoded}")
            assert answer.status in (200, 400, 404, 405, 308, 301), (encoded, answer.status)
            assert _stays(answer), encoded
            found = _first_language_link(answer)
            assert found is None or absolute(found, "/x").startswith(f"{ISSUER}/"), encoded


def test_ways_out_are_found() -> None:
    """What the sweep looks for is seen where it is: in a redirect, a link, a cookie, a Refresh."""

    def answer(text: str = "", **headers: str) -> Answer:
        pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return Answer(303 if "Location" in headers else 200, pairs, text.encode(), "/login")

    bad = [answer(Location=payload) for payload in PAYLOADS if EVIL in absolute(payload)[:30]]
    bad += [
        answer(Location="https://portal.example/elsewhere"),
        answer(Location="javascript:alert(1)"),
        answer(f'<a href="//{EVIL}">x</a>'),
        answer(f'<form action="https://{EVIL}/">'),
        answer(Refresh="0; url=/"),
        answer(Set_Cookie=f"x=1; Domain={EVIL}"),
    ]
    assert len(bad) > 15
    assert not any(_stays(one) for one in bad)
    assert all(_stays(answer(Location=good)) for good in ("/login", f"{REDIRECT}?code=x", HOME))


def _first_language_link(answer: Answer) -> str | None:
    _, found, rest = answer.text.partition('hreflang="en"')
    if not found:
        return None
    head = answer.text[: len(answer.text) - len(rest)].rpartition('href="')[2]
    return head.partition('"')[0].replace("&amp;", "&")
