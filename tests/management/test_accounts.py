"""Accounts: creation, password, block, deletion, erasure (req 23, 38, 44, 51, 109)."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from idp.accounts.models import Account, Identifier
from idp.audit.events import Event
from idp.audit.log import tail
from idp.authentication import live_sessions
from idp.context import Actor, Context, Services
from idp.delivery import outbox
from idp.errors import Refusal
from idp.management import account_deletion, accounts, erasure
from idp.oidc.models import Authorization
from idp.oidc.statements import Statements
from idp.oidc.userinfo import personal_claims
from idp.organizations.memberships import for_account
from tests.builders import (
    OPERATOR,
    PASSWORD,
    SignedIn,
    make_account,
    make_client,
    make_membership,
    make_organization,
    sign_in,
)
from tests.installation import NOW, unit_of_work


def lives(ctx: Context, signed_in: SignedIn) -> tuple[bool, bool]:
    """Tell whether session and authorization live."""
    found = live_sessions.find(ctx, signed_in.cookie) is not None
    return found, ctx.db.get_one(
        Authorization, signed_in.authorization, populate_existing=True
    ).revoked_at is None


@pytest.fixture
def ben(services: Services) -> str:
    """An account with a client to sign in at."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_client(ctx)
        return make_account(ctx, "ben", password=PASSWORD, emails=["ben@muster.example"])


def test_an_account_has_what_was_said(services: Services) -> None:
    """Names, verified addresses and numbers, a password hash, claims; a random sub (req 38)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        account_id = accounts.create(
            ctx,
            username="Paul",
            password=PASSWORD,
            emails=["paul@muster.example"],
            phones=["+49 341 000000"],
            profile={"given_name": "Paul", "address": {"locality": "Leipzig"}, "locale": "de"},
        )
    with unit_of_work(services, actor=OPERATOR) as ctx:
        account = ctx.db.get_one(Account, account_id)
        assert account.sub != account.id
        assert len(account.sub) >= 32
        assert (account.given_name, account.locale) == ("Paul", "de")
        assert account.address == {"locality": "Leipzig"}
        assert ctx.passwords.verify(account.password_hash or "", PASSWORD).valid
        assert accounts.find(ctx, "PAUL") == accounts.find(ctx, "paul@muster.example") == account_id
        assert accounts.find(ctx, account_id) == account_id
        shown = accounts.show(ctx, account_id)
        assert (shown.username, shown.emails, shown.status) == ("Paul", ("paul@muster.example",), "active")
        person = Statements(services.database).person(account_id)
        assert person is not None
        told = personal_claims(ctx.vault, person, ["phone_number", "phone_number_verified", "email"])
        assert told == {
            "phone_number": "+49341000000",
            "phone_number_verified": True,
            "email": "paul@muster.example",
        }
        entry = tail(ctx, account=account_id)[0]
        assert entry.event == "account.created"
        assert entry.new is None
        assert entry.details == {"username": "Paul", "emails": ["paul@muster.example"]}


def test_an_account_needs_no_user_name(services: Services) -> None:
    """Its address signs it in."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        account_id = accounts.create(ctx, emails=["rita@muster.example"])
        assert accounts.find(ctx, "rita@muster.example") == account_id
        assert accounts.show(ctx, account_id).username is None


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"username": "ben"}, "username.taken"),
    ({"username": "BEN"}, "username.taken"),
    ({"username": "a@b"}, "username.format"),
    ({"username": "01a22cdb5ae29d025171f5c87a633e45"}, "username.reserved"),
    ({"username": "x", "emails": ["ben@muster.example"]}, "email.taken"),
    ({"username": "x", "emails": ["nobody"]}, "email.format"),
    ({"username": "x", "phones": ["110"]}, "phone.format"),
    ({"username": "x", "password": "kurz"}, "password.short"),
    ({"username": "x", "password": "passwordpassword"}, "password.common"),
    ({"username": "x", "profile": {"status": "active"}}, "profile.unknown"),
    ({"username": "x", "profile": {"sub": "other"}}, "profile.unknown"),
]


@pytest.mark.parametrize(("facts", "code"), REFUSED)
def test_what_an_account_cannot_have(services: Services, ben: str, facts: dict[str, Any], code: str) -> None:
    """Names and addresses are one person's, passwords follow the rule, nothing else is set (req 51, C20)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        savepoint = ctx.db.begin_nested()
        with pytest.raises(Refusal) as refused:
            accounts.create(ctx, **facts)
        savepoint.rollback()
    assert refused.value.code == code


NEW_PASSWORD = "Neun Kraniche am Fluss"

ENDING: list[tuple[str, Callable[[Context, str], object], str]] = [
    ("block", accounts.block, "account blocked"),
    ("delete", accounts.delete, "account deleted"),
    (
        "password",
        lambda ctx, ben: accounts.set_password(ctx, ben, NEW_PASSWORD),
        "password changed",
    ),
]


@pytest.mark.parametrize(("operation", "reason"), [row[1:] for row in ENDING], ids=[row[0] for row in ENDING])
def test_what_was_issued_ends(
    services: Services, ben: str, operation: Callable[[Context, str], Any], reason: str
) -> None:
    """Sessions and authorizations of the account, and nobody else's (req 23, 44, C7)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        first, second = sign_in(ctx, ben), sign_in(ctx, ben)
        others = sign_in(ctx, make_account(ctx, "clara"))
        epoch = ctx.db.get_one(Account, ben).epoch
    with unit_of_work(services, actor=OPERATOR) as ctx:
        ended = operation(ctx, ben)
        assert (ended.sessions, ended.authorizations) == (2, 2)
    with unit_of_work(services) as ctx:
        assert [lives(ctx, mine) for mine in (first, second)] == [(False, False)] * 2
        assert lives(ctx, others) == (True, True)
        assert ctx.db.get_one(Authorization, first.authorization).revoke_reason == reason
        assert ctx.db.get_one(Account, ben).epoch == epoch + 1


def test_unblocking_revives_nothing(services: Services, ben: str) -> None:
    """A session from before the block stays dead (req 44)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        before = sign_in(ctx, ben)
        accounts.block(ctx, ben, reason="lost laptop")
        accounts.unblock(ctx, ben)
        assert lives(ctx, before) == (False, False)
        assert lives(ctx, sign_in(ctx, ben)) == (True, True)
        assert accounts.show(ctx, ben).status == "active"


def test_status_changes_have_an_order(services: Services, ben: str) -> None:
    """Nobody is blocked twice, unblocked while active, or brought back from deletion."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        for wrong in (accounts.unblock, erasure.erase):
            with pytest.raises(Refusal) as refused:
                wrong(ctx, ben)
            assert refused.value == Refusal("account.status", status="active")
        accounts.block(ctx, ben)
        with pytest.raises(Refusal, match=r"account\.status"):
            accounts.block(ctx, ben)
        accounts.delete(ctx, ben)
        for wrong in (accounts.block, accounts.unblock, accounts.delete):
            with pytest.raises(Refusal) as refused:
                wrong(ctx, ben)
            assert refused.value == Refusal("account.status", status="deleted")


def test_deletion_ends_memberships(services: Services, ben: str) -> None:
    """With time to undo them."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        organization = make_organization(ctx)
        make_membership(ctx, organization, ben)
        accounts.delete(ctx, ben)
        assert [(m.status, m.epoch, m.version) for m in for_account(ctx, ben)] == [("ended", 2, 2)]
        with pytest.raises(Refusal, match=r"username\.taken"):
            make_account(ctx, "ben")


@pytest.mark.parametrize("planned", [True, False], ids=["by its owner", "by the operator"])
def test_the_companys_log_tells_of_a_deletion(services: Services, ben: str, planned: bool) -> None:
    """A membership that its account takes along has ended once, in both ways of going."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        organization = make_organization(ctx)
        make_membership(ctx, organization, ben)
        (account_deletion.plan if planned else accounts.delete)(ctx, ben)
        erasure.erase(ctx, ben)
        [ended] = tail(ctx, organization=organization, event=Event.MEMBERSHIP_ENDED)
        assert (ended.target_id, ended.actor_kind) == (ben, "operator")
        assert ended.reason == ("account erased" if planned else "account deleted")
        assert [m.version for m in for_account(ctx, ben)] == [2]


def test_erasure_leaves_a_tombstone(services: Services, ben: str) -> None:
    """No name, address or password stays; the sub does, so that it is never given again (req 38, 109)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        sub = accounts.show(ctx, ben).sub
        accounts.delete(ctx, ben)
        erasure.erase(ctx, ben)
        with pytest.raises(Refusal, match=r"account\.status"):
            erasure.erase(ctx, ben)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        account = ctx.db.get_one(Account, ben)
        assert account.sub == sub
        assert account.erased_at == NOW
        assert [account.username, account.username_key, account.password_hash, account.name] == [None] * 4
        assert ctx.db.scalar(select(func.count()).select_from(Identifier)) == 0
        assert all(entry.details is None for entry in tail(ctx, account=ben))
        again = make_account(ctx, "ben", emails=["ben@muster.example"])
        assert again != ben
        assert accounts.show(ctx, again).sub != sub


def test_a_new_password_is_told(services: Services, ben: str) -> None:
    """At every proven address, that the support set it (req 72)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        accounts.set_password(ctx, ben, NEW_PASSWORD)
        [mail] = outbox.list_messages(ctx, 5)
        assert (mail.recipient, mail.payload["mail"]) == ("ben@muster.example", "password_changed")
        assert mail.payload["facts"]["means"] == "support"


def test_an_id_names_its_account(services: Services, ben: str) -> None:
    """And nobody who took it as a user name, before that was refused (req 44, 106)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        decoy = make_account(ctx, "decoy")
        row = ctx.db.get_one(Account, decoy)
        row.username = row.username_key = ben
        ctx.db.flush()
        assert accounts.find(ctx, ben) == ben
        row.username = row.username_key = "0" * 32
        ctx.db.flush()
        assert accounts.find(ctx, "0" * 32) == decoy


def test_lists_are_read_in_pages(services: Services, ben: str) -> None:
    """In the order of creation, at most a hundred a page (req 104)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        ids = [ben, *(make_account(ctx, f"user{number}") for number in range(4))]
        first = accounts.list_all(ctx, limit=3)
        rest = accounts.list_all(ctx, after=first[-1].id, limit=1000)
        assert [found.id for found in (*first, *rest)] == sorted(ids)
        assert {found.id: found.emails for found in first + rest}[ben] == ("ben@muster.example",)


@pytest.mark.parametrize("name", ["show", "block", "unblock", "clear_tries", "delete", "find"])
def test_unknown_accounts(services: Services, name: str) -> None:
    """Are said so."""
    with (
        unit_of_work(services, actor=OPERATOR) as ctx,
        pytest.raises(Refusal, match=r"account\.unknown"),
    ):
        getattr(accounts, name)(ctx, "nobody")


@pytest.mark.parametrize("kind", ["account", "client", "anonymous", ""])
def test_only_operators_touch_accounts(services: Services, ben: str, kind: str) -> None:
    """Also not the account itself: its own pages have operations of their own (req 92)."""
    with unit_of_work(services, actor=Actor(kind=kind, id=ben)) as ctx:
        attempts: list[Callable[[], object]] = [
            lambda: accounts.create(ctx, username="eve"),
            lambda: accounts.set_password(ctx, ben, NEW_PASSWORD),
            lambda: accounts.list_all(ctx),
            *(
                lambda name=name: getattr(accounts, name)(ctx, ben)  # type: ignore[misc]
                for name in ("block", "unblock", "clear_tries", "delete", "find", "show")
            ),
        ]
        for attempt in attempts:
            with pytest.raises(Refusal, match=r"actor\.not_allowed"):
                attempt()
        assert ctx.db.get_one(Account, ben).epoch == 1
