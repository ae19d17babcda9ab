"""K-13: download everything we hold about oneself (screens §1.4; req 73, 98, 108)."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response as AnyResponse

from idp.authentication.live_sessions import LiveSession
from idp.context import Actor
from idp.errors import Refusal
from idp.management import own_data
from idp.web import own_pages
from idp.web.context import current
from idp.web.csrf import is_stale, shows_stale_form
from idp.web.flow_pages import refused_until
from idp.web.own_pages import STEP_UP_STRICT, confirmed
from idp.web.wording import word, word_refusal
from idp.web.wording.own_data import FIELDS, SECTIONS

bp = Blueprint("own_data", __name__, url_prefix="/account/data")

_TYPES = {"json": "application/json", "html": "text/html; charset=utf-8"}


@bp.get("")
@confirmed(within=STEP_UP_STRICT)
def show(live: LiveSession) -> AnyResponse:
    """Say what is in it."""
    return _page(live)


@bp.post("")
@confirmed(within=STEP_UP_STRICT)
@shows_stale_form
def download(live: LiveSession) -> AnyResponse:
    """Make it now and hand it out; nothing of it is kept."""
    if is_stale():
        return _page(live, [("", word("form.stale"))])
    format = request.form.get("format", "")
    if format not in own_data.FORMATS:
        raise BadRequest
    ctx = current().acting(Actor("account", live.account.id))
    ctx.db.commit()  # nothing is held while downloads are counted
    try:
        own_data.admit(ctx, live.account.id)
    except Refusal as refusal:
        return refused_until(_page(live, [("", word_refusal(refusal))], status=429), refusal)
    found = own_data.export(ctx, live.account.id, format)
    if format == "json":
        head = {"issuer": ctx.settings.issuer, "made_at": ctx.now}
        text = json.dumps(head | found, ensure_ascii=False, indent=2, default=_plain)
    else:
        text = render_template(
            "pages/account/export.html", sections=found, names=SECTIONS, fields=FIELDS, at=ctx.now
        )
    name = f"{ctx.settings.product.name}-{ctx.now:%Y-%m-%d}.{format}"
    response = Response(text, content_type=_TYPES[format])
    response.headers.set("Content-Disposition", "attachment", filename=_safe(name))
    return response


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def _safe(name: str) -> str:
    """Return a file name that every system takes."""
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-.") else "_" for sign in name)


def _page(live: LiveSession, errors: Sequence[tuple[str, str]] = (), *, status: int = 200) -> AnyResponse:
    return own_pages.show(
        "pages/account/data.html",
        live,
        status=status,
        names=SECTIONS,
        action=url_for("own_data.download"),
        delete_url=url_for("own_deletion.show"),
        errors=tuple(errors),
    )
