"""One portal and one person at the machine endpoints."""

import pytest

from idp.context import Services
from idp.web.gateway import Gateway
from tests import cast
from tests.cast import Registered
from tests.installation import unit_of_work
from tests.provers import with_key
from tests.world import ALL_SCOPES, PROFILE, Desk, forget_snapshot


@pytest.fixture
def desk(services: Services, gateway: Gateway) -> Desk:
    """A portal with every grant and scope, and a person with every claim."""
    with unit_of_work(services) as ctx:
        registered = cast.register(ctx, scope=ALL_SCOPES)
        account_id = cast.person(ctx, "paul", phones=["+4940123456"], **PROFILE)
    forget_snapshot(gateway)
    return Desk(services, gateway, registered, account_id)


@pytest.fixture
def app(desk: Desk) -> Registered:
    """A client without a secret, for the same person."""
    with desk.work() as ctx:
        registered = cast.register_public(ctx)
    forget_snapshot(desk.gateway)
    return registered


@pytest.fixture(params=["confidential", "public"])
def bound(request: pytest.FixtureRequest, desk: Desk, app: Registered) -> Desk:
    """Each kind of client, with a key."""
    registered = app if request.param == "public" else desk.registered
    return with_key(Desk(desk.services, desk.gateway, registered, desk.account_id))
