"""The forms of the account centre: confirming who one is, password, profile (screens §1.4)."""

from flask_babel import lazy_gettext
from wtforms import BooleanField, PasswordField
from wtforms.validators import InputRequired, Length

from idp.web.forms import LONGEST_PASSWORD, PageForm


class ConfirmPasswordForm(PageForm):
    """K-06 for who has no second factor."""

    password = PasswordField(
        validators=[
            InputRequired(lazy_gettext("Geben Sie Ihr Passwort ein.")),
            Length(max=LONGEST_PASSWORD, message=lazy_gettext("Die Eingabe ist zu lang.")),
        ],
    )


class ChangePasswordForm(ConfirmPasswordForm):
    """K-02: the current password, and a new one twice."""

    new_password = PasswordField()
    confirm_password = PasswordField()
    end_elsewhere = BooleanField()
