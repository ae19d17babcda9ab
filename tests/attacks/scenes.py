"""Every form and page of the product with somebody in front of it, for sweeps over all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from idp.management import accounts, joining, memberships
from tests import cast
from tests.attacks.live import FORM, Answer, Live, absolute, target_of
from tests.attacks.parties import Party, parsed
from tests.attacks.visitor import Form, Visitor
from tests.builders import OPERATOR, PASSWORD, make_membership, make_organization
from tests.installation import unit_of_work


@dataclass
class Stage:
    """An installation whose people meet every page.

    :param mark: put into every text that a client, company or person brings along.
    """

    live: Live
    portal: Party
    members: Party
    #: not the operator's own
    third: Party
    #: membership ids by user name
    membership: dict[str, str]
    #: the second company of ``mira``
    organization: str
    #: a program without a browser, and one that demands two factors
    terminal: Party
    strict: Party
    mark: str = ""

    def visitor(self, username: str | None = None) -> Visitor:
        """Return a browser, signed in if a name is given."""
        made = Visitor(self.live)
        if username:
            made.get("/login")
            made.sign_in(username)
        return made

    def ask(self, visitor: Visitor, **changes: str | None) -> Answer:
        """Come from the portal."""
        return visitor.get("/authorize", **self.portal.parameters(**changes))

    def user_code(self, program: Party | None = None) -> str:
        """Return what a device shows."""
        answer = (program or self.terminal).call("/device_authorization", {"scope": "openid profile orders"})
        return str(parsed(answer)["user_code"])

    def code(self) -> str:
        """Return what clara's app shows."""
        with unit_of_work(self.live.services, datetime.now(UTC)) as ctx:
            return cast.app_code(ctx)


def build(live: Live, mark: str = "") -> Stage:
    """Populate an installation."""
    facts: dict[str, Any] = {
        name: f"{name}{mark}" for name in ("name", "given_name", "family_name", "nickname", "gender")
    }
    with unit_of_work(live.services) as ctx:
        portal = cast.register(
            ctx,
            client_name=f"Portal{mark}",
            frontchannel_logout_uri="https://portal.example/frontchannel-logout",
        )
        terminal = cast.register_device(ctx, client_name=f"Terminal{mark}")
        strict = cast.register_device(
            ctx, "strict", client_name=f"Strict{mark}", default_acr_values=["urn:lotse:acr:aal2"]
        )
        members = cast.register(ctx, "members", client_name=f"Members{mark}", require_membership=True)
        third = cast.register(
            ctx,
            "third",
            client_name=f"Third{mark}",
            first_party=False,
            logo_uri="https://portal.example/logo.svg",
            policy_uri="https://portal.example/privacy",
            tos_uri="https://portal.example/terms",
        )
        first = make_organization(ctx, name=f"Muster GmbH{mark}")
        second = make_organization(ctx, "100200400", name=f"Beispiel AG{mark}")
        found = {}
        for name, status in (
            ("anna", "active"),
            ("clara", "active"),
            ("mira", "active"),
            ("emil", "pending"),
        ):
            account = cast.person(ctx, name, app=name == "clara", **facts)
            found[name] = make_membership(ctx, first, account, status=status)
            if name == "mira":
                found["mira, second"] = make_membership(ctx, second, account)
        cast.person(ctx, "nora", **facts)
    parties = (Party(live, client) for client in (portal, members, third))
    programs = (Party(live, client) for client in (terminal, strict))
    return Stage(live, *parties, found, second, *programs, mark)


@dataclass(frozen=True, slots=True)
class Filled:
    """A form that needs only to be sent."""

    visitor: Visitor
    target: str
    fields: dict[str, str]


def _filled(visitor: Visitor, action: str, **typed: str) -> Filled:
    form: Form = visitor.form(action)
    assert visitor.page is not None
    return Filled(visitor, target_of(absolute(form.action, visitor.page.url)), form.pressed | typed)


def _login(stage: Stage) -> Filled:
    visitor = stage.visitor()
    stage.ask(visitor)
    return _filled(visitor, "/login", username="anna", password=PASSWORD)


def _half_way(stage: Stage) -> Visitor:
    visitor = stage.visitor()
    stage.ask(visitor)
    visitor.sign_in("clara")
    return visitor


def _second_factor(stage: Stage) -> Filled:
    return _filled(_half_way(stage), "/login/totp?", code=stage.code())


def _decline(stage: Stage) -> Filled:
    visitor = stage.visitor()
    stage.ask(visitor)
    return _filled(visitor, "/decline")


def _choose_account(stage: Stage, action: str = "/choose-account?") -> Filled:
    visitor = stage.visitor("anna")
    stage.ask(visitor, prompt="select_account")
    return _filled(visitor, action)


def _choose_organization(stage: Stage) -> Filled:
    visitor = stage.visitor("mira")
    stage.ask(visitor)
    return _filled(visitor, "/choose-organization")


def _consent(stage: Stage) -> Filled:
    visitor = stage.visitor("anna")
    visitor.get("/authorize", **stage.third.parameters())
    return _filled(visitor, "/consent")


def _decide(stage: Stage) -> Filled:
    visitor = stage.visitor("anna")
    visitor.get("/logout")
    return _filled(visitor, "/logout/")


def _device(stage: Stage) -> Filled:
    visitor = stage.visitor("anna")
    visitor.get("/device")
    return _filled(visitor, "/device", code=stage.user_code())


def _device_question(stage: Stage, action: str = "/device/", program: Party | None = None) -> Filled:
    visitor = stage.visitor("anna")
    visitor.get("/device")
    visitor.submit("/device", code=stage.user_code(program))
    return _filled(visitor, action)


def _device_decline(stage: Stage) -> Filled:
    visitor = stage.visitor()
    visitor.get("/device")
    visitor.submit("/device", code=stage.user_code())
    return _filled(visitor, "/decline")


def _device_done(stage: Stage, choice: str = "connect") -> Answer:
    filled = _device_question(stage)
    return filled.visitor.post(filled.target, filled.fields | {"choice": choice})


def _device_out_of_reach(stage: Stage) -> Answer:
    shown = _device_question(stage, "/decline", stage.strict).visitor.page
    assert shown is not None
    return shown


def _unknown_user_code(stage: Stage) -> Answer:
    visitor = stage.visitor()
    visitor.get("/device")
    return visitor.submit("/device", code="BCDF-GHJK")


def _join_code(stage: Stage) -> Filled:
    visitor = stage.visitor("nora")
    visitor.get("/join/code")
    return _filled(visitor, "/join/code", code="BCDF-GHJK-LMNP")


def _join_waiting(stage: Stage, target: str = "/join") -> Answer:
    """Ask for a company that exists and one that does not."""
    visitor = stage.visitor("nora")
    with unit_of_work(stage.live.services, datetime.now(UTC), actor=OPERATOR) as ctx:
        for number in ("100200300", "999888777"):
            joining.ask(ctx, accounts.find(ctx, "nora"), number)
    return visitor.get(target, **(stage.members.parameters() if target == "/authorize" else {}))


#: name of a view that changes something → the way to its form
FORMS: dict[str, Callable[[Stage], Filled]] = {
    "login.submit": _login,
    "second_factor.submit": _second_factor,
    "second_factor.cancel": lambda stage: _filled(_half_way(stage), "/cancel"),
    "choose_account.submit": _choose_account,
    "choose_account.switch": lambda stage: _choose_account(stage, "/choose-account/other"),
    "choose_organization.submit": _choose_organization,
    "consent.submit": _consent,
    "authorize.decline": _decline,
    "device.submit": _device,
    "device.decide": _device_question,
    "device.decline": _device_decline,
    "end_session.decide": _decide,
    "joining.submit_code": _join_code,
}

#: views that other sites may post to, as the specification demands; they only begin a flow
CROSS_SITE = frozenset({"authorize.by_form", "end_session.by_form"})


def _shown(stage: Stage, username: str | None, target: str, **parameters: str) -> Answer:
    return stage.visitor(username).get(target, **parameters)


def _blocked(stage: Stage) -> Answer:
    """Ask for one company where another is left: else the sign-in itself is refused."""
    with unit_of_work(stage.live.services) as ctx:
        memberships.block(ctx.acting(OPERATOR), stage.organization, stage.membership["mira, second"])
    return stage.ask(stage.visitor("mira"), organization="100200400")


def _page_of(way: Callable[[Stage], Filled]) -> Callable[[Stage], Answer]:
    def page(stage: Stage) -> Answer:
        shown = way(stage).visitor.page
        assert shown is not None
        return shown

    return page


def _wrong_password(stage: Stage) -> Answer:
    filled = _login(stage)
    return filled.visitor.post(filled.target, filled.fields | {"password": f"wrong{stage.mark}"})


def _signed_out(stage: Stage) -> Answer:
    filled = _decide(stage)
    return filled.visitor.post(filled.target, filled.fields)


def _signed_out_with_frames(stage: Stage) -> Answer:
    visitor = stage.visitor("anna")
    stage.ask(visitor)
    visitor.get("/logout", client_id="portal", post_logout_redirect_uri=cast.SIGNED_OUT)
    filled = _filled(visitor, "/logout/")
    return visitor.post(filled.target, filled.fields)


def _foreign_form(stage: Stage) -> Answer:
    filled = _decide(stage)
    return filled.visitor.post_once(filled.target, filled.fields, {"Origin": "https://evil.example"})


def _stale_form(stage: Stage) -> Answer:
    filled = _decide(stage)
    return filled.visitor.post(filled.target, filled.fields | {"csrf_token": "x"})


def _without_cookies(stage: Stage) -> Answer:
    return stage.visitor().post("/login", {"username": "anna", "password": "x"})


#: a page → the way to it; errors are pages too
PAGES: dict[str, Callable[[Stage], Answer]] = {
    "login": _page_of(_login),
    "wrong password": _wrong_password,
    "second factor": _page_of(_second_factor),
    "choose account": _page_of(_choose_account),
    "choose organisation": _page_of(_choose_organization),
    "consent": _page_of(_consent),
    "device": _page_of(_device),
    "device, question": _page_of(_device_question),
    "device, connected": _device_done,
    "device, refused": lambda stage: _device_done(stage, "deny"),
    "device, out of reach": _device_out_of_reach,
    "device, unknown code": _unknown_user_code,
    "device, unknown flow": lambda stage: _shown(stage, None, "/device/nothing"),
    "sign-out": _page_of(_decide),
    "signed out": _signed_out,
    "signed out, with frames": _signed_out_with_frames,
    "answer by form": lambda stage: stage.ask(stage.visitor("anna"), response_mode="form_post"),
    "refusal by form": lambda stage: stage.ask(stage.visitor(), response_mode="form_post", prompt="none"),
    "start, signed in": lambda stage: _shown(stage, "anna", "/"),
    "start": lambda stage: _shown(stage, None, "/"),
    "access blocked": _blocked,
    "access pending": lambda stage: stage.visitor("emil").get("/authorize", **stage.members.parameters()),
    "join, waiting": _join_waiting,
    "join, waiting at a portal": lambda stage: _join_waiting(stage, "/authorize"),
    "join, code": _page_of(_join_code),
    "no organisation": lambda stage: stage.visitor("nora").get("/authorize", **stage.members.parameters()),
    "portal's mistake": lambda stage: stage.ask(stage.visitor(), redirect_uri="https://evil.example/"),
    "unknown portal": lambda stage: stage.ask(stage.visitor(), client_id=f"nobody{stage.mark}"),
    "flow of another browser": lambda stage: stage.visitor().get(
        target_of(absolute(_login(stage).target)).replace("/login?flow=", "/authorize/")
    ),
    "unknown flow": lambda stage: _shown(stage, None, "/login", flow="nothing"),
    "not found": lambda stage: _shown(stage, None, "/nowhere"),
    "method not allowed": lambda stage: stage.visitor().once("DELETE", "/login"),
    "not a form": lambda stage: stage.visitor().once("POST", "/authorize", b"{}", {"Content-Type": "text/x"}),
    "broken form": lambda stage: stage.visitor().once("POST", "/authorize", b"a=%ff", FORM),
    "foreign form": _foreign_form,
    "stale form": _stale_form,
    "cookies off": _without_cookies,
}
