"""What a preparation makes, and that a second one keeps it (design §5, Demo cast)."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from idp.accounts.models import Account, Identifier
from idp.accounts.password_policy import password_problems
from idp.app import build_services
from idp.authentication.models import Authenticator
from idp.cli.demo import prepare
from idp.cli.demo.people import PEOPLE
from idp.cli.demo.plan import Plan
from idp.cli.failures import Refused
from idp.context import Actor
from idp.management import accounts, legacy_directories, memberships, organizations
from idp.management.legacy_proof import prove
from idp.oidc.models import Client
from idp.organizations import permissions
from idp.settings import load_settings


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A plan whose settings are written, with cheap hashes."""
    made = Plan(folder=str(tmp_path), host="127.0.0.1", port=8000)
    cheap = "\n[password]\nmemory_kib = 8\ntime_cost = 1\n"
    made.settings_file.write_text(made.settings() + cheap, "utf-8")
    return made


def _secrets(plan: Plan) -> dict[str, str]:
    found = json.loads(plan.path("demo.json").read_text("utf-8"))
    return {client["client_id"]: client["client_secret"] for client in found["clients"]}


def test_the_cast(plan: Plan) -> None:
    """Companies, roles, states, permissions, factors and claims are those of the design."""
    assert prepare.main([plan.to_json()]) == 0
    services = build_services(load_settings(plan.settings_file, environ={}))
    with services.database.session() as db:
        ctx = services.context(db, actor=Actor("operator"))
        muster = organizations.find(ctx, "100200300")
        people = {member.account_id: member for member in memberships.list_all(ctx, muster.id)}
        seen = {accounts.show(ctx, key).username: member for key, member in people.items()}
        assert {name: member.status for name, member in seen.items()} == {
            "anna": "active",
            "ben": "active",
            "clara": "active",
            "dora": "blocked",
            "emil": "pending",
            "inga": "invited",
            "paul": "active",
        }
        assert seen["anna"].role == "administrator"
        portal = db.scalars(select(Client).where(Client.client_id == "customer-portal")).one()
        assert permissions.keys_for(db, seen["ben"].id, portal.id) == ["support_requests"]
        with_app = select(Account.username).join(Authenticator, Authenticator.account_id == Account.id)
        assert set(db.scalars(with_app)) == {"anna", "clara", "olga"}
        paul = db.scalars(select(Account).where(Account.username == "paul")).one()
        for claim in accounts.PROFILE:
            assert getattr(paul, claim), claim
        kinds = select(Identifier.kind, Identifier.verified_at).where(Identifier.account_id == paul.id)
        assert {kind for kind, verified_at in db.execute(kinds) if verified_at} == {"email", "phone"}
    services.database.dispose()


def test_a_second_preparation_keeps_people_and_secrets(plan: Plan) -> None:
    """Clients follow the plan; a secret nobody knows any more is replaced."""
    prepare.prepare(plan)
    first = _secrets(plan)
    moved = replace(plan, port=9000, client_redirects=("https://rp.example/cb",))
    prepare.prepare(moved)
    second = _secrets(moved)
    assert {name: second[name] for name in first} == first
    assert set(second) - set(first) == {"probe", "probe-public"}
    found = json.loads(plan.path("demo.json").read_text("utf-8"))
    assert found["clients"][0]["redirect_uris"] == ["http://localhost:9001/callback"]
    plan.path("client-secrets.json").write_text('{"probe": ', "utf-8")
    prepare.prepare(moved)
    third = _secrets(moved)
    assert all(third[name] and third[name] != secret for name, secret in first.items() if secret)


def test_a_wrong_redirect_uri_is_refused(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    """With the field and the rule, on standard error (req 1)."""
    wrong = replace(plan, client_redirects=("http://portal.example/cb",))
    with pytest.raises(Refused, match="redirect_uris"):
        prepare.prepare(wrong)
    assert prepare.main([wrong.to_json()]) == 4
    assert "redirect_uris" in capsys.readouterr().err


def test_the_passwords_keep_the_rule() -> None:
    """An evaluator sees passwords that the product itself would accept."""
    for person in PEOPLE:
        if person.password is not None:
            words = [person.username, person.given_name, person.family_name, person.email]
            found = password_problems(
                person.password, profile="modern", single_factor=True, context_words=words
            )
            assert found == [], person.username


def test_old_accounts_can_be_linked(plan: Plan) -> None:
    """The three accounts of the old portal open with their old passwords, also after a second preparation."""
    assert prepare.main([plan.to_json()]) == 0
    assert prepare.main([plan.to_json()]) == 0
    services = build_services(load_settings(plan.settings_file, environ={}))
    with services.database.session() as db:
        ctx = services.context(db, actor=Actor("operator"))
        found = legacy_directories.status(ctx)[0]
        assert (found.slug, found.accounts, found.weak) == ("servicewelt", 3, 2)
        assert len({form.partition(" ")[0] for form in found.formats}) == 3
        ben = accounts.find(ctx, "ben")
        db.rollback()
        for old in json.loads(plan.path("demo.json").read_text("utf-8"))["legacy"]:
            proof = prove(ctx, ben, "servicewelt", old["username"], old["password"])
            assert proof.identity.customer_number == old["customer_number"]
    services.database.dispose()
