"""Login driver of the load generator: each sign-in is another person's (loaded by its path)."""

import copy
from typing import Any

_turn = 0


async def authorize(target: Any, agent: Any, _scenario: Any, url: str, redirect_uri: str, fresh: bool) -> str:
    """Walk through the pages as the next person and return the redirect to the portal."""
    global _turn
    _turn += 1
    # a copy: others begin before this one has come to the form
    person = copy.copy(target)
    person.cfg = target.cfg | {"username": f"person{_turn % target.cfg['people']}"}
    location: str = await person.walk(agent, url, redirect_uri, fresh)
    return location
