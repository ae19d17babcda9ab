"""Registrations as tests write them, and what is wrong with one."""

from typing import Any

import pytest

from idp.oidc.client_metadata import validate
from idp.oidc.metadata_reader import InvalidMetadata

CALLBACK = ["https://portal.example/callback"]


def web(**fields: Any) -> dict[str, Any]:
    """Return a portal's registration."""
    return {"client_id": "portal", "redirect_uris": list(CALLBACK), **fields}


def problems(registration: dict[str, Any]) -> dict[str, str]:
    """Return what a registration is refused for, by field."""
    with pytest.raises(InvalidMetadata) as caught:
        validate(registration)
    assert caught.value.problems
    return {problem.field: str(problem) for problem in caught.value.problems}
