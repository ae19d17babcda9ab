"""The forms of the recovery password (screens K-03, P-04)."""

from flask_babel import lazy_gettext
from wtforms import BooleanField, PasswordField, StringField
from wtforms.validators import DataRequired, Length

from idp.web.forms import LONGEST_NAME, LONGEST_PASSWORD, PageForm

_TOO_LONG = lazy_gettext("Die Eingabe ist zu lang.")


class SaveRecoveryForm(PageForm):
    """K-03: the string is kept somewhere, and the account's password."""

    saved = BooleanField()
    password = PasswordField(validators=[Length(max=LONGEST_PASSWORD, message=_TOO_LONG)])


class RecoveryResetForm(PageForm):
    """P-04: who, the new password twice, the recovery password."""

    username = StringField(
        filters=[lambda value: (value or "").strip()],
        validators=[
            DataRequired(lazy_gettext("Geben Sie Ihre E-Mail-Adresse oder Ihren Benutzernamen ein.")),
            Length(max=LONGEST_NAME, message=_TOO_LONG),
        ],
    )
    new_password = PasswordField()
    confirm_password = PasswordField()
    recovery_password = StringField(
        filters=[lambda value: (value or "").strip()],
        validators=[
            DataRequired(lazy_gettext("Geben Sie Ihr Wiederherstellungspasswort ein.")),
            Length(max=LONGEST_PASSWORD, message=_TOO_LONG),
        ],
    )
