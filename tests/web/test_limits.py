"""How many parameters a request may have, at pages and machine endpoints alike (req 29)."""

import pytest

from tests.cast import PASSWORD
from tests.plain_browser import Browser
from tests.world import Desk

PATHS = ["/", "/login", "/device", "/authorize", "/logout", "/jwks", "/userinfo", "/health/live"]
FORMS = ["/login", "/device", "/authorize", "/logout", "/password/forgot", "/token", "/introspect"]


def _parameters(count: int) -> dict[str, str]:
    return {f"p{number}": "x" for number in range(count)}


@pytest.mark.parametrize("path", PATHS)
def test_a_hundred_parameters_are_read_and_one_more_is_not(desk: Desk, path: str) -> None:
    """Whatever the address is for, and before anything is looked up."""
    visitor = Browser(desk.gateway)
    assert b"over 100" not in visitor.get(path, **_parameters(100)).data
    refused = visitor.get(path, **_parameters(101))
    assert (refused.status_code, b"over 100" in refused.data) == (400, True)


@pytest.mark.parametrize("path", FORMS)
def test_a_form_has_a_hundred_fields_at_most(desk: Desk, path: str) -> None:
    """Pages and machine endpoints alike."""
    assert Browser(desk.gateway).post(path, _parameters(101)).status_code == 400


def test_a_sign_in_with_too_many_fields_is_none(desk: Desk) -> None:
    """Nobody is signed in by it; with as many as there may be they are."""
    for count, signed_in in ((101, False), (100, True)):
        browser = Browser(desk.gateway)
        browser.get("/login")
        known = len((browser.form_for("/login") or {})["fields"].keys() | {"username", "password"})
        answer = browser.submit(
            expect_action="/login", username="paul", password=PASSWORD, **_parameters(count - known)
        )
        assert (answer.status_code == 200, "paul" in answer.text.casefold()) == (signed_in, signed_in)
