"""Pages that are alike for everybody but for two tokens, put together once a process (design §6).

A page of a flow carries the flow's id in its addresses and the token of its form, both of them random.  Where
nothing else in it is one person's, the text between the tokens is kept.
"""

from collections.abc import Hashable
from typing import Final

from flask import current_app, render_template, request
from flask_babel import get_locale
from flask_wtf.csrf import generate_csrf

from idp.flows.models import Flow
from idp.web.context import current
from idp.web.ui import chosen_theme

KEPT: Final = "lotse.pages"
_AT_MOST: Final = 256
#: no page of ours contains these; what splits at them was put there below
_FLOW, _FORM = "\0flow\0", "\0form\0"

Key = tuple[Hashable, ...]


def render(template: str, flow: Flow, **values: Hashable) -> str:
    """Render a page of a flow whose values say nothing of the person who asks.

    :param values: all that the template shows beside the frame; addresses may hold the flow's id.
    """
    token = generate_csrf()
    if list(request.args.items(multi=True)) != [("flow", flow.id)]:  # the frame's links repeat the query
        return render_template(template, **values)
    kept: dict[Key, str] = current_app.extensions.setdefault(KEPT, {})
    shown = ((name, _without(flow, value)) for name, value in values.items())
    key = (template, str(get_locale()), chosen_theme(request, current().settings), *shown)
    text = kept.get(key)
    if text is None:
        page = render_template(template, **values)
        text = page.replace(flow.id, _FLOW).replace(token, _FORM)
        if len(kept) >= _AT_MOST:
            kept.clear()
        kept[key] = text
    return text.replace(_FLOW, flow.id).replace(_FORM, token)


def _without(flow: Flow, value: Hashable) -> Hashable:
    return value.replace(flow.id, _FLOW) if isinstance(value, str) else value
