"""C5: an old account brings its owner what is mapped, in the next token; nobody else anything (req 90)."""

from datetime import timedelta

import pytest

from idp.context import Actor, Services
from idp.errors import Refusal
from idp.management import linking, permissions
from idp.management.legacy_proof import prove
from idp.organizations.memberships import for_account
from idp.web.gateway import Gateway
from tests.builders import OPERATOR, make_catalogue, make_organization
from tests.cast import Registered, person, register
from tests.installation import unit_of_work
from tests.legacy import OLD_PASSWORD, SLUG, import_rows, make_directory, old_account
from tests.world import ALL_SCOPES, Desk, forget_snapshot, now, verified


@pytest.fixture
def ids(services: Services) -> dict[str, str]:
    """Ben and Clara, who belong to no company, and an old account of Muster GmbH."""
    with unit_of_work(services, now(), actor=OPERATOR) as ctx:
        registered = register(ctx)
        make_catalogue(ctx)
        muster = make_organization(ctx)
        permissions.grant_to_organization(ctx, muster, "portal", ["orders", "shop"])
        make_directory(ctx, permissions={"Belege": {"portal": ["orders"]}})
        made = {
            "ben": person(ctx, "ben"),
            "clara": person(ctx, "clara"),
            "secret": registered.secret or "",
        }
    import_rows(services, [old_account(customer_number="100200300", permissions="Belege")])
    return made


def link(services: Services, account_id: str, password: str = OLD_PASSWORD) -> linking.Linked:
    """Link as a page does: two steps, a commit after each."""
    with services.database.session() as db:
        ctx = services.context(db, actor=Actor(kind="account", id=account_id))
        try:
            linked = linking.link(ctx, prove(ctx, account_id, SLUG, "smueller", password))
        finally:
            db.commit()
    return linked


def claims_of(services: Services, gateway: Gateway, ids: dict[str, str], name: str) -> dict[str, object]:
    """Return the claims of the next ID token for a person who acts for the first company there is."""
    forget_snapshot(gateway)
    desk = Desk(services, gateway, Registered("portal", ids["secret"]), ids[name])
    with unit_of_work(services, now()) as ctx:
        active = [found.id for found in for_account(ctx, ids[name]) if found.status == "active"]
    tokens = desk.tokens(scope=ALL_SCOPES, membership=active[0] if active else None)
    claims: dict[str, object] = verified(gateway, tokens["id_token"])[1]
    return claims


def test_mapped_permissions_show_in_the_next_token_and_go_with_the_undoing(
    services: Services, gateway: Gateway, ids: dict[str, str]
) -> None:
    """Company and permissions appear with the link, and are gone with it; others never see them."""
    assert "organization" not in claims_of(services, gateway, ids, "ben")

    linked = link(services, ids["ben"])

    claims = claims_of(services, gateway, ids, "ben")
    assert claims["permissions"] == ["orders"]
    organization = claims["organization"]
    assert isinstance(organization, dict)
    assert (organization["customer_number"], organization["role"]) == ("100200300", "member")
    assert "organization" not in claims_of(services, gateway, ids, "clara")
    with unit_of_work(services, now(), actor=Actor(kind="account", id=ids["ben"])) as ctx:
        linking.undo(ctx, ids["ben"], linked.link_id)
    assert "organization" not in claims_of(services, gateway, ids, "ben")


def test_a_hostile_linker_gains_nothing(services: Services, gateway: Gateway, ids: dict[str, str]) -> None:
    """Guessing, linking what is linked, undoing others' links, at once or a month later (C5)."""
    for guess in ("", "x", OLD_PASSWORD.upper(), OLD_PASSWORD + " "):
        with pytest.raises(Refusal, match=r"link\.failed"):
            link(services, ids["clara"], guess)
    linked = link(services, ids["ben"])
    clara = Actor(kind="account", id=ids["clara"])
    with pytest.raises(Refusal, match=r"link\.taken"):
        link(services, ids["clara"])
    for later in (timedelta(0), timedelta(days=31)):
        with unit_of_work(services, now() + later, actor=clara) as ctx:
            with pytest.raises(Refusal, match=r"link\.unknown"):
                linking.undo(ctx, ids["clara"], linked.link_id)
            with pytest.raises(Refusal, match=r"actor\.not_allowed"):
                linking.undo(ctx, ids["ben"], linked.link_id)
    assert "organization" not in claims_of(services, gateway, ids, "clara")
    assert claims_of(services, gateway, ids, "ben")["permissions"] == ["orders"]
