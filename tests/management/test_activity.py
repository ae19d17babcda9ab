"""K-15: one's own log; of other people it tells neither name nor browser (req 104, 106, 110)."""

from datetime import timedelta

import pytest

from idp.audit.events import Event
from idp.audit.log import record
from idp.context import Actor, Context, Origin, Services
from idp.errors import Refusal
from idp.management import activity, memberships
from idp.management.activity import ADMIN, OF_NOBODY, OPERATOR, OWNER, PERSON, PORTAL, STRANGER, SYSTEM, TOLD
from idp.oidc.logout import end_session
from idp.web.wording.activity import ACTORS, SENTENCES
from tests import builders
from tests.builders import make_account, make_client, make_membership, make_organization, sign_in
from tests.installation import NOW, unit_of_work

FIREFOX = Origin(ip="192.0.2.7", user_agent="Mozilla/5.0 (Windows) Firefox/140.0")


@pytest.fixture
def ben(services: Services) -> str:
    with unit_of_work(services) as ctx:
        make_client(ctx, client_name="Wetter")
        return make_account(ctx, "ben")


def read(ctx: Context, account_id: str, before: str | None = None) -> activity.Page:
    return activity.page(ctx.acting(Actor("account", account_id)), account_id, before=before)


@pytest.mark.parametrize("event", Event)
def test_every_event_about_people_has_a_sentence(event: Event) -> None:
    """And no other has one: a new event is decided about when it comes."""
    assert (event in SENTENCES) == (event in TOLD)
    assert (event in TOLD) != (event in OF_NOBODY)


def test_every_event_that_had_an_account_as_target_is_told(services: Services, ben: str) -> None:
    """Whatever happens to an account stands in its log, under the time, by who did it."""
    with unit_of_work(services, NOW + timedelta(hours=1)) as ctx:
        for event in sorted(TOLD):
            record(ctx, event, target=("account", ben))
        found = activity.own_entries(ctx.acting(Actor("account", ben)), ben)
    assert {entry.event for entry in found} >= {event.value for event in TOLD}


ACTS = {
    OWNER: lambda ben: Actor("account", ben),
    STRANGER: lambda ben: Actor("anonymous"),
    ADMIN: lambda ben: Actor("account", "another", role="administrator"),
    PERSON: lambda ben: Actor("account", "another"),
    OPERATOR: lambda ben: Actor("operator", "root"),
    SYSTEM: lambda ben: Actor("system"),
    PORTAL: lambda ben: Actor("client", "portal"),
}


@pytest.mark.parametrize("by", ACTS)
def test_who_did_it_appears_by_role(services: Services, ben: str, by: str) -> None:
    """(req 110): the browser only of the owner, or of who tried to be the owner."""
    with unit_of_work(services, NOW + timedelta(hours=1), origin=FIREFOX) as ctx:
        record(ctx, Event.SIGN_IN_FAILED, actor=ACTS[by](ben), target=("account", ben), client="portal")
        deed = read(ctx, ben).deeds[0]
    own = by in (OWNER, STRANGER)
    assert (deed.by, deed.portal) == (by, "Wetter")
    assert deed.user_agent == (FIREFOX.user_agent if own else None)
    assert (by in ACTORS) is not own


def test_sessions_and_memberships_belong_to_it(services: Services, ben: str) -> None:
    """What an administrator does to others does not, though the administrator did it."""
    with unit_of_work(services) as ctx:
        organization = make_organization(ctx)
        member = make_membership(ctx, organization, ben)
        other = make_account(ctx, "clara")
        hers = make_membership(ctx, organization, other)
        session = sign_in(ctx, ben).session
    with unit_of_work(services, NOW + timedelta(hours=1), actor=Actor("account", ben)) as ctx:
        end_session(ctx, session, "signed out")
        record(ctx, Event.SESSION_ORGANIZATION_CHOSEN, target=("membership", member))
        memberships.block(ctx.acting(builders.OPERATOR), organization, hers)
        record(ctx, Event.MEMBERSHIP_BLOCKED, target=("account", other))
        found = [deed.event for deed in read(ctx, ben).deeds if deed.at == ctx.now]
        assert sorted(found) == [Event.SESSION_ENDED, Event.SESSION_ORGANIZATION_CHOSEN]
        [blocked, *_] = [
            deed
            for deed in read(ctx, other).deeds
            if deed.event == Event.MEMBERSHIP_BLOCKED and deed.organization
        ]
        assert blocked.organization == "Muster GmbH"


def test_pages_are_bound_to_the_person(services: Services, ben: str) -> None:
    """Each line once, also those of one moment; another's line, or none, begins nothing (req 104)."""
    with unit_of_work(services, NOW + timedelta(hours=1)) as ctx:
        other = make_account(ctx, "clara")
        for _ in range(2 * activity.PAGE):
            record(ctx, Event.SIGN_IN_SUCCEEDED, target=("account", ben))
        seen, page = [], read(ctx, ben)
        seen += page.deeds
        while page.older:
            page = read(ctx, ben, page.older)
            seen += page.deeds
        assert len({deed.id for deed in seen}) == len(seen) == 2 * activity.PAGE + 1
        assert [deed.at for deed in seen] == sorted((deed.at for deed in seen), reverse=True)
        for foreign in (read(ctx, other).deeds[0].id, "", "nothing"):
            assert read(ctx, ben, foreign) == activity.Page([], None)


def test_others_are_refused(services: Services, ben: str) -> None:
    for actor in (Actor("account", "another"), Actor("anonymous"), Actor("client", ben)):
        with unit_of_work(services, actor=actor) as ctx, pytest.raises(Refusal, match=r"actor\.not_allowed"):
            activity.page(ctx, ben)
