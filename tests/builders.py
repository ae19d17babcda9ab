"""What tests are made of: people, companies, clients and what was issued, as the product makes them."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from idp.accounts.models import Account
from idp.authentication import sessions
from idp.context import Actor, Context
from idp.db import new_id
from idp.installation import Installation
from idp.management import accounts, clients, memberships, organizations, permissions
from idp.oidc.authorization import session_identifier
from idp.oidc.clients import load_clients
from idp.oidc.models import Authorization
from idp.organizations.memberships import MembershipFacts, find

OPERATOR = Actor(kind="operator", id="tests")
PASSWORD = "Sieben Möwen am Kai"

MEMBERSHIP = MembershipFacts(
    id="m1",
    account_id="a1",
    status="active",
    epoch=1,
    version=1,
    role="member",
    organization_id="o1",
    organization_name="Muster GmbH",
    customer_number="100200300",
    organization_status="active",
    organization_version=1,
)


def membership(**facts: Any) -> MembershipFacts:
    """Return facts of a membership that was never stored."""
    return replace(MEMBERSHIP, **facts)


def make_account(ctx: Context, username: str = "ben", **facts: Any) -> str:
    """Return the id of a new account."""
    return accounts.create(ctx.acting(OPERATOR), username=username, **facts)


def make_organization(ctx: Context, number: str = "100200300", name: str = "Muster GmbH") -> str:
    """Return the id of a new organisation."""
    return organizations.create(ctx.acting(OPERATOR), name=name, customer_number=number)


def make_membership(ctx: Context, organization_id: str, account_id: str, **facts: Any) -> str:
    """Return the id of a new membership."""
    return memberships.add(
        ctx.acting(OPERATOR), organization_id=organization_id, account_id=account_id, **facts
    )


def make_client(ctx: Context, client_id: str = "portal", **fields: Any) -> str:
    """Return the table key of a new client, a portal unless *fields* says otherwise."""
    registration = {"client_id": client_id, "redirect_uris": ["https://portal.example/callback"], **fields}
    clients.create(ctx.acting(OPERATOR), registration)
    return load_clients(ctx.db)[client_id].row_id


def make_catalogue(
    ctx: Context, client_id: str = "portal", keys: Collection[str] = ("orders", "shop")
) -> None:
    """Write a catalogue of these keys, in this order."""
    permissions.define(ctx.acting(OPERATOR), client_id, [make_entry(key) for key in keys])


def make_entry(key: str) -> permissions.Entry:
    """Return an entry of a catalogue."""
    return permissions.Entry(key, f"{key} de", f"{key} en", "Tut etwas", "Does something")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session with one authorization in it."""

    session: str
    cookie: str
    authorization: str


def sign_in(
    ctx: Context, account_id: str, client_id: str = "portal", membership_id: str | None = None
) -> SignedIn:
    """Sign an account in at a client, for a membership where one is named."""
    account = ctx.db.get_one(Account, account_id, populate_existing=True)
    live, cookie, _ = sessions.start(ctx, account, methods=[("pwd", None)])
    sessions.choose_membership(ctx, live.session.id, membership_id)
    client = load_clients(ctx.db)[client_id]
    member = find(ctx, membership_id) if membership_id else None
    authorization = Authorization(
        id=new_id(),
        account_id=account.id,
        account_epoch=account.epoch,
        installation_epoch=ctx.db.get_one(Installation, 1).epoch,
        client_id=client.row_id,
        session_id=live.session.id,
        sid=session_identifier(ctx, live.session.id, client),
        membership_id=membership_id,
        membership_epoch=member.epoch if member else None,
        scope="openid",
        acr="urn:lotse:acr:aal1",
        amr="pwd",
        auth_time=int(ctx.now.timestamp()),
        redirect_uri="https://portal.example/callback",
        created_at=ctx.now,
        expires_at=live.session.expires_at,
    )
    ctx.db.add(authorization)
    ctx.db.flush()
    return SignedIn(live.session.id, cookie, authorization.id)
