"""Clients: registration, secrets with overlap, disabling, deletion (req 18, 20, 23, 31)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from idp.audit.log import tail
from idp.context import Actor, Context, Services
from idp.crypto import sha256
from idp.errors import Refusal
from idp.installation import Installation
from idp.management import clients
from idp.oidc.clients import load_clients
from idp.oidc.metadata_reader import InvalidMetadata
from idp.oidc.models import Authorization, Client, ClientSecret, RefreshToken
from idp.organizations.models import Permission
from tests.builders import OPERATOR, make_account, make_catalogue, make_client, sign_in
from tests.installation import NOW, unit_of_work
from tests.signers import Signer

PORTAL: dict[str, Any] = {
    "client_id": "portal",
    "client_name": "Kundenportal",
    "redirect_uris": ["https://portal.example/callback"],
}


WRONG = {"version": 9, "client_secret": "x", "disabled_at": None, "audiences": ["nobody"]}


def snapshot_version(ctx: Context) -> int:
    return ctx.db.scalars(select(Installation.snapshot_version)).one()


def test_people_are_led_by_https_in_production(services: Services) -> None:
    """http to this machine is for development and demo (OIDC Core §4)."""
    local = PORTAL | {"initiate_login_uri": "http://localhost:8001/login"}
    with unit_of_work(services, actor=OPERATOR) as ctx:
        clients.create(ctx, local)
        strict = replace(ctx, settings=ctx.settings.model_copy(update={"mode": "production"}))
        for operation in (clients.create, clients.change):
            with pytest.raises(InvalidMetadata) as caught:
                operation(strict, local)
            assert [problem.field for problem in caught.value.problems] == ["initiate_login_uri"]
        clients.change(strict, PORTAL | {"initiate_login_uri": "https://localhost:8001/login"})


def test_a_secret_is_told_once_and_stored_as_its_hash(services: Services) -> None:
    """At least 256 bit, SHA-256 in the database, absent from log and description (req 20)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        before = snapshot_version(ctx)
        made = clients.create(ctx, PORTAL)
        assert snapshot_version(ctx) > before
    assert made.secret is not None
    assert len(made.secret) >= 43
    assert made.secret not in repr(made)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert ctx.db.scalars(select(ClientSecret.hash)).all() == [sha256(made.secret)]
        shown = clients.show(ctx, "portal")
        assert made.secret not in repr(shown)
        assert made.secret not in "".join(entry.to_json() for entry in tail(ctx))
        assert load_clients(ctx.db)["portal"].check_secret(made.secret, NOW)
    assert shown.metadata["client_name"] == "Kundenportal"
    assert [secret.expires_at for secret in shown.secrets] == [None]
    assert shown.version == 1


def test_a_public_client_has_no_secret(services: Services) -> None:
    """And gets none by rotation (req 18)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert clients.create(ctx, {**PORTAL, "kind": "spa"}).secret is None
        with pytest.raises(Refusal) as refused:
            clients.rotate_secret(ctx, "portal")
        assert refused.value == Refusal("client.public", client_id="portal")
        assert ctx.db.scalars(select(ClientSecret)).all() == []


def test_a_device_has_a_secret_where_it_uses_one(services: Services) -> None:
    """Whether it is public is a matter of how it authenticates, not of its kind (RFC 8628, 3.1)."""
    device = {"client_id": "tv", "client_name": "TV", "kind": "device"}
    confidential = {**device, "client_id": "till", "token_endpoint_auth_method": "client_secret_basic"}
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert clients.create(ctx, device).secret is None
        with pytest.raises(Refusal) as refused:
            clients.rotate_secret(ctx, "tv")
        assert refused.value == Refusal("client.public", client_id="tv")
        assert ctx.db.scalars(select(ClientSecret)).all() == []
        first = clients.create(ctx, confidential).secret
        assert first not in (None, clients.rotate_secret(ctx, "till").secret)


def test_a_client_that_signs_has_no_secret(services: Services) -> None:
    """It loses the one it had, gets none by rotation, and one again when it signs no more (req 19)."""
    signing = {**PORTAL, "token_endpoint_auth_method": "private_key_jwt", "jwks": Signer().jwks}
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert clients.create(ctx, PORTAL).secret is not None
        assert clients.change(ctx, signing) == ["jwks", "token_endpoint_auth_method"]
        assert ctx.db.scalars(select(ClientSecret)).all() == []
        with pytest.raises(Refusal) as refused:
            clients.rotate_secret(ctx, "portal")
        assert refused.value == Refusal("client.signs", client_id="portal")
        assert clients.change(ctx, signing) == []
        assert clients.create(ctx, {**signing, "client_id": "other"}).secret is None
        clients.change(ctx, PORTAL)
        assert clients.rotate_secret(ctx, "portal").secret is not None


def test_two_secrets_are_valid_while_one_replaces_the_other(services: Services) -> None:
    """The old one works on for the overlap; a third never (req 20)."""
    overlap = timedelta(hours=1)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        first = clients.create(ctx, PORTAL).secret or ""
    with unit_of_work(services, now=NOW + timedelta(minutes=1), actor=OPERATOR) as ctx:
        second = clients.rotate_secret(ctx, "portal", overlap=overlap).secret or ""
        portal = load_clients(ctx.db)["portal"]
        end = ctx.now + overlap
        assert [portal.check_secret(secret, ctx.now) for secret in (first, second)] == [True, True]
        assert [portal.check_secret(secret, end) for secret in (first, second)] == [False, True]
    with unit_of_work(services, now=NOW + timedelta(minutes=2), actor=OPERATOR) as ctx:
        third = clients.rotate_secret(ctx, "portal", overlap=overlap).secret or ""
        portal = load_clients(ctx.db)["portal"]
        assert [portal.check_secret(s, ctx.now) for s in (first, second, third)] == [False, True, True]
        assert len({first, second, third}) == 3


def test_a_leaked_secret_ends_at_once(services: Services) -> None:
    """Rotation without overlap (req 20)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        first = clients.create(ctx, PORTAL).secret or ""
        second = clients.rotate_secret(ctx, "portal", overlap=timedelta(0)).secret or ""
        portal = load_clients(ctx.db)["portal"]
        assert [portal.check_secret(secret, ctx.now) for secret in (first, second)] == [False, True]
        assert clients.show(ctx, "portal").version == 2


def test_a_shorter_overlap_is_never_prolonged(services: Services) -> None:
    """An old secret that ends soon keeps its end."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        clients.create(ctx, PORTAL)
        secret = ctx.db.scalars(select(ClientSecret)).one()
        secret.expires_at = ctx.now + timedelta(minutes=5)
        clients.rotate_secret(ctx, "portal", overlap=timedelta(hours=1))
        ends = [found.expires_at for found in clients.show(ctx, "portal").secrets]
        assert set(ends) == {ctx.now + timedelta(minutes=5), None}


def test_a_client_id_is_taken_once(services: Services) -> None:
    """And stays the first one's."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        clients.create(ctx, PORTAL)
        with pytest.raises(Refusal) as refused:
            clients.create(ctx, {**PORTAL, "client_name": "Other"})
        assert refused.value == Refusal("client.taken", client_id="portal")
        assert [found.metadata["client_name"] for found in clients.list_all(ctx)] == ["Kundenportal"]


def test_a_wrong_registration_changes_nothing(services: Services) -> None:
    """Server-owned fields and unknown audiences are refused, the stored record stays (req 31, C20)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        clients.create(ctx, PORTAL)
        before = clients.show(ctx, "portal")
        for wrong in (
            {"version": 9},
            {"client_secret": "x"},
            {"disabled_at": None},
            {"audiences": ["nobody"]},
        ):
            with pytest.raises(InvalidMetadata):
                clients.change(ctx, {**PORTAL, **wrong})
            with pytest.raises(InvalidMetadata):
                clients.create(ctx, {**PORTAL, "client_id": "other", **wrong})
        assert clients.show(ctx, "portal") == before
        assert len(clients.list_all(ctx)) == 1


def test_a_change_keeps_what_it_names_and_raises_the_version(services: Services) -> None:
    """Only what differs is written and logged."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        clients.create(ctx, {"client_id": "orders-api", "kind": "machine"})
        secret = clients.create(ctx, PORTAL).secret or ""
        before = snapshot_version(ctx)
        assert clients.change(ctx, PORTAL) == []
        assert snapshot_version(ctx) == before
        changed = clients.change(ctx, {**PORTAL, "first_party": True, "audiences": ["orders-api", "portal"]})
        assert changed == ["audiences", "first_party"]
        assert snapshot_version(ctx) > before
        ctx.db.flush()
        newest = tail(ctx, limit=1)[0]
        assert newest.event == "client.changed"
        assert newest.old == {"audiences": [], "first_party": False}
        portal = load_clients(ctx.db)["portal"]
        assert portal.audiences == ("orders-api", "portal")
        assert portal.check_secret(secret, NOW)
        assert clients.show(ctx, "portal").version == 2


def test_a_client_that_becomes_public_loses_its_secret(services: Services) -> None:
    """Nothing that was secret authenticates a public client (req 18)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        secret = clients.create(ctx, PORTAL).secret or ""
        clients.change(ctx, {**PORTAL, "kind": "spa"})
        portal = load_clients(ctx.db)["portal"]
        assert portal.public
        assert not portal.check_secret(secret, NOW)


def test_disabling_ends_what_was_issued(services: Services) -> None:
    """A disabled client gets nothing, and its authorizations end; enabling revives none (req 23, C7)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_client(ctx)
        make_client(ctx, "other")
        ben = make_account(ctx)
        mine, others = sign_in(ctx, ben), sign_in(ctx, ben, "other")
        clients.disable(ctx, "portal", reason="contract ended")
        ended = clients.end_issued(ctx, "portal")
        assert (ended.sessions, ended.authorizations) == (0, 1)
        assert set(load_clients(ctx.db)) == {"other"}
        clients.enable(ctx, "portal")
        assert set(load_clients(ctx.db)) == {"portal", "other"}
    with unit_of_work(services) as ctx:
        assert ctx.db.get_one(Authorization, mine.authorization).revoked_at == NOW
        assert ctx.db.get_one(Authorization, others.authorization).revoked_at is None


def test_disabling_and_enabling_happen_once(services: Services) -> None:
    """Doing either twice is refused."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_client(ctx)
        with pytest.raises(Refusal, match=r"client\.status"):
            clients.enable(ctx, "portal")
        clients.disable(ctx, "portal")
        with pytest.raises(Refusal, match=r"client\.status"):
            clients.disable(ctx, "portal")


def test_deletion_takes_everything_that_belongs_to_a_client(services: Services) -> None:
    """Secrets, catalogue and authorizations go; a new client of that name gets none of them (req 23, 38)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_client(ctx)
        make_catalogue(ctx)
        sign_in(ctx, make_account(ctx))
        clients.retire(ctx, "portal")
        clients.delete(ctx, "portal")
    with unit_of_work(services, actor=OPERATOR) as ctx:
        for table in (Client, ClientSecret, Permission, Authorization):
            assert ctx.db.scalar(select(func.count()).select_from(table)) == 0, table
        make_client(ctx)
        assert clients.exists(ctx, "portal")


def test_deletion_comes_after_disabling(services: Services) -> None:
    """So that nothing is under way for it, and not while the tokens of others are for it."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_client(ctx)
        make_client(ctx, "shop", audiences=["portal"])
        for operation in (clients.delete, clients.end_issued, clients.remove_issued):
            with pytest.raises(Refusal, match=r"client\.enabled"):
                operation(ctx, "portal")
        with pytest.raises(Refusal) as refused:
            clients.retire(ctx, "portal")
        assert refused.value == Refusal("client.named", client_id="portal", by="shop")
        assert clients.show(ctx, "portal").disabled_at is None
        clients.retire(ctx, "shop")
        clients.delete(ctx, "shop")
        clients.retire(ctx, "portal")
        assert clients.show(ctx, "portal").disabled_at == NOW
        clients.retire(ctx, "portal")


def test_what_a_large_client_was_issued_ends_and_goes_in_parts(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To switch it off takes no longer than for a small one (req 23); an interruption leaves none alive."""
    monkeypatch.setattr(clients, "BATCH", 2)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_client(ctx)
        ben = make_account(ctx)
        lineages = [sign_in(ctx, ben).authorization for _ in range(5)]
        for number, lineage in enumerate(lineages):
            row = {"authorization_id": lineage, "issued_at": NOW, "expires_at": NOW}
            ctx.db.add_all([RefreshToken(hash=f"{number}.{each}".encode(), **row) for each in range(2)])
        clients.disable(ctx, "portal")
        assert [clients.end_issued(ctx, "portal").authorizations for _ in range(2)] == [2, 2]
        clients.enable(ctx, "portal")
        revoked = select(func.count()).select_from(Authorization).where(Authorization.revoked_at == NOW)
        assert ctx.db.scalar(revoked) == 5
        clients.retire(ctx, "portal")
        assert [clients.remove_issued(ctx, "portal") for _ in range(9)] == [2, 2, 2, 2, 2, 2, 2, 1, 0]


def test_a_large_client_is_disabled_before_its_people_get_another_sub(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it was issued would end in one transaction; of a disabled one it has ended when it is enabled."""
    monkeypatch.setattr(clients, "BATCH", 2)
    pairwise = PORTAL | {"subject_type": "pairwise"}
    living = select(func.count()).select_from(Authorization).where(Authorization.revoked_at.is_(None))
    with unit_of_work(services, actor=OPERATOR) as ctx:
        clients.create(ctx, PORTAL)
        ben = make_account(ctx)
        for _ in range(3):
            sign_in(ctx, ben)
    with pytest.raises(Refusal) as refused, unit_of_work(services, actor=OPERATOR) as ctx:
        clients.change(ctx, pairwise)
    assert refused.value == Refusal("client.issued", client_id="portal")
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert ctx.db.scalar(living) == 3
        clients.disable(ctx, "portal")
        assert clients.change(ctx, pairwise) == ["subject_type"]
        clients.enable(ctx, "portal")
        assert ctx.db.scalar(living) == 0
        for _ in range(2):
            sign_in(ctx, ben)
        clients.change(ctx, PORTAL)
        assert ctx.db.scalar(living) == 0


@pytest.mark.parametrize("operation", ["show", "rotate_secret", "disable", "enable", "retire", "delete"])
def test_an_unknown_client(services: Services, operation: str) -> None:
    """Is said so."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        with pytest.raises(Refusal) as refused:
            getattr(clients, operation)(ctx, "nobody")
        assert refused.value == Refusal("client.unknown", client_id="nobody")
        with pytest.raises(Refusal, match=r"client\.unknown"):
            clients.change(ctx, {**PORTAL, "client_id": "nobody"})


@pytest.mark.parametrize("kind", ["account", "client", "anonymous", ""])
def test_only_operators_touch_clients(services: Services, kind: str) -> None:
    """Every operation asks first (req 92)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_client(ctx)
    with unit_of_work(services, actor=Actor(kind=kind, id="someone")) as ctx:
        attempts = [
            lambda: clients.create(ctx, {**PORTAL, "client_id": "other"}),
            lambda: clients.change(ctx, {**PORTAL, "first_party": True}),
            lambda: clients.list_all(ctx),
            *(
                lambda name=name: getattr(clients, name)(ctx, "portal")
                for name in ("show", "rotate_secret", "disable", "enable", "delete")
            ),
        ]
        for attempt in attempts:
            with pytest.raises(Refusal, match=r"actor\.not_allowed"):
                attempt()
        assert [client.version for client in ctx.db.scalars(select(Client))] == [1]
