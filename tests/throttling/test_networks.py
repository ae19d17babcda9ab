"""Limits of networks and clients; what stands in the table."""

from ipaddress import ip_network

import pytest
from sqlalchemy import select

from idp.db import Database
from idp.errors import Refusal
from idp.installation import Vault
from idp.throttling import ThrottleRow, counters
from idp.throttling.limits import Limit, network_of
from tests.throttling.desk import HOUR, IP, MINUTE, NOW, SECOND, Desk, refusal


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("203.0.113.7", "203.0.113.8", False),
        ("203.0.113.7", "::ffff:203.0.113.7", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::9", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::1", True),
    ],
)
def test_one_network_is_an_ipv4_address_or_an_ipv6_site(first: str, second: str, same: bool) -> None:
    assert network_of(first) is not None
    assert (network_of(first) == network_of(second)) is same


@pytest.mark.parametrize("ip", [None, "", "unix", "1.2.3"])
def test_callers_without_an_address_have_no_network(ip: str | None) -> None:
    assert network_of(ip) is None


def test_20_sign_ins_a_minute_from_one_network(desk: Desk) -> None:
    for number in range(20):
        desk.password(f"account{number}", ip=IP)
        desk.now += SECOND
    refused = refusal(lambda: desk.password("another", ip=IP))
    assert refused == Refusal("login.throttled", until=NOW + MINUTE)
    desk.password("another", ip="203.0.113.8")
    desk.now = NOW + MINUTE
    assert desk.password("another", ip=IP).failures == 2


def test_200_sign_ins_an_hour_from_one_network(desk: Desk) -> None:
    for number in range(200):
        desk.password(f"account{number}", ip=IP)
        desk.now += 6 * SECOND
    assert refusal(lambda: desk.password("another", ip=IP)) == Refusal("login.throttled", until=NOW + HOUR)


def test_network_limit_does_not_use_up_the_tries_of_the_account(desk: Desk) -> None:
    for number in range(20):
        desk.password(f"account{number}", ip=IP)
    for _ in range(10):
        refusal(lambda: desk.password("a", ip=IP))
    assert desk.password("a").failures == 1


def test_success_does_not_clear_the_network(desk: Desk) -> None:
    """(req 57)"""
    for number in range(20):
        desk.succeed(desk.password(f"account{number}", ip=IP))
    assert refusal(lambda: desk.password("a", ip=IP)).code == "login.throttled"


def test_exempt_networks_are_spared_the_network_limits_only(database: Database, vault: Vault) -> None:
    desk = Desk(database, vault, exempt_networks=["127.0.0.0/8", "::1/128"])
    assert desk.settings.exempt_networks == (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    for number in range(30):
        desk.password(f"account{number}", ip="127.0.0.1")
        desk.password(f"account{number}", ip="::1")
    for _ in range(3):
        desk.password("account1", ip="127.0.0.1")
    assert refusal(lambda: desk.password("account1", ip="::1")).code == "login.throttled"


def test_other_requests_have_limits_of_their_own(desk: Desk) -> None:
    def ask(purpose: str) -> None:
        limits = [Limit(2, MINUTE)]
        desk.throttle.network_try(purpose, IP, limits=limits, now=NOW, code="reset.throttled")

    ask("reset")
    ask("reset")
    assert refusal(lambda: ask("reset")) == Refusal("reset.throttled", until=NOW + MINUTE)
    ask("register")


def test_failed_client_authentications_are_limited_by_client_and_network(desk: Desk) -> None:
    def fail(client: str = "shop", ip: str | None = IP) -> None:
        desk.throttle.client_authentication_failed(client, ip, now=desk.now)

    for _ in range(60):
        fail()
    assert refusal(fail) == Refusal("client.throttled", until=NOW + MINUTE)
    fail("other")
    fail(ip="203.0.113.8")
    fail(ip=None)
    desk.now += MINUTE
    fail()


def test_no_name_and_no_address_stands_in_the_table(desk: Desk) -> None:
    desk.password(None, name="anna@muster.example", ip=IP)
    desk.throttle.client_authentication_failed("shop", IP, now=NOW)
    with desk.database.session() as db:
        rows = db.scalars(select(ThrottleRow)).all()
    assert len(rows) == 4
    assert all(len(row.key) == 43 for row in rows)
    assert not any(word in row.key for row in rows for word in ("anna", "203", "shop"))


def test_old_rows_are_removed_in_batches(desk: Desk) -> None:
    desk.password(ip=IP)
    desk.now += HOUR
    assert purge(desk, 1) == 1
    assert purge(desk, 10) == 1
    assert purge(desk, 10) == 0
    assert desk.password().failures == 2
    desk.now += counters.KEEP_FAILURES
    assert purge(desk, 10) == 1


def purge(desk: Desk, limit: int) -> int:
    with desk.database.session() as session:

        class Unit:
            db = session
            now = desk.now

        removed = counters.purge(Unit(), limit)
        session.commit()
        return removed
