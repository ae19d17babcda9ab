"""An installation whose people meet every page."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from idp.context import Services
from tests import cast
from tests.attacks.live import Answer, Live, absolute, target_of
from tests.attacks.parties import Party, parsed
from tests.attacks.visitor import Form, Visitor
from tests.builders import make_membership, make_organization
from tests.cast import Registered
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


@dataclass(frozen=True, slots=True)
class Population:
    """Clients, people and companies of an installation, by what they are on the stage."""

    portal: Registered
    members: Registered
    third: Registered
    terminal: Registered
    strict: Registered
    membership: dict[str, str]
    organization: str


def build(live: Live, mark: str = "") -> Stage:
    """Populate an installation."""
    return on_stage(live, populate(live.services, mark), mark)


def on_stage(live: Live, people: Population, mark: str) -> Stage:
    """Return the stage of an installation that is populated."""
    parties = {
        name: Party(live, getattr(people, name))
        for name in ("portal", "members", "third", "terminal", "strict")
    }
    return Stage(live, **parties, membership=people.membership, organization=people.organization, mark=mark)


def populate(services: Services, mark: str) -> Population:
    """Let everybody be there."""
    facts: dict[str, Any] = {
        name: f"{name}{mark}" for name in ("name", "given_name", "family_name", "nickname", "gender")
    }
    with unit_of_work(services) as ctx:
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
    return Population(portal, members, third, terminal, strict, found, second)


@dataclass(frozen=True, slots=True)
class Filled:
    """A form that needs only to be sent."""

    visitor: Visitor
    target: str
    fields: dict[str, str]


def filled(visitor: Visitor, action: str, **typed: str) -> Filled:
    """Stand before a form with what will be sent."""
    form: Form = visitor.form(action)
    assert visitor.page is not None
    return Filled(visitor, target_of(absolute(form.action, visitor.page.url)), form.pressed | typed)


def shown(stage: Stage, username: str | None, target: str, **parameters: str) -> Answer:
    """Open an address."""
    return stage.visitor(username).get(target, **parameters)


def page_of(way: Callable[[Stage], Filled]) -> Callable[[Stage], Answer]:
    """Return the way to the page that a form stands on."""

    def page(stage: Stage) -> Answer:
        standing = way(stage).visitor.page
        assert standing is not None
        return standing

    return page
