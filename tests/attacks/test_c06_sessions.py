"""C6: a planted, swapped or left-over cookie never opens somebody else's session or flow (req 12, 40-42)."""

from urllib.parse import urlencode

import pytest

from idp.crypto import random_token
from tests.attacks import scenes
from tests.attacks.live import Live, target_of
from tests.attacks.parties import parsed
from tests.attacks.scenes import Stage
from tests.attacks.visitor import Visitor
from tests.builders import PASSWORD
from tests.plain_browser import claims

pytestmark = pytest.mark.enable_socket

SID, FLOW, DEVICE, FORM = "__Host-sid", "__Host-flow", "__Host-dev", "__Host-form"


def _who(live: Live, sid: str) -> str:
    """Return whom a session cookie stands for: the address on the start page."""
    text = Visitor(live, {SID: sid}).once("GET", "/").text
    return next((name for name in ("anna", "clara", "mira") if f"{name}@muster.example" in text), "nobody")


def test_a_planted_session_is_not_signed_in(stage: Stage) -> None:
    """The value changes at sign-in; what an attacker planted is never a session (req 40)."""
    planted = random_token()
    victim = Visitor(stage.live, {SID: planted})
    stage.ask(victim)
    victim.sign_in("anna")
    assert victim.cookies[SID] != planted
    assert _who(stage.live, planted) == "nobody"
    assert _who(stage.live, victim.cookies[SID]) == "anna"


def test_a_flow_of_the_attacker_does_not_go_on_in_another_browser(stage: Stage) -> None:
    """The victim who opens the attacker's address sees that it is lost, on every page (req 41)."""
    attacker, victim = stage.visitor(), stage.visitor("anna")
    flow_id = stage.ask(attacker).url.partition("flow=")[2]
    before = stage.live.rows()
    for target in (
        f"/authorize/{flow_id}",
        f"/login?flow={flow_id}",
        f"/login/totp?flow={flow_id}",
        f"/choose-account?flow={flow_id}",
        f"/choose-organization?flow={flow_id}",
        f"/consent?flow={flow_id}",
        f"/logout/{flow_id}",
        f"/logged-out/{flow_id}",
    ):
        answer = victim.once("GET", target)
        assert (answer.status, answer.location) == (400, None), target
    assert stage.live.rows()["session"] == before["session"]
    assert stage.live.rows()["flow"] == before["flow"]


def test_what_a_victim_finishes_the_attacker_does_not_get(stage: Stage) -> None:
    """Flow cookie and address planted, the victim signs in, the attacker replays: no code (C6)."""
    attacker = stage.visitor()
    page = stage.ask(attacker)
    victim = Visitor(stage.live, {FLOW: attacker.cookies[FLOW]})
    victim.get(target_of(page.url))
    arrived = victim.sign_in("anna").arrived
    assert "code" in arrived
    flow_id = page.url.partition("flow=")[2]
    for target in (f"/authorize/{flow_id}", f"/login?flow={flow_id}"):
        answer = attacker.get(target)
        assert "code" not in answer.arrived
        assert SID not in attacker.cookies


def test_half_a_sign_in_helps_nobody_else(stage: Stage) -> None:
    """The password was right in one browser: another one gets no code page of it (req 41, C4)."""
    half_way = stage.visitor()
    stage.ask(half_way)
    half_way.sign_in("clara")
    assert half_way.page is not None
    flow_id = half_way.page.url.partition("flow=")[2]
    for cookies in ({}, {FLOW: random_token()}, stage.visitor("anna").cookies):
        thief = Visitor(stage.live, dict(cookies))
        answer = thief.once("GET", f"/login/totp?flow={flow_id}")
        assert answer.status == 400
    # with the flow's cookie alone, but somebody else's session, the code is still clara's
    mixed = Visitor(stage.live, {**stage.visitor("anna").cookies, FLOW: half_way.cookies[FLOW]})
    mixed.get(f"/authorize/{flow_id}")
    answer = mixed.get(f"/login/totp?flow={flow_id}")
    assert "clara@muster.example" not in answer.text


def test_the_next_person_in_a_browser_gets_a_session_of_their_own(stage: Stage) -> None:
    """B after A without sign-out: new id, the old one dead, nothing of A in B's tokens (Keycloak
    CVE-2025-12390, req 12)."""
    shared = stage.visitor()
    first = parsed(stage.portal.redeem(stage.portal.code(shared, "anna")))
    old = shared.cookies[SID]
    stage.ask(shared, prompt="login")
    answer = shared.sign_in("mira")
    assert _who(stage.live, old) == "nobody"
    assert shared.cookies[SID] != old
    shared.submit("/choose-organization")
    assert shared.page is not None
    second = parsed(stage.portal.redeem(shared.page.arrived["code"]))
    assert answer.status in (200, 303)
    one, two = claims(first["id_token"]), claims(second["id_token"])
    assert one["sub"] != two["sub"]
    assert one["sid"] != two["sid"]
    assert stage.portal.refresh(first["refresh_token"]).status == 400
    assert stage.portal.userinfo(first["access_token"]).status == 401
    assert stage.portal.userinfo(second["access_token"]).status == 200


def test_an_abandoned_second_sign_in_changes_nothing(stage: Stage) -> None:
    """A wrong password, or half a sign-in, leaves the session of who was here (req 12)."""
    visitor = stage.visitor("anna")
    sid = visitor.cookies[SID]
    stage.ask(visitor, prompt="login")
    visitor.submit("/login", username="mira", password="wrong")
    assert visitor.cookies[SID] == sid
    visitor.sign_in("clara")
    assert visitor.cookies[SID] == sid
    assert _who(stage.live, sid) == "anna"
    assert visitor.get("/authorize", **stage.portal.parameters()).arrived["code"]


def test_every_proof_changes_the_session_id(stage: Stage) -> None:
    """Sign-in and sign-in again: each time a new value, the old one dead (req 40)."""
    visitor = stage.visitor("anna")
    seen = [visitor.cookies[SID]]
    for _ in range(3):
        stage.ask(visitor, prompt="login")
        visitor.sign_in("anna")
        assert visitor.cookies[SID] not in seen
        for old in seen:
            assert _who(stage.live, old) == "nobody"
        seen.append(visitor.cookies[SID])


def test_a_signed_out_cookie_is_dead(stage: Stage) -> None:
    """Copied before, used after (req 40, 44)."""
    visitor = stage.visitor("anna")
    copied = dict(visitor.cookies)
    visitor.get("/logout")
    visitor.submit("/logout/")
    assert SID not in visitor.cookies
    assert _who(stage.live, copied[SID]) == "nobody"
    assert (
        "error"
        in Visitor(stage.live, copied).get("/authorize", **stage.portal.parameters(prompt="none")).arrived
    )


def test_a_sign_out_clears_what_the_browser_keeps(stage: Stage) -> None:
    """The answer that ends the session tells the browser; who stays keeps all (security reference §4)."""
    filled = scenes.FORMS["end_session.decide"](stage)
    stays = filled.visitor.post_once(filled.target, filled.fields | {"choice": "stay"})
    assert stays.header("Clear-Site-Data") is None
    assert SID in filled.visitor.cookies
    filled = scenes.FORMS["end_session.decide"](stage)
    leaves = filled.visitor.post_once(filled.target, filled.fields)
    assert leaves.header("Clear-Site-Data") == '"storage"'
    assert SID not in filled.visitor.cookies
    assert DEVICE in filled.visitor.cookies


@pytest.mark.parametrize("name", [SID, FLOW, DEVICE, FORM])
@pytest.mark.parametrize("change", ["dropped", "cut", "longer", "case", "another person's"])
def test_a_changed_cookie_never_crosses(stage: Stage, name: str, change: str) -> None:
    """Each cookie altered or swapped in the middle of a choice: what comes out is the session's own (C6)."""
    filled = scenes.FORMS["choose_organization.submit"](stage)
    other = stage.visitor("anna")
    stage.ask(other, prompt="login")
    mine = filled.visitor.cookies[name]
    changed = {
        "dropped": None,
        "cut": mine[:-1],
        "longer": f"{mine}A",
        "case": mine.swapcase(),
        "another person's": other.cookies[name],
    }[change]
    cookies = {key: value for key, value in filled.visitor.cookies.items() if key != name}
    thief = Visitor(stage.live, cookies if changed is None else cookies | {name: changed})
    answer = thief.post(filled.target, filled.fields)
    assert answer.status < 500
    if "code" in answer.arrived:
        tokens = parsed(stage.portal.redeem(answer.arrived["code"]))
        shown = parsed(stage.portal.userinfo(tokens["access_token"]))
        expected = "anna" if (name, change) == (SID, "another person's") else "mira"
        assert shown["preferred_username"] == expected


def test_cookies_have_their_flags(stage: Stage) -> None:
    """``__Host-``, Secure, HttpOnly, SameSite=Lax, whole path, no domain, an opaque value (req 42)."""
    visitor = stage.visitor()
    lines = []
    for answer in (
        visitor.once("GET", f"/authorize?{urlencode(stage.portal.parameters())}"),
        visitor.once("GET", "/login?lang=en&theme=dark"),
    ):
        lines += [value for name, value in answer.headers if name == "Set-Cookie"]
    form = visitor.form("/login")
    answer = visitor.post_once(form.action, form.fields | {"username": "anna", "password": PASSWORD})
    lines += [value for name, value in answer.headers if name == "Set-Cookie"]
    names = {line.partition("=")[0] for line in lines}
    assert {SID, FLOW, DEVICE, FORM} <= names
    for line in lines:
        flags = {part.strip().partition("=")[0].lower(): part.strip() for part in line.split(";")[1:]}
        assert line.startswith("__Host-"), line
        assert {"secure", "httponly", "path", "samesite"} <= set(flags), line
        assert (flags["path"], flags["samesite"]) == ("Path=/", "SameSite=Lax")
        assert "domain" not in flags
        assert "anna" not in line
