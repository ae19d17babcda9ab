"""The ways to the pages of the recovery password."""

from sqlalchemy import update

from idp.accounts.models import Account
from idp.authentication import recovery_password
from idp.management import accounts
from tests.browser.house import Somebody, Visitor, Visits
from tests.browser.scenes.book import scene
from tests.browser.scenes.registration import register_code

CHOSEN = "Möwen über dem Hafen 7"


def give(visits: Visits, person: Somebody) -> str:
    """Give somebody a recovery password."""
    text = recovery_password.draw()
    with visits.house.operator() as ctx:
        recovery_password.replace(ctx, accounts.find(ctx, person.username), text)
    return text


def reset(visits: Visits, visitor: Visitor, person: Somebody, text: str) -> None:
    """Fill in P-04, come to through P-01."""
    visitor.come_from(visits.house.customer)
    for words in ("/password/forgot", "/password/recovery"):
        with visitor.page.expect_navigation():
            visitor.page.locator(f"a[href^='{words}']").click()
    typed = {"username": person.username, "new_password": CHOSEN, "confirm_password": CHOSEN}
    for name, value in (typed | {"recovery_password": text}).items():
        visitor.page.locator(f"input[name={name}]").fill(value)


@scene
def recovery_reset_empty(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.page.goto(f"{visits.house.issuer}/password/recovery")
    return visitor


@scene
def recovery_reset_filled(visits: Visits, visitor: Visitor) -> Visitor:
    reset(visits, visitor, visits.house.regular(), recovery_password.draw())
    return visitor


@scene
def recovery_reset_wrong(visits: Visits, visitor: Visitor) -> Visitor:
    reset(visits, visitor, visits.house.newcomer(), recovery_password.draw())
    visitor.press()
    return visitor


@scene
def recovery_reset_done(visits: Visits, visitor: Visitor) -> Visitor:
    person = visits.house.newcomer()
    reset(visits, visitor, person, give(visits, person))
    visitor.press()
    return visitor


def lose_app(visits: Visits, visitor: Visitor) -> Somebody:
    """Come to the page that offers a code instead of the app."""
    person = visits.house.newcomer(apps=("Handy",))
    reset(visits, visitor, person, give(visits, person))
    visitor.press()
    with visitor.page.expect_navigation():
        visitor.page.locator("a[href^='/password/recovery/factor']").click()
    return person


@scene
def recovery_reset_totp(visits: Visits, visitor: Visitor) -> Visitor:
    person = visits.house.newcomer(apps=("Handy",))
    reset(visits, visitor, person, give(visits, person))
    visitor.press()
    return visitor


@scene
def lost_factor(visits: Visits, visitor: Visitor) -> Visitor:
    lose_app(visits, visitor)
    return visitor


@scene
def lost_factor_code(visits: Visits, visitor: Visitor) -> Visitor:
    lose_app(visits, visitor)
    visitor.press()
    return visitor


@scene
def lost_factor_code_wrong(visits: Visits, visitor: Visitor) -> Visitor:
    lost_factor_code(visits, visitor)
    visitor.fill_code("12345")
    return visitor


@scene
def lost_factor_done(visits: Visits, visitor: Visitor) -> Visitor:
    person = lose_app(visits, visitor)
    visitor.press()
    visitor.fill_code(visits.house.newest_mail(person.email).code)
    return visitor


@scene
def own_recovery(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.page.goto(f"{visits.house.issuer}/account/recovery")
    visitor.fill(visits.house.newcomer())
    return visitor


@scene
def own_recovery_drawn(visits: Visits, visitor: Visitor) -> Visitor:
    own_recovery(visits, visitor)
    visitor.press()
    return visitor


@scene
def own_recovery_mistakes(visits: Visits, visitor: Visitor) -> Visitor:
    own_recovery_drawn(visits, visitor)
    visitor.press()
    return visitor


@scene
def own_recovery_saved(visits: Visits, visitor: Visitor) -> Visitor:
    own_recovery(visits, visitor)
    visitor.press()
    visitor.page.locator("input[name=saved]").check()
    visitor.page.locator("input[name=password]").fill("Leise rieselt der Sand 8")
    visitor.press()
    return visitor


@scene
def recovery_wanted(visits: Visits, visitor: Visitor) -> Visitor:
    register_code(visits, visitor)
    visitor.page.locator("input[name=recovery_offer]").check()
    address = visitor.page.locator("strong.address").inner_text()
    visitor.fill_code(visits.house.newest_mail(address).code)
    return visitor


@scene
def recovery_due(visits: Visits, visitor: Visitor) -> Visitor:
    person = visits.house.newcomer()
    with visits.house.operator() as ctx:
        ctx.db.execute(update(Account).where(Account.username == person.username).values(recovery_due=True))
    visitor.come_from(visits.house.customer)
    visitor.fill(person)
    return visitor
