"""Settings that are numbers: what stands for none, and what is no number."""

from pathlib import Path

import pytest

from idp.settings import load_settings
from tests.test_settings import write


@pytest.mark.parametrize("environ", [{}, {"LOTSE_ORGANIZATIONS__NUMBER_DIGITS": "0"}])
def test_customer_numbers_of_any_length(tmp_path: Path, environ: dict[str, str]) -> None:
    """TOML has no null: 0 lets customer numbers have letters and any length."""
    path = write(tmp_path, "" if environ else "[organizations]\nnumber_digits = 0\n")

    assert load_settings(path, environ).organizations.number_digits is None
    assert load_settings(None, {}).organizations.number_digits == 9
