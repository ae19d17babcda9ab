"""Makes the demo's tables, clients, companies and people, in a process that ends before it runs (design §5).

Run as ``python -m idp.cli.demo.prepare PLAN``.  People, and what they changed, are kept from run to
run; clients follow the plan, since ports and flags may differ each time.
"""

import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from idp import migrations
from idp.accounts.models import Account
from idp.app import build_services
from idp.authentication import totp
from idp.cli.demo import old_portal
from idp.cli.demo.fingerprint import forget, note
from idp.cli.demo.people import PEOPLE, Person
from idp.cli.demo.plan import Plan
from idp.cli.demo.registrations import CLIENTS, COMPANIES, PORTAL, document
from idp.cli.failures import Failure, Refused, in_a_sentence
from idp.context import Actor, Context
from idp.db import Database
from idp.management import accounts, clients, memberships, organizations, permissions
from idp.management.apply import apply
from idp.oidc.metadata_reader import InvalidMetadata
from idp.settings import load_settings

Secrets = dict[str, str]


def prepare(plan: Plan) -> None:
    """Bring the folder to what the plan says and write ``demo.json`` and ``portals.json``.

    :raises Failure: a redirect URI of the flags cannot be registered.
    """
    forget(plan)
    settings = load_settings(plan.settings_file, environ={})
    database = Database(settings.database.url)
    if not migrations.is_current(database):
        migrations.upgrade(database)
    database.dispose()
    services = build_services(settings)
    stored = plan.path("client-secrets.json")
    with services.database.session() as db:
        ctx = services.context(db, actor=Actor(kind="operator", id="idp demo"))
        secrets = _register(ctx, plan, _read(stored))
        if not accounts.list_all(ctx, limit=1):
            for person in PEOPLE:
                _add(ctx, person)
        old_portal.import_accounts(ctx)
        listed = [facts for facts in clients.list_all(ctx) if facts.client_id in CLIENTS]
        db.commit()
    services.database.dispose()
    _write(stored, secrets)
    _write(plan.path("portals.json"), plan.portals(secrets))
    _write(plan.path("demo.json"), _summary(plan, listed, secrets))
    note(plan)


def _register(ctx: Context, plan: Plan, known: Secrets) -> Secrets:
    """Apply the document and return the secrets of all confidential clients; one nobody knows is replaced."""
    try:
        changes = apply(ctx, document(plan) | old_portal.document())
    except InvalidMetadata as error:
        listed = "".join(f"\n  {problem}" for problem in error.problems)
        raise Refused(f"the demo's clients cannot be registered:{listed}") from error
    secrets = {**known, **{change.name: change.secret for change in changes if change.secret is not None}}
    for facts in clients.list_all(ctx):
        if facts.client_id in CLIENTS and facts.secrets and facts.client_id not in secrets:
            made = clients.rotate_secret(ctx, facts.client_id, overlap=timedelta(0))
            secrets[facts.client_id] = made.secret or ""
    return secrets


def _add(ctx: Context, person: Person) -> None:
    """Make one person with factors, membership and permissions."""
    name = f"{person.given_name} {person.family_name}"
    names = {"name": name, "given_name": person.given_name, "family_name": person.family_name}
    account_id = accounts.create(
        ctx,
        username=person.username,
        password=person.password,
        emails=[person.email],
        phones=[person.phone] if person.phone else [],
        profile={"locale": "de", **names, **person.claims},
    )
    if person.totp_secret is not None:
        totp.enroll(ctx, ctx.db.get_one(Account, account_id), person.totp_secret, f"Lotse: {person.email}")
    if person.customer_number is not None:
        _join(ctx, person, account_id, person.customer_number)


def _join(ctx: Context, person: Person, account_id: str, customer_number: str) -> None:
    organization_id = organizations.find(ctx, customer_number).id
    blocked = person.status == "blocked"
    membership_id = memberships.add(
        ctx,
        organization_id=organization_id,
        account_id=account_id,
        role=person.role,
        status="active" if blocked else person.status,
    )
    if person.permissions:
        permissions.grant_to_member(ctx, organization_id, membership_id, PORTAL, person.permissions)
    if blocked:
        memberships.block(ctx, organization_id, membership_id, reason="Demo")


def _summary(plan: Plan, listed: list[clients.ClientFacts], secrets: Secrets) -> dict[str, Any]:
    """Return what ``demo.json`` says: scripts outside rely on these names."""
    return {
        "issuer": plan.issuer,
        "customer_portal": plan.customer_portal,
        "support_portal": plan.support_portal,
        "orders_api": plan.orders_api,
        "outbox": f"{plan.issuer}/dev/outbox",
        "clients": [_client(facts, secrets) for facts in listed],
        "people": [_person(person) for person in PEOPLE],
        "legacy": old_portal.summary(),
        "organizations": [
            {
                "name": name,
                "customer_number": number,
                "has_administrator": any(
                    person.role == "administrator" and person.customer_number == number for person in PEOPLE
                ),
            }
            for name, number in COMPANIES
        ],
    }


def _client(facts: clients.ClientFacts, secrets: Secrets) -> dict[str, Any]:
    return {
        "client_id": facts.client_id,
        "client_secret": secrets.get(facts.client_id) if facts.secrets else None,
        "redirect_uris": facts.metadata["redirect_uris"],
        "post_logout_redirect_uris": facts.metadata["post_logout_redirect_uris"],
        "token_endpoint_auth_method": facts.metadata["token_endpoint_auth_method"],
    }


def _person(person: Person) -> dict[str, Any]:
    names = {number: name for name, number in COMPANIES}
    return {
        "role": person.role,
        "username": person.username,
        "email": person.email,
        "password": person.password,
        "totp_secret": person.totp_secret,
        "organization": names.get(person.customer_number or ""),
        "customer_number": person.customer_number,
        "status": person.status,
    }


def _read(path: Path) -> Secrets:
    """Return the secrets of the run before, none where the file is missing or damaged."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(secret) for name, secret in found.items()} if isinstance(found, dict) else {}


def _write(path: Path, content: object) -> None:
    """Replace a file at once, readable by its owner alone."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")
    draft.replace(path)


def main(arguments: list[str]) -> int:
    """Prepare what the plan in the only argument says; returns the exit code."""
    try:
        with in_a_sentence():
            prepare(Plan.from_json(arguments[0]))
    except Failure as failure:
        failure.show()
        return failure.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
