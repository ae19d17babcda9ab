"""Single values of a registration: names that are safe wherever they appear (RFC 7591 §2)."""

import pytest

from idp.oidc.client_values import is_key, is_slug


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
        ("s" * 64, True),
        ("s" * 65, False),
    ],
)
def test_slugs(text: str, valid: bool) -> None:
    """A client_id is readable, and safe in a Basic header and in a file name."""
    assert is_slug(text) is valid


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("orders_read", True),
        ("k" * 64, True),
        ("k" * 65, False),
        ("a-b", False),
        ("a__b", False),
        ("", False),
    ],
)
def test_keys_of_permissions(text: str, valid: bool) -> None:
    """They fit their column, and into a claim that an API compares (design §5)."""
    assert is_key(text) is valid
