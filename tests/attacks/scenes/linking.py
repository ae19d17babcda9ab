"""The forms and pages between an old portal and an account."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime

from idp.context import Actor
from idp.delivery.preview import list_shown
from idp.management import accounts, link_notices, linking
from idp.management.apply import apply
from idp.management.legacy_proof import prove
from tests.attacks.live import Answer, target_of
from tests.attacks.scenes.stage import Filled, Stage, filled, page_of, shown
from tests.attacks.visitor import Visitor
from tests.builders import OPERATOR
from tests.installation import unit_of_work
from tests.legacy import OLD_PASSWORD, SLUG, import_rows, old_account


def _old_portal(stage: Stage) -> str:
    """Have an old portal, and return the user name of somebody it alone knows."""
    names = {"de": f"Servicewelt{stage.mark}", "en": f"Service world{stage.mark}"}
    family = {"slug": "sage-100", "country": "DE", "name": names, "home": "portal"}
    directory = {"slug": SLUG, "name": names, "product_families": ["sage-100"], "offer_at_sign_in": True}
    with unit_of_work(stage.live.services) as ctx:
        apply(
            ctx.acting(OPERATOR),
            {"product_family": [family], "legacy_directory": [directory]},
        )
    username = f"old-{secrets.token_hex(4)}{stage.mark.replace(' ', '')}"
    import_rows(stage.live.services, [old_account(username, email="old@alt.example")])
    return username


def _affiliation(stage: Stage) -> Filled:
    _old_portal(stage)
    visitor = stage.visitor("nora")
    visitor.get("/authorize", **stage.members.parameters())
    return filled(visitor, "/affiliation", family="sage-100")


def _before_both(stage: Stage) -> Visitor:
    form = _affiliation(stage)
    form.visitor.post(form.target, form.fields)
    return form.visitor


def _link(stage: Stage, password: str = OLD_PASSWORD) -> Filled:
    visitor = _before_both(stage)
    return filled(visitor, "/link?", legacy_username=_old_portal(stage), legacy_password=password)


def _ask(stage: Stage, number: str = "100200300") -> Filled:
    return filled(_before_both(stage), "/link/number", customer_number=number)


def _sent(form: Filled) -> Answer:
    return form.visitor.post(form.target, form.fields)


def _linked(stage: Stage) -> tuple[str, str]:
    """Link an old account to nora; returns the link's id and the address in the mail."""
    username = _old_portal(stage)
    with stage.live.services.database.session() as db:
        ctx = stage.live.services.context(db, now=datetime.now(UTC), actor=OPERATOR)
        account_id = accounts.find(ctx, "nora")
        db.commit()
        ctx = ctx.acting(Actor("account", account_id))
        linked = linking.link(ctx, prove(ctx, account_id, SLUG, username, OLD_PASSWORD))
        link_notices.tell_linked(ctx, account_id, linked)
        db.commit()
        mail = next(mail for mail in list_shown(ctx) if "/link/undo" in mail.link)
    return linked.link_id, target_of(mail.link)


def _release(stage: Stage) -> Filled:
    link_id, _ = _linked(stage)
    visitor = stage.visitor("nora")
    visitor.get("/account/linked")
    return filled(visitor, f"{link_id}/release")


def _undo(stage: Stage) -> Filled:
    visitor = stage.visitor()
    visitor.get("/login")
    visitor.get(_linked(stage)[1])
    return filled(visitor, "/link/undo")


def _offer(stage: Stage) -> Filled:
    username, visitor = _old_portal(stage), stage.visitor()
    stage.ask(visitor)
    visitor.sign_in(username, OLD_PASSWORD)
    return filled(visitor, "/old-account", choice="sign_in")


def _bring(stage: Stage) -> Filled:
    form = _offer(stage)
    _sent(form)
    form.visitor.sign_in("anna")
    return filled(form.visitor, "/old-account/")


FORMS: dict[str, Callable[[Stage], Filled]] = {
    "affiliation.submit": _affiliation,
    "link.submit": _link,
    "link.ask": _ask,
    "linked_accounts.release": _release,
    "linked_accounts.undo": _undo,
    "old_account.submit": _offer,
    "old_account.bring": _bring,
}

PAGES: dict[str, Callable[[Stage], Answer]] = {
    "affiliation": page_of(_affiliation),
    "link": page_of(_link),
    "link, wrong password": lambda stage: _sent(_link(stage, f"x{stage.mark}")),
    "link, no customer number": lambda stage: _sent(_ask(stage, f"x{stage.mark}")),
    "link, asked": lambda stage: _sent(_ask(stage)),
    "linked accounts": page_of(_release),
    "linked accounts, released": lambda stage: _sent(_release(stage)),
    "linked accounts, none": lambda stage: shown(stage, "anna", "/account/linked"),
    "link, undo": page_of(_undo),
    "link, undone": lambda stage: _sent(_undo(stage)),
    "old account": page_of(_offer),
    "old account, signed in": page_of(_bring),
}
