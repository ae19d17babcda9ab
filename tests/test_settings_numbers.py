"""Settings that are numbers: what stands for none, and what is no number."""

from pathlib import Path

import pytest

from idp.settings import load_settings
from tests.test_settings import problems, write


@pytest.mark.parametrize("environ", [{}, {"LOTSE_ORGANIZATIONS__NUMBER_DIGITS": "0"}])
def test_customer_numbers_of_any_length(tmp_path: Path, environ: dict[str, str]) -> None:
    """TOML has no null: 0 lets customer numbers have letters and any length."""
    path = write(tmp_path, "" if environ else "[organizations]\nnumber_digits = 0\n")

    assert load_settings(path, environ).organizations.number_digits is None
    assert load_settings(None, {}).organizations.number_digits == 9


@pytest.mark.parametrize(
    "line",
    [
        "[session]\naal1_days = true",
        "[organizations]\nnumber_digits = false",
        "[database]\npool_wait_seconds = true",
        "[product]\nname = true",
        "[server]\ntrusted_proxies = true",
    ],
)
def test_true_and_false_are_no_numbers(tmp_path: Path, line: str) -> None:
    """Python counts them as 1 and 0; whoever writes them means a switch that is not there."""
    path = write(tmp_path, line + "\n")

    (problem,) = problems(path)
    assert problem.where == f"{path}:2"
    assert problem.message == "must not be true or false"
    assert load_settings(None, {"LOTSE_PRODUCT__MARK_REQUIRED": "true"}).product.mark_required
    assert load_settings(write(tmp_path, "[product]\nmark_required = true\n"), {}).product.mark_required
