"""One demo for all tests of this folder, and browsers without history."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.house import CALLBACK, House, Visitor, Visits
from tests.demo_process import start

# milliseconds: what never comes is missed as surely, and a busy machine is no failure
expect.set_options(timeout=20_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here: it needs Chromium, which talks to itself through a pair of sockets.

    A browser's walks measure no coverage: what answers them is another process, and has tests of its own.
    """
    for item in items:
        if item.path.parent.name == "browser":
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.enable_socket)
            item.add_marker(pytest.mark.unmeasured)


@pytest.fixture(scope="session")
def house(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The demo, running; not started where Chromium is missing."""
    folder = tmp_path_factory.mktemp("demo") / "data"
    demo = start(folder, "--client-redirect", CALLBACK)
    house = House(demo)
    yield house
    house.services.database.dispose()
    demo.stop()


@pytest.fixture
def visits(house: House, browser: Browser) -> Iterator[Visits]:
    """Opens browsers; closed after the test."""
    yield Visits(house, browser)
    for context in browser.contexts:
        context.close()


@pytest.fixture
def visitor(visits: Visits) -> Visitor:
    """Somebody who sits down at a browser without history."""
    return visits.new()
