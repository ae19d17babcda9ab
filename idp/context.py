"""What every operation gets: its unit of work, the time, and where the request came from."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from idp.crypto import PasswordHasher
from idp.db import Database
from idp.installation import Vault
from idp.settings import Settings
from idp.throttling import Throttle


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from; the address counts only trusted proxies (req 58)."""

    ip: str | None = None
    user_agent: str = ""
    request_id: str = ""
    #: SHA-256 of this browser's device cookie
    device: bytes | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as the audit log names them."""

    kind: str = "system"  # account | client | operator | system | anonymous
    id: str | None = None
    role: str | None = None
    organization: str | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """First argument of operations.  They never commit: the surface does, once, before it answers."""

    db: Session
    settings: Settings
    now: datetime
    vault: Vault
    throttle: Throttle
    passwords: PasswordHasher
    origin: Origin = field(default_factory=Origin)
    actor: Actor = field(default_factory=Actor)

    def acting(self, actor: Actor) -> "Context":
        """Return the same context for another actor."""
        return replace(self, actor=actor)


@dataclass(frozen=True, slots=True)
class Services:
    """What a process makes once and every request shares."""

    settings: Settings
    database: Database
    vault: Vault
    throttle: Throttle
    passwords: PasswordHasher

    def context(
        self,
        db: Session,
        *,
        now: datetime | None = None,
        origin: Origin | None = None,
        actor: Actor | None = None,
    ) -> Context:
        """Return the context of one operation; *now* is read here, once, unless handed in."""
        return Context(
            db=db,
            settings=self.settings,
            now=now or datetime.now(UTC),
            vault=self.vault,
            throttle=self.throttle,
            passwords=self.passwords,
            origin=origin or Origin(),
            actor=actor or Actor(),
        )
