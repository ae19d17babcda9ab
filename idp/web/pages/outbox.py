"""Mail, SMS and calls as recipients would get them: ``/dev/outbox`` in demo mode (design §5)."""

import re
from dataclasses import asdict

from flask import Flask, Response, abort, jsonify, render_template, request

from idp.delivery import preview
from idp.settings import Settings
from idp.web.context import current
from idp.web.security_headers import allow_style

_FIELDS = ("kind", "to", "subject", "text", "html", "code", "link")
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def outbox() -> str | Response:
    """Show the newest hundred messages; to a program that asks for JSON, as a list."""
    messages = preview.list_shown(current())
    wanted = request.accept_mimetypes.best_match(["text/html", "application/json"])
    if wanted == "application/json":
        found = [asdict(message) for message in messages]
        return jsonify(
            [{name: row[name] for name in _FIELDS} | {"at": row["at"].isoformat()} for row in found]
        )
    shown = [asdict(message) | {"time": message.at} for message in messages]
    return render_template("pages/outbox.html", messages=shown)


def mail(key: str) -> str:
    """Show the HTML of one mail alone, as a mail program does."""
    found = preview.find_shown(current(), key) if key.isalnum() else None
    if found is None or not found.html:
        abort(404)
    for style in _STYLE.findall(found.html):
        allow_style(style)
    return found.html


def init_app(app: Flask, settings: Settings) -> None:
    """Add the pages where messages stay in the house."""
    if settings.mode == "demo":
        app.add_url_rule("/dev/outbox", "outbox", outbox)
        app.add_url_rule("/dev/outbox/<key>", "outbox_mail", mail)
