"""The ways to the pages of the demo's portals."""

from tests.browser.house import Visitor, Visits
from tests.browser.scenes.book import scene


def _at_customer(visits: Visits, visitor: Visitor, path: str = "/") -> Visitor:
    granted = ("cloud_orders", "documents", "licences", "shop", "support_requests", "contracts")
    visitor.sign_in(visits.house.customer, visits.house.regular(granted=granted))
    visitor.page.goto(visits.house.customer + path)
    return visitor


@scene
def customer_welcome(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.page.goto(visits.house.customer)
    return visitor


@scene
def customer_home(visits: Visits, visitor: Visitor) -> Visitor:
    return _at_customer(visits, visitor)


@scene
def customer_home_opened(visits: Visits, visitor: Visitor) -> Visitor:
    _at_customer(visits, visitor)
    visitor.page.locator("#claims summary").click()
    visitor.page.locator(".menu summary").click()
    return visitor


@scene
def customer_home_without_permissions(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.sign_in(visits.house.customer, visits.house.regular(granted=()))
    return visitor


@scene
def customer_area(visits: Visits, visitor: Visitor) -> Visitor:
    return _at_customer(visits, visitor, "/area/shop")


@scene
def customer_area_refused(visits: Visits, visitor: Visitor) -> Visitor:
    return _at_customer(visits, visitor, "/area/payroll_tickets")


@scene
def customer_orders(visits: Visits, visitor: Visitor) -> Visitor:
    _at_customer(visits, visitor, "/orders")
    visitor.page.locator("main summary").first.click()
    return visitor


@scene
def customer_orders_refused(visits: Visits, visitor: Visitor) -> Visitor:
    return _at_customer(visits, visitor, "/orders?with=id_token")


@scene
def customer_not_found(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.page.goto(f"{visits.house.customer}/nowhere")
    return visitor


@scene
def customer_cancelled(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.come_from(visits.house.customer)
    visitor.press("button[form=cancel]")
    return visitor


@scene
def customer_signed_out(visits: Visits, visitor: Visitor) -> Visitor:
    _at_customer(visits, visitor)
    visitor.sign_out(visits.house.customer)
    return visitor


@scene
def support_welcome(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.page.goto(visits.house.support)
    return visitor


@scene
def support_home(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.sign_in(visits.house.support, visits.house.regular())
    return visitor


@scene
def support_restricted(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.sign_in(visits.house.support, visits.house.newcomer(apps=("Lotse: nora@muster.example",)))
    visitor.page.goto(f"{visits.house.support}/tickets/restricted")
    return visitor


@scene
def support_demands_more(visits: Visits, visitor: Visitor) -> Visitor:
    visitor.sign_in(visits.house.support, visits.house.regular())
    visitor.page.goto(f"{visits.house.support}/tickets/restricted")
    return visitor
