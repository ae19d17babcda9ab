"""Messages to people as their recipients get them, for the demo's outbox page (design §5)."""

from dataclasses import dataclass
from datetime import datetime

from idp.delivery import mails, outbox
from idp.delivery.rendering import render

_PLAIN = ("subject", "text", "html", "code", "link")


@dataclass(frozen=True, slots=True)
class Shown:
    """One message; what its kind does not have is empty."""

    id: str
    kind: str
    to: str
    subject: str
    text: str
    html: str
    code: str
    link: str
    at: datetime


def list_shown(ctx: outbox.Work, limit: int = 100) -> list[Shown]:
    """Return the messages to people that are still readable, newest first."""
    return [_shown(ctx, message) for message in outbox.list_messages(ctx, limit)]


def find_shown(ctx: outbox.Work, key: str) -> Shown | None:
    """Return one of them by its id."""
    found = outbox.find_message(ctx, key)
    return None if found is None else _shown(ctx, found)


def _shown(ctx: outbox.Work, message: outbox.Message) -> Shown:
    if message.kind == outbox.MAIL:
        mail, language = mails.read(message.payload)
        rendered = render(ctx.settings, mail, language, at=message.created_at, until=message.expires_at)
        texts = {"subject": rendered.subject, "text": rendered.text, "html": rendered.html}
        given = message.payload["facts"]
    else:
        texts, given = {}, message.payload
    facts = {name: str(given.get(name) or "") for name in _PLAIN} | texts
    return Shown(id=message.id, kind=message.kind, to=message.recipient, at=message.created_at, **facts)
