"""The forms of the hosted pages: field names, and what may be empty.

Field names: design §5; words: reference/screens.md §1.0.
"""

from collections.abc import Sequence
from typing import Any

from flask import g, request
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import BooleanField, PasswordField, StringField
from wtforms.validators import DataRequired, InputRequired, Length, StopValidation

from idp.oidc import user_codes
from idp.web.wording import word

#: longer input is refused before it reaches a hash or a query; a password may have 128 characters
LONGEST_NAME = 320
LONGEST_PASSWORD = 1024
CODE_DIGITS = 6


def strip_code(value: str | None) -> str:
    """Return a typed code without the blanks and hyphens that apps show it with ("928 729")."""
    return "".join((value or "").split()).replace("-", "").replace("\N{NON-BREAKING HYPHEN}", "")


def _six_digits(form: FlaskForm, field: StringField) -> None:
    code = field.data or ""
    if code.isascii() and code.isdigit() and len(code) == CODE_DIGITS:
        return
    if not code:
        raise StopValidation(lazy_gettext("Geben Sie den Code aus Ihrer App ein."))
    if not (code.isascii() and code.isdigit()):
        raise StopValidation(lazy_gettext("Der Code besteht nur aus Ziffern."))
    raise StopValidation(
        lazy_gettext("Der Code hat 6 Ziffern. Sie haben %(typed)s eingegeben.", typed=min(len(code), 99))
    )


class PageForm(FlaskForm):
    """A form that is read from form fields alone: an uploaded file or a JSON body fills in nothing."""

    class Meta(FlaskForm.Meta):
        """Replaces the library's reading of files and JSON, and its catalogues: every message is ours."""

        #: :mod:`idp.web.csrf` has compared the token before any form is made; a field would make another one
        csrf = False

        def get_translations(self, form: FlaskForm) -> None:
            """Return no catalogue; to look the library's up costs as much as the rest of a form."""

        def wrap_formdata(self, form: FlaskForm, formdata: Any) -> Any:
            """Return the fields of the body, unless fields were handed in, or None for nothing."""
            return formdata if formdata is None or hasattr(formdata, "getlist") else request.form

    def validate(self, extra_validators: Any = None) -> bool:
        """Tell whether the entries are right; without a token that was compared none are."""
        return bool(g.get("csrf_valid")) and super().validate(extra_validators)


class LoginForm(PageForm):
    """L-01: who, and the password."""

    username = StringField(
        filters=[lambda value: (value or "").strip()],
        validators=[
            DataRequired(lazy_gettext("Geben Sie Ihre E-Mail-Adresse oder Ihren Benutzernamen ein.")),
            Length(max=LONGEST_NAME, message=lazy_gettext("Die Eingabe ist zu lang.")),
        ],
    )
    password = PasswordField(
        validators=[
            InputRequired(lazy_gettext("Geben Sie Ihr Passwort ein.")),
            Length(max=LONGEST_PASSWORD, message=lazy_gettext("Die Eingabe ist zu lang.")),
        ],
    )


class RegistrationForm(PageForm):
    """R-01; what may be wrong with the entries, :mod:`idp.management.registration` says."""

    email = StringField(filters=[lambda value: (value or "").strip()])
    given_name = StringField(filters=[lambda value: (value or "").strip()])
    family_name = StringField(filters=[lambda value: (value or "").strip()])
    username = StringField(filters=[lambda value: (value or "").strip() or None])
    password = PasswordField()
    confirm_password = PasswordField()


class MailedCodeForm(PageForm):
    """R-02: the code of a mail."""

    code = StringField(
        filters=[strip_code],
        validators=[DataRequired(lazy_gettext("Geben Sie den Code aus der E-Mail ein.")), _six_digits],
    )


class RegistrationCodeForm(MailedCodeForm):
    """R-02, and whether a recovery password is wanted next."""

    recovery_offer = BooleanField()


class RegistrationLinkForm(PageForm):
    """The link of a mail: the password that the person chose, in another browser, and the same wish."""

    token = StringField(validators=[Length(max=64)])
    password = PasswordField()
    recovery_offer = BooleanField()


class ForgottenPasswordForm(PageForm):
    """P-01: the address that the link goes to."""

    email = StringField(filters=[lambda value: (value or "").strip()])


class NewPasswordForm(PageForm):
    """P-03: the new password, twice."""

    token = StringField(validators=[Length(max=64)])
    new_password = PasswordField()
    confirm_password = PasswordField()


class TotpForm(PageForm):
    """L-04: the code of an app; ``authenticator`` says which app where a person has several."""

    code = StringField(filters=[strip_code], validators=[_six_digits])
    authenticator = StringField(validators=[Length(max=64)])
    remember_device = BooleanField()


class ChooseForm(PageForm):
    """L-09: ``choice`` is the id of the row that was pressed."""

    choice = StringField(validators=[Length(max=64)])


def _user_code(form: FlaskForm, field: StringField) -> None:
    if not field.data:
        raise StopValidation(lazy_gettext("Geben Sie den Code ein, den das Gerät anzeigt."))
    if user_codes.read(field.data) is not None:
        return
    if user_codes.has_the_form(field.data):  # to say how many letters it has would be no help
        raise StopValidation(word("device.unknown"))
    raise StopValidation(
        lazy_gettext("Der Code hat 8 Buchstaben, zum Beispiel BCDF-GHJK. Vergleichen Sie ihn mit dem Gerät.")
    )


class DeviceForm(PageForm):
    """L-14: the code that a device shows."""

    code = StringField(filters=[lambda value: (value or "").strip()], validators=[_user_code])


def form_errors(form: FlaskForm) -> list[tuple[str, str]]:
    """Return (field id, text) of the first mistake of each field, in the order of the page."""
    found: list[tuple[str, str]] = []
    for name, field in form._fields.items():
        errors: Sequence[object] = field.errors
        if errors:
            found.append((name, str(errors[0])))
    return found
