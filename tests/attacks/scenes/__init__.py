"""Every form and page of the product with somebody in front of it, for sweeps over all of them."""

from collections.abc import Callable

from tests.attacks.live import Answer
from tests.attacks.scenes import account, account_data, joining, linking, recovery, registration, sign_in
from tests.attacks.scenes.stage import Filled, Population, Stage, build, on_stage, populate

_PARTS = (sign_in, registration, account, account_data, recovery, linking, joining)

#: name of a view that changes something → the way to its form
FORMS: dict[str, Callable[[Stage], Filled]] = {
    name: way for part in _PARTS for name, way in part.FORMS.items()
}

#: views that other sites may post to, as the specification demands; they only begin a flow
CROSS_SITE = frozenset({"authorize.by_form", "end_session.by_form"})

#: forms that answer with a file and change nothing
READING = frozenset({"own_recovery.download", "recovery.download"})

#: a page → the way to it; errors are pages too
PAGES: dict[str, Callable[[Stage], Answer]] = {
    name: way for part in _PARTS for name, way in part.PAGES.items()
}

__all__ = [
    "CROSS_SITE",
    "FORMS",
    "PAGES",
    "READING",
    "Filled",
    "Population",
    "Stage",
    "build",
    "on_stage",
    "populate",
]
