"""Mail, SMS and calls as recipients would get them: ``/dev/outbox`` in demo mode (design §5)."""

from dataclasses import asdict

from flask import Flask, Response, jsonify, render_template, request

from idp.delivery.outbox import list_messages
from idp.settings import Settings
from idp.web.context import current

_FIELDS = ("kind", "to", "subject", "text", "html", "code", "link")


def outbox() -> str | Response:
    """Show the newest hundred messages; to a program that asks for JSON, as a list."""
    messages = list_messages(current())
    wanted = request.accept_mimetypes.best_match(["text/html", "application/json"])
    if wanted == "application/json":
        found = [asdict(message) for message in messages]
        return jsonify(
            [{name: row[name] for name in _FIELDS} | {"at": row["at"].isoformat()} for row in found]
        )
    shown = [asdict(message) | {"time": message.at} for message in messages]
    return render_template("pages/outbox.html", messages=shown)


def init_app(app: Flask, settings: Settings) -> None:
    """Add the page where messages stay in the house."""
    if settings.mode == "demo":
        app.add_url_rule("/dev/outbox", "outbox", outbox)
