"""People who ask to join a company, the letters that come of it, and the mails."""

from datetime import timedelta

from sqlalchemy import select

from idp.context import Actor, Context, Services
from idp.delivery import outbox
from idp.management import join_letters, join_notices, joining, organizations
from idp.management.join_letters import Letter
from idp.organizations.models import Membership
from tests.builders import OPERATOR, make_account, make_membership, make_organization
from tests.installation import NOW, unit_of_work

MUSTER, BEISPIEL, UNKNOWN = "100200300", "100200400", "999888777"
ADDRESS = ("Hafenstraße 1", "20457 Hamburg")
NO_TIME = timedelta(0)


def person(account_id: str) -> Actor:
    """Return the actor that a signed-in person is."""
    return Actor(kind="account", id=account_id)


def people(services: Services) -> dict[str, str]:
    """Make Muster GmbH with Anna, its administrator; Beispiel AG without one; Ben and Clara of no company."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        made = {
            "muster": make_organization(ctx, MUSTER),
            "beispiel": organizations.create(
                ctx, name="Beispiel AG", customer_number=BEISPIEL, join_policy="number_only"
            ),
            **{
                name.partition(" ")[0].lower(): make_account(
                    ctx,
                    name.partition(" ")[0].lower(),
                    emails=[f"{name.partition(' ')[0].lower()}@muster.example"],
                    profile={"name": name},
                )
                for name in ("Anna Albers", "Ben Brandt", "Clara Curtius")
            },
        }
        make_membership(ctx, made["muster"], made["anna"], role="administrator")
    return made


def by_post(services: Services, organization_id: str) -> None:
    """Have a company be joined by letters to its address."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        organizations.change(ctx, organization_id, join_policy="posted_code", address=ADDRESS)


def ask(
    services: Services, account_id: str, typed: str = MUSTER, *, later: timedelta = NO_TIME
) -> joining.Asked:
    """Ask as the page does."""
    with unit_of_work(services, NOW + later, actor=person(account_id)) as ctx:
        return joining.ask(ctx, account_id, typed)


def letters(services: Services, *, again: bool = False, later: timedelta = NO_TIME) -> list[Letter]:
    """Make the letters that are due."""
    with unit_of_work(services, NOW + later, actor=OPERATOR) as ctx:
        return join_letters.make(ctx, join_letters.due(ctx, again=again))


def tell(services: Services, *, later: timedelta = NO_TIME) -> int:
    """Do what the worker does each second."""
    return join_notices.step(services, NOW + later)


def mails(services: Services) -> list[tuple[str, str]]:
    """Return the name and recipient of every mail, the oldest first."""
    with unit_of_work(services) as ctx:
        found = outbox.list_messages(ctx, 100)
    return [(message.payload["mail"], message.recipient) for message in reversed(found)]


def facts(services: Services) -> dict[str, object]:
    """Return the facts of the newest mail."""
    with unit_of_work(services) as ctx:
        return dict(outbox.list_messages(ctx, 1)[0].payload["facts"])


def member(ctx: Context, organization_id: str, account_id: str) -> Membership | None:
    """Return a person's membership, whatever its status."""
    mine = select(Membership).where(
        Membership.organization_id == organization_id, Membership.account_id == account_id
    )
    return ctx.db.execute(mine, execution_options={"populate_existing": True}).scalar_one_or_none()


def membership_id(services: Services, organization_id: str, account_id: str) -> str:
    """Return the id of a person's membership."""
    with unit_of_work(services) as ctx:
        found = member(ctx, organization_id, account_id)
        assert found is not None
        return found.id


def status(services: Services, organization_id: str, account_id: str) -> str | None:
    """Return the status of a person's membership."""
    with unit_of_work(services) as ctx:
        found = member(ctx, organization_id, account_id)
        return found.status if found else None
