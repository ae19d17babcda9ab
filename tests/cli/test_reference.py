"""``docs/reference/cli.md`` is what the commands say."""

import pytest

from tools.cli_reference import TARGET, reference


@pytest.mark.slow  # older versions of click word some help differently
def test_the_page_is_current() -> None:
    """A changed command needs ``python tools/cli_reference.py``."""
    assert TARGET.read_text("utf-8") == reference()


def test_the_page_names_commands_options_and_exit_codes() -> None:
    """What scripts rely on stands there."""
    page = reference()
    for text in ("### idp client create", "`--no-require-pkce`", "## idp demo", "`--client-redirect URI`"):
        assert text in page
    assert "--with-parent" not in page
