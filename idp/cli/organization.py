"""``idp organization``: companies, their members, and what they may do (screens §4.2).

NUMBER is a customer number or the id of an organisation, WHO a user name, address or id of an account.
"""

from dataclasses import asdict

import click

from idp.cli.account import ended_sentence
from idp.cli.output import (
    as_json_option,
    confirm,
    write_done,
    write_fields,
    write_json,
    write_table,
    yes_option,
)
from idp.cli.state import State, pass_state
from idp.context import Context
from idp.errors import Refusal
from idp.management import accounts, joining, memberships, organizations, permissions

_address_option = click.option(
    "--address",
    metavar="LINE",
    multiple=True,
    help="A line under the name on letters; several in their order.",
)
_reason_option = click.option("--reason", help="A sentence for the audit log.")


@click.group()
def organization() -> None:
    """Companies, their members and permissions.

    NUMBER is a customer number or an id; WHO is a user name, a verified e-mail address or an id.
    """


@organization.command()
@click.argument("name")
@click.argument("number")
@click.option(
    "--join",
    "join_policy",
    type=click.Choice(organizations.JOIN_POLICIES),
    help="How people become members, unless as organizations.join says.",
)
@click.option(
    "--require-second-factor",
    is_flag=True,
    help="Its members must use a second factor; no page sets one up yet.",
)
@_address_option
@as_json_option
@pass_state
def create(
    state: State,
    name: str,
    number: str,
    *,
    join_policy: str | None,
    require_second_factor: bool,
    address: tuple[str, ...],
    as_json: bool,
) -> None:
    """Create an organisation with a customer number."""
    with state.operation() as ctx:
        organizations.create(
            ctx,
            name=name,
            customer_number=number,
            join_policy=join_policy,
            require_second_factor=require_second_factor,
            address=address,
        )
        facts = organizations.find(ctx, number)
        warn_of_number(ctx, number)
    if as_json:
        write_json(asdict(facts))
    else:
        click.echo(f"Created organisation {facts.name}, customer number {facts.customer_number}.")


@organization.command()
@click.argument("number")
@click.option("--name", help="What it is called from now on.")
@click.option(
    "--join",
    "join_policy",
    type=click.Choice(organizations.JOIN_POLICIES),
    help="How people become members from now on.",
)
@click.option(
    "--require-second-factor/--no-require-second-factor",
    default=None,
    help="Whether members must use one; no page sets one up yet.",
)
@_address_option
@as_json_option
@pass_state
def update(
    state: State,
    number: str,
    *,
    name: str | None,
    join_policy: str | None,
    require_second_factor: bool | None,
    address: tuple[str, ...],
    as_json: bool,
) -> None:
    """Change what is named, and leave the rest as it is."""
    with state.operation() as ctx:
        changed = organizations.change(
            ctx,
            organizations.find(ctx, number).id,
            name=name,
            join_policy=join_policy,
            require_second_factor=require_second_factor,
            address=address or None,
        )
    write_done(f"Changed: {', '.join(changed) or 'nothing'}.", as_json=as_json, changed=changed)


@organization.command("list")
@click.option("--after", default="", help="Id of the last organisation of the page before.")
@click.option("--limit", type=click.IntRange(1, 100), default=100, show_default=True)
@as_json_option
@pass_state
def list_organizations(state: State, *, after: str, limit: int, as_json: bool) -> None:
    """List organisations in the order of their creation."""
    with state.operation() as ctx:
        found = [asdict(facts) for facts in organizations.list_all(ctx, after=after, limit=limit)]
    if as_json:
        write_json(found)
    else:
        write_table(found, empty="No organisations.")


@organization.command()
@click.argument("number")
@as_json_option
@pass_state
def show(state: State, number: str, *, as_json: bool) -> None:
    """Show one organisation and its members."""
    with state.operation() as ctx:
        facts = asdict(organizations.find(ctx, number))
        members = [
            {
                "username": accounts.show(ctx, member.account_id).username,
                "role": member.role,
                "status": member.status,
                "account_id": member.account_id,
            }
            for member in memberships.list_all(ctx, str(facts["id"]))
        ]
    if as_json:
        write_json({**facts, "members": members})
    else:
        write_fields(facts)
        click.echo()
        write_table(members, empty="No members.")


@organization.command()
@click.argument("number")
@_reason_option
@yes_option
@as_json_option
@pass_state
def suspend(state: State, number: str, *, reason: str | None, yes: bool, as_json: bool) -> None:
    """Suspend an organisation: nobody acts for it any more, what was issued ends."""
    confirm(f"Suspend the organisation {number}?", yes=yes)
    with state.operation() as ctx:
        ended = organizations.suspend(ctx, organizations.find(ctx, number).id, reason=reason)
    write_done(
        f"{number} is suspended. {ended_sentence(ended)}",
        as_json=as_json,
        status="suspended",
        ended=asdict(ended),
    )


@organization.command()
@click.argument("number")
@_reason_option
@as_json_option
@pass_state
def resume(state: State, number: str, *, reason: str | None, as_json: bool) -> None:
    """Let the members of a suspended organisation act for it again."""
    with state.operation() as ctx:
        organizations.resume(ctx, organizations.find(ctx, number).id, reason=reason)
    write_done(f"{number} is active again.", as_json=as_json, status="active")


@organization.command("add-member")
@click.argument("number")
@click.argument("who")
@click.option("--role", default="member", show_default=True, help="A role, such as member or administrator.")
@click.option(
    "--status",
    type=click.Choice(["active", "pending", "invited"]),
    default="active",
    show_default=True,
    help="The first status.",
)
@as_json_option
@pass_state
def add_member(state: State, number: str, who: str, *, role: str, status: str, as_json: bool) -> None:
    """Make an account a member."""
    with state.operation() as ctx:
        memberships.add(
            ctx,
            organization_id=organizations.find(ctx, number).id,
            account_id=accounts.find(ctx, who),
            role=role,
            status=status,
        )
    write_done(f"{who} is a member of {number}: {role}, {status}.", as_json=as_json, role=role, status=status)


@organization.command("activate-member")
@click.argument("number")
@click.argument("who")
@as_json_option
@pass_state
def activate_member(state: State, number: str, who: str, *, as_json: bool) -> None:
    """Approve a membership that waits."""
    with state.operation() as ctx:
        memberships.activate(ctx, *membership_of(ctx, number, who))
    write_done(f"{who} is active in {number}.", as_json=as_json, status="active")


@organization.command("block-member")
@click.argument("number")
@click.argument("who")
@_reason_option
@as_json_option
@pass_state
def block_member(state: State, number: str, who: str, *, reason: str | None, as_json: bool) -> None:
    """Block a person in one organisation, at once."""
    with state.operation() as ctx:
        ended = memberships.block(ctx, *membership_of(ctx, number, who), reason=reason)
    write_done(
        f"{who} is blocked in {number}. {ended_sentence(ended)}",
        as_json=as_json,
        status="blocked",
        ended=asdict(ended),
    )


@organization.command("unblock-member")
@click.argument("number")
@click.argument("who")
@_reason_option
@as_json_option
@pass_state
def unblock_member(state: State, number: str, who: str, *, reason: str | None, as_json: bool) -> None:
    """Lift a block; what ended stays ended."""
    with state.operation() as ctx:
        memberships.unblock(ctx, *membership_of(ctx, number, who), reason=reason)
    write_done(f"{who} is active in {number} again.", as_json=as_json, status="active")


@organization.command("end-member")
@click.argument("number")
@click.argument("who")
@_reason_option
@yes_option
@as_json_option
@pass_state
def end_member(state: State, number: str, who: str, *, reason: str | None, yes: bool, as_json: bool) -> None:
    """End a membership."""
    confirm(f"End the membership of {who} in {number}?", yes=yes)
    with state.operation() as ctx:
        ended = memberships.end(ctx, *membership_of(ctx, number, who), reason=reason)
    write_done(
        f"{who} is no member of {number} any more. {ended_sentence(ended)}",
        as_json=as_json,
        status="ended",
        ended=asdict(ended),
    )


@organization.command()
@click.argument("number")
@click.argument("client")
@click.argument("keys", nargs=-1, required=True)
@click.option("--member", metavar="WHO", help="Give them to this member instead of the organisation.")
@as_json_option
@pass_state
def grant(
    state: State, number: str, client: str, keys: tuple[str, ...], *, member: str | None, as_json: bool
) -> None:
    """Grant permissions of a client's catalogue; "*" means all of them."""
    with state.operation() as ctx:
        if member is None:
            found = organizations.find(ctx, number)
            changed = permissions.grant_to_organization(ctx, found.id, client, keys)
        else:
            changed = permissions.grant_to_member(ctx, *membership_of(ctx, number, member), client, keys)
    write_done(f"Granted: {', '.join(changed) or 'nothing new'}.", as_json=as_json, granted=changed)


@organization.command()
@click.argument("number")
@click.argument("client")
@click.argument("keys", nargs=-1, required=True)
@click.option("--member", metavar="WHO", help="Take them from this member instead of the organisation.")
@as_json_option
@pass_state
def withdraw(
    state: State, number: str, client: str, keys: tuple[str, ...], *, member: str | None, as_json: bool
) -> None:
    """Withdraw permissions of a client's catalogue; "*" means all of them."""
    with state.operation() as ctx:
        if member is None:
            found = organizations.find(ctx, number)
            changed = permissions.withdraw_from_organization(ctx, found.id, client, keys)
        else:
            changed = permissions.withdraw_from_member(ctx, *membership_of(ctx, number, member), client, keys)
    write_done(f"Withdrawn: {', '.join(changed) or 'nothing'}.", as_json=as_json, withdrawn=changed)


def warn_of_number(ctx: Context, number: str) -> None:
    """Say where people will not find a company by its number: they can still be added to it."""
    if not joining.can_be_typed(ctx, number):
        click.echo(
            f"Nobody can type {number} to join: organizations.number_digits is "
            f"{ctx.settings.organizations.number_digits or 0}.",
            err=True,
        )


def membership_of(ctx: Context, number: str, who: str) -> tuple[str, str]:
    """Return the ids of the organisation and of a person's membership in it; raises Refusal."""
    organization_id = organizations.find(ctx, number).id
    account_id = accounts.find(ctx, who)
    for member in memberships.list_all(ctx, organization_id):
        if member.account_id == account_id:
            return organization_id, member.id
    raise Refusal("membership.unknown")
