"""Organisations: creation, change, suspension (req 23)."""

from collections.abc import Callable
from typing import Any

import pytest

from idp.authentication import live_sessions
from idp.context import Actor, Services
from idp.errors import Refusal
from idp.management import organizations
from idp.oidc.models import Authorization
from idp.organizations.models import Organization
from tests.builders import (
    OPERATOR,
    make_account,
    make_client,
    make_membership,
    make_organization,
    sign_in,
)
from tests.installation import unit_of_work


def test_an_organisation_is_found_by_its_number(services: Services) -> None:
    """As printed on the invoice, or by id."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        made = organizations.create(ctx, name="Muster GmbH", customer_number="D 100 200 300")
        for name in ("100200300", "D100200300", made):
            found = organizations.find(ctx, name)
            assert (found.id, found.name, found.customer_number) == (made, "Muster GmbH", "100200300")
        assert organizations.find_id(ctx, "D100200300") == made
        assert organizations.find_id(ctx, "1") is None
        assert ctx.db.get_one(Organization, made).join_policy == "admin_approval"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"customer_number": "100200300"}, "customer.taken"),
    ({"customer_number": "D100200300"}, "customer.taken"),
    ({"customer_number": ""}, "customer.format"),
    ({"customer_number": "x" * 32}, "customer.format"),
    ({"customer_number": "1;2"}, "customer.format"),
    ({"name": ""}, "organization.name"),
    ({"name": " Muster"}, "organization.name"),
    ({"name": "Mus\nter"}, "organization.name"),
    ({"name": "x" * 256}, "organization.name"),
    ({"join_policy": "open"}, "organization.join_policy"),
]


@pytest.mark.parametrize(("wrong", "code"), REFUSED)
def test_what_no_organisation_can_be(services: Services, wrong: dict[str, Any], code: str) -> None:
    """One number, one company; names that pages can show."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_organization(ctx)
        with pytest.raises(Refusal) as refused:
            organizations.create(ctx, **{"name": "Beispiel AG", "customer_number": "2", **wrong})
        assert refused.value.code == code
        assert len(organizations.list_all(ctx)) == 1


def test_a_change_raises_the_version(services: Services) -> None:
    """Claims are cached by it; nothing changed, nothing raised."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        made = make_organization(ctx)
        assert organizations.change(ctx, made, name="Muster GmbH", join_policy="admin_approval") == []
        assert ctx.db.get_one(Organization, made).version == 1
        changed = organizations.change(ctx, made, name="Muster SE", require_second_factor=True)
        assert changed == ["name", "require_second_factor"]
        assert organizations.find(ctx, made).require_second_factor
        assert ctx.db.get_one(Organization, made).version == 2
        with pytest.raises(Refusal, match=r"organization\.join_policy"):
            organizations.change(ctx, made, join_policy="open")


def test_suspension_ends_what_was_issued_for_it(services: Services) -> None:
    """All its members act for it no more; resumption revives nothing (req 23)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        make_client(ctx)
        muster, beispiel = make_organization(ctx), make_organization(ctx, "100200400", "Beispiel AG")
        ben, clara = make_account(ctx, "ben"), make_account(ctx, "clara")
        at_muster = [make_membership(ctx, muster, account) for account in (ben, clara)]
        at_beispiel = make_membership(ctx, beispiel, ben)
        ends = [
            sign_in(ctx, ben, membership_id=at_muster[0]),
            sign_in(ctx, clara, membership_id=at_muster[1]),
        ]
        stays = sign_in(ctx, ben, membership_id=at_beispiel)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        ended = organizations.suspend(ctx, muster, reason="unpaid")
        assert (ended.sessions, ended.authorizations, len(ended.notices)) == (2, 2, 2)
        with pytest.raises(Refusal) as refused:
            organizations.suspend(ctx, muster)
        assert refused.value == Refusal("organization.status", status="suspended")
        organizations.resume(ctx, muster)
        with pytest.raises(Refusal, match=r"organization\.status"):
            organizations.resume(ctx, muster)
    with unit_of_work(services) as ctx:
        assert [live_sessions.find(ctx, one.cookie) for one in ends] == [None, None]
        revoked = [ctx.db.get_one(Authorization, one.authorization).revoke_reason for one in ends]
        assert revoked == ["organization suspended"] * 2
        assert live_sessions.find(ctx, stays.cookie) is not None
        assert ctx.db.get_one(Authorization, stays.authorization).revoked_at is None


def test_lists_are_read_in_pages(services: Services) -> None:
    """In the order of creation (req 104)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        ids = [make_organization(ctx, str(number), f"Firma {number}") for number in range(5)]
        first = organizations.list_all(ctx, limit=2)
        rest = organizations.list_all(ctx, after=first[-1].id)
        assert [found.id for found in (*first, *rest)] == sorted(ids)


@pytest.mark.parametrize("name", ["change", "suspend", "resume", "find"])
def test_unknown_organisations(services: Services, name: str) -> None:
    """Are said so."""
    with (
        unit_of_work(services, actor=OPERATOR) as ctx,
        pytest.raises(Refusal, match=r"organization\.unknown"),
    ):
        getattr(organizations, name)(ctx, "nowhere")


@pytest.mark.parametrize("kind", ["account", "client", "anonymous", ""])
def test_only_operators_touch_organisations(services: Services, kind: str) -> None:
    """Every operation asks first (req 92)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        muster = make_organization(ctx)
    with unit_of_work(services, actor=Actor(kind=kind)) as ctx:
        attempts: list[Callable[[], object]] = [
            lambda: organizations.create(ctx, name="Beispiel AG", customer_number="2"),
            lambda: organizations.list_all(ctx),
            lambda: organizations.find_id(ctx, "100200300"),
            *(
                lambda name=name: getattr(organizations, name)(ctx, muster)  # type: ignore[misc]
                for name in ("change", "suspend", "resume", "find")
            ),
        ]
        for attempt in attempts:
            with pytest.raises(Refusal, match=r"actor\.not_allowed"):
                attempt()
