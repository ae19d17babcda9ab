"""R-03: which product family somebody belongs to, by country (screens §1.2; Sage 2.1)."""

from collections.abc import Sequence

from babel import Locale
from flask import Blueprint, url_for
from flask_babel import get_locale
from werkzeug.wrappers import Response

from idp.authentication.live_sessions import LiveSession
from idp.flows.models import Flow
from idp.management import affiliation
from idp.web.context import current
from idp.web.csrf import is_stale, shows_stale_form
from idp.web.flow_pages import go_to
from idp.web.flow_pages import show as show_page
from idp.web.forms import form_errors
from idp.web.linking_forms import AffiliationForm
from idp.web.linking_pages import acting, declared_product, named, on_the_way
from idp.web.wording import word

bp = Blueprint("affiliation", __name__)

Errors = Sequence[tuple[str, str]]
Group = tuple[str, list[tuple[str, str]]]


@bp.get("/affiliation")
@on_the_way
def show(live: LiveSession, flow: Flow | None) -> Response:
    """List the families; where the portal declares its own, or there are none, nothing is asked."""
    if declared_product(flow) or not affiliation.families(current()):
        return go_to("link.show", flow=flow.id if flow else None)
    return _page(flow, affiliation.chosen(current(), live.account.id))


@bp.post("/affiliation")
@shows_stale_form
@on_the_way
def submit(live: LiveSession, flow: Flow | None) -> Response:
    """Keep the choice and go on."""
    form = AffiliationForm()
    if is_stale():
        return _page(flow, form.family.data, [("family", word("form.stale"))])
    if not form.validate():
        return _page(flow, None, form_errors(form))
    chosen = str(form.family.data)
    if chosen not in {family.slug for family in affiliation.families(current())}:
        return _page(flow, None, [("family", word("affiliation.unknown"))])
    affiliation.choose(acting(live), live.account.id, chosen)
    return go_to("link.show", flow=flow.id if flow else None)


def _page(flow: Flow | None, selected: str | None, errors: Errors = ()) -> Response:
    return show_page(
        "pages/affiliation.html",
        flow,
        action=url_for("affiliation.submit", flow=flow.id if flow else None),
        groups=_groups(),
        selected=selected,
        back_url=None if flow else url_for("linked_accounts.show"),
        errors=tuple(errors),
    )


def _groups() -> list[Group]:
    """Return the families under their countries' names, both in the order of the file."""
    territories = (get_locale() or Locale("de")).territories
    groups: dict[str, Group] = {}
    for family in affiliation.families(current()):
        name = str(territories.get(family.country, family.country))
        group = groups.setdefault(family.country, (name, []))
        group[1].append((family.slug, named(family.name_de, family.name_en)))
    return list(groups.values())
