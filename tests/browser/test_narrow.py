"""How pages lie where there is little room or no light, measured (screens §2.2)."""

import pytest
from playwright.sync_api import expect

from tests.browser.house import Visits

#: of the background that a tick's box and a text field have
BACKGROUNDS = (
    "() => ['checkbox', 'text'].map(type => "
    "getComputedStyle(document.querySelector(`main input[type=${type}]`)).backgroundColor)"
)


@pytest.mark.parametrize("width", [320, 800])
def test_the_list_of_the_account_leaves_room_for_the_page(visits: Visits, width: int) -> None:
    """Its entries stand in columns, each whole, and what leads out of the account begins a row."""
    visitor = visits.new(viewport={"width": width, "height": 800})
    visitor.page.goto(f"{visits.house.issuer}/account")
    visitor.fill(visits.house.regular())
    expect(visitor.h1).to_have_text("Übersicht")
    links = visitor.page.locator("nav.side a")
    boxes = [box for box in (link.bounding_box() for link in links.all()) if box is not None]
    assert len(boxes) == 11
    columns, rows = {round(box["x"]) for box in boxes}, {round(box["y"]) for box in boxes}
    assert len(columns) == (2 if width == 320 else 5)
    assert len(rows) == (6 if width == 320 else 3)
    assert min(box["height"] for box in boxes) >= 44
    assert all(link.evaluate("link => link.scrollWidth <= link.clientWidth") for link in links.all())
    out = visitor.page.get_by_role("link", name="Zu Ihren Portalen").bounding_box()
    assert out is not None
    assert round(out["x"]) == min(columns)


def test_a_device_begins_with_a_gap(visits: Visits) -> None:
    """The button of one device is not taken for the next one's."""
    visitor, nora = visits.new(), visits.house.newcomer(apps=("Lotse",))
    visitor.page.goto(f"{visits.house.issuer}/account/sessions")
    visitor.fill(nora)
    visitor.page.get_by_label("Mich auf diesem Gerät").check()
    visitor.fill_code(nora.code())
    expect(visitor.page.get_by_role("button", name="Vergessen")).to_be_visible()
    gap = visitor.page.evaluate(
        """() => {
            const form = [...document.querySelectorAll("main form")].at(-1);
            const next = form.parentElement.querySelector("h3").cloneNode(true);
            form.after(next);
            return next.getBoundingClientRect().top - form.getBoundingClientRect().bottom;
        }"""
    )
    assert gap >= 28


def test_a_tick_in_the_dark_looks_like_a_field(visits: Visits) -> None:
    """Where browsers draw it grey, people take it for one that is switched off."""
    visitor, nora = visits.new(color_scheme="dark"), visits.house.newcomer(apps=("Lotse",))
    visitor.page.goto(f"{visits.house.issuer}/login")
    visitor.fill(nora)
    tick = visitor.page.get_by_label("Mich auf diesem Gerät")
    box, field = visitor.page.evaluate(BACKGROUNDS)
    assert box == field
    tick.check()
    assert visitor.page.evaluate(BACKGROUNDS)[0] != field
    expect(tick).to_be_checked()
