"""The recovery password under attack: no use half way, by another way, in another flow (req 71, 75)."""

import pytest

from tests.attacks import scenes
from tests.attacks.scenes import FORMS, Stage

pytestmark = pytest.mark.enable_socket


def test_an_empty_post_advances_nothing(stage: Stage) -> None:
    """Each form without its fields, and without all but the token (req 75)."""
    for view in ("recovery_reset.submit", "own_recovery.save", "recovery.submit", "lost_factor.submit_code"):
        form = FORMS[view](stage)
        before = stage.live.rows()
        for fields in ({}, {"csrf_token": form.fields["csrf_token"]}):
            assert form.visitor.post_once(form.target, fields).status in (200, 400), view
        after = stage.live.rows()
        for table in ("recovery_password", "account", "authenticator", "session", "outbox"):
            assert after[table] == before[table], view


def test_the_flow_of_one_kind_opens_no_other(stage: Stage) -> None:
    """A string that waits is no sign-in, no reset and no registration (req 75; D3)."""
    form = FORMS["own_recovery.save"](stage)
    flow = form.target.rpartition("/")[2]
    for path in (
        "/login",
        "/login/totp",
        "/register/code",
        "/password/forgot/sent",
        "/consent",
        "/account/confirm",
    ):
        assert form.visitor.get(path, flow=flow).status == 400, path
    assert form.visitor.get(f"/authorize/{flow}").status == 400


def test_the_other_way_of_a_reset_skips_nothing(stage: Stage) -> None:
    """From the string to the link and back: clara's app is asked on every way (C4)."""
    text = scenes.recovery.given(stage, "clara")
    visitor = stage.visitor()
    stage.ask(visitor)
    visitor.get("/password/recovery")
    typed = {"username": "clara", "new_password": "Möwen über dem Hafen 7"}
    visitor.submit(
        "/password/recovery", **typed, confirm_password=typed["new_password"], recovery_password=text
    )
    assert visitor.page is not None
    assert visitor.page.url.startswith("/login/totp")
    flow = visitor.page.url.partition("flow=")[2]
    for path in ("/password/changed", "/recovery", "/account/recovery", "/account", "/"):
        visitor.get(path, flow=flow)
        assert "__Host-sid" not in visitor.cookies, path
    visitor.get("/login")
    visitor.sign_in("clara", typed["new_password"])
    assert "stimmt nicht" in visitor.page.text


def test_the_mailbox_alone_removes_no_factor(stage: Stage) -> None:
    """Whoever reads the mail is asked for the app, and no address leads around it (req 71; C4)."""
    scenes.recovery.given(stage, "clara")
    visitor = stage.visitor()
    visitor.get("/password/forgot")
    visitor.submit("/password/forgot", email="clara@muster.example")
    visitor.get(scenes.registration.link(stage))
    chosen = "Möwen über dem Hafen 7"
    answer = visitor.submit("/password/reset", new_password=chosen, confirm_password=chosen)
    assert answer.url.startswith("/login/totp")
    assert "/password/recovery/factor" not in answer.text
    flow, before = answer.url.partition("flow=")[2], stage.live.rows()
    token = visitor.form("/login/totp?").fields["csrf_token"]
    for path in ("", "/code", "/resend"):
        address = f"/password/recovery/factor{path}?flow={flow}"
        sent = visitor.post(address, {"csrf_token": token, "code": "111111"})
        assert sent.url.startswith("/login/totp"), path
        opened = visitor.get(address)
        assert opened.status == 405 or opened.url.startswith("/login/totp"), path
    after = stage.live.rows()
    for table in ("account", "authenticator", "session", "outbox", "one_time_secret"):
        assert after[table] == before[table], table


def test_the_recovery_password_alone_removes_no_factor(stage: Stage) -> None:
    """No page tells the code or where it went; guesses end (req 65, 67, 71; C4)."""
    form = scenes.recovery.asked(stage)
    code, visitor, before = form.fields["code"], form.visitor, stage.live.rows()
    wrong = next(guess for guess in ("111111", "222222") if guess != code)
    pages = [visitor.page]
    pages += [visitor.post(form.target, form.fields | {"code": wrong}) for _ in range(5)]
    for page in pages:
        assert page is not None
        assert code not in page.text
        assert "clara@muster.example" not in page.text
    assert pages[-1] is not None
    assert pages[-1].url.startswith("/password/recovery?")  # where it began
    visitor.post(form.target, form.fields)  # the right one, too late
    after = stage.live.rows()
    for table in ("account", "authenticator", "recovery_password", "session"):
        assert after[table] == before[table], table


def test_a_code_is_good_in_its_own_flow_alone(stage: Stage) -> None:
    """Neither in another reset, nor in a registration, nor for the app (req 65; C2)."""
    form, other = scenes.recovery.asked(stage), scenes.recovery.at_the_app(stage)
    before = stage.live.rows()
    other.submit("/login/totp?", code=form.fields["code"])
    assert other.page is not None
    flow = other.page.url.partition("flow=")[2]
    token = other.form("/login/totp?").fields["csrf_token"]
    other.post(f"/password/recovery/factor/code?flow={flow}", {"csrf_token": token} | form.fields)
    waiting = FORMS["register.submit_code"](stage)
    waiting.visitor.post(waiting.target, waiting.fields | {"code": form.fields["code"]})
    after = stage.live.rows()
    for table in ("account", "recovery_password", "session"):
        assert after[table] == before[table], table
    assert len(after["authenticator"]) == len(before["authenticator"])  # it counts its wrong codes
