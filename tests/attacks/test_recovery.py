"""The recovery password under attack: no use half way, by another way, in another flow (req 71, 75)."""

import pytest

from tests.attacks import scenes
from tests.attacks.scenes import FORMS, Stage

pytestmark = pytest.mark.enable_socket


def test_an_empty_post_advances_nothing(stage: Stage) -> None:
    """Each form without its fields, and without all but the token (req 75)."""
    for view in ("recovery_reset.submit", "own_recovery.save", "recovery.submit"):
        form = FORMS[view](stage)
        before = stage.live.rows()
        for fields in ({}, {"csrf_token": form.fields["csrf_token"]}):
            assert form.visitor.post_once(form.target, fields).status in (200, 400), view
        after = stage.live.rows()
        for table in ("recovery_password", "account", "session", "outbox"):
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
