"""What a form did, told on the page that it leads to and by no address alone (design §2, cookies).

The page's address names the note by a random word, and the browser's own signed form cookie holds what it
says: a link that somebody sends tells nothing.  Facts of the database would serve less well, as some deeds
leave none there that is theirs alone ("sent again", "forgotten").  A note stays until the next one, so that a
reload and the links to another language or look show it again; showing it changes no cookie.
"""

from typing import Any, Final

from flask import request, session
from werkzeug.wrappers import Response

from idp.crypto import random_token
from idp.web.flow_pages import go_to

_NOTE: Final = "note"


def go_and_tell(endpoint: str, note: str, **values: Any) -> Response:
    """Redirect to a page of ours, which asks :func:`told` what to say."""
    word = random_token()
    session[_NOTE] = [word, endpoint, note]
    return go_to(endpoint, **values, told=word)


def told() -> str | None:
    """Return the note that this browser was led to this page with, None without one."""
    kept, here = session.get(_NOTE), [request.args.get("told"), request.endpoint]
    return kept[-1] if kept and kept[:-1] == here else None
