"""Telling both sides of a link, and undoing it by the link of that mail (req 55, 68, 89, 90; C5).

Whoever had the old account may not be who linked it.  So the mail to its address can undo the link without a
sign-in, as long as a link can be undone at all; opening it changes nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from idp.accounts.legacy.models import LegacyAccount, LegacyDirectory, LegacyLink
from idp.accounts.models import Account
from idp.context import Context
from idp.delivery import mails
from idp.errors import Refusal
from idp.flows import one_time_secrets
from idp.management import linking
from idp.management.linking import Linked, Notices, Undone
from idp.texts import supported

UNDO: Final = "link_undo"
"""Purpose of the secret in the mail."""


@dataclass(frozen=True, slots=True)
class MailedLink:
    """What the page of a mail's link says: nothing of whose accounts they are."""

    directory_de: str
    directory_en: str
    linked_at: datetime


def tell_linked(ctx: Context, account_id: str, linked: Linked) -> None:
    """Tell every proven address of the person, and the old account's own; each gets a link of its own."""
    notices, locale = linked.notices, _locale(ctx, account_id)
    for to in _addresses(notices):
        token = one_time_secrets.create(
            ctx, UNDO, target=linked.link_id, lifetime=linked.undo_until - ctx.now
        )
        mail = mails.OldAccountLinked(
            directory=_name(notices, locale), link=f"{ctx.settings.issuer}/link/undo?token={token}"
        )
        mails.post(ctx, mail, to=to, locale=locale, expires_at=linked.undo_until)


def tell_released(ctx: Context, account_id: str, undone: Undone) -> None:
    """Tell the same addresses that the link was undone."""
    notices, locale = undone.notices, _locale(ctx, account_id)
    for to in _addresses(notices):
        mail = mails.OldAccountReleased(directory=_name(notices, locale))
        mails.post(ctx, mail, to=to, locale=locale)


def of_mail(ctx: Context, token: str) -> MailedLink:
    """Return what the link of a mail would undo; nothing is used up (req 68).

    :raises Refusal: ``token.expired``, ``token.used``; ``link.undone``.
    """
    secret = one_time_secrets.find(ctx, UNDO, token)
    if secret is None:
        raise Refusal("token.expired")
    if secret.used_at is not None:
        raise Refusal("token.used")
    row = ctx.db.get(LegacyLink, secret.target)
    if row is None:
        raise Refusal("token.expired")
    if row.undone_at is not None:
        raise Refusal("link.undone")
    old = ctx.db.get_one(LegacyAccount, row.legacy_account_id)
    directory = ctx.db.get_one(LegacyDirectory, old.directory_id)
    return MailedLink(directory.name_de, directory.name_en, row.created_at)


def undo_by_mail(ctx: Context, token: str) -> None:
    """Use the link of a mail up and undo what it stands for; the log names nobody: two addresses got it.

    :raises Refusal: as :func:`of_mail` and ``linking.undo``.
    """
    of_mail(ctx, token)
    secret = one_time_secrets.consume(ctx, UNDO, token)
    if secret is None:  # two at once
        raise Refusal("token.used")
    account_id = ctx.db.get_one(LegacyLink, secret.target).account_id
    undone = linking.release(ctx, account_id, secret.target, reason="link of a mail")
    tell_released(ctx, account_id, undone)


def _addresses(notices: Notices) -> list[str]:
    return [*notices.own_addresses, *([notices.old_address] if notices.old_address else [])]


def _locale(ctx: Context, account_id: str) -> str:
    locale = ctx.db.get_one(Account, account_id).locale
    return supported(locale or "") or ctx.settings.product.default_locale


def _name(notices: Notices, locale: str) -> str:
    return notices.directory_de if locale == "de" else notices.directory_en
