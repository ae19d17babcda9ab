"""What every request needs and few requests change: clients, keys and the documents made of them.

One version row says when it changed; it is asked at most twice a second, so a change counts within a second.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from idp.context import Services
from idp.crypto import SealBroken
from idp.errors import Busy, NotReady
from idp.installation import Installation
from idp.oidc.clients import RegisteredClient, load_clients
from idp.oidc.discovery import Document, jwks_document, metadata_document
from idp.oidc.signing import KeyRing
from idp.oidc.signing_keys import load_ring

POLL_SECONDS = 0.5
FRESH_SECONDS = 1.0
"""How old a snapshot may be while somebody asks for a newer one (design §2)."""
PATIENCE_SECONDS = 2.0
"""How long a request waits for another one's question; a connection may be silent for much longer (F3)."""
KEYS_AWAY = (SealBroken, NotReady)
"""What a look at the keys raises where none of the master keys at hand opens them."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Clients, keys and documents of one version; never changed, only replaced."""

    version: int
    epoch: int
    clients: Mapping[str, RegisteredClient]
    by_row: Mapping[str, RegisteredClient]
    #: whose scripts may read our answers (req 17)
    origins: frozenset[str]
    keys: KeyRing
    jwks: Document
    metadata: Document


class Snapshots:
    """Holds the newest snapshot of a process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._asked = float("-inf")
        self._snapshot: Snapshot | None = None

    def current(self) -> Snapshot:
        """Return the snapshot, half a second behind the database, a second while another thread asks it.

        :raises SQLAlchemyError: the database is away.
        :raises Busy: it has not answered another thread for a while.
        """
        snapshot, age = self._snapshot, time.monotonic() - self._asked
        if snapshot is not None and age < (FRESH_SECONDS if self._lock.locked() else POLL_SECONDS):
            return snapshot
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            raise Busy("the database does not answer")
        try:
            if self._snapshot is None or time.monotonic() - self._asked >= POLL_SECONDS:
                self._snapshot = self._refresh(self._snapshot)
                self._asked = time.monotonic()
            return self._snapshot
        finally:
            self._lock.release()

    def published(self) -> Snapshot:
        """Return the snapshot for documents anyone may read: the last one where a new one cannot be made.

        The database is away, or the master key was changed and this process does not have the new one.
        """
        if self._snapshot is not None and self._lock.locked():
            return self._snapshot  # somebody asks for a newer one
        try:
            return self.current()
        except (SQLAlchemyError, Busy, *KEYS_AWAY):
            if self._snapshot is None:
                raise
            return self._snapshot

    def expire(self) -> None:
        """Ask the database at the next request; for the process that made the change itself."""
        self._asked = float("-inf")

    def _refresh(self, old: Snapshot | None) -> Snapshot:
        if old is not None:
            with self._services.database.reader.connect() as connection:
                stamp = connection.execute(select(Installation.snapshot_version, Installation.epoch)).one()
            if tuple(stamp) == (old.version, old.epoch):
                return old
        return self._load()

    def _load(self) -> Snapshot:
        with self._services.database.reading() as db:
            ctx = self._services.context(db)
            # the version first: a change in between is seen again at the next look
            version, epoch = db.execute(select(Installation.snapshot_version, Installation.epoch)).one()
            clients = load_clients(db)
            ring, public = load_ring(ctx)
        return Snapshot(
            version=version,
            epoch=epoch,
            clients=clients,
            by_row={client.row_id: client for client in clients.values()},
            origins=frozenset(origin for client in clients.values() for origin in client.allowed_origins),
            keys=ring,
            jwks=jwks_document(public),
            metadata=metadata_document(self._services.settings, clients.values()),
        )
