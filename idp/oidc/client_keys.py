"""The key a client signs with: registered by value, or fetched where it publishes them (OIDC Core §10.1).

Fetched keys are kept in the process for an hour, and fetched again for a key id that is not among them.  Who
names unknown keys can make us fetch once in ten seconds for a client, and no more.  At most half of a
process's threads wait for such fetches, of all clients: the sites of others may be as slow as they like.
"""

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from joserfc.jwk import Key

from idp import egress
from idp.errors import Busy
from idp.logging import get_logger
from idp.oidc.clients import RegisteredClient
from idp.oidc.public_jwks import PublicKey, choose, is_private, registered_keys, usable_keys
from idp.settings import Settings

MAX_AGE: Final = timedelta(hours=1)
"""How long fetched keys count without another look."""
PATIENCE: Final = timedelta(seconds=10)
"""How long after a fetch, successful or not, none is made for the same client."""
RETRY_SECONDS: Final = 3
REMEMBERED: Final = 1000
"""Clients whose fetched keys are kept; the one that was not used for longest goes first."""
MEDIA_TYPES: Final = ("application/json", "application/jwk-set+json")
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)

log = get_logger(__name__)


@dataclass
class _Published:
    """What was fetched for one client."""

    keys: tuple[PublicKey, ...] = ()
    fetched_at: datetime = _NEVER
    tried_at: datetime = _NEVER
    fetching: threading.Lock = field(default_factory=threading.Lock)


def places(settings: Settings) -> int:
    """Return how many threads of a process may wait for the network at the same time (req 29)."""
    return max(1, settings.server.threads // 2)


class ClientKeys:
    """Finds keys; one for a process.  Never ask inside a transaction: it may go to the network."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._published: OrderedDict[tuple[str, str], _Published] = OrderedDict()
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(places(settings))

    def find(self, client: RegisteredClient, kid: str | None, alg: str, now: datetime) -> Key | None:
        """Return the client's key of that id for that algorithm, None where it has none.

        :raises Busy: it may have to be fetched, and as many wait for the network as may.
        """
        if client.jwks_uri is None:
            return choose(registered_keys(client.jwks), kid, alg) if client.jwks else None
        published = self._entry(client.row_id, client.jwks_uri)
        if now - published.fetched_at > MAX_AGE:
            self._fetch(published, client, now, wait=not published.keys)
        found = choose(published.keys, kid, alg)
        if found is None:
            self._fetch(published, client, now, wait=True)
            found = choose(published.keys, kid, alg)
        return found

    def _entry(self, row_id: str, uri: str) -> _Published:
        with self._lock:
            entry = self._published.setdefault((row_id, uri), _Published())
            self._published.move_to_end((row_id, uri))
            if len(self._published) > REMEMBERED:
                self._published.popitem(last=False)
            return entry

    def _fetch(self, published: _Published, client: RegisteredClient, now: datetime, *, wait: bool) -> None:
        """Fetch unless somebody just did; *wait*: who comes meanwhile needs the answer too."""
        if now - published.tried_at < PATIENCE and not published.fetching.locked():
            return
        if not self._places.acquire(blocking=False):
            if wait:
                raise Busy("fetching keys of clients", retry_after=RETRY_SECONDS)
            return
        try:
            if published.fetching.acquire(blocking=wait):
                self._fetch_alone(published, client, now)
        finally:
            self._places.release()

    def _fetch_alone(self, published: _Published, client: RegisteredClient, now: datetime) -> None:
        try:
            if now - published.tried_at >= PATIENCE:
                published.tried_at = now
                published.keys, published.fetched_at = self._download(client), now
        except (egress.EgressError, ValueError, RecursionError) as error:
            # the old keys go on: an outage of the portal's site is no outage of its sign-in
            log.warning("jwks_uri not read", client_id=client.client_id, reason=str(error)[:200])
        finally:
            published.fetching.release()

    def _download(self, client: RegisteredClient) -> tuple[PublicKey, ...]:
        answer = egress.fetch(client.jwks_uri or "", settings=self._settings, accept=MEDIA_TYPES)
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        jwks = json.loads(answer.body)
        keys = usable_keys(jwks)
        if any(map(is_private, jwks["keys"])):
            log.warning("a private key is published, and not taken", client_id=client.client_id)
        return keys
