"""What becomes of a deleted account: a tombstone, and old accounts that are free again (req 38, 109)."""

from typing import Final

from sqlalchemy import ColumnElement, delete, select

from idp.accounts.legacy.models import LegacyLink
from idp.accounts.legacy.retention import forget_owned
from idp.accounts.models import DELETED, Identifier
from idp.audit.events import Event
from idp.audit.log import erase as erase_from_log
from idp.audit.log import record
from idp.authentication.models import Authenticator, Device, RecoveryPassword, Session
from idp.context import Context
from idp.db import Base
from idp.errors import Refusal
from idp.flows.models import Flow, OneTimeSecret
from idp.management import accounts, link_notices, linking
from idp.management.actors import require_operator
from idp.oidc.models import Authorization, Consent
from idp.organizations.models import ENDED, JoinRequest, Membership, MembershipPermission

#: what of an account's row says something about a person
_PERSONAL: Final = (
    *accounts.PROFILE,
    "username",
    "username_key",
    "password_hash",
    "password_changed_at",
    "home_organization_id",
    "product_family",
    "last_sign_in_at",
    "deletion_due_at",
    "restore_status",
)
#: rows that go with a person, with all that hangs on them; authorizations before the sessions they name
_OWNED: Final = (
    Authorization,
    Session,
    Device,
    Identifier,
    Authenticator,
    RecoveryPassword,
    Consent,
    Flow,
    JoinRequest,
)


def erase(ctx: Context, account_id: str) -> None:
    """Remove the personal data of a deleted account; a tombstone keeps its ``sub`` from ever coming back.

    Req 38, 109; the personal part of the audit log goes too, its chain still verifies.

    :raises Refusal: ``actor.not_allowed``, ``account.unknown``, ``account.status`` (status) before deletion.
    """
    require_operator(ctx)
    account = accounts.locked(ctx, account_id)
    if account.status != DELETED or account.erased_at is not None:
        raise Refusal("account.status", status=account.status)
    _free_old_accounts(ctx, account.id)
    for field in _PERSONAL:
        setattr(account, field, None)
    account.recovery_due = False
    account.erased_at = account.updated_at = ctx.now
    _erase_memberships(ctx, account.id)
    ctx.db.flush()
    for table in _OWNED:
        _delete(ctx, table, table.account_id == account.id)
    # undone links stay, ids and times: by them a block outlasts the account (linked_rights)
    _delete(ctx, LegacyLink, (LegacyLink.account_id == account.id) & LegacyLink.undone_at.is_(None))
    _delete(ctx, OneTimeSecret, OneTimeSecret.target == account.id)
    forget_owned(ctx, account.id)
    record(ctx, Event.ACCOUNT_ERASED, target=("account", account.id))
    ctx.db.flush()
    erase_from_log(ctx, account.id)


def _free_old_accounts(ctx: Context, account_id: str) -> None:
    """Undo the links that can still be undone: whose the old account is was promised that (decision 51)."""
    standing = select(LegacyLink.id).where(
        LegacyLink.account_id == account_id, LegacyLink.undone_at.is_(None), LegacyLink.undo_until > ctx.now
    )
    for link_id in ctx.db.scalars(standing.order_by(LegacyLink.id)).all():
        link_notices.tell_released(ctx, account_id, linking.undo(ctx, account_id, link_id))


def _erase_memberships(ctx: Context, account_id: str) -> None:
    """End what of an account's memberships has not ended; that there were any, the companies' logs tell."""
    mine = select(Membership).where(Membership.account_id == account_id).order_by(Membership.id)
    for membership in ctx.db.scalars(mine.with_for_update()).all():
        membership.restore_until = None
        _delete(ctx, MembershipPermission, MembershipPermission.membership_id == membership.id)
        if membership.status != ENDED:
            accounts.end_with_account(ctx, membership, "account erased")


def _delete(ctx: Context, table: type[Base], which: ColumnElement[bool]) -> None:
    ctx.db.execute(delete(table).where(which), execution_options={"synchronize_session": False})
