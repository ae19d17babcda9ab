"""The forms of joining a company: the code of a letter, and taking a request back (screens R-05)."""

from flask_babel import lazy_gettext
from wtforms import StringField
from wtforms.validators import DataRequired, Length

from idp.web.forms import PageForm

_LONGEST = 64


class JoinCodeForm(PageForm):
    """The code; how it is written, :func:`idp.management.join_codes.plain` knows."""

    code = StringField(
        filters=[lambda value: (value or "").strip()],
        validators=[
            DataRequired(lazy_gettext("Geben Sie den Code aus dem Brief ein.")),
            Length(max=_LONGEST, message=lazy_gettext("Die Eingabe ist zu lang.")),
        ],
    )


class WithdrawForm(PageForm):
    """The number of the request that is taken back, as the page shows it."""

    customer_number = StringField()
