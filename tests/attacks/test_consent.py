"""Consent is given by who was asked, on the page that asked, and by nothing else (req 16, 41, 75)."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from idp.crypto import random_token
from tests.attacks import scenes
from tests.attacks.live import Answer, Live
from tests.attacks.parties import parsed
from tests.attacks.scenes import FORMS, Filled, Stage
from tests.attacks.visitor import Visitor
from tests.builders import PASSWORD

pytestmark = pytest.mark.enable_socket

FLOW, SID = "__Host-flow", "__Host-sid"
EVERYTHING = {
    f"{kind}.{name}": "y"
    for kind, name in (("scope", "email"), ("scope", "profile"), ("scope", "phone"), ("claim", "birthdate"))
}


def asked(stage: Stage, username: str = "anna", **changes: str | None) -> Filled:
    """Return the page that asks, its form filled as if nobody touched it but the first button."""
    visitor = stage.visitor(username)
    visitor.get("/authorize", **stage.third.parameters(**changes))
    form = visitor.form("/consent")
    return Filled(visitor, form.action, form.pressed)


def test_an_answer_needs_its_button(stage: Stage) -> None:
    """An empty form, one without a choice or with a made-up one asks again (req 75)."""
    page = asked(stage)
    before = stage.live.rows()
    token = {"csrf_token": page.fields["csrf_token"]}
    person = {"person": page.fields["person"]}
    for fields in (
        {},
        EVERYTHING,
        person,
        person | EVERYTHING,
        person | {"choice": ""},
        person | {"choice": "Allow"},
        person | {"choice": "yes"},
        {"choice": "allow"},
        {"choice": "decline"},
        {"choice": "allow", "person": ""},
        {"choice": "allow", "person": "x" * 9000},
    ):
        answer = page.visitor.post_once(page.target, fields | token)
        assert (answer.status, answer.location) == (200, None), fields
        assert 'class="error-summary"' in answer.text
    assert stage.live.rows() == before


def test_another_browser_cannot_answer(stage: Stage) -> None:
    """Without the flow's cookie, with a made-up one, or with another person's browser: lost (req 41)."""
    page = asked(stage)
    before = stage.live.rows()
    other = stage.visitor("mira")
    for cookies in ({}, {FLOW: random_token()}, dict(other.cookies)):
        thief = Visitor(stage.live, dict(cookies))
        thief.get("/login")
        token = (
            thief.form("/login").fields["csrf_token"] if thief.page and "/login" in thief.page.text else ""
        )
        answer = thief.post_once(page.target, page.fields | {"csrf_token": token})
        assert (answer.status, answer.location) == (400, None)
        assert thief.once("GET", page.target).status == 400
    assert stage.live.rows()["consent"] == before["consent"] == []


def test_the_next_person_is_asked_with_values_of_their_own(stage: Stage) -> None:
    """Another tab signs somebody else in; a page with the first one's data counts for nobody (req 75)."""
    page = asked(stage)
    stage.ask(page.visitor, prompt="login")
    page.visitor.sign_in("nora")
    answer = page.visitor.post_once(page.target, page.fields | EVERYTHING)
    assert (answer.status, answer.location) == (200, None)
    assert "nora@muster.example" in answer.text
    assert "anna@muster.example" not in answer.text
    assert " checked" not in answer.text
    assert stage.live.rows()["consent"] == []


def test_an_answer_is_the_persons_who_gave_it(stage: Stage) -> None:
    """anna agreed in this flow, then mira signs in there: mira is asked (req 75)."""
    visitor = stage.visitor("anna")
    visitor.get("/authorize", **stage.third.parameters(prompt="consent"))
    form = visitor.form("/consent")
    flow_id = form.action.partition("flow=")[2]
    hub = visitor.post_once(form.action, form.pressed).location or ""
    stage.ask(visitor, prompt="login")
    visitor.sign_in("nora")
    answer = visitor.get(hub)
    assert "code" not in answer.arrived
    assert f"/consent?flow={flow_id}" in answer.url
    assert "nora@muster.example" in answer.text


def test_the_order_of_steps_cannot_be_changed(stage: Stage) -> None:
    """Consent before the password, the second factor or the company leads back to that step (req 75)."""
    stranger = stage.visitor()
    stranger.get("/authorize", **stage.third.parameters())
    _leads_to(stage, stranger, "/login")
    half_way = stage.visitor()
    half_way.get("/authorize", **stage.third.parameters())
    half_way.sign_in("clara")
    _leads_to(stage, half_way, "/login")
    several = stage.visitor("mira")
    several.get("/authorize", **stage.third.parameters())
    _leads_to(stage, several, "/choose-organization")
    assert stage.live.rows()["consent"] == []


def _leads_to(stage: Stage, visitor: Visitor, step: str) -> None:
    assert visitor.page is not None
    flow_id = visitor.page.url.partition("flow=")[2]
    token = visitor.form().fields["csrf_token"]
    fields = EVERYTHING | {"choice": "allow", "person": "x.", "csrf_token": token}
    for answer in (
        visitor.get(f"/consent?flow={flow_id}"),
        visitor.post(f"/consent?flow={flow_id}", fields),
    ):
        assert step in answer.url
        assert "code" not in answer.arrived


def test_what_was_not_asked_cannot_be_ticked(stage: Stage) -> None:
    """Ticks for other scopes and claims, and parameters of a request, grant nothing (design §7)."""
    page = asked(stage, scope="openid email")
    extra = {
        "scope": "openid profile phone",
        "claims": '{"userinfo":{"birthdate":null}}',
        "client_id": "portal",
    }
    fields = page.fields | EVERYTHING | extra | {"scope.offline_access": "y", "scope.permissions": "y"}
    answer = page.visitor.post(f"{page.target}&scope=openid+profile&choice=allow", fields)
    tokens = parsed(stage.third.redeem(answer.arrived["code"]))
    assert tokens["scope"] == "openid email"
    assert set(parsed(stage.third.userinfo(tokens["access_token"]))) == {"sub", "email", "email_verified"}


def test_a_second_tab_and_a_replay(stage: Stage) -> None:
    """The same form again, before and after the answer: one consent, one code (req 22)."""
    page = asked(stage)
    first = page.visitor.post_once(page.target, page.fields)
    second = page.visitor.post_once(page.target, page.fields | EVERYTHING)
    assert first.location == second.location
    arrived = page.visitor.get(first.location or "").arrived
    assert parsed(stage.third.redeem(arrived["code"]))["scope"] == "openid"
    for answer in (
        page.visitor.get(first.location or ""),
        page.visitor.post(page.target, page.fields | EVERYTHING),
        page.visitor.get(page.target),
    ):
        assert answer.status == 400
        assert not answer.arrived
    assert len(stage.live.rows()["consent"]) == 1


def test_parallel_answers(live_on_each: Live) -> None:
    """The same form from eight windows at once: no error, one row, one code (req 22)."""
    stage = scenes.build(live_on_each)
    page = asked(stage)
    barrier = threading.Barrier(8)

    def press(_: int) -> Answer:
        copy = Visitor(stage.live, dict(page.visitor.cookies))
        barrier.wait()
        return copy.post_once(page.target, page.fields | EVERYTHING)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(press, range(8)))
    assert {answer.status for answer in answers} == {303}
    assert len({answer.location for answer in answers}) == 1
    assert len(stage.live.rows()["consent"]) == 1
    assert "code" in page.visitor.get(answers[0].location or "").arrived


def test_declining_cannot_be_turned_round(stage: Stage) -> None:
    """After "decline" the same flow gives nothing, however the form is sent again."""
    page = asked(stage)
    declined = page.visitor.post_once(page.target, page.fields | {"choice": "decline"})
    page.visitor.post_once(page.target, page.fields | EVERYTHING)
    assert page.visitor.get(declined.location or "").arrived["error"] == "access_denied"
    assert stage.live.rows()["consent"] == []


def test_a_consent_is_one_persons(stage: Stage) -> None:
    """What anna allowed is neither ticked nor granted for somebody else (req 16)."""
    page = asked(stage)
    page.visitor.post(page.target, page.fields | EVERYTHING)
    other = asked(stage, "nora")
    assert " checked" not in (other.visitor.page.text if other.visitor.page else "")
    assert len(stage.live.rows()["consent"]) == 1


def test_a_changed_request_is_asked_again(stage: Stage) -> None:
    """More scopes, or claims by name: consent_required silently, a page otherwise (req 16)."""
    page = asked(stage, scope="openid email")
    page.visitor.post(page.target, page.fields | EVERYTHING)
    for changes in (
        {"scope": "openid email profile"},
        {"scope": "openid email", "claims": '{"id_token":{"birthdate":{"essential":true}}}'},
        {"scope": "openid email", "claims": '{"userinfo":{"phone_number":null}}'},
    ):
        silent = _silent(stage, page.visitor, **changes)
        assert silent.arrived["error"] == "consent_required", changes
        assert "/consent" in page.visitor.get("/authorize", **stage.third.parameters(**changes)).url
    assert "code" in _silent(stage, page.visitor, scope="openid email").arrived


def _silent(stage: Stage, visitor: Visitor, **changes: str) -> Answer:
    return visitor.get("/authorize", **stage.third.parameters(prompt="none", **changes))


def test_only_the_logo_of_this_flow_may_be_loaded(stage: Stage) -> None:
    """img-src names the origin of the client's logo, on pages of its flow alone (req 99)."""
    page = FORMS["consent.submit"](stage).visitor.page
    assert page is not None
    assert "img-src 'self' data: https://portal.example;" in (page.header("Content-Security-Policy") or "")
    assert 'referrerpolicy="no-referrer"' in page.text
    visitor = stage.visitor()
    for answer in (stage.ask(visitor), visitor.get("/login"), visitor.get("/")):
        assert "img-src 'self' data:;" in (answer.header("Content-Security-Policy") or "")
    assert PASSWORD not in page.text
