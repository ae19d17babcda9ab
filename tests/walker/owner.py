"""What the owner of the account does, by hand and in good faith, in whatever browser and order."""

from sqlalchemy import select

from idp.accounts.models import Identifier
from tests.walker.visitors import Visitor, flow_of
from tests.walker.world import World
from tests.web.pages.house import ESSENTIAL

LOST = "/password/recovery/factor"
WAYS_IN = ("portal", "two factors", "/login", "/account", "/account/recovery")


def register(world: World, visitor: Visitor, *, by: str) -> None:
    """Make the account by the mail's code, or by its link in another browser; a string is drawn and left."""
    password = world.choose_password(world.owner)
    begin_registration(world, visitor, password)
    mail = world.mail[-1]
    assert (mail.kind, mail.to) == ("VerifyAddress", world.email), (mail, visitor.text)
    if by == "code":
        form = visitor.form("code")
        assert form is not None, visitor.text
        visitor.fill_in(form, code=mail.code, recovery_offer="y")
    else:
        other = world.visitor(world.owner)
        other.get(mail.link)
        form = other.form("password")
        assert form is not None, other.text
        other.fill_in(form, password=password, recovery_offer="y")
    with world.house.services.database.session() as db:
        # the one that was proven last
        asked = select(Identifier.account_id).where(Identifier.verified_at.is_not(None))
        newest = db.scalars(asked.order_by(Identifier.created_at.desc(), Identifier.id.desc())).first()
    world.own(str(newest), password)


def begin_registration(world: World, visitor: Visitor, password: str) -> None:
    """Fill in R-01 with the owner's address."""
    visitor.get("/register")
    form = visitor.form("email", "given_name")
    assert form is not None, visitor.text
    names = {"given_name": "Vera", "family_name": world.name.removeprefix("Vera ")}
    visitor.fill_in(form, email=world.email, password=password, confirm_password=password, **names)


def come(visitor: Visitor, way: str) -> None:
    """Open a page that asks who it is."""
    if way == "portal":
        visitor.ask()
    elif way == "two factors":
        visitor.ask(claims=ESSENTIAL)
    else:
        visitor.get(way)


def sign_in(
    world: World, visitor: Visitor, *, remember: bool = False, half: bool = False, again: bool = False
) -> None:
    """Give whatever the page asks for: password, code, both.

    :param again: as :func:`give_code`.
    :param half: stop before the code.
    """
    for _ in range(3):
        password = world.owner.passwords[-1]
        form = visitor.form("username", "password")
        if form is not None:
            visitor.fill_in(form, username=world.email, password=password)
            continue
        if _asks_code(visitor):
            if half:
                return
            give_code(world, visitor, remember=remember, again=again)
            continue
        form = visitor.form("password") if visitor.address.startswith("/account/confirm") else None
        if form is None:
            return
        visitor.fill_in(form, password=password)


def _asks_code(visitor: Visitor) -> bool:
    return visitor.address.startswith(("/login/totp", "/account/confirm")) and bool(visitor.form("code"))


def give_code(world: World, visitor: Visitor, *, remember: bool = False, again: bool = False) -> None:
    """Give the code that the app shows.

    :param again: first the one that was given last, where there is one.
    """
    ticked = {"remember_device": "y"} if remember else {}
    tries = [world.last_code] if again and world.last_code else []
    for old in (*tries, ""):
        form = visitor.form("code")
        if form is None or not _asks_code(visitor):
            return
        code = old or world.code()
        visitor.fill_in(form, code=code, **ticked)
        world.last_code = code


def sign_out(world: World, visitor: Visitor) -> None:
    """Sign out where somebody is signed in."""
    visitor.get("/logout")
    form = visitor.form("choice")
    if form is not None:
        visitor.fill_in(form, choice="logout")
        world.achieved["owner: signed out"] += 1


def ask_for_link(world: World, visitor: Visitor, *, second_address: bool) -> None:
    """Ask for a mail with a link."""
    visitor.get("/password/forgot")
    form = visitor.form("email")
    if form is not None:
        visitor.fill_in(form, email=f"second.{world.email}" if second_address else world.email)


def use_link(world: World, visitor: Visitor, link: str, *, half: bool) -> None:
    """Choose a new password with a link of a mail."""
    visitor.get(link)
    form = visitor.form("new_password", "confirm_password")
    if form is None:
        return
    fresh = world.choose_password(world.owner)
    visitor.fill_in(form, new_password=fresh, confirm_password=fresh)
    if not half:
        give_code(world, visitor)


def set_recovery(world: World, visitor: Visitor, *, half: bool) -> None:
    """Draw a recovery password and save it.

    :param half: only draw it.
    """
    visitor.get("/account/recovery")
    sign_in(world, visitor)
    draw = next((form for form in visitor.forms() if form.action == "/account/recovery"), None)
    if draw is None:
        return
    visitor.fill_in(draw)
    form = visitor.form("saved")
    if form is not None and not half:
        visitor.fill_in(form, saved="y", password=world.owner.passwords[-1])


def lose_app(world: World, visitor: Visitor) -> None:
    """Do without the app where a reset asks for it: have a code mailed and give it."""
    if not visitor.address.startswith("/login/totp") or LOST not in visitor.text:
        return
    visitor.get(f"{LOST}?flow={flow_of(visitor.address)}")
    for _ in range(2):  # the page that sends a code, and the one that asks for it
        form = next((form for form in visitor.forms() if form.action.startswith(LOST)), None)
        if form is None:
            return
        visitor.fill_in(form, code=world.mail[-1].code)


def use_recovery(world: World, visitor: Visitor, text: str, *, half: bool, lost: bool = False) -> None:
    """Choose a new password with a recovery password.

    :param lost: the app is gone.
    """
    visitor.get("/password/recovery")
    form = visitor.form("recovery_password")
    assert form is not None, visitor.text
    fresh = world.choose_password(world.owner)
    visitor.fill_in(
        form,
        username=world.email,
        new_password=fresh,
        confirm_password=fresh,
        recovery_password=text,
    )
    if lost:
        lose_app(world, visitor)
    if not half:
        give_code(world, visitor)
