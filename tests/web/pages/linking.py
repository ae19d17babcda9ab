"""What people do in tests who link an old account: come to the page, fill in a card, read the mails."""

import re
from typing import Any

from sqlalchemy import select

from idp.accounts.legacy.models import LegacyLink
from idp.delivery.preview import Shown, list_shown
from idp.management.apply import apply
from idp.oidc.models import Client
from tests.builders import OPERATOR, make_organization
from tests.legacy import OLD_PASSWORD, import_rows, make_directory, old_account
from tests.web.pages.house import Browser, House, Person

FAMILIES = [
    {"slug": "sage-100", "country": "DE", "name": {"de": "Sage 100", "en": "Sage 100"}, "home": "portal"},
    {"slug": "sage-b7", "country": "DE", "name": {"de": "Sage b7", "en": "Sage b7"}},
    {"slug": "sage-dpw", "country": "AT", "name": {"de": "Sage DPW", "en": "Sage DPW"}},
]


def prepare_linking(house: House) -> House:
    """Make a portal for members of companies, families of two countries, an old portal of one of them."""
    with house.work() as ctx:
        ctx.db.scalars(select(Client)).one().require_membership = True
        apply(ctx.acting(OPERATOR), {"product_family": FAMILIES})
        make_directory(ctx, product_families=["sage-100"], offer_at_sign_in=True)
        make_organization(ctx)
    import_rows(
        house.services,
        [old_account(customer_number="100200300", email="sabine@alt.example", security_question="Hund?")],
    )
    house.forget_snapshot()
    return house


def mails(house: House) -> list[Shown]:
    """Return the mails about links, the newest first."""
    with house.work() as ctx:
        return [mail for mail in list_shown(ctx) if "erknüpf" in mail.subject]


def arrive(browser: Browser, person: Person) -> None:
    """Come from the portal and sign in."""
    browser.ask()
    browser.sign_in(person)


def at_link(browser: Browser, person: Person, family: str = "sage-100") -> None:
    """Stand before both cards."""
    arrive(browser, person)
    browser.send(family=family)


def bring(browser: Browser, password: str = OLD_PASSWORD, name: str = "smueller", **how: Any) -> None:
    """Fill in the second card."""
    browser.send(
        form=form_with(browser, "legacy_password"), legacy_username=name, legacy_password=password, **how
    )


def form_with(browser: Browser, field: str) -> int:
    """Return the number of the form that has a field."""
    bodies = re.findall(r"<form[^>]*>(.*?)</form>", browser.text, re.DOTALL)
    return next(number for number, body in enumerate(bodies) if f'name="{field}"' in body)


def links(house: House) -> list[LegacyLink]:
    """Return all links there are."""
    with house.work() as ctx:
        return list(ctx.db.scalars(select(LegacyLink)))
