"""Codes and links that work once (req 6, 22; C2, C16)."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from idp.context import Services
from idp.flows import one_time_secrets
from idp.flows.models import OneTimeSecret
from tests.installation import NOW, unit_of_work

MINUTE = timedelta(minutes=1)


def _create(services: Services, purpose: str = "code") -> str:
    with unit_of_work(services) as ctx:
        return one_time_secrets.create(ctx, purpose, target="t", lifetime=MINUTE)


def test_a_secret_opens_once_what_it_was_made_for(services: Services) -> None:
    token = _create(services)
    with unit_of_work(services) as ctx:
        facts = one_time_secrets.consume(ctx, "code", token)
        assert facts is not None
        assert (facts.target, facts.flow_id, facts.used_at) == ("t", None, NOW)
    with unit_of_work(services) as ctx:
        assert one_time_secrets.consume(ctx, "code", token) is None
        used = one_time_secrets.find_used(ctx, "code", token)
        assert used is not None
        assert used.id == facts.id


def test_a_secret_of_one_purpose_opens_nothing_of_another(services: Services) -> None:
    """(C2)"""
    token = _create(services, "invitation")
    with unit_of_work(services) as ctx:
        assert one_time_secrets.consume(ctx, "code", token) is None
        assert one_time_secrets.find_used(ctx, "invitation", token) is None
        assert one_time_secrets.consume(ctx, "invitation", token) is not None
        assert one_time_secrets.find_used(ctx, "code", token) is None


def test_a_secret_dies_on_time(services: Services) -> None:
    """(req 6)"""
    token = _create(services)
    with unit_of_work(services, NOW + MINUTE) as ctx:
        assert one_time_secrets.consume(ctx, "code", token) is None
        assert one_time_secrets.find_used(ctx, "code", token) is None
    with unit_of_work(services, NOW + MINUTE - timedelta(microseconds=1)) as ctx:
        assert one_time_secrets.consume(ctx, "code", token) is not None


def test_a_changed_secret_opens_nothing(services: Services) -> None:
    """(C2)"""
    token = _create(services)
    with unit_of_work(services) as ctx:
        for changed in (token[:-1], token + "A", token.swapcase(), "", "\0", f" {token}"):
            assert one_time_secrets.consume(ctx, "code", changed) is None
        assert one_time_secrets.consume(ctx, "code", token) is not None


def test_the_table_does_not_hold_the_secret(services: Services) -> None:
    """(req 68): its hash alone."""
    token = _create(services)
    with unit_of_work(services) as ctx:
        row = ctx.db.query(OneTimeSecret).one()
        assert token not in repr(vars(row))
        assert len(row.hash) == 32


def test_of_64_uses_at_once_one_succeeds(services: Services) -> None:
    """(req 22, C16)"""
    token = _create(services)
    barrier = threading.Barrier(4)

    def use(number: int) -> bool:
        if number < 4:
            barrier.wait()
        with unit_of_work(services) as ctx:
            return one_time_secrets.consume(ctx, "code", token) is not None

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(use, range(64))) == 1
