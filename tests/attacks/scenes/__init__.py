"""Every form and page of the product with somebody in front of it, for sweeps over all of them."""

from collections.abc import Callable

from tests.attacks.live import Answer
<<<<<<< HEAD
from tests.attacks.scenes import account, linking, recovery, registration, sign_in
=======
from tests.attacks.scenes import account, joining, recovery, registration, sign_in
>>>>>>> 39bf2d1a2d7a37e13b069194a9d3f73ba226d700
from tests.attacks.scenes.stage import Filled, Stage, build

#: name of a view that changes something → the way to its form
FORMS: dict[str, Callable[[Stage], Filled]] = (
<<<<<<< HEAD
    sign_in.FORMS | registration.FORMS | account.FORMS | recovery.FORMS | linking.FORMS
=======
    sign_in.FORMS | registration.FORMS | account.FORMS | recovery.FORMS | joining.FORMS
>>>>>>> 39bf2d1a2d7a37e13b069194a9d3f73ba226d700
)

#: views that other sites may post to, as the specification demands; they only begin a flow
CROSS_SITE = frozenset({"authorize.by_form", "end_session.by_form"})

#: forms that answer with a file and change nothing
READING = frozenset({"own_recovery.download", "recovery.download"})

#: a page → the way to it; errors are pages too
PAGES: dict[str, Callable[[Stage], Answer]] = (
<<<<<<< HEAD
    sign_in.PAGES | registration.PAGES | account.PAGES | recovery.PAGES | linking.PAGES
=======
    sign_in.PAGES | registration.PAGES | account.PAGES | recovery.PAGES | joining.PAGES
>>>>>>> 39bf2d1a2d7a37e13b069194a9d3f73ba226d700
)

__all__ = ["CROSS_SITE", "FORMS", "PAGES", "READING", "Filled", "Stage", "build"]
