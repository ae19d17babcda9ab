"""One portal and one person at the machine endpoints."""

import pytest

from idp.context import Services
from idp.web.gateway import Gateway
from tests import cast
from tests.installation import unit_of_work
from tests.world import ALL_SCOPES, Desk, forget_snapshot


@pytest.fixture
def desk(services: Services, gateway: Gateway) -> Desk:
    """A portal with every grant and scope, and a person."""
    with unit_of_work(services) as ctx:
        registered = cast.register(ctx, scope=ALL_SCOPES)
        account_id = cast.person(ctx, "paul")
    forget_snapshot(gateway)
    return Desk(services, gateway, registered, account_id)
