"""``idp account``: people, as operators see them (screens §4.2)."""

import sys
from dataclasses import asdict

import click

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
from idp.management import accounts
from idp.management import consents as management_consents
from idp.management.ending import Ended

_reason_option = click.option("--reason", help="A sentence for the audit log.")


@click.group()
def account() -> None:
    """People: create, password, block, unblock, tries, delete, list, show, consents.

    WHO is a user name, a verified e-mail address, or the id of an account.
    """


@account.command()
@click.argument("username")
@click.option("--email", "emails", multiple=True, help="An address that counts as verified; may be repeated.")
@click.option("--phone", "phones", multiple=True, help="A number like +49341000000; may be repeated.")
@click.option("--given-name")
@click.option("--family-name")
@click.option("--locale", help="Language of mails to this person, such as de.")
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input."
)
@click.option("--no-password", is_flag=True, help="The person cannot sign in until a password is set.")
@as_json_option
@pass_state
def create(
    state: State,
    *,
    username: str,
    emails: tuple[str, ...],
    phones: tuple[str, ...],
    given_name: str | None,
    family_name: str | None,
    locale: str | None,
    password_stdin: bool,
    no_password: bool,
    as_json: bool,
) -> None:
    """Create an account; its password is asked for, or read from standard input."""
    password = None if no_password else _read_password(from_stdin=password_stdin)
    names = {"given_name": given_name, "family_name": family_name, "locale": locale}
    profile = {claim: value for claim, value in names.items() if value is not None}
    full_name = " ".join(filter(None, (given_name, family_name)))
    if full_name:
        profile["name"] = full_name
    with state.operation() as ctx:
        created = accounts.create(
            ctx, username=username, password=password, emails=emails, phones=phones, profile=profile
        )
        facts = accounts.show(ctx, created)
    if as_json:
        write_json(asdict(facts))
    else:
        click.echo(f"Created account {facts.username} ({facts.id}).")


@account.command("set-password")
@click.argument("who")
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input."
)
@as_json_option
@pass_state
def set_password(state: State, who: str, *, password_stdin: bool, as_json: bool) -> None:
    """Give an account a new password; all its sessions and tokens end."""
    password = _read_password(from_stdin=password_stdin)
    with state.operation() as ctx:
        ended = accounts.set_password(ctx, accounts.find(ctx, who), password)
    write_done(f"The password is set. {ended_sentence(ended)}", as_json=as_json, ended=asdict(ended))


@account.command()
@click.argument("who")
@_reason_option
@as_json_option
@pass_state
def block(state: State, who: str, *, reason: str | None, as_json: bool) -> None:
    """Block an account at once, everywhere."""
    with state.operation() as ctx:
        ended = accounts.block(ctx, accounts.find(ctx, who), reason=reason)
    sentence = f"{who} is blocked. {ended_sentence(ended)}"
    write_done(sentence, as_json=as_json, status="blocked", ended=asdict(ended))


@account.command()
@click.argument("who")
@_reason_option
@as_json_option
@pass_state
def unblock(state: State, who: str, *, reason: str | None, as_json: bool) -> None:
    """Let a blocked account sign in again."""
    with state.operation() as ctx:
        accounts.unblock(ctx, accounts.find(ctx, who), reason=reason)
    write_done(f"{who} can sign in again.", as_json=as_json, status="active")


@account.command("clear-tries")
@click.argument("who")
@_reason_option
@as_json_option
@pass_state
def clear_tries(state: State, who: str, *, reason: str | None, as_json: bool) -> None:
    """Forget wrong passwords and codes: an account that was stopped by them may be tried again."""
    with state.operation() as ctx:
        account_id = accounts.find(ctx, who)
        accounts.clear_tries(ctx, account_id, reason=reason)
    write_done(f"Wrong passwords and codes of {who} are forgotten.", as_json=as_json, account=account_id)


@account.command()
@click.argument("who")
@_reason_option
@yes_option
@as_json_option
@pass_state
def delete(state: State, who: str, *, reason: str | None, yes: bool, as_json: bool) -> None:
    """Delete an account: access ends now."""
    confirm(f"Delete the account {who}?", yes=yes)
    with state.operation() as ctx:
        ended = accounts.delete(ctx, accounts.find(ctx, who), reason=reason)
    sentence = f"{who} is deleted. {ended_sentence(ended)}"
    write_done(sentence, as_json=as_json, status="deleted", ended=asdict(ended))


@account.command("list")
@click.option("--after", default="", help="Id of the last account of the page before.")
@click.option("--limit", type=click.IntRange(1, 100), default=100, show_default=True)
@as_json_option
@pass_state
def list_accounts(state: State, *, after: str, limit: int, as_json: bool) -> None:
    """List accounts in the order of their creation."""
    with state.operation() as ctx:
        found = accounts.list_all(ctx, after=after, limit=limit)
    if as_json:
        write_json([asdict(facts) for facts in found])
        return
    rows = [
        {
            "username": facts.username,
            "name": facts.name,
            "emails": facts.emails,
            "status": facts.status,
            "last_sign_in": facts.last_sign_in_at,
            "id": facts.id,
        }
        for facts in found
    ]
    write_table(rows, empty="No accounts.")


@account.command()
@click.argument("who")
@as_json_option
@pass_state
def show(state: State, who: str, *, as_json: bool) -> None:
    """Show one account."""
    with state.operation() as ctx:
        facts = accounts.show(ctx, accounts.find(ctx, who))
    if as_json:
        write_json(asdict(facts))
    else:
        write_fields(asdict(facts))


@account.command()
@click.argument("who")
@as_json_option
@pass_state
def consents(state: State, who: str, *, as_json: bool) -> None:
    """List what a person lets portals have, by consent."""
    with state.operation() as ctx:
        found = management_consents.list_all(ctx, accounts.find(ctx, who))
    rows = [asdict(facts) | {"companies": [company.name for company in facts.companies]} for facts in found]
    if as_json:
        write_json(rows)
    else:
        write_table(rows, empty=f"{who} lets no portal have anything.")


@account.command("withdraw-consent")
@click.argument("who")
@click.argument("client_id")
@as_json_option
@pass_state
def withdraw_consent(state: State, who: str, client_id: str, *, as_json: bool) -> None:
    """Take back what a person lets a portal have; all its tokens for this person end."""
    with state.operation() as ctx:
        ended = management_consents.withdraw(ctx, accounts.find(ctx, who), client_id)
    sentence = f"{client_id} may have nothing of {who} any more. {ended_sentence(ended)}"
    write_done(sentence, as_json=as_json, ended=asdict(ended))


def ended_sentence(ended: Ended) -> str:
    """Return what ended, in words."""
    return f"Ended with it: {ended.sessions} sessions and {ended.authorizations} authorizations."


def _read_password(*, from_stdin: bool) -> str:
    """Return a password that never stood in the command line, where other users could read it."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    if not sys.stdin.isatty():
        raise click.UsageError("no terminal to ask for a password: use --password-stdin")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password
