"""``idp client``: portals and services that rely on this provider (RFC 7591 §2 names the metadata)."""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from idp.cli.account import ended_sentence
from idp.cli.failures import Refused
from idp.cli.output import (
    as_json_option,
    cell,
    confirm,
    write_done,
    write_fields,
    write_json,
    write_table,
    yes_option,
)
from idp.cli.state import State, pass_state
from idp.management import clients
from idp.management.ending import Ended
from idp.oidc.client_fields import GRANT_TYPES, KINDS, TOKEN_FORMATS
from idp.oidc.metadata_reader import InvalidMetadata
from idp.oidc.signing import ALGORITHMS

_reason_option = click.option("--reason", help="A sentence for the audit log.")
SEEN_SECONDS = 1.5
"""After which time running servers have seen a change; they promise a second (design §2, Freshness)."""
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


@click.group()
def client() -> None:
    """Portals and services that rely on this provider."""


@client.command()
@click.argument("name")
@click.option("--id", "client_id", help="The client_id; default: NAME in small letters with hyphens.")
@click.option("--name", "client_name", help="What people read; default: NAME.")
@click.option("--kind", type=click.Choice(KINDS), default="web", show_default=True)
@click.option("--redirect", "redirect_uris", multiple=True, metavar="URI", help="May be repeated.")
@click.option(
    "--logout-redirect", "post_logout_redirect_uris", multiple=True, metavar="URI", help="May be repeated."
)
@click.option(
    "--auth-method",
    "token_endpoint_auth_method",
    type=click.Choice(["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]),
    help="How it authenticates; default: what fits its kind.",
)
@click.option("--no-require-pkce", is_flag=True, help="For certification only: accept requests without PKCE.")
@click.option(
    "--id-token-alg",
    "id_token_signed_response_alg",
    type=click.Choice(ALGORITHMS),
    help="Algorithm of its ID tokens; default: ES256.",
)
@click.option(
    "--userinfo-alg",
    "userinfo_signed_response_alg",
    type=click.Choice(ALGORITHMS),
    help="Sign what userinfo tells it; default: plain JSON.",
)
@click.option(
    "--first-party", is_flag=True, help="It belongs to the operator: people are not asked for consent."
)
@click.option(
    "--grant",
    "grant_types",
    type=click.Choice(GRANT_TYPES),
    multiple=True,
    help="Default: what fits its kind.",
)
@click.option("--scope", help='Scopes it may ask for, such as "openid profile".')
@click.option(
    "--audience",
    "audiences",
    multiple=True,
    metavar="CLIENT",
    help="Resource server its access tokens are for.",
)
@click.option("--require-membership", is_flag=True, help="Only members of an organisation may use it.")
@click.option("--resource", "resource_uri", metavar="URI", help="As an API: portals ask for its tokens so.")
@click.option(
    "--access-token",
    "access_token_format",
    type=click.Choice(TOKEN_FORMATS),
    help="What its access tokens are; default: jwt.",
)
@click.option(
    "--strict-revocation",
    is_flag=True,
    help="Keep a record of each token it gets for itself, so that all end with it.",
)
@click.option("--backchannel-logout", "backchannel_logout_uri", metavar="URI", help="Where logout tokens go.")
@click.option(
    "--frontchannel-logout",
    "frontchannel_logout_uri",
    metavar="URI",
    help="Page that is framed when people sign out.",
)
@click.option(
    "--allowed-origin",
    "allowed_origins",
    multiple=True,
    metavar="ORIGIN",
    help="Origin whose scripts may read answers; default for a spa: those of its redirect URIs.",
)
@click.option("--home", "home_uri", metavar="URI", help="Where a person is led back to.")
@click.option(
    "--jwks",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Its public keys, a JWK set.",
)
@click.option("--jwks-uri", metavar="URI", help="Where it publishes them.")
@click.option(
    "--require-par",
    "require_pushed_authorization_requests",
    is_flag=True,
    help="Only requests it pushed itself are taken (RFC 9126).",
)
@click.option(
    "--pairwise",
    "subject_type",
    flag_value="pairwise",
    help="It knows people by a sub that no client of another host knows (OIDC Core §8).",
)
@click.option(
    "--sector",
    "sector_identifier_uri",
    metavar="URI",
    help="JSON array of all redirect URIs, for pairwise clients of several hosts.",
)
@click.option(
    "--dpop",
    "dpop_bound_access_tokens",
    is_flag=True,
    help="It gets only tokens that are bound to a key of its own (RFC 9449).",
)
@click.option("--initiate-login", "initiate_login_uri", metavar="URI", help="Where a sign-in can be started.")
@click.option("--logo", "logo_uri", metavar="URI", help="An image shown where people sign in and consent.")
@click.option("--policy", "policy_uri", metavar="URI", help="What it says about privacy; linked there.")
@click.option("--terms", "tos_uri", metavar="URI", help="Its terms of use; linked there.")
@as_json_option
@pass_state
def create(state: State, /, *, as_json: bool, name: str, **flags: Any) -> None:
    """Register a client; its secret is shown this once and stored as a hash.

    A client with private_key_jwt has no secret: it signs, and --jwks or --jwks-uri says with which keys.
    """
    registration = registration_of(name, flags)
    with state.operation() as ctx:
        try:
            made = clients.create(ctx, registration)
        except InvalidMetadata as error:
            listed = "".join(f"\n  {problem}" for problem in error.problems)
            raise Refused(f"the client cannot be registered:{listed}") from error
        facts = clients.show(ctx, made.client_id)
    if as_json:
        write_json({"client_id": made.client_id, "client_secret": made.secret, **_metadata(facts)})
        return
    click.echo(f"client_id      {made.client_id}")
    if made.secret is not None:
        click.echo(f"client_secret  {made.secret}")
        click.echo("The secret is shown this once; a new one: idp client rotate-secret " + made.client_id)


@client.command("list")
@as_json_option
@pass_state
def list_clients(state: State, *, as_json: bool) -> None:
    """List all clients."""
    with state.operation() as ctx:
        found = clients.list_all(ctx)
    if as_json:
        write_json([_document(facts) for facts in found])
        return
    rows = [
        {
            "client_id": facts.client_id,
            "name": facts.metadata["client_name"],
            "kind": facts.metadata["kind"],
            "first_party": facts.metadata["first_party"],
            "secrets": len(facts.secrets),
            "status": "disabled" if facts.disabled_at else "active",
        }
        for facts in found
    ]
    write_table(rows, empty="No clients; make one: idp client create")


@client.command()
@click.argument("client_id")
@as_json_option
@pass_state
def show(state: State, client_id: str, *, as_json: bool) -> None:
    """Show one client; never its secrets."""
    with state.operation() as ctx:
        facts = clients.show(ctx, client_id)
    if as_json:
        write_json(_document(facts))
    else:
        secrets = [f"made {cell(s.created_at)}, ends {cell(s.expires_at)}" for s in facts.secrets]
        write_fields({**_document(facts), "secrets": secrets})


@client.command("rotate-secret")
@click.argument("client_id")
@click.option(
    "--overlap-hours",
    type=click.IntRange(0, 24 * 30),
    default=int(clients.OVERLAP.total_seconds() // 3600),
    show_default=True,
    help="How long the old secret works beside the new one; 0 when it leaked.",
)
@as_json_option
@pass_state
def rotate_secret(state: State, client_id: str, *, overlap_hours: int, as_json: bool) -> None:
    """Give a client a new secret, shown this once."""
    with state.operation() as ctx:
        made = clients.rotate_secret(ctx, client_id, overlap=timedelta(hours=overlap_hours))
    if as_json:
        write_json({"client_id": made.client_id, "client_secret": made.secret})
    else:
        click.echo(f"client_secret  {made.secret}")
        ends = f"works for {overlap_hours} more hours" if overlap_hours else "has ended"
        click.echo(f"The old secret {ends}; this one is shown this once.")


@client.command()
@click.argument("client_id")
@_reason_option
@as_json_option
@pass_state
def disable(state: State, client_id: str, *, reason: str | None, as_json: bool) -> None:
    """Switch a client off: it gets nothing any more, and what it got ends."""
    with state.operation() as ctx:
        clients.disable(ctx, client_id, reason=reason)
    ended = _end_issued(state, client_id)
    sentence = f"{client_id} is disabled. {ended_sentence(ended)}"
    write_done(sentence, as_json=as_json, status="disabled", ended=asdict(ended))


@client.command()
@click.argument("client_id")
@_reason_option
@as_json_option
@pass_state
def enable(state: State, client_id: str, *, reason: str | None, as_json: bool) -> None:
    """Switch a client on again."""
    with state.operation() as ctx:
        disabled = clients.show(ctx, client_id).disabled_at is not None
    if disabled:  # somebody may have been interrupted who did it
        _end_issued(state, client_id)
    with state.operation() as ctx:
        clients.enable(ctx, client_id, reason=reason)
    write_done(f"{client_id} is enabled.", as_json=as_json, status="active")


@client.command()
@click.argument("client_id")
@_reason_option
@yes_option
@as_json_option
@pass_state
def delete(state: State, client_id: str, *, reason: str | None, yes: bool, as_json: bool) -> None:
    """Remove a client with its catalogue and everything issued to it."""
    confirm(f"Delete the client {client_id} and everything issued to it?", yes=yes)
    with state.operation() as ctx:
        clients.retire(ctx, client_id, reason=reason)
    ended = _end_issued(state, client_id)
    time.sleep(SEEN_SECONDS)
    removed = 1
    while removed:
        with state.operation() as ctx:
            removed = clients.remove_issued(ctx, client_id)
    with state.operation() as ctx:
        clients.delete(ctx, client_id, reason=reason)
    sentence = f"{client_id} is deleted. {ended_sentence(ended)}"
    write_done(sentence, as_json=as_json, status="deleted", ended=asdict(ended))


def _end_issued(state: State, client_id: str) -> Ended:
    """End what a disabled client was issued, a transaction for each batch."""
    ended = Ended()
    while True:
        with state.operation() as ctx:
            more = clients.end_issued(ctx, client_id)
        if not more.authorizations:
            return ended
        ended += more


def registration_of(name: str, flags: Mapping[str, Any]) -> dict[str, object]:
    """Return the registration that the flags of ``create`` say; what was not given is left out.

    :param flags: field of the registration to its value, beside ``no_require_pkce``.
    """
    given = dict(flags)
    client_id = given.pop("client_id") or slug(name)
    if not client_id:
        raise click.BadParameter("has nothing to make a client_id of; say --id", param_hint="NAME")
    registration: dict[str, object] = {
        "client_id": client_id,
        "client_name": given.pop("client_name") or name,
    }
    if given.pop("no_require_pkce"):
        registration["require_pkce"] = False
    if (jwks := given.pop("jwks", None)) is not None:
        registration["jwks"] = _key_set(jwks)
    for field, value in given.items():
        if value not in (None, False, ()):
            registration[field] = list(value) if isinstance(value, tuple) else value
    return registration


def _key_set(file: Path) -> object:
    """Return what a file of keys holds; whether it is a key set is for the registration to say."""
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise Refused(f"{file} cannot be read as JSON") from error


def slug(name: str) -> str:
    """Return a name as a client_id: small letters and digits, joined by hyphens."""
    return re.sub(r"[^a-z0-9._]+", "-", name.lower().translate(_UMLAUTS)).strip("-._")


def _metadata(facts: clients.ClientFacts) -> dict[str, Any]:
    return {name: value for name, value in facts.metadata.items() if name != "client_id"}


def _secrets(facts: clients.ClientFacts) -> list[dict[str, Any]]:
    return [{"created_at": secret.created_at, "expires_at": secret.expires_at} for secret in facts.secrets]


def _document(facts: clients.ClientFacts) -> dict[str, Any]:
    return {
        "client_id": facts.client_id,
        **_metadata(facts),
        "disabled_at": facts.disabled_at,
        "created_at": facts.created_at,
        "updated_at": facts.updated_at,
        "secrets": _secrets(facts),
    }
