"""The forms and pages of sign-in, sign-out, devices and errors."""

from collections.abc import Callable

from idp.management import memberships
from tests import cast
from tests.attacks.live import FORM, Answer, absolute, target_of
from tests.attacks.parties import Party
from tests.attacks.scenes.stage import Filled, Stage, filled, page_of, shown
from tests.attacks.visitor import Visitor
from tests.builders import OPERATOR, PASSWORD
from tests.installation import unit_of_work


def _login(stage: Stage) -> Filled:
    visitor = stage.visitor()
    stage.ask(visitor)
    return filled(visitor, "/login", username="anna", password=PASSWORD)


def _half_way(stage: Stage) -> Visitor:
    visitor = stage.visitor()
    stage.ask(visitor)
    visitor.sign_in("clara")
    return visitor


def _second_factor(stage: Stage) -> Filled:
    return filled(_half_way(stage), "/login/totp?", code=stage.code())


def _decline(stage: Stage) -> Filled:
    visitor = stage.visitor()
    stage.ask(visitor)
    return filled(visitor, "/decline")


def _choose_account(stage: Stage, action: str = "/choose-account?") -> Filled:
    visitor = stage.visitor("anna")
    stage.ask(visitor, prompt="select_account")
    return filled(visitor, action)


def _choose_organization(stage: Stage) -> Filled:
    visitor = stage.visitor("mira")
    stage.ask(visitor)
    return filled(visitor, "/choose-organization")


def _consent(stage: Stage) -> Filled:
    visitor = stage.visitor("anna")
    visitor.get("/authorize", **stage.third.parameters())
    return filled(visitor, "/consent")


def _decide(stage: Stage) -> Filled:
    visitor = stage.visitor("anna")
    visitor.get("/logout")
    return filled(visitor, "/logout/")


def _device(stage: Stage) -> Filled:
    visitor = stage.visitor("anna")
    visitor.get("/device")
    return filled(visitor, "/device", code=stage.user_code())


def _device_question(stage: Stage, action: str = "/device/", program: Party | None = None) -> Filled:
    visitor = stage.visitor("anna")
    visitor.get("/device")
    visitor.submit("/device", code=stage.user_code(program))
    return filled(visitor, action)


def _device_decline(stage: Stage) -> Filled:
    visitor = stage.visitor()
    visitor.get("/device")
    visitor.submit("/device", code=stage.user_code())
    return filled(visitor, "/decline")


def _device_done(stage: Stage, choice: str = "connect") -> Answer:
    form = _device_question(stage)
    return form.visitor.post(form.target, form.fields | {"choice": choice})


def _device_out_of_reach(stage: Stage) -> Answer:
    page = _device_question(stage, "/decline", stage.strict).visitor.page
    assert page is not None
    return page


def _unknown_user_code(stage: Stage) -> Answer:
    visitor = stage.visitor()
    visitor.get("/device")
    return visitor.submit("/device", code="BCDF-GHJK")


#: name of a view that changes something → the way to its form
FORMS: dict[str, Callable[[Stage], Filled]] = {
    "login.submit": _login,
    "second_factor.submit": _second_factor,
    "second_factor.cancel": lambda stage: filled(_half_way(stage), "/cancel"),
    "choose_account.submit": _choose_account,
    "choose_account.switch": lambda stage: _choose_account(stage, "/choose-account/other"),
    "choose_organization.submit": _choose_organization,
    "consent.submit": _consent,
    "authorize.decline": _decline,
    "device.submit": _device,
    "device.decide": _device_question,
    "device.decline": _device_decline,
    "end_session.decide": _decide,
}


def _blocked(stage: Stage) -> Answer:
    """Ask for one company where another is left: else the sign-in itself is refused."""
    with unit_of_work(stage.live.services) as ctx:
        memberships.block(ctx.acting(OPERATOR), stage.organization, stage.membership["mira, second"])
    return stage.ask(stage.visitor("mira"), organization="100200400")


def _wrong_password(stage: Stage) -> Answer:
    form = _login(stage)
    return form.visitor.post(form.target, form.fields | {"password": f"wrong{stage.mark}"})


def _signed_out(stage: Stage) -> Answer:
    form = _decide(stage)
    return form.visitor.post(form.target, form.fields)


def _signed_out_with_frames(stage: Stage) -> Answer:
    visitor = stage.visitor("anna")
    stage.ask(visitor)
    visitor.get("/logout", client_id="portal", post_logout_redirect_uri=cast.SIGNED_OUT)
    form = filled(visitor, "/logout/")
    return visitor.post(form.target, form.fields)


def _foreign_form(stage: Stage) -> Answer:
    form = _decide(stage)
    return form.visitor.post_once(form.target, form.fields, {"Origin": "https://evil.example"})


def _stale_form(stage: Stage) -> Answer:
    form = _decide(stage)
    return form.visitor.post(form.target, form.fields | {"csrf_token": "x"})


def _without_cookies(stage: Stage) -> Answer:
    return stage.visitor().post("/login", {"username": "anna", "password": "x"})


#: a page → the way to it; errors are pages too
PAGES: dict[str, Callable[[Stage], Answer]] = {
    "login": page_of(_login),
    "wrong password": _wrong_password,
    "second factor": page_of(_second_factor),
    "choose account": page_of(_choose_account),
    "choose organisation": page_of(_choose_organization),
    "consent": page_of(_consent),
    "device": page_of(_device),
    "device, question": page_of(_device_question),
    "device, connected": _device_done,
    "device, refused": lambda stage: _device_done(stage, "deny"),
    "device, out of reach": _device_out_of_reach,
    "device, unknown code": _unknown_user_code,
    "device, unknown flow": lambda stage: shown(stage, None, "/device/nothing"),
    "sign-out": page_of(_decide),
    "signed out": _signed_out,
    "signed out, with frames": _signed_out_with_frames,
    "answer by form": lambda stage: stage.ask(stage.visitor("anna"), response_mode="form_post"),
    "refusal by form": lambda stage: stage.ask(stage.visitor(), response_mode="form_post", prompt="none"),
    "start, signed in": lambda stage: shown(stage, "anna", "/"),
    "start": lambda stage: shown(stage, None, "/"),
    "access blocked": _blocked,
    "access pending": lambda stage: stage.visitor("emil").get("/authorize", **stage.members.parameters()),
    "no organisation": lambda stage: stage.visitor("nora").get("/authorize", **stage.members.parameters()),
    "portal's mistake": lambda stage: stage.ask(stage.visitor(), redirect_uri="https://evil.example/"),
    "unknown portal": lambda stage: stage.ask(stage.visitor(), client_id=f"nobody{stage.mark}"),
    "flow of another browser": lambda stage: stage.visitor().get(
        target_of(absolute(_login(stage).target)).replace("/login?flow=", "/authorize/")
    ),
    "unknown flow": lambda stage: shown(stage, None, "/login", flow="nothing"),
    "not found": lambda stage: shown(stage, None, "/nowhere"),
    "method not allowed": lambda stage: stage.visitor().once("DELETE", "/login"),
    "not a form": lambda stage: stage.visitor().once("POST", "/authorize", b"{}", {"Content-Type": "text/x"}),
    "broken form": lambda stage: stage.visitor().once("POST", "/authorize", b"a=%ff", FORM),
    "foreign form": _foreign_form,
    "stale form": _stale_form,
    "cookies off": _without_cookies,
}
