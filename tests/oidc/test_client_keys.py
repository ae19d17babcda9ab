"""Keys of clients by value and by ``jwks_uri``: kept, fetched again, never too often (OIDC §10.1; C9)."""

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Event

import pytest

from idp.egress import MAX_BYTES
from idp.errors import Busy
from idp.logging import configure
from idp.oidc import client_keys
from idp.oidc.client_keys import MAX_AGE, PATIENCE, ClientKeys, places
from idp.settings import Settings
from idp.settings.models import Egress
from tests.infrastructure import _until as until
from tests.key_site import KeySite, key_site
from tests.oidc.deciding import CLIENT
from tests.signers import Signer

pytestmark = pytest.mark.enable_socket

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TICK = timedelta(seconds=1)
OLD, NEW = Signer(kid="old"), Signer(kid="new", number=1)
DEMO = Settings(egress=Egress(allow_loopback=True))


@pytest.fixture
def site() -> Iterator[KeySite]:
    with key_site() as served:
        served.publish(OLD.jwk)
        yield served


@pytest.fixture
def keys() -> ClientKeys:
    return ClientKeys(DEMO)


def _finds(keys: ClientKeys, site: KeySite, kid: str | None, now: datetime, client: str = "c1") -> bool:
    wanted = replace(CLIENT, row_id=client, jwks_uri=site.uri)
    return keys.find(wanted, kid, "ES256", now) is not None


def test_by_value_nothing_is_fetched(keys: ClientKeys) -> None:
    """The registered set, or none at all."""
    registered = replace(CLIENT, jwks=json.dumps(OLD.jwks))
    assert keys.find(registered, "old", "ES256", NOW) is not None
    assert keys.find(registered, "new", "ES256", NOW) is None
    assert keys.find(CLIENT, "old", "ES256", NOW) is None


def test_fetched_keys_are_kept_for_an_hour(keys: ClientKeys, site: KeySite) -> None:
    """Then they are fetched again, and one that was taken away counts no more."""
    assert _finds(keys, site, "old", NOW)
    site.publish(NEW.jwk)
    assert _finds(keys, site, "old", NOW + MAX_AGE)
    assert len(site.hits) == 1
    assert not _finds(keys, site, "old", NOW + MAX_AGE + TICK)
    assert len(site.hits) == 2


def test_an_unknown_key_is_fetched_at_once_after_a_rotation(keys: ClientKeys, site: KeySite) -> None:
    """oidcc-refresh-token-rp-key-rotation: refetch on unknown kid."""
    assert _finds(keys, site, "old", NOW)
    site.publish(OLD.jwk, NEW.jwk)
    assert _finds(keys, site, "new", NOW + PATIENCE)
    assert _finds(keys, site, "old", NOW + PATIENCE)
    assert len(site.hits) == 2


def test_unknown_keys_do_not_flood_the_portal(keys: ClientKeys, site: KeySite) -> None:
    """One fetch in ten seconds for a client, whatever is named and whatever came of it (req 36)."""
    for number in range(20):
        assert not _finds(keys, site, f"made-up-{number}", NOW + timedelta(milliseconds=number))
    assert len(site.hits) == 1
    assert not _finds(keys, site, "made-up", NOW + PATIENCE - TICK)
    assert len(site.hits) == 1
    assert not _finds(keys, site, "made-up", NOW + PATIENCE)
    assert len(site.hits) == 2
    assert not _finds(keys, site, "made-up", NOW + PATIENCE, client="c2")
    assert len(site.hits) == 3


def test_who_comes_meanwhile_waits_for_the_same_answer(keys: ClientKeys, site: KeySite) -> None:
    """After a start several threads need the keys at once: one fetch, and each finds its key."""
    several, released = places(DEMO), Event()
    site.on_hit = lambda: site.hits[-1].endswith("probe") or released.wait(10)
    probes = (replace(CLIENT, row_id=f"probe{number}", jwks_uri=f"{site.uri}?probe") for number in count())

    def all_wait() -> bool:
        try:
            keys.find(next(probes), "old", "ES256", NOW)
        except Busy:
            return True
        return False

    with ThreadPoolExecutor(several) as threads:
        waiting = [threads.submit(_finds, keys, site, "old", NOW) for _ in range(several)]
        assert until(all_wait, seconds=10)
        released.set()
        assert [waiter.result() for waiter in waiting] == [True] * several
    assert [hit for hit in site.hits if not hit.endswith("probe")] == ["/jwks"]


def test_half_of_the_threads_wait_for_sites_at_most(keys: ClientKeys, site: KeySite) -> None:
    """Whoever comes then is told to come back, at once; known keys are found all the same (req 29)."""
    assert 2 * places(DEMO) <= DEMO.server.threads
    assert _finds(keys, site, "old", NOW, client="known")
    released = Event()
    site.on_hit = lambda: released.wait(10)
    later = NOW + PATIENCE
    with ThreadPoolExecutor(places(DEMO)) as threads:
        waiting = [
            threads.submit(_finds, keys, site, "made-up", later, client=f"c{number}")
            for number in range(places(DEMO))
        ]
        assert until(lambda: len(site.hits) == 1 + places(DEMO), seconds=10)
        for client in ("known", "c0", "next"):
            with pytest.raises(Busy):
                _finds(keys, site, "made-up", later, client=client)
        assert not _finds(
            keys, site, "made-up", NOW + TICK, client="known"
        )  # just looked: nothing to wait for
        assert _finds(keys, site, "old", later, client="known")
        assert _finds(keys, site, "old", NOW + MAX_AGE + TICK, client="known")
        released.set()
        assert not any(waiter.result() for waiter in waiting)
    assert _finds(keys, site, "old", later, client="next")


def test_a_private_key_that_is_published_is_told_of(keys: ClientKeys, site: KeySite) -> None:
    """It is not taken: whoever reads the address could be this client."""
    site.publish(OLD.private_jwk | {"kid": "old"}, NEW.jwk)
    lines = io.StringIO()
    configure(stream=lines)
    try:
        assert not _finds(keys, site, "old", NOW)
    finally:
        configure(level="error")
    assert "a private key is published" in lines.getvalue()
    assert _finds(keys, site, "new", NOW)


def test_known_keys_go_on_while_somebody_looks_again(keys: ClientKeys, site: KeySite) -> None:
    """A site that is slow once an hour holds up one request, not all."""
    assert _finds(keys, site, "old", NOW)
    asked, released = Event(), Event()
    site.on_hit = lambda: (asked.set(), released.wait(10))
    later = NOW + MAX_AGE + TICK
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(_finds, keys, site, "old", later)
        assert asked.wait(10)
        assert _finds(keys, site, "old", later)
        assert not first.done()
        released.set()
        assert first.result()


BROKEN: list[tuple[str, int, object, dict[str, str]]] = [
    ("status", 500, OLD.jwks, {"Content-Type": "application/json"}),
    ("no JSON", 200, b"{", {"Content-Type": "application/json"}),
    ("deep", 200, b"[" * 100_000, {"Content-Type": "application/json"}),
    ("no set", 200, [], {"Content-Type": "application/json"}),
    ("a page", 200, OLD.jwks, {"Content-Type": "text/html"}),
    ("too large", 200, b" " * (MAX_BYTES + 1), {"Content-Type": "application/json"}),
    ("a redirect", 302, b"{}", {"Content-Type": "application/json", "Location": "/jwks"}),
]


@pytest.mark.parametrize(
    ("status", "content", "headers"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_a_failed_fetch_keeps_the_old_keys(
    keys: ClientKeys, site: KeySite, status: int, content: object, headers: dict[str, str]
) -> None:
    """Without old ones there are none; a redirect is not followed (req 32)."""
    assert _finds(keys, site, "old", NOW)
    site.status, site.content, site.headers = status, content, headers
    later = NOW + MAX_AGE + TICK
    assert _finds(keys, site, "old", later)
    assert not _finds(keys, site, "old", later, client="c2")
    assert site.hits == ["/jwks"] * 3
    site.headers = {"Content-Type": "application/jwk-set+json"}
    site.publish(NEW.jwk)
    assert _finds(keys, site, "new", later + PATIENCE)


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:{port}/jwks",
        "https://127.0.0.1:{port}/jwks",
        "https://localhost:{port}/jwks",
        "https://2130706433:{port}/jwks",
        "https://[::ffff:127.0.0.1]:{port}/jwks",
        "https://10.0.0.1/jwks",
        "https://169.254.169.254/jwks",
        "file:///etc/passwd",
    ],
)
def test_nothing_inside_is_asked_outside_the_demo(site: KeySite, uri: str) -> None:
    """Loopback, private and link-local addresses: zero hits (req 32, C9)."""
    strict = ClientKeys(Settings())
    wanted = replace(CLIENT, jwks_uri=uri.format(port=site.port))
    assert strict.find(wanted, "old", "ES256", NOW) is None
    assert site.hits == []


def test_what_is_remembered_is_bounded(
    keys: ClientKeys, site: KeySite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client that was not asked for longest is fetched again."""
    monkeypatch.setattr(client_keys, "REMEMBERED", 2)
    for client in ("a", "b", "a", "c", "a", "b"):
        assert _finds(keys, site, "old", NOW, client)
    assert len(site.hits) == 4
