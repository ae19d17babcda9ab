"""The directory that checks for itself: an HTTPS endpoint of the old portal (req 32).

We POST ``{"username": …, "password": …}`` with a bearer secret and read ``{"authenticated": false}``, or
``{"authenticated": true, "username": …}`` with ``email``, ``customer_number``, ``given_name``,
``family_name``, ``permissions`` (a list of names) and ``security_question`` (a flag) where it knows them.
Everything else, late or large answers among it, says that the directory is away, never that a password is
wrong.
"""

import json
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select

from idp.accounts.legacy.directory import (
    LONGEST_PASSWORD,
    Directory,
    DirectoryAway,
    LegacyIdentity,
    lookup,
    reading,
)
from idp.accounts.legacy.models import LegacyAccount, LegacyDirectory
from idp.context import Context
from idp.crypto import SealBroken
from idp.egress import EgressError, fetch
from idp.logging import get_logger

_DIRECTORIES: Final = LegacyDirectory.__tablename__
_log = get_logger(__name__)


class _Answer(BaseModel):
    """What the endpoint may say."""

    model_config = ConfigDict(extra="ignore", strict=True)

    authenticated: bool
    username: str = Field("", max_length=128)
    email: str | None = Field(None, max_length=254)
    customer_number: str | None = Field(None, max_length=32)
    given_name: str | None = Field(None, max_length=128)
    family_name: str | None = Field(None, max_length=128)
    permissions: list[str] = Field(default_factory=list, max_length=100)
    security_question: bool = False


class HttpsEndpoint:
    """Asks one old portal about credentials."""

    def __init__(self, ctx: Context, directory: Directory) -> None:
        self._ctx = ctx
        self._directory = directory

    def verify(self, username: str, password: str) -> LegacyIdentity | None:
        """Return whose credentials these are, or None; raises DirectoryAway."""
        if len(password) > LONGEST_PASSWORD:
            return None
        answer = self._ask({"username": username, "password": password})
        if not answer.authenticated:
            return None
        known = select(LegacyAccount.id, LegacyAccount.revision, LegacyAccount.linked_at).where(
            LegacyAccount.directory_id == self._directory.id,
            LegacyAccount.lookup == lookup(self._ctx, self._directory.id, answer.username),
        )
        with reading(self._ctx) as db:
            row = db.execute(known).first()
        return LegacyIdentity(
            directory_id=self._directory.id,
            account_id=row.id if row else None,
            revision=row.revision if row else 1,
            linked=row is not None and row.linked_at is not None,
            username=answer.username,
            email=answer.email,
            customer_number=answer.customer_number,
            given_name=answer.given_name,
            family_name=answer.family_name,
            permissions=tuple(answer.permissions),
            security_question=answer.security_question,
        )

    def _ask(self, question: dict[str, str]) -> _Answer:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._secret()}"}
        data = json.dumps(question).encode()
        try:
            response = fetch(
                self._directory.endpoint or "",
                settings=self._ctx.settings,
                method="POST",
                data=data,
                headers=headers,
            )
        except EgressError as error:
            raise self._away(str(error)) from None
        if response.status != 200:
            raise self._away(f"status {response.status}")
        return self._read(response.body)

    def _read(self, body: bytes) -> _Answer:
        try:
            answer = _Answer.model_validate_json(body)
        except ValidationError as error:
            # places and kinds only: values are somebody's data
            wrong = [".".join(map(str, found["loc"])) or found["type"] for found in error.errors()]
            raise self._away(f"an answer that cannot be used: {', '.join(wrong)}") from None
        if answer.authenticated and not (answer.username.strip() and answer.username.isprintable()):
            raise self._away("an answer that cannot be used: username")
        return answer

    def _secret(self) -> str:
        if self._directory.bearer is None:
            raise self._away("no secret is set; see: idp legacy secret")
        try:
            return self._ctx.vault.open(
                self._directory.bearer, table=_DIRECTORIES, row=self._directory.id
            ).decode()
        except SealBroken:
            raise self._away("its secret does not open; set it again: idp legacy secret") from None

    def _away(self, why: str) -> DirectoryAway:
        _log.warning("a legacy directory is away", directory=self._directory.slug, why=why)
        return DirectoryAway(self._directory.slug)
