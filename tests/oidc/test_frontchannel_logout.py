"""Whose pages are framed at a sign-out, and by which addresses (OIDC Front-Channel Logout §2-3; req 48)."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from idp.oidc import frontchannel_logout
from idp.oidc.authorization import session_identifier
from idp.oidc.models import Authorization
from tests import cast
from tests.driver import counted
from tests.world import Desk, forget_snapshot

PAGE = "https://portal.example/signed-out-elsewhere"


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """Beside a portal without such a page, two that have one."""
    with desk.work() as ctx:
        cast.register(ctx, "framed", frontchannel_logout_uri=PAGE)
        cast.register(ctx, "absent", frontchannel_logout_uri=f"{PAGE}?x=1")
    forget_snapshot(desk.gateway)
    return desk


def test_who_is_told(desk: Desk) -> None:
    """Those who took part in this very session and have a page, each by its sid; else nothing is asked."""
    snapshot = desk.gateway.server.provider.snapshots.current()
    issued, other = desk.code(), desk.code()
    with desk.work() as ctx:
        mine, others = (
            ctx.db.get_one(Authorization, code.authorization_id).session_id or "" for code in (issued, other)
        )
        assert frontchannel_logout.receivers(ctx, snapshot.by_row, mine) == {}
        sid = session_identifier(ctx, mine, snapshot.clients["framed"])
        session_identifier(ctx, others, snapshot.clients["absent"])
        assert frontchannel_logout.receivers(ctx, snapshot.by_row, mine) == {"framed": sid}
        without = {key: client for key, client in snapshot.by_row.items() if client.client_id == "portal"}
    with counted(desk.services.database) as traffic, desk.work() as ctx:
        assert frontchannel_logout.receivers(ctx, without, mine) == {}
        assert traffic.statements == []


def test_what_is_framed(desk: Desk) -> None:
    """What is registered now, its query kept, with iss and sid; nothing of a client that is gone."""
    clients = desk.gateway.server.provider.snapshots.current().clients
    sids = {"framed": "s1", "absent": "s2&iss=x", "portal": "s3", "gone": "s4"}
    first, second = frontchannel_logout.frames(clients, sids, desk.issuer)
    assert (first.client_id, first.client_name, first.origin) == (
        "framed",
        "Framed",
        "https://portal.example",
    )
    assert first.address.startswith(f"{PAGE}?iss=")
    assert parse_qsl(urlsplit(first.address).query) == [("iss", desk.issuer), ("sid", "s1")]
    assert second.address.startswith(f"{PAGE}?x=1&iss=")
    assert parse_qsl(urlsplit(second.address).query)[1:] == [("iss", desk.issuer), ("sid", "s2&iss=x")]
