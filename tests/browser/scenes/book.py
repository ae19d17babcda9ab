"""The scenes: every page a person can meet in the demo, each with the way to it."""

from collections.abc import Callable

from tests.browser.house import Visitor, Visits

Scene = Callable[[Visits, Visitor], Visitor]
SCENES: dict[str, Scene] = {}


def scene(function: Scene) -> Scene:
    """Add a way to a page; it returns who stands there, mostly the visitor it was given."""
    SCENES[function.__name__.replace("_", "-")] = function
    return function
