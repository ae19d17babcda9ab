"""K-10: what people let portals have, seen and taken back by themselves and by operators (req 16, 23)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from idp.audit.models import AuditEvent
from idp.context import Actor, Context, Services
from idp.errors import Refusal
from idp.management import accounts, clients, consents, erasure
from idp.oidc import consent
from idp.oidc.clients import load_clients
from idp.oidc.consent import Extent
from idp.oidc.models import Authorization, Consent
from tests.builders import OPERATOR, make_account, make_client, sign_in
from tests.installation import NOW, unit_of_work

EMAIL = Extent(frozenset({"openid", "email"}), frozenset({"gender"}))


@pytest.fixture
def people(services: Services) -> dict[str, str]:
    """Two people who let two portals have something, and are signed in at both."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        for name in ("wetter", "bahn"):
            make_client(ctx, name, client_name=name.title())
        found = {name: make_account(ctx, name) for name in ("ben", "clara")}
        for account_id in found.values():
            for name in ("wetter", "bahn"):
                consent.decide(ctx, account_id, load_clients(ctx.db)[name], EMAIL, EMAIL)
                sign_in(ctx, account_id, name)
        return found


def alive(ctx: Context, account_id: str) -> set[str]:
    """Return the clients that an account has living authorizations at."""
    by_row = {client.row_id: name for name, client in load_clients(ctx.db).items()}
    mine = select(Authorization.client_id).where(
        Authorization.account_id == account_id, Authorization.revoked_at.is_(None)
    )
    return {by_row[row] for row in ctx.db.scalars(mine)}


def test_people_see_what_they_allowed(services: Services, people: dict[str, str]) -> None:
    """By the portals' names, with scopes, single claims and last use; operators see it too."""
    ben = people["ben"]
    for actor in (Actor("account", ben), OPERATOR):
        with unit_of_work(services, actor=actor) as ctx:
            found = consents.list_all(ctx, ben)
        assert [facts.client_name for facts in found] == ["Bahn", "Wetter"]
        assert (found[0].scope, found[0].claims) == ("email openid", ("gender",))
        assert found[0].created_at == found[0].updated_at == found[0].last_used_at == NOW


def test_portals_that_needed_no_consent(services: Services, people: dict[str, str]) -> None:
    """One's own use alone, with first and last time; a withdrawn one is among them."""
    ben = people["ben"]
    with unit_of_work(services, NOW + timedelta(hours=1), actor=Actor("account", ben)) as ctx:
        make_client(ctx, "kunden", client_name="Kundenportal", first_party=True)
        sign_in(ctx, ben, "kunden")
        consents.withdraw(ctx, ben, "wetter")
        sign_in(ctx, people["clara"], "kunden")
        found = consents.used_without(ctx, ben)
    assert [(used.client_name, used.first_party) for used in found] == [
        ("Kundenportal", True),
        ("Wetter", False),
    ]
    assert found[0].first_used_at == found[0].last_used_at == NOW + timedelta(hours=1)
    assert found[1].last_used_at == NOW


def test_withdrawing(services: Services, people: dict[str, str]) -> None:
    """Row and authorizations of this person at this portal, of nobody else; one event (req 23)."""
    ben, clara = people["ben"], people["clara"]
    with unit_of_work(services, actor=Actor("account", ben)) as ctx:
        ended = consents.withdraw(ctx, ben, "wetter")
    assert (ended.sessions, ended.authorizations) == (0, 1)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert [facts.client_id for facts in consents.list_all(ctx, ben)] == ["bahn"]
        assert alive(ctx, ben) == {"bahn"}
        assert alive(ctx, clara) == {"bahn", "wetter"}
        (event,) = ctx.db.scalars(select(AuditEvent).where(AuditEvent.event == "consent.withdrawn"))
        assert (event.actor_id, event.target_id, event.client) == (ben, ben, "wetter")
        assert event.old == '{"claims":["gender"],"scope":"email openid"}'
        reasons = ctx.db.scalars(select(Authorization.revoke_reason)).all()
        assert sorted(filter(None, reasons)) == ["consent withdrawn"]


def test_what_a_device_has_is_no_portal(services: Services, people: dict[str, str]) -> None:
    """Unless a browser brought the person there, too."""
    ben = people["ben"]
    with unit_of_work(services, actor=Actor("account", ben)) as ctx:
        for name in ("kasse", "beides"):
            make_client(ctx, name, client_name=name.title(), first_party=True)
            let_in = sign_in(ctx, ben, name).authorization
            ctx.db.execute(update(Authorization).where(Authorization.id == let_in).values(redirect_uri=""))
        sign_in(ctx, ben, "beides")
        assert [used.client_name for used in consents.used_without(ctx, ben)] == ["Beides"]


OPERATIONS: dict[str, Callable[[Context, str], Any]] = {
    "list": consents.list_all,
    "used without": consents.used_without,
    "withdraw": lambda ctx, account_id: consents.withdraw(ctx, account_id, "wetter"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_somebody_elses(services: Services, people: dict[str, str], operation: str) -> None:
    """Another person, a client and a stranger are refused, whatever id they name (req 91)."""
    ben, clara = people["ben"], people["clara"]
    for actor in (Actor("account", clara), Actor("client", ben), Actor("anonymous"), Actor("account")):
        with unit_of_work(services, actor=actor) as ctx, pytest.raises(Refusal) as caught:
            OPERATIONS[operation](ctx, ben)
        assert caught.value.code == "actor.not_allowed"
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert len(consents.list_all(ctx, ben)) == 2


@pytest.mark.parametrize("client_id", ["nobody", "", "bahn"])
def test_nothing_to_withdraw(services: Services, people: dict[str, str], client_id: str) -> None:
    """An unknown portal, or one that was withdrawn before: a refusal, and nothing ends."""
    ben = people["ben"]
    with unit_of_work(services, actor=OPERATOR) as ctx:
        consents.withdraw(ctx, ben, "bahn")
    with unit_of_work(services, actor=OPERATOR) as ctx, pytest.raises(Refusal) as caught:
        consents.withdraw(ctx, ben, client_id)
    assert caught.value == Refusal("consent.unknown", client_id=client_id)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        assert alive(ctx, ben) == {"wetter"}


def test_consents_go_with_person_and_portal(services: Services, people: dict[str, str]) -> None:
    """Erasing a person and deleting a portal leave no consent behind (req 109)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        accounts.delete(ctx, people["ben"])
        erasure.erase(ctx, people["ben"])
        clients.retire(ctx, "bahn")
        clients.delete(ctx, "bahn")
        left = ctx.db.execute(select(Consent.account_id, func.count()).group_by(Consent.account_id)).all()
        assert [tuple(row) for row in left] == [(people["clara"], 1)]
