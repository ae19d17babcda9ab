"""Pages that are alike for everybody but for two tokens, put together once a process (design §6).

A page of a flow carries the flow's id in its addresses and the token of its form, both of them random.  Where
nothing else in it is one person's, the text between the tokens is kept.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final

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


def render(template: str, flow: Flow, addresses: Callable[[], Mapping[str, Any]], **values: Hashable) -> str:
    """Render a page of a flow whose values say nothing of the person who asks.

    :param addresses: the page's links; the flow's purpose and id say what they are.
    :param values: all else that the template shows beside the frame.
    """
    token = generate_csrf()
    if list(request.args.items(multi=True)) != [("flow", flow.id)]:  # the frame's links repeat the query
        return render_template(template, **addresses(), **values)
    kept: dict[Key, str] = current_app.extensions.setdefault(KEPT, {})
    look = (str(get_locale()), chosen_theme(request, current().settings))
    key = (template, flow.purpose, *look, *values.items())
    text = kept.get(key)
    if text is None:
        page = render_template(template, **addresses(), **values)
        text = page.replace(flow.id, _FLOW).replace(token, _FORM)
        if len(kept) >= _AT_MOST:
            kept.clear()
        kept[key] = text
    return text.replace(_FLOW, flow.id).replace(_FORM, token)
