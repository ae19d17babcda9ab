"""The forms of one's own data: deleting the account and undoing it (K-14)."""

from wtforms import BooleanField, StringField
from wtforms.validators import Length

from idp.web.forms import PageForm


class DeletionForm(PageForm):
    """The tick that says yes."""

    agreed = BooleanField()


class UndoForm(PageForm):
    """The link of a mail, where the undoing came by one."""

    token = StringField(validators=[Length(max=64)])
