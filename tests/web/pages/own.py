"""Pages of one's own account for tests of their frame: one behind each mark, with a form."""

from flask import Blueprint
from flask_wtf.csrf import generate_csrf
from werkzeug.wrappers import Response
from wtforms import PasswordField, StringField

from idp.authentication.live_sessions import LiveSession
from idp.web.csrf import shows_stale_form
from idp.web.flow_pages import go_to
from idp.web.forms import PageForm
from idp.web.own_pages import STEP_UP_STRICT, confirmed, signed_in, typed

bp = Blueprint("own", __name__, url_prefix="/account/test")


class Form(PageForm):
    """What is typed, and a secret beside it."""

    name = StringField()
    new_password = PasswordField()


@bp.get("/plain/<number>")
@signed_in
def plain(live: LiveSession, number: str) -> str:
    """Needs a session."""
    return f"<h1>plain {number} of {live.account.username}</h1>"


@bp.get("/form")
@confirmed()
def form(live: LiveSession) -> str:
    """Needs a proof of the last 15 minutes."""
    filled = Form(formdata=typed(live), data={"name": "stored"})
    token = f'<input type="hidden" name="csrf_token" value="{generate_csrf()}">'
    return f"<h1>form</h1>{token}{filled.name}{filled.new_password}"


@bp.post("/form")
@confirmed()
@shows_stale_form
def send(live: LiveSession) -> str:
    """Does something."""
    return f"<h1>done with {Form().name.data}</h1>"


@bp.get("/strict")
@confirmed(within=STEP_UP_STRICT)
def strict(live: LiveSession) -> str:
    """Needs a proof of the last 5 minutes."""
    return "<h1>strict</h1>"


@bp.post("/strict/deeper/still")
@confirmed(within=STEP_UP_STRICT)
def deeper(live: LiveSession) -> Response:
    """Has no page at its own address."""
    return go_to("own.strict")
