"""References to pushed requests: once, for a minute, for one client (RFC 9126 §4; req 14, 22)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import select

from idp.context import Services
from idp.crypto import sha256
from idp.oidc.clients import RegisteredClient, load_clients
from idp.oidc.models import PushedRequest
from idp.oidc.pushed_requests import PREFIX, InvalidRequestUri, consume, store
from tests import cast
from tests.installation import NOW, unit_of_work

SENT = {"client_id": "portal", "state": "ä ö"}
RACERS = 16


@pytest.fixture
def clients(services: Services) -> dict[str, RegisteredClient]:
    with unit_of_work(services) as ctx:
        cast.register(ctx)
        cast.register(ctx, "other")
        return dict(load_clients(ctx.db))


def test_a_reference_is_not_what_is_stored(services: Services, clients: dict[str, RegisteredClient]) -> None:
    """256 bit, of which the database has the SHA-256; sixty seconds (req 14)."""
    answer = store(services.database, clients["portal"], SENT, NOW)
    assert answer["expires_in"] == 60
    reference = answer["request_uri"].removeprefix(PREFIX)
    assert len(reference) >= 43
    with services.database.session() as db:
        row = db.scalars(select(PushedRequest)).one()
    assert (row.hash, row.parameters) == (sha256(reference), SENT)
    assert row.expires_at == NOW + timedelta(seconds=60)


def test_a_reference_works_once_in_its_time_and_for_its_client(
    services: Services, clients: dict[str, RegisteredClient]
) -> None:
    """Another client's try leaves it usable; made-up ones are unknown (req 14)."""
    uri = store(services.database, clients["portal"], SENT, NOW)["request_uri"]
    end = NOW + timedelta(seconds=60)
    made_up = [("portal", uri + "x", NOW), ("portal", PREFIX, NOW), ("portal", PREFIX.upper(), NOW)]
    for client, wrong, moment in [("other", uri, NOW), ("portal", uri, end), *made_up]:
        with pytest.raises(InvalidRequestUri):
            consume(services.database, clients[client], wrong, moment)
    last = end - timedelta(seconds=1)
    assert consume(services.database, clients["portal"], uri, last) == SENT
    with pytest.raises(InvalidRequestUri):
        consume(services.database, clients["portal"], uri, last)


def test_one_of_many_parallel_uses_succeeds(services: Services, clients: dict[str, RegisteredClient]) -> None:
    """(req 22)"""
    uri = store(services.database, clients["portal"], SENT, NOW)["request_uri"]
    barrier = Barrier(RACERS)

    def use(_number: int) -> bool:
        barrier.wait()
        try:
            consume(services.database, clients["portal"], uri, NOW)
        except InvalidRequestUri:
            return False
        return True

    with ThreadPoolExecutor(RACERS) as racers:
        assert sum(racers.map(use, range(RACERS))) == 1
