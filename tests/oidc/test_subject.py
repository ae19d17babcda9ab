"""Pairwise subjects wherever a client sees whom a token speaks of (OIDC Core §8; req 38)."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from idp.accounts.models import Account
from idp.installation import PAIRWISE_SALT, add_secret, prepare
from idp.management import clients
from idp.oidc import subject
from idp.oidc.clients import load_clients
from idp.oidc.logout import logout_token
from idp.oidc.metadata_reader import InvalidMetadata
from tests import cast
from tests.device_programs import Device, connect
from tests.plain_browser import Browser, Portal
from tests.world import Desk, forget_snapshot, verified

ELSEWHERE = "https://other.example/callback"
PAIRWISE: dict[str, Any] = {"subject_type": "pairwise"}


@pytest.fixture
def portals(desk: Desk) -> dict[str, Desk]:
    """A public portal, two pairwise ones of one host, and one of another."""
    with desk.work() as ctx:
        made = {
            "public": desk.registered,
            "one": cast.register(ctx, "one", **PAIRWISE),
            "two": cast.register(ctx, "two", **PAIRWISE),
            "far": cast.register(ctx, "far", redirect_uris=[ELSEWHERE], **PAIRWISE),
        }
    forget_snapshot(desk.gateway)
    return {
        name: Desk(desk.services, desk.gateway, registered, desk.account_id)
        for name, registered in made.items()
    }


SECTORS: list[dict[str, Any]] = [
    {"redirect_uris": ["http://127.0.0.1/callback"], "kind": "native"},
    {"redirect_uris": ["com.example.app:/callback"], "kind": "native"},
    {"redirect_uris": [cast.REDIRECT, ELSEWHERE]},
    {"redirect_uris": None, "kind": "device"},
]


@pytest.mark.parametrize("fields", SECTORS, ids=str)
def test_a_sector_without_a_host_of_ones_own(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    """Apps, several hosts, devices: pairwise by the sector's document, and not without it (§8.1)."""
    monkeypatch.setattr(clients, "document_problem", lambda *_: None)
    sector = {"sector_identifier_uri": "https://portal.example/sector.json"}
    registration = PAIRWISE | fields
    register = {"native": cast.register_public, "device": cast.register_device}.get(
        fields.get("kind", "web"), cast.register
    )
    with desk.work() as ctx:
        with pytest.raises(InvalidMetadata) as refused:
            register(ctx, "lost", **registration)
        assert [problem.field for problem in refused.value.problems] == ["sector_identifier_uri"]
        register(ctx, "found", **registration, **sector)
        cast.register(ctx, "one", **PAIRWISE)
    forget_snapshot(desk.gateway)
    # portal.example in both cases
    assert _sub(desk, "found") == _sub(desk, "one")


def test_a_pairwise_device(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it hears of a person is the sector's, in every answer."""
    monkeypatch.setattr(clients, "document_problem", lambda *_: None)
    sector = {"sector_identifier_uri": "https://portal.example/sector.json"}
    with desk.work() as ctx:
        device = Device(desk.gateway, cast.register_device(ctx, "till", **PAIRWISE, **sector))
    forget_snapshot(desk.gateway)
    device.ask("openid")
    connect(Browser(desk.gateway), device.codes["user_code"], "paul")
    tokens = device.poll().get_json()
    heard = {verified(desk.gateway, tokens[name])[1]["sub"] for name in ("id_token", "access_token")}
    heard.add(device.userinfo(tokens["access_token"]).get_json()["sub"])
    assert heard == {_sub(desk, "till")}


def _sub(desk: Desk, client: str) -> str:
    with desk.work() as ctx:
        account = ctx.db.scalars(select(Account.sub).where(Account.id == desk.account_id)).one()
        return subject.seen_by(ctx.vault, load_clients(ctx.db)[client], account)


def test_one_subject_for_each_sector(desk: Desk, portals: dict[str, Desk]) -> None:
    """Equal in a sector, strangers between sectors, never the account's own; long and random to look at."""
    subs = {name: _sub(desk, found.registered.client_id) for name, found in portals.items()}
    assert subs["one"] == subs["two"]
    assert len(set(subs.values())) == 3
    with desk.work() as ctx:
        assert (
            ctx.db.scalars(select(Account.sub).where(Account.id == desk.account_id)).one() == subs["public"]
        )
        other = ctx.db.get_one(Account, cast.person(ctx, "ben")).sub
        one = load_clients(ctx.db)["one"]
        assert len(subs["one"]) == 43
        assert subject.seen_by(ctx.vault, one, other) != subs["one"]


def test_a_new_salt_changes_no_subject(desk: Desk, portals: dict[str, Desk]) -> None:
    """A subject is never reassigned and never changes (req 38): it is made with the first salt for ever."""
    before = _sub(desk, "one")
    with desk.work() as ctx:
        add_secret(ctx.db, ctx.vault.sealer, PAIRWISE_SALT, version=2, now=ctx.now)
        vault = prepare(ctx.db, ctx.vault.sealer, ctx.now)
        assert set(vault.secrets[PAIRWISE_SALT]) == {1, 2}
        account = ctx.db.get_one(Account, desk.account_id).sub
        assert subject.seen_by(vault, load_clients(ctx.db)["one"], account) == before


@pytest.mark.parametrize("name", ["public", "one", "far"])
def test_everywhere_the_same(portals: dict[str, Desk], name: str) -> None:
    """ID token, access token, userinfo, introspection, and all of a refresh."""
    desk = portals[name]
    expected = _sub(desk, desk.registered.client_id)
    uri = {"redirect_uri": ELSEWHERE} if name == "far" else {}
    tokens = desk.tokens(**uri)
    for found in (tokens, desk.portal.refresh(tokens["refresh_token"]).get_json()):
        subs = {
            verified(desk.gateway, found["id_token"])[1]["sub"],
            verified(desk.gateway, found["access_token"])[1]["sub"],
            desk.portal.userinfo(found["access_token"]).get_json()["sub"],
            desk.introspect(found["access_token"])["sub"],
        }
        assert subs == {expected}


def test_a_resource_server_sees_the_subject_of_the_portal(desk: Desk) -> None:
    """Whom the token was issued to decides, so tokens of two sectors stay strangers there too."""
    with desk.work() as ctx:
        api = Portal(desk.gateway, cast.register_api(ctx))
        made = [
            cast.register(ctx, client_id, audiences=["orders-api"], redirect_uris=[uri], **PAIRWISE)
            for client_id, uri in (("one", cast.REDIRECT), ("far", ELSEWHERE))
        ]
    forget_snapshot(desk.gateway)
    seen = {}
    for registered in made:
        own = Desk(desk.services, desk.gateway, registered, desk.account_id)
        token = own.tokens(redirect_uri=registered.redirect_uri)["access_token"]
        seen[registered.client_id] = desk.introspect(token, api)["sub"]
    assert seen == {client_id: _sub(desk, client_id) for client_id in seen}
    assert seen["one"] != seen["far"]


def test_a_logout_token_names_the_same(desk: Desk, portals: dict[str, Desk]) -> None:
    """OIDC Back-Channel Logout §2.4: the client finds its own person."""
    provider = desk.gateway.server.provider
    with desk.work() as ctx:
        account = ctx.db.get_one(Account, desk.account_id).sub
    for client in ("one", "far", "portal"):
        payload = {"client_id": client, "sub": account, "sid": "s"}
        token = logout_token(provider, payload, now=datetime.now(UTC), jti="j")
        assert verified(desk.gateway, token)[1]["sub"] == _sub(desk, client)


def _ask(portal: Portal, browser: Browser, **changes: str) -> dict[str, str]:
    portal.authorize(browser, prompt="none", **changes)
    return portal.answer(browser)


def _wish(sub: str) -> str:
    return json.dumps({"id_token": {"sub": {"value": sub}}})


def test_hints_speak_the_language_of_the_client(portals: dict[str, Desk]) -> None:
    """id_token_hint and the claims parameter name the person as the asking client knows it (§3.1.2.2)."""
    one = portals["one"]
    browser = Browser(one.gateway)
    token = one.portal.sign_in(browser, "paul")["id_token"]
    own = _sub(one, "one")
    assert "code" in _ask(one.portal, browser, id_token_hint=token)
    assert "code" in _ask(one.portal, browser, id_token_hint=token, claims=_wish(own))
    assert "code" in _ask(one.portal, browser, claims=_wish(own))
    for foreign in (_sub(one, "portal"), _sub(one, "far"), "x"):
        assert _ask(one.portal, browser, claims=_wish(foreign))["error"] == "login_required"


def test_a_hint_of_another_sector_matches_nobody(portals: dict[str, Desk]) -> None:
    """Else two portals could find out, silently, that their persons are one (§8; C2)."""
    browser = Browser(portals["one"].gateway)
    hints = {name: found.portal.sign_in(browser, "paul")["id_token"] for name, found in portals.items()}
    for asking, found in portals.items():
        for hinted, token in hints.items():
            answer = _ask(found.portal, browser, id_token_hint=token)
            same = asking == hinted or {asking, hinted} == {"one", "two"}
            assert ("code" in answer) == same, (asking, hinted)
            assert same or answer["error"] == "login_required"


def test_signing_out_by_a_pairwise_hint(portals: dict[str, Desk]) -> None:
    """The hint names this session, so nobody is asked (OIDC RP-Initiated Logout §2)."""
    one = portals["one"]
    browser = Browser(one.gateway)
    hint = one.portal.sign_in(browser, "paul")["id_token"]
    browser.get("/logout", id_token_hint=hint, post_logout_redirect_uri=cast.SIGNED_OUT)
    assert browser.url == cast.SIGNED_OUT
    assert _ask(one.portal, browser)["error"] == "login_required"


def test_signing_out_after_the_question(portals: dict[str, Desk]) -> None:
    """By a form without cookies the next page compares the hint; another person's session asks first."""
    one = portals["one"]
    first, second = Browser(one.gateway), Browser(one.gateway)
    hint = one.portal.sign_in(first, "paul")["id_token"]
    with one.work() as ctx:
        cast.person(ctx, "ben")
    one.portal.sign_in(second, "ben")
    foreign = {"Origin": "https://portal.example", "Sec-Fetch-Site": "cross-site"}
    form = {"id_token_hint": hint, "post_logout_redirect_uri": cast.SIGNED_OUT}
    assert second.post("/logout", form, **foreign).status_code == 200
    assert "code" in _ask(one.portal, second)
    first.post("/logout", form, **foreign)
    assert first.url == cast.SIGNED_OUT
