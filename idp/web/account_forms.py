"""The forms of the account centre: confirming who one is, password, profile (screens §1.4)."""

from flask_babel import lazy_gettext
from wtforms import BooleanField, PasswordField, StringField
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


class ProfileForm(PageForm):
    """K-12; what may be wrong with the entries, :mod:`idp.management.profile` says."""

    given_name = StringField(filters=[lambda value: (value or "").strip()])
    family_name = StringField(filters=[lambda value: (value or "").strip()])
    username = StringField(filters=[lambda value: (value or "").strip() or None])
    locale = StringField()


class AddressForm(PageForm):
    """K-12: the new e-mail address."""

    email = StringField(filters=[lambda value: (value or "").strip()])


class AddressLinkForm(PageForm):
    """A link of a mail about an address; the password where another browser opens it."""

    token = StringField(validators=[Length(max=64)])
    password = PasswordField()
