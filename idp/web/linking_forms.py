"""The forms between an old portal and an account: affiliation, old account, customer number (R-03, R-04)."""

from flask_babel import lazy_gettext
from wtforms import PasswordField, StringField
from wtforms.validators import DataRequired, InputRequired, Length

from idp.web.forms import LONGEST_NAME, LONGEST_PASSWORD, PageForm

_TOO_LONG = lazy_gettext("Die Eingabe ist zu lang.")


class AffiliationForm(PageForm):
    """R-03: ``family`` is the slug of the one that was chosen."""

    family = StringField(
        validators=[DataRequired(lazy_gettext("Wählen Sie Ihre Zugehörigkeit aus.")), Length(max=64)]
    )


class OldAccountForm(PageForm):
    """R-04, *Sie haben schon einen Zugang?*: what the old portal asked for."""

    legacy_username = StringField(
        filters=[lambda value: (value or "").strip()],
        validators=[
            DataRequired(lazy_gettext("Geben Sie Ihren alten Benutzernamen ein.")),
            Length(max=LONGEST_NAME, message=_TOO_LONG),
        ],
    )
    legacy_password = PasswordField(
        validators=[
            InputRequired(lazy_gettext("Geben Sie Ihr altes Passwort ein.")),
            Length(max=LONGEST_PASSWORD, message=_TOO_LONG),
        ],
    )


class CustomerNumberForm(PageForm):
    """R-04, *Neu hier?*: how a number is written, :func:`idp.management.joining.understood` knows."""

    customer_number = StringField(
        filters=[lambda value: (value or "").strip()],
        validators=[
            DataRequired(lazy_gettext("Geben Sie Ihre Kundennummer ein.")),
            Length(max=64, message=_TOO_LONG),
        ],
    )


class MailedUndoForm(PageForm):
    """The link of a mail that undoes a link."""

    token = StringField(validators=[Length(max=64)])
