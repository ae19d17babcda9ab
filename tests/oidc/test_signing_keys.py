"""The life of signing keys (req 33, 34; OIDC Core §10.1.1)."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from idp.audit.events import Event
from idp.audit.models import AuditEvent
from idp.context import Context, Services
from idp.db import Database
from idp.errors import Refusal
from idp.management import clients
from idp.oidc import signing_keys
from idp.oidc.models import Client, SigningKey
from idp.oidc.models.signing_key import ACTIVE, NEXT, REMOVED, RETIRED
from idp.settings import Settings
from tests.builders import OPERATOR, make_client
from tests.installation import NOW, install_signing_keys, make_services, unit_of_work

DAY = timedelta(days=1)


@pytest.fixture
def bare(settings: Settings, database: Database) -> Services:
    """An installation that has no signing keys yet."""
    return make_services(settings, database)


def _states(ctx: Context) -> list[tuple[str, str]]:
    return sorted((key.alg, key.state) for key in signing_keys.listing(ctx))


def _key(ctx: Context, alg: str, state: str) -> SigningKey:
    return ctx.db.scalars(select(SigningKey).where(SigningKey.alg == alg, SigningKey.state == state)).one()


def _noted(ctx: Context, *events: Event) -> list[tuple[str, str | None]]:
    """Return events of these kinds and the keys they are about, the oldest first."""
    found = select(AuditEvent.event, AuditEvent.target_id).where(AuditEvent.event.in_(events))
    return [(kind, key) for kind, key in ctx.db.execute(found.order_by(AuditEvent.id))]


FULL = [("ES256", ACTIVE), ("ES256", NEXT), ("RS256", ACTIVE), ("RS256", NEXT)]


def test_missing_keys_are_made_once(bare: Services) -> None:
    """P-256 and RSA of 3072 bits (req 33); a second call makes none."""
    with unit_of_work(bare) as ctx:
        signing_keys.ensure(ctx)
        made = {key.kid for key in signing_keys.listing(ctx)}
        assert _states(ctx) == FULL
        signing_keys.ensure(ctx)
        assert {key.kid for key in signing_keys.listing(ctx)} == made
        ring, published = signing_keys.load_ring(ctx)
        assert {jwk["kid"] for jwk in published} == made
        assert all("d" not in jwk for jwk in published)
        assert len(next(jwk["n"] for jwk in published if jwk["kty"] == "RSA")) == 3072 // 6
        assert sorted(ring.active) == ["ES256", "RS256"]


def test_nothing_moves_before_its_time(services: Services) -> None:
    """A young active key stays."""
    with unit_of_work(services, NOW + DAY) as ctx:
        assert signing_keys.rotate(ctx) == []
        assert _states(ctx) == FULL


def test_rotation(services: Services) -> None:
    """After its days the active key retires, the published next one signs, a new next one is published."""
    later = NOW + DAY * services.settings.keys.signing_rotation_days
    with unit_of_work(services, later) as ctx:
        successors = {alg: _key(ctx, alg, NEXT).kid for alg in ("ES256", "RS256")}
        old = {alg: _key(ctx, alg, ACTIVE).kid for alg in successors}
        noted = (Event.SIGNING_KEY_CREATED, Event.SIGNING_KEY_ACTIVATED, Event.SIGNING_KEY_RETIRED)
        before = _noted(ctx, *noted)
        assert sorted(signing_keys.rotate(ctx)) == sorted(successors.values())
        assert sorted(_noted(ctx, *noted)[len(before) :]) == sorted(
            (event, kid)
            for event, state in zip(noted, (NEXT, ACTIVE, RETIRED), strict=True)
            for kid in (_key(ctx, alg, state).kid for alg in successors)
        )
        assert _states(ctx) == sorted([*FULL, ("ES256", RETIRED), ("RS256", RETIRED)])
        for alg, kid in successors.items():
            assert _key(ctx, alg, ACTIVE).kid == kid
            assert _key(ctx, alg, RETIRED).kid == old[alg]
        ring, published = signing_keys.load_ring(ctx)
        assert set(old.values()) <= {jwk["kid"] for jwk in published}
        assert set(old.values()) <= set(ring.verifying)
        assert ring.active["ES256"].kid == successors["ES256"]
    with unit_of_work(services, later + DAY * (services.settings.keys.signing_rotation_days - 1)) as ctx:
        assert signing_keys.rotate(ctx) == []  # its days are counted from now on


def test_a_next_key_waits_until_it_was_published_long_enough(services: Services) -> None:
    """However old the active one is (req 34)."""
    settings = services.settings.keys
    later = NOW + DAY * settings.signing_rotation_days
    with unit_of_work(services, later) as ctx:
        for alg in ("ES256", "RS256"):
            _key(ctx, alg, NEXT).created_at = later
        ctx.db.flush()
        assert signing_keys.rotate(ctx) == []
    with unit_of_work(services, later + timedelta(hours=settings.publish_before_hours)) as ctx:
        assert len(signing_keys.rotate(ctx)) == 2


def test_force(services: Services) -> None:
    """At once, but never before portals that cache the JWKS can know the key."""
    known = NOW + timedelta(seconds=signing_keys.JWKS_MAX_AGE)
    early = unit_of_work(services, known - timedelta(seconds=1))
    with early as ctx, pytest.raises(Refusal, match=r"keys\.too_young"):
        signing_keys.rotate(ctx, force=True)
    with unit_of_work(services, known) as ctx:
        assert len(signing_keys.rotate(ctx, force=True)) == 2


@pytest.mark.usefixtures("short_keys")
def test_of_two_forced_rotations_at_once_one_is_too_early(services: Services) -> None:
    """What the first made is known to nobody when the second comes to look (req 34, C16)."""
    known = NOW + timedelta(seconds=signing_keys.JWKS_MAX_AGE)
    barrier = threading.Barrier(2)

    def rotate() -> int | str:
        barrier.wait()
        try:
            with unit_of_work(services, known) as ctx:
                return len(signing_keys.rotate(ctx, force=True))
        except Refusal as refusal:
            return refusal.code

    with ThreadPoolExecutor(2) as operators:
        found = [running.result() for running in [operators.submit(rotate) for _ in range(2)]]
    assert sorted(found, key=str) == [2, "keys.too_young"]


def test_force_beside_a_new_algorithm(services: Services) -> None:
    """The others do not wait for a next key that portals may not know yet."""
    known = NOW + timedelta(seconds=signing_keys.JWKS_MAX_AGE)
    with unit_of_work(services, known - timedelta(seconds=1)) as ctx:
        signing_keys.provide(ctx, {"EdDSA"})
        young = _key(ctx, "EdDSA", NEXT).kid
    with unit_of_work(services, known) as ctx:
        until = known + timedelta(seconds=signing_keys.JWKS_MAX_AGE - 1)
        assert signing_keys.too_young(ctx) == {young: until}
        assert len(signing_keys.rotate(ctx, force=True)) == 2
        assert _key(ctx, "EdDSA", NEXT).kid == young
        with pytest.raises(Refusal, match=r"keys\.too_young") as refused:
            signing_keys.rotate(ctx, force=True)
        assert refused.value.params == {"kid": young, "until": until}
    with unit_of_work(services, until) as ctx:
        assert signing_keys.rotate(ctx, force=True) == [young]


def test_retired_keys_leave_when_nothing_they_signed_can_count(services: Services) -> None:
    """The private part goes, the row stays: a key id is never used again (req 34)."""
    settings = services.settings.keys
    with unit_of_work(services, NOW + DAY) as ctx:
        signing_keys.rotate(ctx, force=True)
        gone = _key(ctx, "ES256", RETIRED).kid
    with unit_of_work(services, NOW + DAY * (settings.keep_days + 1)) as ctx:
        signing_keys.rotate(ctx)
        assert _key(ctx, "ES256", RETIRED).kid == gone
    with unit_of_work(services, NOW + DAY * (settings.keep_days + 1) + timedelta(seconds=1)) as ctx:
        signing_keys.rotate(ctx)
        removed = ctx.db.get_one(SigningKey, gone)
        assert (removed.state, removed.sealed) == (REMOVED, None)
        ring, published = signing_keys.load_ring(ctx)
        assert gone not in ring.verifying
        assert gone not in {jwk["kid"] for jwk in published}


@pytest.mark.parametrize("state", [ACTIVE, NEXT])
def test_the_emergency_brake(services: Services, state: str) -> None:
    """A key leaves at once; the next takes an active one's place, and the set is full again; all noted."""
    with unit_of_work(services) as ctx:
        victim, successor = _key(ctx, "ES256", state).kid, _key(ctx, "ES256", NEXT).kid
        signing_keys.retire(ctx, victim)
        ring, published = signing_keys.load_ring(ctx)
        assert victim not in ring.verifying
        assert victim not in {jwk["kid"] for jwk in published}
        assert (ring.active["ES256"].kid == successor) == (state == ACTIVE)
        assert _states(ctx) == sorted([*FULL, ("ES256", REMOVED)])
        promoted = [(Event.SIGNING_KEY_ACTIVATED, successor)] if state == ACTIVE else []
        assert _noted(ctx, Event.SIGNING_KEY_ACTIVATED, Event.SIGNING_KEY_REMOVED) == [
            (Event.SIGNING_KEY_REMOVED, victim),
            *promoted,
        ]
        with pytest.raises(Refusal, match=r"keys\.unknown"):
            signing_keys.retire(ctx, victim)
        with pytest.raises(Refusal, match=r"keys\.unknown"):
            signing_keys.retire(ctx, "made-up")


@pytest.fixture
def short_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """RSA keys of full length take seconds."""
    monkeypatch.setattr(signing_keys, "RSA_BITS", 2048)


def _both(*algorithms: str) -> list[tuple[str, str]]:
    return sorted([*FULL, *((alg, state) for alg in algorithms for state in (ACTIVE, NEXT))])


@pytest.mark.usefixtures("short_keys")
def test_other_algorithms_have_keys_once_they_are_asked_for(services: Services) -> None:
    """By a new registration, by a changed one, for ID tokens or for userinfo; in one transaction with it."""
    with unit_of_work(services) as ctx:
        make_client(ctx, "plain")
        assert _states(ctx) == FULL
        make_client(ctx, "curve", id_token_signed_response_alg="EdDSA")
        assert _states(ctx) == _both("EdDSA")
        registration = {"client_id": "plain", "redirect_uris": ["https://portal.example/callback"]}
        clients.change(ctx.acting(OPERATOR), registration | {"userinfo_signed_response_alg": "PS256"})
        assert _states(ctx) == _both("EdDSA", "PS256")
        make_client(ctx, "second", id_token_signed_response_alg="PS256")
        assert _states(ctx) == _both("EdDSA", "PS256")
        ring, published = signing_keys.load_ring(ctx)
        assert set(ring.active) == {"ES256", "RS256", "PS256", "EdDSA"}
        kinds = {(jwk["alg"], jwk["kty"], jwk.get("crv")) for jwk in published}
        assert kinds >= {("EdDSA", "OKP", "Ed25519"), ("PS256", "RSA", None)}
        assert all(jwk["use"] == "sig" and "d" not in jwk for jwk in published)
        assert len({jwk["kid"] for jwk in published}) == len(published) == 8


def test_an_rsa_key_for_ps256_is_one_of_its_own(services: Services) -> None:
    """3072 bits (req 33), and no modulus that RS256 signs with (RFC 8725 §3.5)."""
    with unit_of_work(services) as ctx:
        signing_keys.provide(ctx, {"PS256"})
        _, published = signing_keys.load_ring(ctx)
    moduli = [jwk["n"] for jwk in published if jwk["kty"] == "RSA"]
    assert len(set(moduli)) == 4
    assert all(len(jwk["n"]) == 3072 // 6 for jwk in published if jwk["alg"] == "PS256")


@pytest.mark.usefixtures("short_keys")
def test_a_start_makes_what_registrations_need(services: Services) -> None:
    """Also where the keys were lost, or the client was written by another version."""
    with unit_of_work(services) as ctx:
        make_client(ctx)
        ctx.db.execute(
            update(Client).values(id_token_signed_response_alg="PS256", userinfo_signed_response_alg="EdDSA")
        )
        signing_keys.ensure(ctx)
        assert _states(ctx) == _both("EdDSA", "PS256")


def test_registrations_at_once_make_one_set(services: Services) -> None:
    """Four that ask for the same new algorithm at the same moment: one active and one next key (C16)."""
    barrier = threading.Barrier(4)

    def ask() -> None:
        barrier.wait()
        with unit_of_work(services) as ctx:
            signing_keys.provide(ctx, {"EdDSA"})

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with unit_of_work(services) as ctx:
        assert _states(ctx) == _both("EdDSA")


def test_once_begun_an_algorithm_is_kept(services: Services) -> None:
    """It rotates and is renewed like the others, whoever uses it."""
    with unit_of_work(services) as ctx:
        signing_keys.provide(ctx, {"EdDSA"})
    with unit_of_work(services, NOW + DAY) as ctx:
        assert len(signing_keys.rotate(ctx, force=True)) == 3
        assert _states(ctx) == sorted([*_both("EdDSA"), *((a, RETIRED) for a in ("ES256", "RS256", "EdDSA"))])
        signing_keys.retire(ctx, _key(ctx, "EdDSA", ACTIVE).kid)
        assert _states(ctx).count(("EdDSA", ACTIVE)) == _states(ctx).count(("EdDSA", NEXT)) == 1


def test_keys_without_a_successor(services: Services) -> None:
    """A next key may be missing, an active one too: neither stops the set from being whole again."""
    with unit_of_work(services) as ctx:
        ctx.db.delete(_key(ctx, "ES256", NEXT))
        ctx.db.flush()
        signing_keys.retire(ctx, _key(ctx, "ES256", ACTIVE).kid)
        assert _states(ctx) == sorted([*FULL, ("ES256", REMOVED)])
        ctx.db.delete(_key(ctx, "ES256", ACTIVE))
        ctx.db.flush()
        waiting = _key(ctx, "ES256", NEXT).kid
        assert signing_keys.rotate(ctx) == [waiting]
        assert _key(ctx, "ES256", ACTIVE).kid == waiting


def test_four_that_start_at_once_make_one_set(bare: Services) -> None:
    """Four workers in front of an empty table: one active and one next key of each algorithm (F9, req 34)."""
    barrier = threading.Barrier(4)

    def begin() -> None:
        barrier.wait()
        with unit_of_work(bare) as ctx:
            signing_keys.ensure(ctx)

    with ThreadPoolExecutor(4) as starters:
        # a start that fails is one that an operator sees
        assert [starter.result() for starter in [starters.submit(begin) for _ in range(4)]] == [None] * 4
    with unit_of_work(bare) as ctx:
        assert _states(ctx) == FULL


def test_two_that_start_at_once_make_one_set(bare: Services) -> None:
    """The second finds the first's keys in its way and takes them."""
    install_signing_keys(bare)
    with unit_of_work(bare) as ctx:
        # as a worker does that looked before the other one committed
        signing_keys._insert(ctx, signing_keys._new_key(ctx, "ES256", ACTIVE))
        signing_keys._insert(ctx, signing_keys._new_key(ctx, "ES256", NEXT))
        assert _states(ctx) == FULL
