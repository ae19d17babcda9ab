"""Every form and page of the product with somebody in front of it, for sweeps over all of them."""

from collections.abc import Callable

from tests.attacks.live import Answer
from tests.attacks.scenes import account, account_data, registration, sign_in
from tests.attacks.scenes.stage import Filled, Stage, build

#: name of a view that changes something → the way to its form
FORMS: dict[str, Callable[[Stage], Filled]] = (
    sign_in.FORMS | registration.FORMS | account.FORMS | account_data.FORMS
)

#: views that other sites may post to, as the specification demands; they only begin a flow
CROSS_SITE = frozenset({"authorize.by_form", "end_session.by_form"})

#: a page → the way to it; errors are pages too
PAGES: dict[str, Callable[[Stage], Answer]] = (
    sign_in.PAGES | registration.PAGES | account.PAGES | account_data.PAGES
)

__all__ = ["CROSS_SITE", "FORMS", "PAGES", "Filled", "Stage", "build"]
