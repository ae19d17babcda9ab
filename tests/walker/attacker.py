"""What an attacker does who has exactly one thing: any form of any page, in any order (C4)."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from tests.walker.owner import LOST, come
from tests.walker.visitors import Form, Sent, Visitor, flow_of
from tests.walker.world import World
from tests.web.pages.house import PASSWORD, Person

ENTRIES: Final = (
    "/login",
    "/password/forgot",
    "/password/recovery",
    "/account/recovery",
    "portal",
    "two factors",
    "/account",
    "/register",
    "/logout",
    "/",
)
#: pages that a flow opens, as who knows their addresses would write them
STEPS: Final = (
    "/login",
    "/login/totp",
    "/account/confirm",
    "/recovery",
    "/register/code",
    "/password/forgot/sent",
    "/password/changed",
    "/password/recovery",
    "/password/recovery/factor",
    "/password/recovery/factor/code",
    "/choose-account",
)


@dataclass(frozen=True)
class Means:
    """What one of the four attackers has."""

    name: str
    factor: bool

    def __str__(self) -> str:
        return f"{self.name}-{'factor' if self.factor else 'password_only'}"


NAMES: Final = ("password", "mailbox", "recovery", "session")


def learn(world: World, means: Means) -> None:
    """Get the one thing as it is at this moment."""
    me = world.attacker
    if means.name == "password":
        me.passwords.append(world.password)
    elif means.name == "recovery" and world.recovery:
        me.recoveries.append(world.recovery)
    elif means.name == "session":
        alive = (visitor.sid for visitor in world.owner.visitors if world.lives(visitor.sid))
        cookie = next(alive, None)
        if cookie is not None:
            for visitor in me.visitors:
                visitor.set_cookie("sid", cookie)
            world.stolen.add(str(world.session_of(cookie)))
            world.achieved["attacker: stole a session"] += 1


def places(world: World, visitor: Visitor, kind: str) -> list[str]:
    """Return addresses of a kind that may be opened; flow ids are no secrets, whoever they belong to."""
    if kind == "entry":
        return list(ENTRIES)
    links = [mail.link for mail in world.mail if mail.link and mail.to in world.to]
    if kind == "means":
        return _where_it_opens(world, links)
    if kind == "mail":
        return links if world.attacker.reads_mail else []
    if kind == "own":
        return visitor.places
    return [f"{step}?{urlencode({'flow': flow})}" for flow in flows(world)[-6:] for step in STEPS] + [
        place for other in world.owner.visitors for place in other.places if "token=" not in place
    ]


def _where_it_opens(world: World, links: list[str]) -> list[str]:
    """Return where the one thing opens something, if it opens anything."""
    me = world.attacker
    if me.reads_mail:
        resets = [link for link in links if link.startswith("/password/reset")]
        return [*resets[-1:], *resets[-1:], "/password/forgot"]
    if me.recoveries:
        return ["/password/recovery", "/login"]
    if me.passwords:
        return ["/login", "portal"]
    opened = [visitor.places[-1] for visitor in world.owner.visitors if visitor.places]
    seen = [place for place in opened if flow_of(place) and "token=" not in place]
    return [*seen, "/account/recovery", "/login", "/password/recovery"]


def flows(world: World) -> list[str]:
    """Return the ids of everybody's flows, in the order they were seen."""
    found = (flow_of(place) for visitor in world.visitors() for place in visitor.places)
    return list(dict.fromkeys(flow for flow in found if flow))


def open_place(world: World, visitor: Visitor, kind: str, number: int) -> None:
    """Open one of the places."""
    known = places(world, visitor, kind) or list(ENTRIES)
    come(visitor, known[number % len(known)])


def push_on(world: World, visitor: Visitor, eve: Person, *, lost: bool) -> None:
    """Go on from page to page with the best that is known, as far as it goes.

    :param lost: say that the app is gone where a page lets one.
    """
    for _ in range(4):
        if lost and visitor.address.startswith("/login/totp") and LOST in visitor.text:
            visitor.get(f"{LOST}?flow={flow_of(visitor.address)}")
        before, form = visitor.address, _main(visitor)
        if form is None:
            return
        visitor.fill_in(form, **entries(world, visitor, form, eve, "known"))
        if visitor.address == before:
            return


def send(world: World, visitor: Visitor, eve: Person, number: int, how: str) -> None:
    """Send one of the page's forms.

    :param how: ``known``, ``old``, ``empty``, or ``own``: with the attacker's own account.
    """
    found = visitor.forms()
    if found:
        form = found[number % len(found)]
        visitor.fill_in(form, **entries(world, visitor, form, eve, how))


def swap(world: World, visitor: Visitor, eve: Person, number: int) -> None:
    """Send the page's main form into another flow."""
    form, known = _main(visitor), flows(world)
    here = flow_of(form.action or visitor.address) if form else ""
    if form is None or not here or not known:
        return
    action = (form.action or visitor.address).replace(here, known[-1 - number % min(len(known), 8)])
    filled = Form(action, form.hidden, form.entries)
    visitor.fill_in(filled, **entries(world, visitor, form, eve, "known"))


def replay(world: World, visitor: Visitor, number: int) -> None:
    """Send again what was sent before, with the token of the page that is open."""
    sent: list[Sent] = [each for other in world.attacker.visitors for each in other.sent]
    token = next((form.hidden.get("csrf_token") for form in visitor.forms()), None)
    if not sent or token is None:
        return
    again = sent[-1 - number % min(len(sent), 8)]
    visitor.post(again.address, again.data | {"csrf_token": token})


def entries(world: World, visitor: Visitor, form: Form, eve: Person, how: str) -> dict[str, str]:
    """Return what to type into a form."""
    if how == "empty":
        return dict.fromkeys(form.entries, "")
    me, at = world.attacker, 0 if how == "old" else -1
    fresh = world.choose_password(me)
    password = me.passwords[at] if me.passwords else "frei erfunden und lang genug"
    if "confirm_password" in form.entries:
        password = fresh
    typed = {
        "username": world.email,
        "email": world.email,
        "given_name": "Eve",
        "family_name": "Fremd",
        "password": password,
        "new_password": fresh,
        "confirm_password": fresh,
        "recovery_password": me.recoveries[at] if me.recoveries else "34679-ACDEF-GHJKM-NPQRT-WXY34-679AC",
        "code": _code(world, visitor),
        "saved": "y",
        "remember_device": "y",
    }
    if how == "own":
        world.house.clock.advance(seconds=30)
        typed |= {"username": eve.name, "password": PASSWORD, "code": eve.code()}
        typed["email"] = f"{eve.name}@muster.example"
    return form.entries | typed


def _code(world: World, visitor: Visitor) -> str:
    if visitor.address.startswith(("/register", LOST)) and world.attacker.reads_mail:
        codes = [mail.code for mail in world.mail if mail.code and mail.to == world.email]
        return codes[-1] if codes else "111111"
    return world.wrong_code()


def _main(visitor: Visitor) -> Form | None:
    return max(visitor.forms(), key=lambda form: len(form.entries), default=None)
