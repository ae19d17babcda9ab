"""Single values of a registration: names that are safe wherever they appear (RFC 7591 §2)."""

import pytest

from idp.oidc.client_values import is_slug


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("customer-portal", True),
        ("a", True),
        ("a.b_c-1", True),
        ("a--b", False),
        ("a-", False),
        ("A", False),
        ("a\n", False),
        ("ä", False),
        ("a b", False),
        ("a:b", False),
    ],
)
def test_slugs(text: str, valid: bool) -> None:
    """A client_id is readable, and safe in a Basic header and in a file name."""
    assert is_slug(text) is valid
