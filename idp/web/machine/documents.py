"""Discovery, JWKS and health: answers that need no person and, but for readiness, no database."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from idp.db import StorageError
from idp.oidc.discovery import Document
from idp.oidc.provider import Provider
from idp.oidc.server import Answer, json_answer
from idp.oidc.snapshot import KEYS_AWAY
from idp.web.machine.cors import VARY

MAX_DRIFT_SECONDS = 2


def published(document: Document, environ: Mapping[str, Any]) -> Answer:
    """Return a document; 304 where the caller has it already (RFC 9110 §13.1.2)."""
    headers = [
        ("Content-Type", "application/json"),
        ("ETag", document.etag),
        ("Cache-Control", f"public, max-age={document.max_age}"),
        VARY,
    ]
    known = environ.get("HTTP_IF_NONE_MATCH")
    if known is not None and (known.strip() == "*" or document.etag in known):
        return Answer(304, b"", headers)
    return Answer(200, document.body, headers)


def live() -> Answer:
    """Say that the process runs."""
    return json_answer({"status": "ok"})


def ready(provider: Provider) -> Answer:
    """Say whether requests can be served: database there and writable, clock right, keys at hand (A3, A9)."""
    problems = []
    try:
        seen = provider.services.database.look()
        if not seen.takes_writes:  # a standby: it answers, and no request that matters can be served
            problems.append("database")
        if abs((datetime.now(UTC) - seen.at).total_seconds()) > MAX_DRIFT_SECONDS:
            problems.append("clock")
        if not provider.snapshots.current().keys.active:
            problems.append("keys")
    except KEYS_AWAY:
        problems.append("keys")
    except StorageError:
        problems.append("database")
    if problems:
        return json_answer({"status": "not ready", "problems": problems}, 503)
    return json_answer({"status": "ok"})
