"""response_mode=form_post in a real browser, with our module and without JavaScript (req 99, 115)."""

from urllib.parse import parse_qsl

import pytest
from playwright.sync_api import Request, Route, expect

from tests.browser.house import AT_CLIENT, CALLBACK, Visitor, Visits

STATES = ("Zustand mit Leerzeichen und Übermut", "a+b&c=d%20e", "\"><b id='x'>&amp;", "s" * 4096)


def _sent(visitor: Visitor) -> list[Request]:
    """Have the client answer whatever comes; returns the requests as they arrive."""
    arrived: list[Request] = []

    def answer(route: Route) -> None:
        arrived.append(route.request)
        route.fulfill(
            body=f"<!doctype html><title>Client</title><h1>{AT_CLIENT}</h1>", content_type="text/html"
        )

    visitor.page.route(f"{CALLBACK}*", answer)
    return arrived


def _fields(request: Request) -> dict[str, str]:
    assert request.method == "POST"
    assert request.url == CALLBACK
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    return dict(parse_qsl(request.post_data or ""))


@pytest.mark.parametrize("script", [True, False], ids=["with our module", "without JavaScript"])
def test_the_portal_gets_what_it_sent(visits: Visits, script: bool) -> None:
    """By itself or by the one button; state as it was sent; the policy lets the form through (req 99)."""
    house = visits.house
    visitor = visits.new(java_script_enabled=script)
    visitor.sign_in(house.customer, house.regular())
    arrived = _sent(visitor)
    page = visitor.page
    for number, state in enumerate(STATES, start=1):
        page.goto(house.authorize(response_mode="form_post", state=state), wait_until="commit")
        if not script:
            expect(page.locator("h1")).to_contain_text("Zurück zu")
            assert len(arrived) == number - 1
            page.get_by_role("button", name="Weiter").click()
        expect(page.locator("h1")).to_have_text(AT_CLIENT)
        assert len(arrived) == number
        fields = _fields(arrived[-1])
        assert set(fields) == {"code", "state", "iss"}
        assert (fields["state"], fields["iss"]) == (state, house.issuer)


def test_a_cancelled_sign_in_comes_by_form_too(visits: Visits, visitor: Visitor) -> None:
    """From our page's POST by another page's POST: form-action lets both through."""
    arrived = _sent(visitor)
    visitor.page.goto(visits.house.authorize(response_mode="form_post"))
    visitor.page.locator("button[form=cancel]").click()
    expect(visitor.page.locator("h1")).to_have_text(AT_CLIENT)
    assert _fields(arrived[-1])["error"] == "access_denied"
