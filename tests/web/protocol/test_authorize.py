"""The authorization endpoint as browsers meet it (req 2, 10, 17, 29, 41, 99)."""

import re
from typing import Any

import pytest
from werkzeug.test import Client

from idp.management import clients
from tests import cast
from tests.builders import OPERATOR
from tests.plain_browser import Browser, Portal
from tests.world import Desk, forget_snapshot


def _raw(desk: Desk, path: str = "/authorize", *, client: Client | None = None, **options: Any) -> Any:
    method = options.pop("method", "GET")
    return (client or Client(desk.gateway)).open(path, method=method, base_url=desk.issuer, **options)


def test_redirects_are_303_and_tell_no_referrer(desk: Desk) -> None:
    """(req 10): after GET and POST, to pages and to the portal; no CORS header anywhere (req 17)."""
    parameters = desk.portal.parameters()
    headers = {"Origin": "https://evil.example"}
    answers = [
        _raw(desk, query_string=parameters, headers=headers),
        _raw(desk, method="POST", data=parameters, headers=headers),
        _raw(desk, query_string=desk.portal.parameters(prompt="none"), headers=headers),
    ]
    for answer in answers:
        assert answer.status_code == 303
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] == "no-store"
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


def test_forms_may_end_at_the_portal_and_nowhere_else(desk: Desk) -> None:
    """CSP form-action names this request's registered origin (design §2)."""
    browser = Browser(desk.gateway)
    page = desk.portal.authorize(browser)
    assert "form-action 'self' https://portal.example;" in page.headers["Content-Security-Policy"]
    assert "form-action 'self';" in browser.get("/login").headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "query",
    ["client_id=%ff", "x=1&" * 101, "client_id=portal&redirect_uri=%c3%28", b"client_id=\xff"],
    ids=["no UTF-8", "101 parameters", "broken UTF-8", "raw bytes"],
)
def test_what_cannot_be_read_is_a_page(desk: Desk, query: str | bytes) -> None:
    """400, never a 5xx, never a redirect (req 29)."""
    text = query.decode("latin-1") if isinstance(query, bytes) else query
    for path in ("/authorize", "/logout"):
        answer = _raw(desk, path, environ_overrides={"QUERY_STRING": text})
        assert answer.status_code == 400
        assert "Location" not in answer.headers
        form = "application/x-www-form-urlencoded"
        posted = _raw(desk, path, method="POST", data=text.encode("latin-1"), content_type=form)
        assert posted.status_code == 400


@pytest.mark.parametrize("path", ["/authorize", "/logout"])
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"json": {"client_id": "portal"}}, "a body of the type application/x-www-form-urlencoded"),
        (
            {"data": b"x", "content_type": "multipart/form-data; boundary=x"},
            "a body of the type application/x-",
        ),
        ({"query_string": "state=x", "data": {"x": "y"}}, "none in the address"),
        ({"data": {"client_id": b"\xff"}}, "form-encoded UTF-8"),
        ({"data": {f"x{n}": "" for n in range(101)}}, "100 fields at most"),
    ],
    ids=["json", "multipart", "query and body", "no UTF-8", "101 fields"],
)
def test_whoever_mends_the_portal_reads_what_is_wrong(
    desk: Desk, capsys: pytest.CaptureFixture[str], path: str, sent: dict[str, Any], expected: str
) -> None:
    """In the technical details of the page, and in the log (OIDC Core §3.1.2.1; RP-Initiated Logout §2)."""
    answer = _raw(desk, path, method="POST", **sent)
    assert answer.status_code == 400
    details = answer.text.partition("<details>")[2].partition("</details>")[0]
    assert expected in details
    assert "invalid_request" in details
    [line] = [line for line in capsys.readouterr().out.splitlines() if "request unreadable" in line]
    assert expected in line
    assert ('href="/logout"' in answer.text) == (path == "/logout")


@pytest.mark.parametrize(
    ("path", "query", "parameter", "received", "expected"),
    [
        ("/authorize", {}, "client_id", "nothing", "the client_id of a registered client, once"),
        (
            "/authorize",
            {"client_id": "nobody"},
            "client_id",
            "nobody",
            "the client_id of a registered client",
        ),
        ("/authorize", {"client_id": "portal"}, "redirect_uri", "nothing", "one of the registered"),
        ("/authorize", {"client_id": "portal", "request": "eyJ"}, "request", None, "request: must be a JWT"),
        (
            "/authorize",
            {"client_id": "portal", "request_uri": "urn:ietf:params:oauth:request_uri:x"},
            *("request_uri", "urn:ietf:params:oauth:request_uri:x", "one that this client pushed within"),
        ),
        ("/logout", {"id_token_hint": "x"}, "id_token_hint", None, "an ID token issued by this server"),
        ("/logout", {"client_id": "gone"}, "client_id", "gone", "the client_id of a registered client"),
        (
            "/logout",
            {"post_logout_redirect_uri": "https://portal.example/"},
            *("client_id", "nothing", "client_id or id_token_hint: whose"),
        ),
    ],
)
def test_a_portal_s_mistake_in_technical_terms(  # noqa: PLR0917  (columns of the table)
    desk: Desk, path: str, query: dict[str, str], parameter: str, received: str | None, expected: str
) -> None:
    """Parameter, received and expected; what came and is not shown is not called nothing."""
    page = _raw(desk, path, query_string=query | {"ui_locales": "en"})
    assert page.status_code == 400
    details = page.text.partition("<details>")[2].partition("</details>")[0]
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", details))
    assert f" {parameter} " in text
    assert ("Received" in text) == (received is not None)
    assert f"Received {received} " in text or received is None
    assert expected in text


def test_a_hint_of_a_portal_that_was_switched_off(desk: Desk) -> None:
    """The page names whose the hint was, and no client_id that nobody sent."""
    hint = desk.tokens()["id_token"]
    with desk.work() as ctx:
        clients.disable(ctx.acting(OPERATOR), "portal")
    forget_snapshot(desk.gateway)
    page = _raw(desk, "/logout", query_string={"id_token_hint": hint})
    assert page.status_code == 400
    details = page.text.partition("<details>")[2]
    assert "id_token_hint" in details
    assert "<code>portal</code>" in details


def test_no_row_is_written_for_a_mistake(desk: Desk) -> None:
    """A request that is only shown or refused leaves no flow and no cookie."""
    for changes in (
        {"client_id": "unknown"},
        {"redirect_uri": "https://evil.example/"},
        {"response_type": "x"},
    ):
        answer = _raw(desk, query_string=desk.portal.parameters(**changes))
        assert "Set-Cookie" not in answer.headers


def test_a_posted_request_belongs_to_the_first_browser_that_follows(desk: Desk) -> None:
    """It came without cookies; the second browser is refused (req 41)."""
    location = _raw(desk, method="POST", data=desk.portal.parameters()).headers["Location"]
    first, second = Browser(desk.gateway), Browser(desk.gateway)
    assert first.get(location.removeprefix(desk.issuer)).status_code == 200
    assert "/login" in first.url
    assert second.get(location.removeprefix(desk.issuer)).status_code == 400


def _flow(browser: Browser) -> str:
    return browser.url.partition("flow=")[2]


def test_a_browser_that_is_known_from_a_page_on_can_answer_it(desk: Desk) -> None:
    """Somebody is signed in, and the page of a state is the first that the request leads to (req 41)."""
    with desk.work() as ctx:
        members = Portal(desk.gateway, cast.register(ctx, "members", require_membership=True))
    forget_snapshot(desk.gateway)
    browser = Browser(desk.gateway)
    desk.portal.sign_in(browser, "paul")
    browser.client.delete_cookie("flow", domain="localhost")
    browser.post_from("https://portal.example", "/authorize", members.parameters())
    assert "/authorize/" in browser.url
    browser.submit(expect_action="/decline")
    assert members.answer(browser)["error"] == "access_denied"


def test_a_portal_that_changed_meanwhile(desk: Desk) -> None:
    """Its redirect URI was taken out, or the whole client: nobody is sent there any more."""
    with desk.work() as ctx:
        made = cast.register(ctx, "moving")
    forget_snapshot(desk.gateway)
    desk.portal.registered = made
    browser = Browser(desk.gateway)
    desk.portal.authorize(browser)
    flow = _flow(browser)
    with desk.work() as ctx:
        clients.change(
            ctx.acting(OPERATOR),
            {
                "client_id": "moving",
                "client_name": "Moving",
                "first_party": True,
                "redirect_uris": ["https://new.example/callback"],
                "home_uri": "https://new.example/",
            },
        )
    forget_snapshot(desk.gateway)
    answer = browser.get(f"/authorize/{flow}")
    assert answer.status_code == 400
    assert 'href="https://new.example/"' in answer.text
    with desk.work() as ctx:
        clients.disable(ctx.acting(OPERATOR), "moving")
    forget_snapshot(desk.gateway)
    assert browser.get(f"/authorize/{flow}").status_code == 400


def test_flows_of_another_purpose(desk: Desk) -> None:
    """A sign-out's flow is no sign-in's."""
    browser = Browser(desk.gateway)
    desk.portal.sign_in(browser, "paul")
    browser.get("/logout")
    flow = browser.url.rpartition("/")[2]
    assert len(flow) == 43
    assert browser.get(f"/authorize/{flow}").status_code == 400


def test_an_open_session_is_answered_by_the_first_request(desk: Desk) -> None:
    """Without a redirect to the hub (design §6)."""
    browser = Browser(desk.gateway)
    desk.portal.sign_in(browser, "paul")
    answer = browser.client.get("/authorize", query_string=desk.portal.parameters(), base_url=desk.issuer)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"{cast.REDIRECT}?code=")


STATES = [
    "ein Zustand mit Wörtern",
    "a+b%20c&d=e;f",
    "\"><script>alert(1)</script>'",
    "&amp; &lt; &#34;",
    "s" * 4094 + '"ß',
]


@pytest.mark.parametrize("signed_in", [True, False])
@pytest.mark.parametrize("state", STATES)
def test_a_form_brings_the_state_as_it_was_sent(desk: Desk, state: str, signed_in: bool) -> None:
    """Authlib percent-encodes values into the page, so that "a b" arrives as "a%20b" (stack §1.1; C12)."""
    browser = Browser(desk.gateway)
    if signed_in:
        desk.portal.sign_in(browser, "paul")
    parameters = desk.portal.parameters(state=state, response_mode="form_post", prompt="none")
    # longer than an address may be, so it comes by form, and the hub answers
    page = browser.post("/authorize", parameters, **{"Sec-Fetch-Site": "cross-site"})
    assert page.status_code == 200
    answer = desk.portal.answer(browser)
    assert answer["state"] == state
    assert ("code" in answer) == signed_in
    assert answer.get("error") == (None if signed_in else "login_required")
    assert "<script>alert" not in page.text


def test_the_page_that_posts(desk: Desk) -> None:
    """It names the portal, has no token of ours and nothing inline (req 8, 10, 28, 99).

    Its form takes no input, and its policy binds nothing that comes behind the portal's callback.
    """
    browser = Browser(desk.gateway)
    desk.portal.sign_in(browser, "paul")
    page = desk.portal.authorize(browser, response_mode="form_post", ui_locales="en")
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "same-origin"
    policy = page.headers["Content-Security-Policy"]
    assert "form-action" not in policy
    assert "script-src 'self';" in policy
    assert "Back to Portal" in page.text
    assert "csrf_token" not in page.text
    assert set(desk.portal.answer(browser)) == {"code", "state", "iss"}
    assert page.text.count("<form") == 1
    assert re.findall(r'<script type="module" src="/static/[0-9a-f]+/js/(\w+)\.js">', page.text) == [
        "app",
        "form_post",
    ]
    assert not [name for name, _ in page.headers if name.startswith("Access-Control")]
